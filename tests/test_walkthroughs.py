"""The how-tos show commands as they are: every flag in them exists, and every command reads its own."""

import os
import re
import shlex
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOW_TOS = [ROOT / 'docs' / name for name in ('cloud.md', 'fish.md', 'lab-video.md', 'rented-machine.md')]
# Beam's own, which the commands that run on it hand on.
BEAM_FLAGS = {'--direct_running_mode', '--direct_num_workers'}
MIGRATING = ROOT / 'docs' / 'migrating.md'


def lines(document: Path) -> list[list[str]]:
    """The words of every line of shell a page shows, those that go on put together."""
    shown = re.findall(r'^    (.*)$', document.read_text().replace('\\\n', ''), flags=re.M)
    found = [re.sub(r'^\s*', '', line) for line in shown]
    return [shlex.split(line) for line in found if line.startswith(('python ', 'scripts/'))]


def commands(document: Path) -> list[list[str]]:
    """Those of Python."""
    return [words for words in lines(document) if words[0] == 'python']


@lru_cache
def flags_of(command: tuple[str, ...]) -> frozenset[str]:
    """Every flag a command's help names."""
    ended = subprocess.run(
        [sys.executable, *command, '--help'],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        env={**os.environ, 'COLUMNS': '120'},
    )
    assert ended.returncode == 0, ended.stderr
    return frozenset(re.findall(r'--\w+', ended.stdout))


@pytest.mark.parametrize('document', HOW_TOS, ids=lambda path: path.name)
def test_every_command_of_a_how_to_knows_its_flags(document: Path) -> None:
    shown = commands(document)
    assert shown
    for words in shown:
        command = tuple(words[1:3]) if words[1] == '-m' else (words[1],)
        known = flags_of(command) | BEAM_FLAGS
        unknown = [word for word in words if word.startswith('--') and word.partition('=')[0] not in known]
        assert unknown == [], ' '.join(words)


def test_every_script_of_a_how_to_exists_and_knows_its_flags() -> None:
    shown = [words for document in HOW_TOS for words in lines(document) if words[0].startswith('scripts/')]
    assert {words[0] for words in shown} >= {'scripts/dataflow.sh', 'scripts/train_vertex.sh', 'scripts/deploy.sh'}
    for script, *words in shown:
        ours = words[: words.index('--')] if '--' in words else words
        asked = ['bash', script, '--help']
        ended = subprocess.run(asked, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
        assert {word for word in ours if word.startswith('--')} <= set(re.findall(r'--\w+', ended.stdout)), script


def test_every_new_command_of_the_page_on_migrating_exists_and_knows_its_flags() -> None:
    cells = [row.split(' | ')[-1] for row in MIGRATING.read_text().splitlines() if row.startswith('| ')]
    said = [code for cell in cells for code in re.findall(r'`((?:python|scripts/)[^`]*)`', cell)]
    assert len(said) > 25
    for text in said:
        words = shlex.split(text)
        if words[0].startswith('scripts/'):
            assert (ROOT / words[0]).exists(), text
            continue
        command = tuple(words[1:3]) if words[1] == '-m' else (words[1],)
        assert [word for word in words if word.startswith('--') and word not in flags_of(command)] == [], text


def test_the_sheets_of_the_lab_are_named_as_its_how_to_names_them() -> None:
    from preprocess.ranges import _parser, from_flags

    shown = [
        words[3:] for words in commands(ROOT / 'docs' / 'lab-video.md') if words[1:3] == ['-m', 'preprocess.ranges']
    ]
    configs = [from_flags(_parser().parse_args(words)) for words in shown]
    assert [bool(config.videos or config.frames) for config in configs] == [False, True, True, False, True]
    assert [config.leave_one_out for config in configs] == [False, False, True, False, False]
