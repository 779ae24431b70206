"""Other forms of a model of real photographs and a real encoder: its scores, and in int8 its labels."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

import pipeline
from preprocess import images
from preprocess.images import Pixels
from trainer import export, exported, proof, scoring

SHARED = Path(__file__).parents[3] / 'shared'
PHOTOGRAPHS, ENCODER = SHARED / 'photos' / 'flowers', SHARED / 'encoders' / 'mobilenet_v2_imagenet'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PHOTOGRAPHS.exists(), reason='needs ../shared/photos'),
    pytest.mark.skipif(not ENCODER.exists(), reason='needs ../shared/encoders/mobilenet_v2_imagenet'),
]


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp('flowers')
    words = [
        '--input_path',
        str(PHOTOGRAPHS),
        '--encoder',
        str(ENCODER),
        '--max_steps',
        '500',
        '--output_dir',
        str(out),
    ]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert pipeline.run(words) == 0
    return str(out / 'model')


def photographs() -> list[Path]:
    """All of them, each third one last: those are for the check."""
    found = sorted(PHOTOGRAPHS.glob('*/*.jpg'))
    return [path for place, path in enumerate(found) if place % 3] + found[::3]


@pytest.fixture(scope='module')
def pixels() -> Pixels:
    return np.stack([images.to_pixels(path.read_bytes(), (224, 224, 3)) for path in photographs()])


@pytest.fixture(scope='module')
def scores(model: str, pixels: Pixels) -> np.ndarray:
    return scoring.load(exported.read(model)).score_pixels(pixels)


def form_scores(directory: Path, format_: str, pixels: Pixels) -> np.ndarray:
    return proof.LOADERS[format_](str(directory))('', {'pixels': pixels}, ['scores'])['scores']


@pytest.mark.parametrize('format_', ['litert', 'openvino', 'onnx'])
def test_a_form_in_float32_gives_the_models_scores_of_every_photograph(
    model: str, pixels: Pixels, scores: np.ndarray, tmp_path: Path, format_: str
) -> None:
    if format_ == 'onnx':
        pytest.importorskip('tf2onnx', reason="needs the extra `onnx`: pip install 'headlight[onnx]'")
    export.main([model, '--format', format_, '--output', str(tmp_path / 'form')])
    np.testing.assert_allclose(form_scores(tmp_path / 'form', format_, pixels), scores, atol=1e-3)


@pytest.mark.parametrize('format_', ['litert', 'openvino'])
def test_a_form_in_int8_gives_the_models_labels_to_photographs_it_was_not_calibrated_on(
    model: str, pixels: Pixels, scores: np.ndarray, tmp_path: Path, format_: str
) -> None:
    calibration = 200
    (tmp_path / 'own.csv').write_text(''.join(f'{path},flower\n' for path in photographs()[:calibration]))
    words = ['--precision', 'int8', '--calibration_pictures', str(tmp_path / 'own.csv')]
    export.main([model, '--format', format_, *words, '--output', str(tmp_path / 'form')])
    found = form_scores(tmp_path / 'form', format_, pixels)
    alike = found.argmax(axis=1) == scores.argmax(axis=1)
    assert np.mean(alike) >= 0.96 and np.mean(alike[calibration:]) >= 0.96
