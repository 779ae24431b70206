"""predict.batch on Dataflow: submitted, left, attached to by the same command; its package has what workers import."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from predict import batch_child, batch_model
from preprocess import files, interrupts, log_files
from preprocess.settings import Json
from tests.cloud.world import World, around
from tests.fakes.dataflow import FakeDataflow
from tests.fakes.fixtures import storage
from tests.fakes.gcs import FakeGcs
from tests.models import picture_bytes
from tests.predict.batches import run

pytestmark = pytest.mark.slow


@pytest.fixture
def world(
    gcs_server: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[World]:
    """A Google Cloud with three pictures, whose Dataflow runs what it is given, in this process."""

    def ask(module: str, request: dict[str, Json], *, doing: str, where: str) -> list[str]:
        return list(batch_child.main(json.dumps(request)))

    monkeypatch.setattr(batch_model.children, 'ask', ask)
    dataflow = FakeDataflow(runs=gcs_server.objects)
    with storage('gs', request), around(gcs_server, tmp_path, monkeypatch, dataflow=dataflow) as there:
        for colour in ('red', 'green', 'blue'):
            files.write_atomic(f'{there.home}/shots/{colour}.jpg', picture_bytes(colour))
        yield there
    log_files.close()
    interrupts.clear()


def test_a_job_is_left_and_found_again(tiny_model: str, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f'--input_path={world.home}/shots', *world.flags]
    output = f'{world.home}/out/p'
    assert run(tiny_model, output, *words, '--no_wait') == 0
    world.dataflow.wait()
    assert run(tiny_model, output, *words) == 0
    (job,) = world.dataflow.jobs
    assert 'attached to' in capsys.readouterr().err
    said = [json.loads(line) for line in files.read_text(f'{output}-00000-of-00001.jsonl').splitlines()]
    assert [(line['key'].rpartition('/')[2], line['label']) for line in said] == [
        ('blue.jpg', 'blue'),
        ('green.jpg', 'green'),
        ('red.jpg', 'red'),
    ]
    hidden = [one.uri for one in files.list_dir(f'{world.home}/out') if files.name(one.uri).startswith('.')]
    assert hidden == []
    names = package_of(job.body)
    assert {'preprocess/transforms.py', 'predict/batch_product.py', 'predict/head_graph.py'} <= names
    assert not any(name.startswith('trainer/') for name in names)


def package_of(body: dict[str, Any]) -> set[str]:
    """The files in the package that workers install."""
    staged = body['environment']['sdkPipelineOptions']['options']['staging_location']
    with tarfile.open(fileobj=io.BytesIO(files.read_bytes(f'{staged}/workflow.tar.gz'))) as opened:
        return {name.partition('/')[2] for name in opened.getnames()}


def test_pictures_on_this_machine_are_refused(
    tiny_model: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'red.jpg').write_bytes(picture_bytes('red'))
    assert run(tiny_model, f'{world.home}/out/p', f'--input_path={tmp_path}/red.jpg', *world.flags) == 2
    assert 'is not on Google Cloud Storage' in capsys.readouterr().err
