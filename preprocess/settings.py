"""What a stage's result depends on, as a flat JSON mapping: its digest and what changed between two of them."""

import hashlib
import json
from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = 'str | int | float | bool | None | list[Json] | dict[str, Json]'
Settings: TypeAlias = Mapping[str, Json]

_LONGEST_SHOWN = 60


def digest(settings: Settings) -> str:
    """sha256 over the canonical JSON form: the same settings give the same digest on every machine."""
    canonical = json.dumps(dict(settings), sort_keys=True, separators=(',', ':'), ensure_ascii=False)
    # A path that isn't UTF-8 holds surrogates.
    return hashlib.sha256(canonical.encode('utf-8', 'backslashreplace')).hexdigest()


def changes(old: Settings, new: Settings) -> list[str]:
    """The keys whose values differ, as `batch_size: 100 -> 50`, sorted by name."""
    names = sorted({*old, *new})
    return [
        f'{name}: {_shown(old.get(name))} -> {_shown(new.get(name))}'
        for name in names
        if old.get(name) != new.get(name)
    ]


def _shown(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A content hash says nothing to a reader; twelve digits tell two of them apart.
    if len(text) == 64 and all(c in '0123456789abcdef' for c in text):
        return text[:12]
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + '…'
