"""What finding motion came to: motion.json, which says where the signals and labels of each recording lie."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

from preprocess import arrays, files
from preprocess.bursts import BurstRule, Signal
from preprocess.failures import InputError
from preprocess.settings import Json

FILE, SIGNAL, LABELS, TIMES = 'motion.json', 'Y_tilde.npy', 'Y_label.npy', 'times.npy'
_VERSION = 1


class Segment(NamedTuple):
    """Frames of a recording that are on one side of a split; labels count in `[valid_first, valid_end)` alone."""

    side: str
    first: int
    end: int
    valid_first: int
    valid_end: int


class Part(NamedTuple):
    """A file (or folder of pictures) of a recording, and how many frames it has."""

    uri: str
    frames: int


@dataclass(frozen=True)
class Moved:
    """One recording: its source, its frames, and where its arrays lie below the folder of motion.json."""

    name: str
    uri: str
    kind: str
    parts: tuple[Part, ...]
    frames: int
    frames_per_second: float
    folder: str
    signal_digest: str
    undecodable: int
    positives: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class MotionResult:
    """Everything that was found, below `directory`; `rule` is None where labels were brought."""

    directory: str
    rule: BurstRule | None
    label_names: tuple[str, ...]
    recordings: tuple[Moved, ...]
    settings: Mapping[str, Json]
    digest: str

    def signal(self, recording: Moved) -> Signal:
        """The motion signal of a recording."""
        return arrays.read_signal(files.join(self.directory, recording.folder, SIGNAL))

    def labels(self, recording: Moved) -> Signal:
        """The labels of a recording, NaN where there is none."""
        return arrays.read_labels(files.join(self.directory, recording.folder, LABELS), classes=len(self.label_names))

    def times(self, recording: Moved) -> Signal:
        """When each frame of a recording is shown, in seconds."""
        return arrays.read_signal(files.join(self.directory, recording.folder, TIMES))

    def write(self) -> None:
        """Publish: from here on the result is complete."""
        content = {'version': _VERSION, **asdict(self)}
        del content['directory']
        for recording in content['recordings']:
            for name in ('segments', 'parts'):
                recording[name] = [one._asdict() for one in recording[name]]
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + '\n'
        files.write_atomic(files.join(self.directory, FILE), text.encode(errors='backslashreplace'))


def read(directory: str) -> MotionResult | None:
    """The result in a folder; None where there is none."""
    path = files.join(directory, FILE)
    try:
        content = json.loads(files.read_text(path))
        if content.pop('version') != _VERSION:
            raise ValueError('another version')
        rule = content.pop('rule')
        return MotionResult(
            directory=directory,
            rule=BurstRule(**rule) if rule else None,
            label_names=tuple(content.pop('label_names')),
            recordings=tuple(_recording(**one) for one in content.pop('recordings')),
            **content,
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f'this is no motion.json that this version reads: {error}', where=path, do='find motion again'
        ) from error


def _recording(segments: list[dict[str, int]], parts: list[dict[str, str]], **fields: object) -> Moved:
    return Moved(
        **fields,  # type: ignore[arg-type]  # JSON
        segments=tuple(Segment(**one) for one in segments),  # type: ignore[arg-type]  # as above
        parts=tuple(Part(**one) for one in parts),  # type: ignore[arg-type]  # as above
    )
