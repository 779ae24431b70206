import subprocess
import sys
from pathlib import Path

import pytest

from preprocess import quiet

ROOT = Path(__file__).parents[2]
TALKING = """
import os, sys
from preprocess import quiet
os.write(2, b'before ')
with quiet.loading():
    os.write(2, b'chatter of a library ')
    print('progress', file=sys.stderr)
    if sys.argv[1] == 'fails':
        raise ImportError('no such library')
os.write(2, b'after ')
print('the end', file=sys.stderr)
"""


def said(how: str) -> str:
    return subprocess.run([sys.executable, '-c', TALKING, how], capture_output=True, text=True, cwd=ROOT).stderr


def test_what_libraries_say_while_they_load_is_dropped_and_progress_is_not():
    assert said('loads') == 'before progress\nafter the end\n'


def test_an_import_that_fails_is_heard():
    assert said('fails').startswith('before progress\nTraceback')


def test_a_stream_that_stands_for_stderr_is_left_alone(capsys):
    with quiet.loading():
        print('captured', file=sys.stderr)
    assert capsys.readouterr().err == 'captured\n'


def test_descriptor_2_is_back_after_an_error(capfd):
    with pytest.raises(RuntimeError), quiet.loading():
        raise RuntimeError
    subprocess.run([sys.executable, '-c', 'import os; os.write(2, b"heard")'], check=True)
    assert capfd.readouterr().err == 'heard'
