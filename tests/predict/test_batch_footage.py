"""predict.batch on footage: what predict.local says of it, through the store; stretches, frames, windows, damage."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from predict import batch_child, batch_model, local
from preprocess.settings import Json
from tests.models import LABELS, tiny_encoder
from tests.predict.batches import Counted, lines, run
from tests.trainer.clips import pixel_encoder
from trainer import heads
from trainer.export import ModelParts, write_model
from trainer.head_kinds import Windowing
from trainer.head_spec import HeadSpec
from trainer.heads import TrainedHead

av = pytest.importorskip('av', reason='the extra `video` is not installed')
from tests import footage  # noqa: E402  # it needs PyAV


@pytest.fixture(autouse=True)
def taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take models apart in this process, which has TensorFlow already."""

    def ask(module: str, request: dict[str, Json], *, doing: str, where: str) -> list[str]:
        return list(batch_child.main(json.dumps(request)))

    monkeypatch.setattr(batch_model.children, 'ask', ask)


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with two clips of 2 s: red, then blue; and green."""
    monkeypatch.chdir(tmp_path)
    frames = [footage.shape('red', n) for n in range(10)] + [footage.shape('blue', n) for n in range(10)]
    footage.write(tmp_path / 'clip.mp4', frames, times=10)
    footage.write(tmp_path / 'green.mp4', [footage.shape('green', n) for n in range(20)], times=10)
    return tmp_path


@pytest.fixture(scope='session')
def windows_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that looks at windows of four frames."""
    folder = tmp_path_factory.mktemp('windows')
    encoder = tiny_encoder(folder / 'encoder')
    spec = HeadSpec(encoder.vector_size, len(LABELS), hidden_units=8, kind='lstm', window=4)
    head = TrainedHead(spec, heads.initial_weights(spec, 5))
    write_model(ModelParts(head, LABELS, encoder, windowing=Windowing(4, 2, 'last')), str(folder / 'model'))
    return str(folder / 'model')


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as opened:
        return list(csv.DictReader(opened))


def assert_as_local(model: str, batch: Path, by_hand: Path, *videos: str) -> None:
    """The same scores, of the same frames at the same times, and the same segments."""
    assert local.main([f'--model_dir={model}', '--every_frame', f'--output_dir={by_hand}', *videos]) == 0
    ours, theirs = table(batch.with_name(f'{batch.name}.scores.csv')), table(by_hand / 'scores.csv')
    names = [f'score_{label}' for label in LABELS]
    same = [[{k: row[k] for k in ('time', 'prediction')} for row in rows] for rows in (ours, theirs)]
    assert same[0] == same[1]
    assert [Path(row['frame']).name for row in ours] == [Path(row['frame']).name for row in theirs]
    assert [Path(row['first_frame']).name for row in ours] == [Path(row['first_frame']).name for row in theirs]
    scores = [np.array([[float(row[name]) for name in names] for row in rows]) for rows in (ours, theirs)]
    np.testing.assert_allclose(*scores, rtol=0, atol=1e-5)
    stretches = [
        [(Path(row['video']).name, row['start'], row['stop'], row['label']) for row in rows]
        for rows in (table(batch.with_name(f'{batch.name}.segments.csv')), table(by_hand / 'segments.csv'))
    ]
    assert stretches[0] == stretches[1]


def test_videos_get_the_scores_and_segments_of_predict_local(tiny_model: str, clips: Path) -> None:
    assert run(tiny_model, 'out/p', '--input_path=clip.mp4,green.mp4', '--every_frame') == 0
    assert_as_local(tiny_model, clips / 'out' / 'p', clips / 'local', 'clip.mp4', 'green.mp4')
    assert sorted(path.name for path in (clips / 'out' / 'p.boris').iterdir()) == ['clip.xlsx', 'green.xlsx']
    found = lines('out/p')
    assert [(line['key'], line['frames']) for line in found] == [('clip.mp4', 20), ('green.mp4', 20)]
    assert [(one['start'], one['stop'], one['label']) for one in found[0]['segments']] == [
        (0.0, 1.0, 'red'),
        (1.0, 2.0, 'blue'),
    ]


def test_windows_are_those_of_predict_local(windows_model: str, clips: Path) -> None:
    assert run(windows_model, 'out/p', '--input_path=clip.mp4', '--every_frame') == 0
    assert_as_local(windows_model, clips / 'out' / 'p', clips / 'local', 'clip.mp4')


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['convlstm', 'cnn'])
def test_heads_that_look_at_the_frames_themselves_see_those_of_predict_local(kind: str, clips: Path) -> None:
    spec = {
        'convlstm': HeadSpec(120, 3, 0, kind='convlstm', frame=(12, 10, 1), window=4, clip_frames=2, filters=2),
        'cnn': HeadSpec(120, 3, 4, kind='cnn', frame=(12, 10, 1), layers=1, filters=2),
    }[kind]
    head = TrainedHead(spec, heads.initial_weights(spec, 5))
    windowing = Windowing(4) if kind == 'convlstm' else None
    encoder = pixel_encoder(clips / 'encoder', (12, 10, 1))
    write_model(ModelParts(head, LABELS, encoder, windowing=windowing), str(clips / 'model'))
    assert run('model', 'out/p', '--input_path=clip.mp4', '--every_frame') == 0
    assert_as_local('model', clips / 'out' / 'p', clips / 'local', 'clip.mp4')


@pytest.mark.slow
def test_another_head_sees_footage_without_decoding_it(
    tiny_model: str, windows_model: str, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted, words = Counted(), ['--input_path=clip.mp4', '--every_frame', '--embedding_store=store']
    assert run(tiny_model, 'a/p', *words, machinery=counted.machinery) == 0
    assert run(windows_model, 'b/p', *words, machinery=counted.machinery) == 0
    assert (counted.encoded, counted.loaded) == (20, 1)
    assert '20 frames: 20 from the store, 0 embedded' in capsys.readouterr().err


def test_stretches_frames_and_pictures_of_one_csv_have_each_their_line(tiny_model: str, clips: Path) -> None:
    rows = ['image,start,stop,label', 'clip.mp4,0.5,1.5,x', 'clip.mp4#frame=15,,,', 'clip.mp4,9,10,', 'clip.mp4,,,y']
    (clips / 'a.csv').write_text('\n'.join([*rows, 'clip.mp4,0.5,1.5,z', 'gone.mp4,,,']))
    words = ['--input_path=a.csv', '--every_frame', '--max_reject_fraction=1', '--csv', '--smooth_s=0']
    assert run(tiny_model, 'out/p', *words) == 0
    stretch, frame, beyond, whole, again, gone = lines('out/p')
    cut = [(one['start'], one['stop'], one['label']) for one in stretch['segments']]
    assert (cut, stretch['frames']) == ([(0.5, 1.0, 'red'), (1.0, 1.5, 'blue')], 10)
    assert again['segments'] == stretch['segments']
    assert (again['truth'], again['row']) == ('z', 6)
    assert (frame['label'], len(frame['scores'])) == ('blue', 3)
    assert beyond['reason'] == 'beyond-the-end'
    assert whole['frames'] == 20
    assert gone['reason'] == 'missing'
    assert [row['prediction'] for row in table(clips / 'out' / 'p.csv')] == ['', 'blue', '', '', '', '']
    # On the recording's own clock nothing is told twice, however many rows ask for it.
    assert [row['frame'] for row in table(clips / 'out' / 'p.scores.csv')] == [
        f'{clips}/clip.mp4#frame={number}' for number in range(20)
    ]
    told = [(row['start'], row['stop'], row['label']) for row in table(clips / 'out' / 'p.segments.csv')]
    assert told == [('0.000', '1.000', 'red'), ('1.000', '2.000', 'blue')]


def test_windows_need_frames_and_pictures_are_none(
    windows_model: str, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.models import picture_bytes

    (clips / 'red.jpg').write_bytes(picture_bytes('red'))
    assert run(windows_model, 'none/p', '--input_path=red.jpg') == 3
    assert 'windows of 4 consecutive frames' in capsys.readouterr().err
    (clips / 'a.csv').write_text('clip.mp4\nred.jpg\n"clip.mp4#t=0,0.3"\n')
    words = ['--input_path=a.csv', '--every_frame', '--max_reject_fraction=1']
    assert run(windows_model, 'out/p', *words) == 0
    assert [line.get('reason') for line in lines('out/p')] == [None, 'too-few-frames', 'too-few-frames']


@pytest.mark.slow
def test_a_broken_video_costs_only_itself(tiny_model: str, clips: Path) -> None:
    (clips / 'broken.mp4').write_bytes(b'no video at all')
    assert run(tiny_model, 'out/p', '--input_path=.', '--every_frame') == 4
    found = {line['key']: line for line in lines('out/p')}
    assert found['./broken.mp4']['reason'] == 'not-a-video'
    assert found['./green.mp4']['segments'][0]['label'] == 'green'
