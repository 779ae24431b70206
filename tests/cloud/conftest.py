"""A cloud on loopback for these tests: Vertex AI and Google Cloud Storage, and a training's records in a bucket."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from preprocess import files, interrupts, log_files, source_package
from preprocess.source_package import SourcePackage
from tests.fakes.gcs import FakeGcs
from tests.fakes.vertex import FakeVertex
from tests.trainer import raw_records
from trainer import vertex

PROJECT, REGION = 'a-project', 'europe-west1'


@pytest.fixture(scope='session')
def package() -> SourcePackage:
    """This package, packed once for all tests."""
    return source_package.build()


@pytest.fixture
def service(package: SourcePackage, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVertex]:
    """Vertex AI, as this process knows it; one looks at jobs without waiting in between."""
    with FakeVertex() as fake:
        monkeypatch.setenv(vertex.ENDPOINT, f'{fake.endpoint}/')
        monkeypatch.setattr(vertex, 'LOOK_EVERY_S', 0.0)
        monkeypatch.setattr(source_package, 'build', lambda: package)
        yield fake
        interrupts.clear()
        # They end with a command.
        log_files.close()


@dataclass(frozen=True)
class Bucket:
    """A folder of a bucket with records of three classes that are easy to tell apart."""

    home: str

    @property
    def out(self) -> str:
        return f'{self.home}/out'

    def path(self, *parts: str) -> str:
        return files.join(self.out, *parts)

    @property
    def flags(self) -> list[str]:
        """The training's flags, without the cloud's."""
        return [
            *('--train_data_paths', f'{self.home}/train-*', '--eval_data_paths', f'{self.home}/eval-*'),
            *('--label_count', '3', '--output_path', self.out, '--max_steps', '60', '--hidden_units', '16'),
        ]

    @property
    def cloud_flags(self) -> list[str]:
        """The same, to be run in the cloud."""
        return [*self.flags, '--cloud', '--project', PROJECT, '--region', REGION]


@pytest.fixture
def bucket(gcs: FakeGcs, tmp_path: Path) -> Bucket:
    """A folder of its own for each test."""
    made = Bucket(f'gs://bucket/{uuid.uuid4().hex}')
    raw_records.write(tmp_path, 'train', *raw_records.clusters(60, seed=1))
    raw_records.write(tmp_path, 'eval', *raw_records.clusters(20, seed=2), shards=1)
    for path in tmp_path.glob('*.tfrecord.gz'):
        files.copy(str(path), f'{made.home}/{path.name}')
    return made
