"""report.html: one file that tells what a model is worth and why, and opens from disk without network or script.

Whatever a label, a file name or a message holds is text here: the templates escape it, and the page's own policy
forbids scripts, style attributes and every request, should anything ever slip through.
"""

import base64
import hashlib
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from preprocess import files
from trainer import sections, summary, wording
from trainer.sections import Findings

if TYPE_CHECKING:
    from jinja2 import Environment

_DIRECTION_OVERRIDES = frozenset('\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')


def write(findings: Findings, path: str) -> None:
    """Write the report whole or not at all."""
    files.write_atomic(path, render(findings).encode())


def render(findings: Findings) -> str:
    """The report as HTML."""
    from markupsafe import Markup

    environment = _environment()
    style = environment.get_template('report.css').render()
    top = summary.make(findings.evaluation)
    found = [make(findings) for make in sections.SECTIONS]
    return environment.get_template('report.html').render(
        title=top.headline,
        style=Markup(style),  # our own style sheet, not data
        policy=_policy(style),
        summary=top,
        sections=[section for section in found if section],
        made_at=findings.made_at,
    )


def visible(text: str) -> str:
    """Text as a page can show it: control characters by their symbols, nothing that turns the reading direction."""
    return ''.join(_visible(letter) for letter in text) if not text.isprintable() else text


@lru_cache(maxsize=1)
def _environment() -> 'Environment':
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader('trainer'),
        autoescape=lambda name: name is not None and name.endswith('.html'),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=wording.percent, decimal=wording.decimal, count=wording.count, file_name=files.name
    )
    return environment


def _finalize(value: object) -> object:
    # Markup is a string too, but one that our own macros made.
    return visible(value) if type(value) is str else value


def _visible(letter: str) -> str:
    if letter <= '\x1f':
        return chr(0x2400 + ord(letter))  # the block of control pictures
    hidden = unicodedata.category(letter) in ('Cc', 'Cs') or letter in _DIRECTION_OVERRIDES
    return '\ufffd' if hidden else letter


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
