"""LiteRT, OpenVINO and ONNX forms of a model: their answers are the model's, or they are not there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from preprocess import children
from preprocess.compiled import CompiledEncoder
from preprocess.failures import InputError, RunFailed, UsageError
from tests.models import COLOURS, LABELS, SIDE, colour_head, noise, write_tiny
from tests.trainer import clips
from trainer import converting, export, heads, other_forms, proof
from trainer.export import ModelParts, write_model
from trainer.head_spec import HeadSpec
from trainer.heads import TrainedHead

FORMATS = {
    'litert': ['feeding.json', 'labels.txt', 'model.tflite'],
    'openvino': ['feeding.json', 'labels.txt', 'model.bin', 'model.xml'],
    'onnx': ['feeding.json', 'labels.txt', 'model.onnx'],
}


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> str:
    return write_tiny(tmp_path_factory.mktemp('forms') / 'model')


@pytest.fixture
def at_once(monkeypatch):
    """Conversion and check in this process, which has TensorFlow already; the slow test has them as they are."""

    def ask(module: str, request: dict[str, object], *, doing: str, where: str) -> list[str]:
        assert module == 'trainer.converting'
        return list(converting.main(json.dumps(request)))

    def answers(directory: str, loader: str, cases: list[proof.Case]) -> list[proof.Tensors]:
        call = proof.LOADERS[loader](directory)
        return [call(case.signature, case.inputs, list(case.outputs)) for case in cases]

    monkeypatch.setattr(children, 'ask', ask)
    monkeypatch.setattr(proof, 'answers', answers)


@pytest.fixture
def unconverted(model, monkeypatch) -> dict[str, np.ndarray]:
    """Nothing is converted; the form answers as the model does, plus `off`."""
    off: dict[str, np.ndarray] = {}

    def answers(directory: str, loader: str, cases: list[proof.Case]) -> list[proof.Tensors]:
        return [{'scores': case.outputs['scores'] + off.get('off', np.float32(0))} for case in cases]

    monkeypatch.setattr(children, 'ask', lambda *_, **__: [])
    monkeypatch.setattr(proof, 'answers', answers)
    return off


def save_pictures(folder: Path, count: int) -> str:
    """Pictures of one colour each with some noise, in folders of their names."""
    for place in range(count):
        name = LABELS[place % 3]
        (folder / name).mkdir(parents=True, exist_ok=True)
        pixels = np.clip(np.array(COLOURS[name]) + noise(place).astype(int) // 4 - 32, 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f'{place}.png')
    return str(folder)


def model_scores(model: str, pixels: np.ndarray) -> np.ndarray:
    loaded = tf.saved_model.load(model)
    return loaded.signatures['pixels'](pixels=tf.constant(pixels))['scores'].numpy()


def form_scores(directory: str, format_: str, pixels: np.ndarray) -> np.ndarray:
    answer = proof.LOADERS[format_](directory)('', {'pixels': pixels}, ['scores'])
    return answer['scores']


@pytest.mark.parametrize('format_', ['litert', 'openvino', pytest.param('onnx', marks=pytest.mark.slow)])
def test_a_form_gives_the_models_scores_and_says_how_to_feed_it(model, tmp_path, at_once, format_):
    if format_ == 'onnx':
        pytest.importorskip('tf2onnx', reason='the extra `onnx` is not installed')
    output = tmp_path / 'form'
    export.main([model, '--format', format_, '--output', str(output)])
    assert sorted(path.name for path in output.iterdir()) == FORMATS[format_]
    pixels = np.stack([noise(seed, size=(SIDE, SIDE)) for seed in range(5)])
    np.testing.assert_allclose(form_scores(str(output), format_, pixels), model_scores(model, pixels), atol=1e-5)
    assert (output / 'labels.txt').read_text() == 'red\ngreen\nblue\n'
    feeding = json.loads((output / 'feeding.json').read_text())
    taken = 1 if format_ == 'litert' else None
    assert feeding['input'] | {'picture': ''} == {
        'preparation': None,
        'name': 'pixels',
        'dtype': 'uint8',
        'shape': [taken, SIDE, SIDE, 3],
        'range': [0, 255],
        'channels': 'RGB',
        'picture': '',
    }
    assert (feeding['output']['name'], feeding['output']['shape']) == ('scores', [taken, 3])
    assert feeding['file'] in FORMATS[format_] and feeding['check']['same_label'] == 1
    assert feeding['check']['largest_score_difference'] <= 1e-5
    if format_ == 'litert':
        interpreter = tf.lite.Interpreter(str(output / 'model.tflite'))
        (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
        assert (takes['shape'].tolist(), takes['dtype']) == ([1, SIDE, SIDE, 3], np.uint8)
        assert (gives['shape'].tolist(), gives['dtype']) == ([1, 3], np.float32)


@pytest.mark.parametrize('format_', ['litert', pytest.param('openvino', marks=pytest.mark.slow)])
def test_in_int8_the_pictures_keep_their_labels(model, tmp_path, at_once, format_):
    pictures = save_pictures(tmp_path / 'pictures', 100)
    words = ['--format', format_, '--precision', 'int8', '--calibration_pictures', pictures]
    export.main([model, *words, '--output', str(tmp_path / 'form')])
    feeding = json.loads((tmp_path / 'form' / 'feeding.json').read_text())
    assert (feeding['precision'], feeding['check']['pictures']) == ('int8', 100)
    assert feeding['check']['same_label'] >= 0.96
    plain = np.stack([np.full((SIDE, SIDE, 3), COLOURS[name], np.uint8) for name in LABELS])
    assert form_scores(str(tmp_path / 'form'), format_, plain).argmax(axis=1).tolist() == [0, 1, 2]


def test_int8_takes_a_csv_of_pictures_and_refuses_fewer_than_100(model, tmp_path):
    pictures = save_pictures(tmp_path / 'pictures', 30)
    (tmp_path / 'a.csv').write_text(''.join(f'{path},x\n' for path in Path(pictures).rglob('*.png')))
    for place in (pictures, str(tmp_path / 'a.csv')):
        words = ['--precision', 'int8', '--calibration_pictures', place, '--output', str(tmp_path / 'form')]
        with pytest.raises(InputError) as refused:
            export.main([model, '--format', 'litert', *words])
        assert '100 to 300 usable pictures' in refused.value.what and 'there are 30' in refused.value.what
        assert refused.value.where == f'--calibration_pictures {place}'
        assert refused.value.do == 'give more pictures, or leave out --precision int8'
    assert not (tmp_path / 'form').exists()


@pytest.mark.parametrize(('format_', 'off'), [('litert', 2e-3), ('openvino', np.nan)])
def test_a_form_whose_scores_differ_is_removed(model, tmp_path, unconverted, format_, off):
    unconverted['off'] = np.float32(off)
    with pytest.raises(RunFailed, match="does not give the model's answers"):
        export.main([model, '--format', format_, '--output', str(tmp_path / 'form')])
    assert list(tmp_path.iterdir()) == []


def test_an_int8_form_that_changes_too_many_labels_is_removed(model, tmp_path, unconverted, monkeypatch):
    pictures = save_pictures(tmp_path / 'pictures', 100)
    right = proof.answers

    def five_wrong(directory: str, loader: str, cases: list[proof.Case]) -> list[proof.Tensors]:
        first, *others = right(directory, loader, cases)
        return [{'scores': np.concatenate([first['scores'][:5, [1, 2, 0]], first['scores'][5:]])}, *others]

    monkeypatch.setattr(proof, 'answers', five_wrong)
    words = ['--precision', 'int8', '--calibration_pictures', pictures, '--output', str(tmp_path / 'form')]
    with pytest.raises(RunFailed, match='95.0% of 100 pictures keep their label, 96% is the least'):
        export.main([model, '--format', 'litert', *words])
    assert not (tmp_path / 'form').exists()


def test_a_form_is_written_again_and_a_folder_of_something_else_is_not_replaced(model, tmp_path, unconverted):
    output = tmp_path / 'form'
    output.mkdir()
    (output / 'model.tflite').write_bytes(b'the one before')
    export.main([model, '--format', 'litert', '--output', str(output)])
    assert sorted(path.name for path in output.iterdir()) == ['feeding.json', 'labels.txt']
    with pytest.raises(InputError, match='not a model'):
        export.main([model, '--format', 'litert', '--output', str(output)])
    assert [path.name for path in tmp_path.iterdir()] == ['form']


def test_the_models_of_several_labels_say_their_threshold(tmp_path, unconverted):
    model = write_tiny(tmp_path / 'model', multi_label=True)
    export.main([model, '--format', 'litert'])
    feeding = json.loads((tmp_path / 'model.litert' / 'feeding.json').read_text())
    assert feeding['output']['threshold'] == 0.5 and 'holds from 0.5' in feeding['output']['meaning']


def test_a_model_without_an_encoder_has_no_such_form(tmp_path):
    write_model(ModelParts(colour_head(), LABELS, None), str(tmp_path / 'model'))
    with pytest.raises(InputError, match='takes no pictures'):
        export.main([str(tmp_path / 'model'), '--format', 'openvino'])


def untrained(directory: Path, spec: HeadSpec, encoder: CompiledEncoder) -> str:
    head = TrainedHead(spec, heads.initial_weights(spec, 0))
    write_model(ModelParts(head, ('a', 'b'), encoder), str(directory))
    return str(directory)


@pytest.mark.usefixtures('at_once')
def test_a_head_that_looks_at_pixels_themselves_has_such_a_form_too(tmp_path):
    encoder = clips.pixel_encoder(tmp_path / 'encoder', (12, 12, 1))
    spec = HeadSpec(144, 2, hidden_units=8, kind='cnn', frame=(12, 12, 1), filters=4)
    model = untrained(tmp_path / 'model', spec, encoder)
    export.main([model, '--format', 'litert'])
    feeding = json.loads((tmp_path / 'model.litert' / 'feeding.json').read_text())
    assert (feeding['input']['channels'], feeding['input']['shape'][1:]) == ('gray', [12, 12, 1])


def test_a_model_that_looks_at_windows_has_no_such_form(model, tmp_path):
    shutil.copytree(model, tmp_path / 'model')
    about = tmp_path / 'model' / 'assets' / 'model.json'
    window = {'frames': 4, 'stride': 1, 'label': 'last'}
    about.write_text(json.dumps({**json.loads(about.read_text()), 'head': 'lstm', 'window': window}))
    with pytest.raises(UsageError, match='looks at windows of 4 frames'):
        export.main([str(tmp_path / 'model'), '--format', 'litert'])


@pytest.mark.slow
def test_a_conversion_that_fails_in_its_process_is_told_in_three_lines(tmp_path):
    request = {'format': 'litert', 'model': str(tmp_path / 'none'), 'directory': str(tmp_path), 'pixels': None}
    with pytest.raises(RunFailed, match='converting ended with exit code 1'):
        children.ask('trainer.converting', request, doing='converting', where='--format litert')


@pytest.mark.parametrize(
    'words',
    [
        ['--format', 'tf1', '--precision', 'int8'],
        ['--format', 'tf1', '--calibration_pictures', '.'],
        ['--format', 'litert', '--precision', 'int8'],
        ['--format', 'litert', '--calibration_pictures', '.'],
        ['--format', 'onnx', '--precision', 'int8', '--calibration_pictures', '.'],
        ['--format', 'coreml'],
    ],
)
def test_what_does_not_go_together_is_a_usage_error(model, words):
    with pytest.raises(UsageError):
        export.main([model, *words])


def test_a_missing_package_names_its_extra(model, monkeypatch, tmp_path):
    monkeypatch.setattr(other_forms.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(InputError) as refused:
        export.main([model, '--format', 'openvino', '--output', str(tmp_path / 'form')])
    assert refused.value.do == "pip install 'headlight[fast]'"
