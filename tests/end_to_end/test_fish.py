"""docs/fish.md: its commands are ones, and lead from footage to segments of new footage."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tanks

ROOT = Path(__file__).parents[2]
# What the page's values are on footage as small as the test's.
SMALL = {
    '--size': '32x24',
    '--encoder': 'pixels:24x32:gray',
    '--window': '12',
    '--learning_rate': '0.003',
    '--batch_size': '16',
    '--epochs': '2',
    '--max_steps': '30',
    '--limit': '32',
}
MORE = {
    'preprocess.motion': '--n 3 --h 8 --b 0.3 --c 0.03',
    'trainer.baseline': '--d 11 --hard_d 11 --h 8 --max_steps 30',
}


def commands() -> list[list[str]]:
    """The page's commands, word by word, without `python`."""
    text = (ROOT / 'docs' / 'fish.md').read_text().replace('\\\n', '')
    return [shlex.split(command) for command in re.findall(r'^    python (.*)', text, flags=re.M)]


def module(words: list[str]) -> str:
    return words[1] if words[0] == '-m' else words[0]


def test_every_flag_on_the_page_is_one_of_its_command() -> None:
    of_command: dict[str, set[str]] = {}
    for words in commands():
        of_command.setdefault(module(words), set()).update(word for word in words if word.startswith('--'))
    assert {
        'preprocess.motion',
        'trainer.baseline',
        'pipeline.py',
        'trainer.task',
        'predict.local',
    } <= of_command.keys()
    for name, flags in of_command.items():
        start = [name] if name.endswith('.py') else ['-m', name]
        said = subprocess.run(
            [sys.executable, *start, '--help'], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
        ).stdout
        assert sorted(flag for flag in flags if not re.search(re.escape(flag) + r'\b', said)) == [], name


def shrunk(words: list[str]) -> list[str]:
    """A command with the values that small footage needs."""
    found = list(words)
    for place, word in enumerate(words[:-1]):
        if word in SMALL:
            found[place + 1] = SMALL[word]
    found += shlex.split(MORE.get(module(words), ''))
    known = {'pipeline.py': str(ROOT / 'pipeline.py'), 'tank.mp4': 'tank.mkv', 'new.mp4': 'new.mkv'}
    return [known.get(word, word) for word in found]


@pytest.mark.slow
def test_the_day_leads_from_footage_to_segments_of_new_footage(tmp_path: Path) -> None:
    tanks.write_video(tmp_path / 'tank.mkv', tanks.frames(1500))
    tanks.write_video(tmp_path / 'new.mkv', tanks.frames(200, seed=7))
    tanks.write_pictures(tmp_path / 'frames', tanks.frames(200, seed=9))
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}

    for words in commands():
        changed = shrunk(words)
        if 'frames/' in words:  # another way to begin, beside the one the page goes on with
            changed[changed.index('motion')] = 'other'
        ended = subprocess.run(
            [sys.executable, *changed], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=600
        )
        assert ended.returncode == 0, f'{words}: {ended.stderr[-2000:]}'

    baselines = json.loads((tmp_path / 'baselines' / 'metrics.json').read_text())
    evaluated = json.loads((tmp_path / 'out' / 'eval' / 'metrics.json').read_text())
    # The model is judged on the very frames that the baselines are judged on.
    assert evaluated['examples'] == baselines['eval']['majority']['examples']
    assert evaluated['test']['examples'] == baselines['test']['majority']['examples']
    assert list((tmp_path / 'out' / 'eval' / 'timelines').glob('001-tank.svg'))
    with (tmp_path / 'found' / 'segments.csv').open(newline='') as opened:
        assert {row['label'] for row in csv.DictReader(opened)} <= {'rest', 'burst'}
