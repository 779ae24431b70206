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
HOW_TOS = sorted(path for name in ('lab-video.md', 'fish.md') if (path := ROOT / 'docs' / name).exists())


def commands(document: Path) -> list[list[str]]:
    """The words of every command a page shows, the lines of each put together."""
    shown = re.findall(r'^    (.*)$', document.read_text().replace('\\\n', ''), flags=re.M)
    found = [re.sub(r'^\s*', '', line) for line in shown]
    return [shlex.split(line) for line in found if line.startswith('python ')]


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
        unknown = [word for word in words if word.startswith('--') and word.partition('=')[0] not in flags_of(command)]
        assert unknown == [], ' '.join(words)


def test_the_sheets_of_the_lab_are_named_as_its_how_to_names_them() -> None:
    from preprocess.ranges import _parser, from_flags

    shown = [
        words[3:] for words in commands(ROOT / 'docs' / 'lab-video.md') if words[1:3] == ['-m', 'preprocess.ranges']
    ]
    configs = [from_flags(_parser().parse_args(words)) for words in shown]
    assert [bool(config.videos or config.frames) for config in configs] == [False, True, True, False, True]
    assert [config.leave_one_out for config in configs] == [False, False, True, False, False]
