"""A hidden file beside the records as long as a job in the cloud makes them: which job it is, and what it was asked.

It is written before the job is submitted and completed with its id after: whoever comes next finds the job by its name.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from preprocess import files
from preprocess.cloud_place import CloudPlace
from preprocess.set_names import SetName


@dataclass(frozen=True, kw_only=True)
class JobNote:
    """A job that makes sets of records; sets are told by their stems, `train` or `train.0-of-4`."""

    name: str
    project: str
    region: str
    id: str | None  # None: nobody knows whether it was submitted
    runs: Mapping[str, str]  # by set: the name of this making of it, and so of its work folder
    digests: Mapping[str, str]  # by set: of everything it depends on
    endpoint: str | None = None

    @property
    def place(self) -> CloudPlace:
        """Where it runs."""
        return CloudPlace(self.project, self.region)


def write(note: JobNote, names: Iterable[SetName]) -> None:
    """Note a job with every set it makes."""
    text = json.dumps(asdict(note), indent=1).encode()
    for name in names:
        files.write_atomic(_file(name), text)


def read(name: SetName) -> JobNote | None:
    """The job that was noted to make a set."""
    try:
        return JobNote(**json.loads(files.read_bytes(_file(name))))
    except FileNotFoundError:
        return None


def forget(names: Iterable[SetName]) -> None:
    """No job makes these sets any more."""
    for name in names:
        files.delete(_file(name))


def _file(name: SetName) -> str:
    return files.join(name.directory, f'.{name.stem}.job.json')
