"""pipeline.py --cloud: the same stages with their heavy work elsewhere; checks first, the model deployed at the end.

Embedding runs on Dataflow, training as a job of Vertex AI; splits, evaluation and report are made here, on the bucket.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline_stages import PipelineConfig, Run
from preprocess import cloud_checks, dataflow_config, files, google_api, options, run_json, settings
from preprocess.cloud_checks import Check
from preprocess.dataflow_config import DataflowConfig
from preprocess.failures import InputError, UsageError
from preprocess.google_api import Api
from preprocess.progress import say
from preprocess.set_names import SetName
from preprocess.settings import Settings
from preprocess.splits import SIDES
from trainer import vertex, vertex_flags
from trainer.config import TrainConfig
from trainer.vertex_flags import VertexConfig

if TYPE_CHECKING:
    from preprocess.embedding import Machinery
    from trainer.result import TrainResult

_DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'scripts', 'deploy.sh')


class DeployFailed(Exception):
    """The deployment has told its three lines itself; `code` is what it ended with."""

    def __init__(self, code: int) -> None:
        super().__init__(f'exit code {code}')
        self.code = code


@dataclass(frozen=True)
class Cloud:
    """What of a run happens elsewhere; None: here."""

    dataflow: DataflowConfig
    vertex: VertexConfig | None = None
    deploy_as: str | None = None


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of a run in the cloud."""
    dataflow_config.add_worker_flags(parser)
    dataflow_config.add_flags(parser)
    deploy = parser.add_argument_group('serving (with --cloud)')
    deploy.add_argument(
        '--deploy_model_name', metavar='NAME', help='put the model behind an endpoint of Vertex AI (scripts/deploy.sh)'
    )


def from_flags(config: PipelineConfig, flags: argparse.Namespace, beam_args: Sequence[str]) -> Cloud | None:
    """What flags send elsewhere; None when all of it is done here."""
    if not dataflow_config.is_asked_for(flags, beam_args):
        _refuse_without_cloud(flags)
        return None
    _check_paths(config, flags)
    dataflow = dataflow_config.from_flags(flags, beam_args, output_dir=config.output_dir)
    if not flags.cloud:
        _refuse_without_cloud(flags)
        return Cloud(dataflow)
    if flags.deploy_model_name and not os.path.isfile(_DEPLOY):
        raise InputError(
            'the script that deploys is not there', where=_DEPLOY, do='run pipeline.py from a checkout of the project'
        )
    trains = None if config.pretrained_model else vertex_flags.from_flags(flags, config.output_dir)
    return Cloud(dataflow, trains, flags.deploy_model_name)


def check(cloud: Cloud, config: PipelineConfig, flags: argparse.Namespace) -> None:
    """Everything that can be known to be wrong before anything is submitted; in seconds."""
    checks: list[Check] = []
    if config.input_path or config.inputs:
        embedding = options.embedding_from_flags(flags)
        asked = cloud_checks.Embedding(
            encoder=embedding.spec_for(is_here=False),
            store=embedding.embedding_store or config.path(options.STORE),
            inputs={} if flags.demo else _inputs(config),  # the demo's pictures are drawn later
            image_root=flags.image_root,
        )
        checks += cloud_checks.of_dataflow(cloud.dataflow, asked, output_dir=config.output_dir)
    else:
        checks += cloud_checks.of_buckets([config.output_dir], cloud.dataflow.place)
    if cloud.vertex:
        checks.append(Check('Vertex AI', partial(_check_vertex, cloud.vertex)))
    cloud_checks.run(checks)


def machinery(cloud: Cloud, run: Run) -> 'Machinery':
    """What embeds on Dataflow; its job stands in run.json."""
    from preprocess.dataflow import Dataflow
    from preprocess.embedding import Machinery

    noted = partial(run.note, 'dataflow')
    return Machinery(dataflow=Dataflow(cloud.dataflow, noted, before_work=partial(_check_no_training, run)))


def train(cloud: VertexConfig, run: Run, config: TrainConfig) -> 'TrainResult':
    """Train as a job of Vertex AI; it stands in run.json."""
    from trainer import vertex_training

    # Read anew: the same command may have gone on elsewhere, while this machine was asleep.
    journal = vertex_training.Journal(lambda: _noted_training(run), lambda facts: run.note('vertex', facts))
    return vertex_training.train_on_vertex(config, cloud, journal)


def check_alone(run: Run, cloud: Cloud | None) -> None:
    """Refuse what a job of an earlier run is still at work on, unless this command is one that attaches to it."""
    from preprocess import dataflow

    if not run.config.output_dir.startswith('gs://'):
        return  # jobs write there only
    if cloud is None:
        dataflow.check_alone([SetName(run.config.path('preprocessed'), side) for side in SIDES])
    if cloud is None or cloud.vertex is None:
        which = 'with --cloud the same command' if cloud is None else 'the command that began it'
        vertex.check_alone(_noted_training(run), do=f'{which} attaches to it')


def _check_no_training(run: Run) -> None:
    """Refuse to replace records that a job of Vertex AI is learning from."""
    vertex.check_alone(_noted_training(run), do='wait until it is over: the records it reads would be others')


def _noted_training(run: Run) -> Settings:
    return run_json.stage(run.config.path(run_json.FILE), 'vertex')


def deploy(cloud: Cloud, run: Run, model_dir: str) -> list[str]:
    """Put the model behind an endpoint, unless this very one is there; the line for the summary."""
    if not cloud.deploy_as:
        return []
    place = cloud.dataflow.place
    model = files.sha256(files.join(model_dir, 'saved_model.pb'))
    basis = settings.digest({'model': model, 'name': cloud.deploy_as, 'project': place.project, 'region': place.region})
    noted = run.noted('deploy')
    if noted.get('basis') == basis and not run.config.overwrite:
        say(f'deployment: {cloud.deploy_as} is this model already: skipped')
    else:
        command = [_DEPLOY, '--name', cloud.deploy_as, '--model_dir', model_dir]
        command += ['--region', place.region, '--project', place.project]
        say(f'deploying the model as {cloud.deploy_as}')
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, 'PYTHON': sys.executable}, check=False
        )
        if done.returncode:
            raise DeployFailed(done.returncode)
        noted = {'basis': basis, 'line': done.stdout.strip()}
        run.note('deploy', noted)
    return [f'deployed  {cloud.deploy_as}: {noted.get("line")}']


def _refuse_without_cloud(flags: argparse.Namespace) -> None:
    only_there = ['deploy_model_name', *(name for name in vars(flags) if name.startswith('train_') and name != _CSV)]
    for name in only_there:
        if getattr(flags, name):
            raise UsageError(f'--{name} says something of a job in the cloud', where=f'--{name}', do='add --cloud')


# The one flag that begins like those of the training job and isn't one.
_CSV = 'train_input_path'


def _check_paths(config: PipelineConfig, flags: argparse.Namespace) -> None:
    """Everything workers read is where they can read it."""
    given = {
        '--output_dir': config.output_dir,
        **_inputs(config),
        '--image_root': flags.image_root or '',
        '--embedding_store': flags.embedding_store or '',
        **{f'--preprocessed_{side}_set': path for side, path in config.records.items()},
    }
    for flag, paths in given.items():
        for path in cloud_checks.parts(paths):
            dataflow_config.check_on_bucket(flag, path)


def _inputs(config: PipelineConfig) -> dict[str, str]:
    """Where rows and labels come from, by flag."""
    named = {
        '--input_path': config.input_path,
        '--input_dict': config.input_dict,
        **{f'--{side}_input_path': path for side, path in config.inputs.items()},
    }
    return {flag: path for flag, path in named.items() if path}


def _check_vertex(config: VertexConfig) -> None:
    place = config.place
    root = os.environ.get(vertex.ENDPOINT) or f'https://{place.region}-aiplatform.googleapis.com'
    api = Api(google_api.VERTEX, f'{root.rstrip("/")}/v1', project=place.project)
    api.get(f'projects/{place.project}/locations/{place.region}/customJobs', pageSize='1')
