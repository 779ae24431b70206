"""The templates of pages and charts: whatever a label, a file name or a message holds is text in them."""

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from preprocess import files
from trainer import wording

if TYPE_CHECKING:
    from jinja2 import Environment

_DIRECTION_OVERRIDES = frozenset('\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')


def visible(text: str) -> str:
    """Text as a page can show it: control characters by their symbols, nothing that turns the reading direction."""
    return ''.join(_visible(letter) for letter in text) if not text.isprintable() else text


@lru_cache(maxsize=1)
def environment() -> 'Environment':
    """The templates, which escape whatever they are given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader('trainer'),
        autoescape=lambda name: name is not None and name.endswith(('.html', '.svg')),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(percent=wording.percent, decimal=wording.decimal, count=wording.count, file_name=files.name)
    return found


def _finalize(value: object) -> object:
    # Markup is a string too, but one that our own macros made.
    return visible(value) if type(value) is str else value


def _visible(letter: str) -> str:
    if letter <= '\x1f':
        return chr(0x2400 + ord(letter))  # the block of control pictures
    hidden = unicodedata.category(letter) in ('Cc', 'Cs') or letter in _DIRECTION_OVERRIDES
    return '\ufffd' if hidden else letter
