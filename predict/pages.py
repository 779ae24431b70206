"""The page and what belongs to it: files of this package, read once; no path a client sends is ever opened."""

import os
from dataclasses import dataclass

_FOLDER = os.path.join(os.path.dirname(__file__), 'page')
_TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.svg': 'image/svg+xml',
    '.jpg': 'image/jpeg',
}
# Where a file is to be found by another path than its own name.
_PATHS = {'index.html': '/', 'docs.html': '/docs'}


@dataclass(frozen=True)
class Content:
    """A file's bytes, and what they are."""

    body: bytes
    media_type: str


def read() -> dict[str, Content]:
    """Every file of the page, by the path of its address."""
    found = {}
    for name in sorted(os.listdir(_FOLDER)):
        suffix = os.path.splitext(name)[1]
        if suffix in _TYPES:
            with open(os.path.join(_FOLDER, name), 'rb') as opened:
                found[_PATHS.get(name, f'/{name}')] = Content(opened.read(), _TYPES[suffix])
    return found
