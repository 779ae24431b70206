"""The demo's pictures: the same for the same seed, told apart by `mini` and not by their raw pixels."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression

from preprocess import images
from preprocess.demo import DEMO_LABELS, draw_demo
from preprocess.encoders import EncoderSpec, compile_encoder
from preprocess.engines import load_engine
from scripts.mini_pictures import TRAINING_CLASSES

ROOT = Path(__file__).parents[2]
MINI = ROOT / 'preprocess' / 'mini'

Vectors = NDArray[np.float32]


@pytest.fixture(scope='module')
def training(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return draw_demo(str(tmp_path_factory.mktemp('training')), pictures_per_class=80, seed=0)


@pytest.fixture(scope='module')
def fresh(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return draw_demo(str(tmp_path_factory.mktemp('fresh')), pictures_per_class=60, seed=1)


def _accuracy(vectors: Callable[[list[str]], Vectors], training: list[str], fresh: list[str]) -> float:
    model = LogisticRegression(max_iter=1000).fit(vectors(training), _labels(training))
    return float(model.score(vectors(fresh), _labels(fresh)))


def _labels(paths: list[str]) -> list[str]:
    return [Path(path).parent.name for path in paths]


def _pixels(paths: list[str], size: int) -> NDArray[np.uint8]:
    return np.stack([images.to_pixels(Path(path).read_bytes(), (size, size, 3)) for path in paths])


def _raw_pixels(paths: list[str]) -> Vectors:
    return _pixels(paths, 16).reshape(len(paths), -1).astype(np.float32) / np.float32(255)


def _sha256s(paths: list[str]) -> list[str]:
    return [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]


def test_every_label_gets_its_folder_of_jpegs(tmp_path: Path) -> None:
    written = draw_demo(str(tmp_path), pictures_per_class=2, seed=0)
    assert written == [str(tmp_path / label / f'{label}-00{k}.jpg') for label in DEMO_LABELS for k in (0, 1)]
    assert sorted(str(path) for path in tmp_path.rglob('*') if path.is_file()) == written
    for path in written:
        with Image.open(path) as picture:
            assert (picture.format, picture.mode, picture.size) == ('JPEG', 'RGB', (128, 128))


def test_the_same_seed_draws_the_same_bytes_however_many_are_asked_for(tmp_path: Path) -> None:
    two = draw_demo(str(tmp_path / 'two'), pictures_per_class=2, seed=3)
    three = draw_demo(str(tmp_path / 'three'), pictures_per_class=3, seed=3)
    assert _sha256s(two) == [sha for path, sha in zip(three, _sha256s(three), strict=True) if '-002' not in path]


def test_no_picture_of_one_seed_comes_again_with_another(training: list[str], fresh: list[str]) -> None:
    assert len({*_sha256s(training), *_sha256s(fresh)}) == len(training) + len(fresh)


def test_the_dictionary_at_the_top_is_the_demos() -> None:
    assert (ROOT / 'dict.txt').read_text(encoding='utf-8').splitlines() == list(DEMO_LABELS)


def test_no_class_of_the_demo_is_one_mini_was_trained_on() -> None:
    about = json.loads((MINI / 'about.json').read_text(encoding='utf-8'))
    assert tuple(about['classes']) == TRAINING_CLASSES
    assert not set(DEMO_LABELS) & set(TRAINING_CLASSES)


def test_mini_is_small_and_says_that_it_is_not_for_photographs() -> None:
    about = json.loads((MINI / 'about.json').read_text(encoding='utf-8'))
    assert (MINI / 'graph.pb').stat().st_size <= 2_000_000
    assert 'not for real photographs' in about['notice']


def test_raw_pixels_do_not_tell_the_demos_classes_apart(training: list[str], fresh: list[str]) -> None:
    assert _accuracy(_raw_pixels, training, fresh) < 0.6


def test_minis_vectors_tell_fresh_pictures_of_the_demos_classes_apart(
    training: list[str], fresh: list[str], tmp_path: Path
) -> None:
    engine = load_engine(compile_encoder(EncoderSpec('mini'), str(tmp_path / 'encoder')))
    assert (engine.input_shape, engine.vector_size) == ((96, 96, 3), 256)
    assert _accuracy(lambda paths: engine.encode(_pixels(paths, 96)), training, fresh) >= 0.9
