import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from preprocess import files
from preprocess.failures import InputError
from trainer.publishing import publishing

ROOT = Path(__file__).parents[2]
# Publishes one whole model after another, each of forty files, all saying the same number.
ENDLESS = """
import sys
from pathlib import Path
from trainer.publishing import publishing
for number in range(10**9):
    with publishing(sys.argv[1], keep_previous=sys.argv[2] == 'keep') as staged:
        Path(staged).mkdir()
        for name in ['saved_model.pb', *map(str, range(39))]:
            Path(staged, name).write_text(str(number))
    print(number, flush=True)
"""


class Killed(BaseException):
    """Stands for SIGKILL at one exact place."""


def publish(directory: Path, text: str, *, keep_previous: bool = False) -> None:
    with publishing(str(directory), keep_previous=keep_previous) as staged:
        files.write_atomic(f'{staged}/saved_model.pb', text.encode())


def held(directory: Path) -> str | None:
    model = directory / 'saved_model.pb'
    return model.read_text() if model.exists() else None


def test_the_new_model_takes_the_place_of_the_old_and_nothing_else_is_left(tmp_path):
    for text in ('old', 'new'):
        publish(tmp_path / 'model', text)
    assert held(tmp_path / 'model') == 'new'
    assert [path.name for path in tmp_path.iterdir()] == ['model']


def test_the_previous_model_is_kept_when_asked(tmp_path):
    for text in ('first', 'second', 'third'):
        publish(tmp_path / 'model', text, keep_previous=True)
    assert (held(tmp_path / 'model'), held(tmp_path / 'model.previous')) == ('third', 'second')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['model', 'model.previous']


def test_a_kept_previous_model_outlives_an_export_that_keeps_none(tmp_path):
    publish(tmp_path / 'model', 'first')
    publish(tmp_path / 'model', 'second', keep_previous=True)
    publish(tmp_path / 'model', 'third')
    assert (held(tmp_path / 'model'), held(tmp_path / 'model.previous')) == ('third', 'first')


def test_a_failure_leaves_the_old_model_and_no_remains(tmp_path):
    publish(tmp_path / 'model', 'old')
    with pytest.raises(RuntimeError), publishing(str(tmp_path / 'model')) as staged:
        Path(staged).mkdir()
        raise RuntimeError
    assert held(tmp_path / 'model') == 'old'
    assert [path.name for path in tmp_path.iterdir()] == ['model']


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / 'model').mkdir()
    publish(tmp_path / 'model', 'new')
    assert held(tmp_path / 'model') == 'new'


@pytest.mark.parametrize('name', ['holiday.jpg', 'album/holiday.jpg'])
def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path, name):
    path = tmp_path / 'model' / name
    path.parent.mkdir(parents=True)
    path.write_text('precious')
    with pytest.raises(InputError, match='not a model'):
        publish(tmp_path / 'model', 'new')
    assert path.read_text() == 'precious'


@pytest.mark.parametrize('keep_previous', [False, True])
@pytest.mark.parametrize('calls', range(7))
def test_killed_between_any_two_steps_of_the_swap_a_whole_model_is_left_and_the_next_export_works(
    tmp_path, monkeypatch, keep_previous, calls
):
    publish(tmp_path / 'model', 'older')
    publish(tmp_path / 'model', 'old', keep_previous=True)
    left = calls

    def killing(step):
        def killed_or_done(*paths: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            step(*paths)

        return killed_or_done

    with monkeypatch.context() as patched:
        try:
            with publishing(str(tmp_path / 'model'), keep_previous=keep_previous) as staged:
                files.write_atomic(f'{staged}/saved_model.pb', b'new')
                patched.setattr(files, 'rename', killing(files.rename))
                patched.setattr(files, 'delete_tree', killing(files.delete_tree))
        except Killed:
            pass
    assert held(tmp_path / 'model') in ('old', 'new', None)
    assert {'old', 'new'} & {held(path) for path in tmp_path.iterdir()}
    publish(tmp_path / 'model', 'newest')
    assert held(tmp_path / 'model') == 'newest'


def test_a_model_set_aside_by_a_killed_export_comes_back_when_the_next_one_fails(tmp_path):
    publish(tmp_path / 'model.replaced', 'old')
    with pytest.raises(RuntimeError), publishing(str(tmp_path / 'model')):
        raise RuntimeError
    assert held(tmp_path / 'model') == 'old'


@pytest.mark.parametrize('mode', ['keep', 'drop'])
def test_killed_at_any_moment_the_directory_is_whole_or_absent(tmp_path, mode):
    moments = random.Random(mode)
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, '-c', ENDLESS, str(tmp_path / 'model'), mode], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.05))  # the moment is the matter of this test
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if (tmp_path / 'model').exists():
            texts = [path.read_text() for path in (tmp_path / 'model').iterdir()]
            assert (len(texts), len(set(texts))) == (40, 1)
