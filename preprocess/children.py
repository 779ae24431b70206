"""Heavy work in a process of its own, whose gigabytes end with it: `ask` in the parent, `answer` in the child.

The request and the one-line answer are JSON. Standard input is a lifeline: when it ends, so did whoever asked.
"""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, NoReturn

from preprocess import failures
from preprocess.failures import Failure, RunFailed
from preprocess.settings import Json

_log = logging.getLogger(__name__)
# Nothing of the user's own settings changes what is made, nothing is told to the terminal or to anybody's statistics.
_SETTINGS = {'KERAS_BACKEND': 'tensorflow', 'TF_CPP_MIN_LOG_LEVEL': '3', 'NNCF_CI': '1'}


def ask(module: str, request: dict[str, Json], *, doing: str, where: str) -> list[str]:
    """Run `python -m module` on a request: its notes for the user; what it fails of is raised here."""
    # Whatever this process imports from, the child does too.
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    lifeline, held = os.pipe()
    try:
        with open(lifeline, 'rb') as standard_input:
            child = subprocess.Popen(
                [sys.executable, '-m', module, json.dumps(request)],
                stdin=standard_input,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **_SETTINGS, 'PYTHONPATH': paths},
                process_group=0,  # Ctrl-C lets it finish: it is the current piece
            )
        said, chatter = (text.decode(errors='replace').strip() for text in child.communicate())
    finally:
        os.close(held)
    _log.info('%s: %s', doing, chatter)
    if child.returncode != 0 or not said:
        raise RunFailed(
            f'{doing} ended with exit code {child.returncode} ({chatter.rpartition(chr(10))[2]})',
            where=where,
            do='see the log; exit code -9 means the machine ran out of memory',
        )
    answer: dict[str, list[str]] = json.loads(said)
    if 'failure' in answer:
        kind, what, place, do = answer['failure']
        raise getattr(failures, kind)(what, where=place, do=do)
    return answer['notes']


def answer(work: Callable[[str], tuple[str, ...]]) -> NoReturn:
    """Do what the JSON on the command line requests; answer with the notes for the user, or with the failure."""
    said_to = _claim_stdout()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        said: dict[str, object] = {'notes': work(sys.argv[1])}
    except Failure as failure:
        said = {'failure': [type(failure).__name__, failure.what, failure.where, failure.do]}
    said_to.write(json.dumps(said))
    said_to.close()
    # Taking apart gigabytes of a network, object by object, would keep whoever asked waiting.
    sys.stderr.flush()
    os._exit(0)


def _claim_stdout() -> IO[str]:
    """The real standard output; what libraries print there goes where their errors go."""
    said_to = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    return said_to


def _end_with_parent() -> None:
    os.read(0, 1)  # unbuffered: a buffered read would hold a lock that the end of the process wants
    os._exit(1)
