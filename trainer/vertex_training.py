"""A training as a job of Vertex AI: submitted once, whoever asks again attaches to it, or finds it done.

Kept in run.json, before and after it is submitted: the job's token, its name, and what it learns from and how.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from preprocess import files, settings, source_package
from preprocess.claims import Claim
from preprocess.cloud_jobs import left_to_run
from preprocess.failures import InputError, RunFailed, UsageError
from preprocess.progress import say
from preprocess.settings import Json, Settings
from trainer import checkpoints, export_mark, inputs, past, vertex
from trainer.config import TrainConfig
from trainer.inputs import Inputs
from trainer.result import TrainResult
from trainer.task_flags import task_flags
from trainer.vertex import Seen, VertexJobs
from trainer.vertex_flags import VertexConfig
from trainer.vertex_job import TOKEN, VertexJob

_log = logging.getLogger(__name__)
PACKAGES = 'packages'
_LOG_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Journal:
    """What run.json says of the training job, and how to write it."""

    noted: Callable[[], Settings]
    note: Callable[[Settings], None]


def train_on_vertex(config: TrainConfig, cloud: VertexConfig, journal: Journal) -> TrainResult:
    """The complete training; LeftToRun when the job is not to be waited for.

    A complete one of the same settings is skipped, a job under way is attached to, whoever submitted it.
    """
    return _Training(config, cloud, journal).run()


def check_places(config: TrainConfig) -> None:
    """Refuse paths of this machine, which a job could not read."""
    given = {
        '--output_path': (config.output_path,),
        '--train_data_paths': config.train_data_paths,
        '--eval_data_paths': config.eval_data_paths,
        '--input_dict': (config.input_dict,) if config.input_dict else (),
        '--encoder_weights': (config.encoder_weights,) if config.encoder_weights not in (None, 'random') else (),
        '--encoder': (config.encoder,) if config.encoder and files.exists(config.encoder) else (),
    }
    for flag, paths in given.items():
        for path in (part for words in paths for part in str(words).split(',')):
            if not path.startswith('gs://'):
                raise UsageError(
                    f'a job on Vertex AI can not reach {path}',
                    where=flag,
                    do='copy it to a bucket (gcloud storage cp -r …) and give its gs:// path',
                )


class _Training:
    """One training, from what is asked for to its result."""

    def __init__(self, config: TrainConfig, cloud: VertexConfig, journal: Journal) -> None:
        check_places(config)
        self._config, self._cloud, self._journal = config, cloud, journal
        self._place = vertex.Place(cloud.place.project, cloud.place.region)
        self._jobs = VertexJobs(self._place)
        self._found = inputs.find(config)
        self._described = past.describe(config, self._found, nodes=cloud.machines.nodes)
        self._digest = settings.digest({**self._described, **self._lengths()})

    def run(self) -> TrainResult:
        with Claim(files.join(self._config.checkpoint_dir, '.submitting'), doing='submitting a training job'):
            job = self._under_way()
            if job is None:
                if done := self._complete():
                    say(f'training is complete ({done.steps:,} steps): skipped; its result is in {done.checkpoint_dir}')
                    return done
                job = self._submit()
        if not self._cloud.wait and not job.is_over:
            raise left_to_run(f'training job {job.number}', console=vertex.page(self._place, job))
        return self._followed(job)

    def _lengths(self) -> dict[str, Json]:
        """What of the settings does not make another training, but another job."""
        config = self._config
        lengths: dict[str, Json] = {'max_steps': config.learning.max_steps, 'epochs': config.learning.epochs}
        return {**lengths, 'export_last': config.export_last, 'write_predictions': config.write_predictions}

    def _under_way(self) -> Seen | None:
        """The job that was submitted for this directory and whose end nobody has seen yet."""
        noted = self._journal.noted()
        found = vertex.find_noted(noted)
        if found is None:
            return None
        # Where it was submitted, whatever the flags say now.
        self._place, job = found
        self._jobs = VertexJobs(self._place)
        if noted.get('digest') != self._digest and not job.is_over:
            raise InputError(
                'a training job with other settings, or other records, is still at work on this result',
                where=vertex.page(self._place, job),
                do=f'wait until it is over, or end it: {vertex.cancel_command(self._place, job)}',
            )
        if noted.get('digest') != self._digest:
            self._note(job)
            return None
        say(f'attached to training job {job.number}')
        self._note(job)
        return job

    def _complete(self) -> TrainResult | None:
        """The training there, when it is this one; else the directory is ready for a job."""
        verdict = past.judge(self._config, self._described, nodes=self._cloud.machines.nodes)
        if verdict.complete and self._is_exported(verdict.complete, self._found) and self._has_predictions():
            return verdict.complete
        if verdict.changes:
            say(f'training anew, other settings: {"; ".join(verdict.changes)}')
        if verdict.anew:
            past.forget(self._config)
        return None

    def _is_exported(self, result: TrainResult, found: Inputs) -> bool:
        if not export_mark.is_there(self._config):
            return False
        mark = export_mark.read(self._config)
        if found.encoder_dir is None and self._config.encoder:
            # Its key is known where it was compiled.
            return mark is not None
        key = found.manifests[0].encoder.key if found.encoder_dir else None
        return mark == export_mark.made_of(result, key)

    def _has_predictions(self) -> bool:
        """Whether the table is there, where one is asked for."""
        path = files.join(self._config.output_path, 'eval', 'predictions.csv')
        return not self._config.write_predictions or files.exists(path)

    def _submit(self) -> Seen:
        self._jobs, self._place = self._fresh_place()
        package = source_package.build().stage(files.join(self._config.output_path, PACKAGES))
        token = uuid.uuid4().hex
        cloud = self._cloud
        job = VertexJob(
            name=cloud.name,
            package_uri=package,
            args=task_flags(
                replace(self._config, keep_previous=self._config.keep_previous or self._config.redo_if_changed)
            ),
            output_dir=self._config.output_path,
            machines=cloud.machines,
            image=cloud.image,
            labels={**cloud.labels, TOKEN: token},
            service_account=cloud.service_account,
        )
        said: dict[str, Json] = {
            'token': token,
            'digest': self._digest,
            'project': self._place.project,
            'region': self._place.region,
            'name': cloud.name,
            'package': package,
        }
        self._journal.note(said)
        seen = self._jobs.submit(job.body(), token)
        self._journal.note({**said, 'job': seen.name, 'state': seen.state, 'page': vertex.page(self._place, seen)})
        say(f'training job {seen.number} is submitted to Vertex AI ({cloud.name}, {cloud.machines.kind})')
        for line in vertex.links(self._place, seen):
            say(line)
        return seen

    def _fresh_place(self) -> tuple[VertexJobs, vertex.Place]:
        """Where a new job goes: an earlier one may have been somewhere else."""
        place = vertex.Place(self._cloud.place.project, self._cloud.place.region)
        return VertexJobs(place), place

    def _note(self, job: Seen) -> None:
        noted = self._journal.noted()
        self._journal.note({**noted, 'job': job.name, 'state': job.state, 'page': vertex.page(self._place, job)})

    def _followed(self, job: Seen) -> TrainResult:
        """The result of a job that is seen to its end."""
        over = vertex.wait(self._jobs, self._place, job, steps=self._steps)
        self._note(over)
        if over.state != vertex.SUCCEEDED:
            raise vertex.failed(self._place, over, self._said_last())
        config = replace(self._config, overwrite=False)
        result = past.judge(config, self._described, nodes=self._cloud.machines.nodes).complete
        if result is None or not self._is_exported(result, self._found):
            raise RunFailed(
                'the training job says that it succeeded, but its result is not there',
                where=self._config.output_path,
                do='look at its log; the same command submits it again',
            )
        return replace(result, skipped=False)

    def _steps(self) -> tuple[int, int | None]:
        """How far the job has come, by what it has saved."""
        directory = self._config.checkpoint_dir
        try:
            return checkpoints.last_step(directory), past.planned_steps(directory)
        except (OSError, RunFailed):
            # The network is away: the job is none the worse for it, and asking for its state says so.
            return 0, None

    def _said_last(self) -> str | None:
        """The three lines the trainer itself ended with, on one."""
        path = files.join(self._config.checkpoint_dir, 'log.txt')
        try:
            text = files.read_text(path)[-_LOG_TAIL_BYTES:]
        except (OSError, ValueError):
            return None
        return last_failure(text)


def last_failure(log: str) -> str | None:
    """What the last `error:` of a log says, with where and what to do; None where nothing failed."""
    _, found, rest = log.rpartition('error: ')
    if not found:
        return None
    lines = rest.splitlines()[:3]
    parts: Mapping[str, str] = {line.partition(': ')[0]: line.partition(': ')[2] for line in lines[1:]}
    return '; '.join(filter(None, [lines[0], parts.get('where'), parts.get('do')]))
