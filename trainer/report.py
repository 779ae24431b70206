"""report.html: one file that tells what a model is worth and why, and opens from disk without network or script.

Whatever a label, a file name or a message holds is text here: the templates escape it, and the page's own policy
forbids scripts, style attributes and every request, should anything ever slip through.
"""

import base64
import hashlib

from preprocess import files
from trainer import pages, sections, summary
from trainer.findings import Findings


def write(findings: Findings, path: str) -> None:
    """Write the report whole or not at all."""
    files.write_atomic(path, render(findings).encode())


def render(findings: Findings) -> str:
    """The report as HTML."""
    from markupsafe import Markup

    environment = pages.environment()
    style = environment.get_template('report.css').render()
    top = summary.make(findings.evaluation)
    found = [make(findings) for make in sections.SECTIONS]
    return environment.get_template('report.html').render(
        title=top.headline,
        style=Markup(style),  # our own style sheet, not data
        policy=_policy(style),
        summary=top,
        unit=top.unit,
        sections=[section for section in found if section],
        made_at=findings.made_at,
    )


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
