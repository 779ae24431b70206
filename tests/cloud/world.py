"""Google Cloud as a run there meets it: a bucket, credentials, Dataflow, Vertex AI, Compute Engine, all fakes."""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes import credentials
from tests.fakes.compute import FakeCompute
from tests.fakes.dataflow import FakeDataflow
from tests.fakes.fixtures import BUCKET
from tests.fakes.gcs import FakeGcs
from tests.fakes.vertex import FakeVertex

PROJECT, REGION = 'a-project', 'europe-west1'


@dataclass
class World:
    """The services, and a place on the bucket with nothing below it."""

    gcs: FakeGcs
    dataflow: FakeDataflow
    vertex: FakeVertex
    compute: FakeCompute
    home: str = field(default_factory=lambda: f'gs://{BUCKET}/{uuid.uuid4().hex[:8]}')

    @property
    def flags(self) -> list[str]:
        """What leads a command there."""
        return ['--cloud', f'--region={REGION}']


@contextlib.contextmanager
def around(
    gcs: FakeGcs, folder: Path, patched: pytest.MonkeyPatch, *, dataflow: FakeDataflow | None = None
) -> Iterator[World]:
    """This world, meanwhile this process'."""
    with FakeVertex() as vertex, FakeCompute(REGION) as compute, dataflow or FakeDataflow() as dataflow:
        key = credentials.write(folder, token_url=f'{gcs.url}/token', project=PROJECT)
        patched.setenv('GOOGLE_APPLICATION_CREDENTIALS', str(key))
        patched.setenv('GOOGLE_CLOUD_PROJECT', PROJECT)
        patched.setenv('CLOUDSDK_CONFIG', str(folder))
        patched.setenv('CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM', vertex.endpoint)
        patched.setenv('CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE', compute.endpoint)
        patched.setenv('CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAFLOW', dataflow.endpoint)
        yield World(gcs, dataflow, vertex, compute)
