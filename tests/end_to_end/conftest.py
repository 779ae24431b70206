"""One finished run of the whole pipeline on drawn pictures, shared by the tests here."""

import contextlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import pipeline
from preprocess import demo

PER_CLASS = 16


@dataclass(frozen=True)
class Finished:
    """Where the pictures and the result are, the flags it was made with, and what was printed."""

    pictures: Path
    out: Path
    flags: tuple[str, ...]
    printed: str
    said: str


@pytest.fixture(scope='session')
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A folder of pictures made into a model, once."""
    home = tmp_path_factory.mktemp('finished')
    demo.draw_demo(str(home / 'pictures'), pictures_per_class=PER_CLASS, seed=3)
    return run(home, '--encoder', 'mini', '--eval_fraction', '0.3', '--max_steps', '150')


@pytest.fixture
def again(finished: Finished, tmp_path: Path) -> Iterator[Finished]:
    """A copy of the finished run that a test may change and continue."""
    pictures, out = tmp_path / 'pictures', tmp_path / 'out'
    shutil.copytree(finished.pictures, pictures)
    shutil.copytree(finished.out, out)
    yield Finished(pictures, out, finished.flags, '', '')


def run(home: Path, *flags: str, source: str = '--input_path') -> Finished:
    """Run the pipeline in this process, on HOME/pictures into HOME/out."""
    printed, said = io.StringIO(), io.StringIO()
    words = [*([source, str(home / 'pictures')] if source else []), '--output_dir', str(home / 'out'), *flags]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        assert pipeline.run(words) == 0
    return Finished(home / 'pictures', home / 'out', flags, printed.getvalue(), said.getvalue())
