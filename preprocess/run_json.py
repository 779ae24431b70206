"""run.json: what each stage of a run noted in its output directory, for the next run of the same command."""

import json

from preprocess import files
from preprocess.settings import Json, Settings

FILE = 'run.json'


def read(path: str) -> dict[str, Json]:
    """What it says so far; a torn one says nothing."""
    try:
        content = json.loads(files.read_text(path))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def stage(path: str, name: str) -> Settings:
    """What one stage noted."""
    facts = read(path).get(name)
    return facts if isinstance(facts, dict) else {}


def note(path: str, name: str, facts: Settings) -> None:
    """Replace what one stage noted; the others' words stay."""
    text = json.dumps({**read(path), name: dict(facts)}, indent=1, ensure_ascii=False) + '\n'
    files.write_atomic(path, text.encode(errors='backslashreplace'))
