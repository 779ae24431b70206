"""What a head tells apart: the labels of the dictionary, and the class for rows without one."""

from collections.abc import Sequence
from dataclasses import dataclass

UNLABELLED = 'unlabelled'


@dataclass(frozen=True)
class Classes:
    """The outputs of a head, by name and in order; with `unlabelled` the last one is for rows without a label."""

    names: tuple[str, ...]
    multi_label: bool = False
    unlabelled: bool = False

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> int:
        """How many of the classes stand in the dictionary: ids of records are below this."""
        return len(self.names) - self.unlabelled


def make(labels: Sequence[str], *, multi_label: bool, unlabelled: bool) -> Classes:
    """The classes for a dictionary of labels."""
    return Classes((*labels, *([UNLABELLED] if unlabelled else [])), multi_label, unlabelled)


def numbered(count: int) -> tuple[str, ...]:
    """What labels are called where there is no dictionary."""
    return tuple(str(number) for number in range(count))
