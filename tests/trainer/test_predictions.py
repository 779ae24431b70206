"""predictions.csv: exact text, safe in spreadsheets, read back as it was; accuracy of two models on common rows."""

import csv
from pathlib import Path

import numpy as np
import pytest

from preprocess.failures import InputError
from trainer import predictions
from trainer.moments import Moments
from trainer.predictions import BeforeAndNow, Predictions

SCORES = np.array([[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]], np.float32)


def said(rows: dict[str, tuple[str, str]]) -> Predictions:
    """Predictions by URI: label and prediction."""
    labels, predicted = zip(*rows.values(), strict=True)
    return Predictions(tuple(rows), labels, predicted, np.zeros((len(rows), 2), np.float32), ('a', 'b'))


def test_the_file_has_a_row_a_picture_and_a_score_a_label(tmp_path: Path) -> None:
    path = tmp_path / 'eval' / 'predictions.csv'
    predictions.write(
        str(path), Predictions(('x,1.jpg', 'y.jpg', 'z.jpg'), ('a', 'b', ''), ('a', 'b', 'a'), SCORES, ('a', 'b'))
    )

    assert path.read_text() == (
        'image_uri,label,prediction,score_a,score_b\n"x,1.jpg",a,a,0.9,0.1\ny.jpg,b,b,0.25,0.75\nz.jpg,,a,0.5,0.5\n'
    )


@pytest.mark.parametrize('start', ['=', '+', '-', '@', '\t', '\r', '\n', "'", '"', 'é', '\udcff', ' '])
def test_what_a_spreadsheet_takes_for_a_formula_is_marked_and_comes_back_as_it_was(tmp_path: Path, start: str) -> None:
    label = f'{start}cmd|calc!A1'
    path = str(tmp_path / 'predictions.csv')
    predictions.write(path, Predictions((f'{start}1.jpg',), (label,), (label,), SCORES[:1], (label, 'b')))

    with open(path, encoding='utf-8', errors='surrogateescape', newline='') as opened:
        cells = next(row for row in csv.reader(opened) if row[0] != 'image_uri')
    assert all(not cell.startswith(('=', '+', '-', '@', '\t', '\r', '\n')) for cell in cells)
    found = predictions.read(path)
    assert (found.uris, found.labels, found.predicted) == ((f'{start}1.jpg',), (label,), (label,))
    assert found.label_names == (label, 'b')
    assert found.scores.tolist() == SCORES[:1].tolist()


def test_a_file_without_rows_is_read_as_none(tmp_path: Path) -> None:
    path = str(tmp_path / 'predictions.csv')
    predictions.write(path, Predictions((), (), (), np.zeros((0, 2), np.float32), ('a', 'b')))

    found = predictions.read(path)

    assert (len(found), found.scores.shape, found.label_names) == (0, (0, 2), ('a', 'b'))


@pytest.mark.parametrize('text', ['', 'recordkey,prediction,scores\n', 'image_uri,label,prediction,score_a\nx,a\n'])
def test_another_kind_of_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'predictions.csv'
    path.write_text(text)

    with pytest.raises(InputError, match='not predictions') as raised:
        predictions.read(str(path))
    assert raised.value.where == str(path)


def test_an_answer_is_the_highest_score_or_every_label_that_reaches_the_threshold() -> None:
    assert predictions.answers(SCORES, ('a', 'b'), threshold=None) == ('a', 'b', 'a')
    assert predictions.answers(SCORES, ('a', 'b'), threshold=0.5) == ('a', 'b', 'a|b')
    assert predictions.answers(SCORES, ('a', 'b'), threshold=0.8) == ('a', '', '')


def test_before_and_now_are_compared_on_common_pictures_by_the_labels_they_have_now() -> None:
    before = said({'1': ('a', 'a'), '2': ('a', 'b'), '3': ('a', 'a'), 'gone': ('a', 'a')})
    now = said({'1': ('a', 'a'), '2': ('b', 'b'), '3': ('b', 'b'), 'new': ('a', 'b'), 'open': ('', 'b')})

    # By the labels of now: before right on 1 and 2, now on all three.
    assert predictions.compare(before, now) == BeforeAndNow(3, 2 / 3, 1.0)


def test_models_without_a_common_labelled_picture_are_not_compared() -> None:
    assert predictions.compare(said({'1': ('a', 'a')}), said({'2': ('a', 'a')})) is None
    assert predictions.compare(said({'1': ('a', 'a')}), said({'1': ('', 'a')})) is None


def test_accuracy_counts_the_pictures_asked_for() -> None:
    found = said({'1': ('a', 'a'), '2': ('a', 'b'), '3': ('a', 'b')})

    assert predictions.accuracy_on(found, found.truths(), {'1', '2'}) == 0.5
    assert predictions.accuracy_on(found, found.truths(), {'9'}) is None


def test_of_footage_recording_frame_and_time_stand_before_the_scores_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / 'predictions.csv'
    moments = Moments(('=a.mp4', '=a.mp4', ''), np.array([0, 31, 0]), np.array([0.0, 1.0333333, 0.0]))
    written = Predictions(
        ('a.mp4#frame=0', 'a.mp4#frame=31', 'z.jpg'), ('a', 'b', ''), ('a', 'b', 'a'), SCORES, ('a', 'b'), moments
    )

    predictions.write(str(path), written)
    found = predictions.read(str(path))

    assert path.read_text() == (
        'image_uri,label,prediction,video,frame,time,score_a,score_b\n'
        "a.mp4#frame=0,a,a,'=a.mp4,0,0,0.9,0.1\n"
        "a.mp4#frame=31,b,b,'=a.mp4,31,1.033333,0.25,0.75\n"
        'z.jpg,,a,,,,0.5,0.5\n'
    )
    assert found.moments is not None
    assert found.moments.videos == moments.videos
    assert found.moments.frames.tolist() == [0, 31, 0]
    assert found.moments.times == pytest.approx(moments.times, abs=1e-6)
    assert (found.label_names, found.scores.tolist()) == (('a', 'b'), SCORES.tolist())


def test_predictions_of_footage_without_rows_are_read_as_none(tmp_path: Path) -> None:
    path = tmp_path / 'predictions.csv'
    path.write_text('image_uri,label,prediction,video,frame,time,score_a\n')

    assert (len(predictions.read(str(path))), predictions.read(str(path)).label_names) == (0, ('a',))
