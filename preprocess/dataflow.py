"""The embedding job on Dataflow: noted, submitted once, waited for or left; one that is under way is found again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from preprocess import (
    cloud_jobs,
    dataflow_submission,
    dataflow_watch,
    files,
    interrupts,
    job_notes,
    settings,
    worker_package,
)
from preprocess.cloud_jobs import Tell
from preprocess.dataflow_config import DEFAULT_MAX_WORKERS, DataflowConfig
from preprocess.dataflow_jobs import CANCELLED, DONE, RUN, DataflowJobs, Job
from preprocess.dataflow_submission import NameTaken
from preprocess.failures import InputError, Interrupted
from preprocess.job_notes import JobNote
from preprocess.jobs import Build
from preprocess.preflight import Inputs
from preprocess.progress import Progress, say
from preprocess.set_names import SetName
from preprocess.sets import EmbeddingJob, work_folder
from preprocess.worker_package import Needs

_LATER = 'wait until it is over: then the same command makes them anew, of vectors that are there; '


@dataclass(frozen=True)
class Dataflow:
    """Where the embedding job runs, and who is told of it; `before_work` may refuse to replace what is there."""

    config: DataflowConfig
    tell: Tell = cloud_jobs.say_nothing
    before_work: Callable[[], None] = lambda: None

    @property
    def beam_args(self) -> list[str]:
        """What Beam is told of it."""
        return self.config.beam_args()

    def run(self, job: EmbeddingJob, build: Build, *, under_way: JobNote | None, attempt: int) -> None:
        """See a job to its end: the one that is under way, or a new one; LeftToRun where nobody is to wait for it."""
        note = under_way or self._submit(job, build, attempt)
        jobs, job_id = _jobs(note), str(note.id)
        console = jobs.console(job_id)
        self._tell(note, 'submitted')
        say(f'{"attached to" if under_way else "submitted"} the Dataflow job {note.name} ({job_id}): {console}')
        if not self.config.wait and not jobs.get(job_id).is_over:
            raise cloud_jobs.left_to_run('the Dataflow job', console=console)
        ended, said = dataflow_watch.until_over(jobs, job_id, job.tallies)
        self._tell(note, ended.state)
        if ended.state != DONE:
            job_notes.forget(one.name for one in job.sets)
            raise dataflow_watch.failure(ended, said, console=console)

    def _submit(self, job: EmbeddingJob, build: Build, attempt: int) -> JobNote:
        if interrupts.requested():
            raise Interrupted('interrupted', where='before the Dataflow job', do='run the same command again')
        config = self.config if not attempt else _renamed(self.config, attempt)
        config = replace(config, labels=(*config.labels, f'{RUN}={job.sets[0].run_id}'))
        names = [one.name for one in job.sets]
        note = JobNote(
            name=config.job_name,
            project=config.place.project,
            region=config.place.region,
            id=None,
            runs={one.name.stem: one.run_id for one in job.sets},
            digests={one.name.stem: settings.digest(one.settings) for one in job.sets},
            endpoint=config.beam_option('dataflow_endpoint'),
        )
        job_notes.write(note, names)
        self._tell(note, 'submitting')
        if config.max_num_workers > DEFAULT_MAX_WORKERS and not config.container:
            say(
                f'{config.max_num_workers} workers will each install what they need first, some minutes each: '
                'a container that has it saves that (--sdk_container_image; docs/cloud.md)'
            )
        try:
            with Progress(f'submitting {config.job_name} to Dataflow'):
                job_id = self._submitted(note, build, config, worker_package.needs_of(job))
        except InputError:
            # It was refused, so there is no such job; of an answer that got lost nobody knows.
            job_notes.forget(names)
            raise
        submitted = replace(note, id=job_id)
        job_notes.write(submitted, names)
        return submitted

    def _submitted(self, note: JobNote, build: Build, config: DataflowConfig, needs: Needs) -> str:
        try:
            return dataflow_submission.submit(build, config, needs=needs)
        except NameTaken:
            # Beam sends a job again whose answer got lost: then it is this very job that has the name.
            if ours := _named(note):
                return ours.id
            raise

    def _tell(self, note: JobNote, state: str) -> None:
        console = _jobs(note).console(note.id) if note.id else None
        self.tell(
            {
                'id': note.id,
                'name': note.name,
                'project': note.project,
                'region': note.region,
                'state': state,
                'console': console,
            }
        )


def is_noted(name: SetName) -> bool:
    """Whether some job there has a hand on a set. They write to buckets only."""
    return files.is_remote(name.directory) and job_notes.read(name) is not None


def check_rows(inputs: Sequence[Inputs]) -> None:
    """Refuse pictures on this machine: no worker can read them."""
    for row in (one.local for one in inputs if one.local):
        raise InputError(
            f'{row.uri} is on this machine, where no worker can read it',
            where=f'{row.source}:{row.line}',
            do='copy the pictures to a bucket (gcloud storage cp -r …) and name them there; relative paths start from '
            "the CSV's folder, or from --image_root",
        )


def under_way(inputs: Sequence[Inputs], *, where: Dataflow | None) -> list[JobNote]:
    """Jobs that make some of these sets as they are asked for now, running or just over.

    One that makes them as they were asked for before is refused while it runs, and forgotten after.
    """
    found: list[JobNote] = []
    is_cloud = where is not None
    for note, sets in _noted(inputs):
        job = _find(note)
        is_same = all(note.digests[one.config.name.stem] == settings.digest(one.settings) for one in sets)
        if job and not job.is_over and not (is_same and is_cloud):
            raise _refused(note, job, is_same=is_same)
        if job and is_same and is_cloud and job.state != CANCELLED:
            found.append(replace(note, id=job.id))
            if not note.id:
                job_notes.write(found[-1], [one.config.name for one in sets])
            continue
        if job and job.state == CANCELLED:
            say(f'the Dataflow job {note.name} was cancelled')
        job_notes.forget(one.config.name for one in sets)
        for one in sets:
            files.delete_tree(work_folder(one.config.name))
    return found


def check_alone(names: Sequence[SetName]) -> None:
    """Refuse to begin anything, here, while a job there makes some of these sets."""
    for name in names:
        note = job_notes.read(name) if files.is_remote(name.directory) else None
        job = _find(note) if note and name.stem in note.runs else None
        if note and job and not job.is_over:
            raise _refused(note, job, is_same=True)


def _noted(inputs: Sequence[Inputs]) -> list[tuple[JobNote, list[Inputs]]]:
    """The jobs that were noted with these sets, each with the sets that it makes."""
    by_job: dict[tuple[str, str | None], tuple[JobNote, list[Inputs]]] = {}
    for one in inputs:
        name = one.config.name
        note = job_notes.read(name) if files.is_remote(name.directory) else None
        if note and name.stem in note.runs:
            by_job.setdefault((note.name, note.id), (note, []))[1].append(one)
    return list(by_job.values())


def _find(note: JobNote) -> Job | None:
    """The job that a note means; one that nobody could note the id of goes by its name."""
    return _jobs(note).find(note.id) if note.id else _named(note)


def _named(note: JobNote) -> Job | None:
    return _jobs(note).named(note.name, run=next(iter(note.runs.values())))


def _jobs(note: JobNote) -> DataflowJobs:
    return DataflowJobs(note.place, endpoint=note.endpoint)


def _refused(note: JobNote, job: Job, *, is_same: bool) -> InputError:
    jobs = _jobs(note)
    how = 'as they were asked for before' if not is_same else 'just now'
    attach = 'with --cloud this command attaches to it; ' if is_same else _LATER
    return InputError(
        f'the Dataflow job {note.name} is making these records, {how}',
        where=jobs.console(job.id),
        do=f'{attach}or end it: {jobs.cancel_line(job.id)}',
    )


def _renamed(config: DataflowConfig, attempt: int) -> DataflowConfig:
    """Another name for another look at the store: notes tell jobs apart by it."""
    ending = f'-{attempt + 1}'
    return replace(config, job_name=config.job_name[: 63 - len(ending)].rstrip('-') + ending)
