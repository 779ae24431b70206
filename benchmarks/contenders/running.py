"""A contender as a process of its own, and what its last line says."""

import json
import os
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


def child(contender: str, *arguments: object) -> dict[str, float]:
    """Run a contender to its end."""
    return finished(contender, begun(contender, *arguments))


def together(count: int, contender: str, *arguments: object) -> list[dict[str, float]]:
    """The same contender so many times at once."""
    processes = [begun(contender, *arguments) for _ in range(count)]
    return [finished(contender, process) for process in processes]


def begun(contender: str, *arguments: object) -> 'subprocess.Popen[str]':
    """A contender under way."""
    command = [sys.executable, str(_HERE / f'{contender}.py'), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def finished(contender: str, process: 'subprocess.Popen[str]') -> dict[str, float]:
    """What it said in the end."""
    said, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f'{contender} failed:\n{errors}')
    answer: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    return answer


def environment() -> dict[str, str]:
    """This checkout's packages, and TensorFlow's warnings left out."""
    paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get('PYTHONPATH')]))
    return {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONPATH': paths}
