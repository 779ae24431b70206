"""Recordings along time: stretches, gaps and columns worked out by hand; pictures as files and in the report."""

import base64
import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.trainer import footage
from tests.trainer.findings import findings
from tests.trainer.pages import Page
from trainer import figure_files, report, scored_set, timeline, timeline_pictures
from trainer.evaluation import paths
from trainer.moments import Moments
from trainer.predictions import Predictions

NAMES = ('rest', 'burst')


def said(
    labels: str, predicted: str, times: list[float], *, video: str = '/lab/a.mp4', scores: list[float] | None = None
) -> Predictions:
    """Predictions by letters: r, b, or a dot for no label."""
    names = {'r': 'rest', 'b': 'burst', '.': ''}
    values = np.array(scores or [0.5] * len(times), np.float32)
    return Predictions(
        tuple(f'{video}#frame={place}' for place in range(len(times))),
        tuple(names[letter] for letter in labels),
        tuple(names[letter] for letter in predicted),
        np.stack([1 - values, values], axis=1),
        NAMES,
        Moments((video,) * len(times), np.arange(len(times)), np.array(times, np.float64)),
    )


def one(predictions: Predictions, **marks: float) -> timeline.Timeline:
    (found,) = timeline.of(predictions, positive=1, marks=tuple(marks.items()))
    return found


def test_a_timeline_has_the_frames_of_one_recording_in_order() -> None:
    found = one(said('r.bb', 'rrbr', [0.3, 0.1, 0.2, 0.0], scores=[0.4, 0.1, 0.9, 0.2]))

    assert found.times.tolist() == [0.0, 0.1, 0.2, 0.3]
    assert found.truth.tolist() == [1, -1, 1, 0]
    assert found.said.tolist() == [0, 0, 1, 0]
    assert found.scores == pytest.approx([0.2, 0.1, 0.9, 0.4])
    assert (found.labelled, found.right, found.name, found.video) == (3, 2, 'a.mp4', '/lab/a.mp4')


def test_a_frame_stands_until_the_next_one_and_not_over_a_gap() -> None:
    found = one(said('rrrr', 'rrrr', [0.0, 0.1, 5.0, 5.2]))

    assert found.ends == pytest.approx([0.1, 0.3, 5.2, 5.4])  # a fifth of a second is usual


def test_neighbours_of_one_class_are_one_stretch_and_a_gap_parts_them() -> None:
    found = one(said('rrbbr', 'rrrrr', [0.0, 1.0, 2.0, 3.0, 60.0]))

    runs = timeline._runs(found.times, found.ends, found.truth)

    assert runs.starts.tolist() == [0, 2, 60]
    assert runs.widths.tolist() == [2, 2, 1]
    assert runs.classes.tolist() == [0, 1, 0]
    assert timeline._runs(found.times, found.ends, found.said).starts.tolist() == [0, 60]


def test_of_a_long_recording_a_column_shows_what_most_of_its_frames_are() -> None:
    count = 3 * 1600
    letters = 'rrb' * 1599 + 'bbr'
    found = one(said(letters, 'r' * count, [float(place) for place in range(count)], scores=[0.0, 0.3, 0.9] * 1600))

    runs = timeline._columned(found, found.truth)

    assert runs.classes.tolist() == [0, 1]
    assert (runs.starts[1], runs.starts[1] + runs.widths[1]) == pytest.approx((3 * 1599, count))
    assert found.seconds_of_a_column == 3
    line = timeline._score_line(found)
    assert (len(line.mean), line.mean[7], line.low[7], line.high[7]) == pytest.approx((1600, 0.4, 0.0, 0.9))


def test_the_line_of_scores_breaks_at_a_gap() -> None:
    line = timeline._score_line(one(said('rrrr', 'rrrr', [0.0, 1.0, 2.0, 60.0], scores=[0.1, 0.2, 0.3, 0.4])))

    assert line.times.tolist() == [0.0, 1.0, 2.0, 3.0, 60.0]
    assert np.isnan(line.mean).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(
    ('seconds', 'longest', 'text'), [(12.5, 59, '12.5 s'), (75.2, 600, '1:15'), (3675, 9000, '1:01:15')]
)
def test_times_are_told_as_the_length_of_the_recording_wants_it(seconds: float, longest: float, text: str) -> None:
    assert timeline.clock(seconds, longest=longest) == text


def test_predictions_of_pictures_have_no_timeline() -> None:
    assert list(timeline.of(replace(said('r', 'r', [0.0]), moments=None))) == []


@pytest.mark.parametrize('times', [[0.0], [0.0, 0.0], [3.0, 4.0]])
def test_the_shortest_recordings_can_be_drawn(times: list[float]) -> None:
    drawing = timeline.draw(one(said('r' * len(times), 'b' * len(times), times), half=0.5))

    assert drawing.png.startswith(b'\x89PNG')
    ElementTree.fromstring(drawing.svg)


def test_the_colours_of_the_classes_are_in_the_picture() -> None:
    drawing = timeline.draw(one(said('b' * 50 + 'r' * 50, 'r' * 100, [place / 10 for place in range(100)])))

    pixels = np.asarray(Image.open(io.BytesIO(drawing.png)).convert('RGB')).reshape(-1, 3)
    blue, gray, orange = (
        (pixels == colour).all(axis=1).sum() for colour in ((31, 95, 191), (211, 218, 226), (200, 84, 20))
    )
    # Of the label's lane half is blue; the model's is gray from end to end; they differ in half of a lower lane.
    assert gray / blue == pytest.approx(3, rel=0.1)
    assert orange / blue == pytest.approx(0.4, rel=0.1)


def test_every_recording_is_drawn_into_files_and_the_worst_are_shown(tmp_path: Path) -> None:
    videos = tuple(f'/lab/tank {number}.mp4' for number in range(3))
    folder = str(tmp_path / 'timelines')
    (tmp_path / 'timelines').mkdir()
    (tmp_path / 'timelines' / '009-gone.png').write_bytes(b'of an earlier evaluation')

    found = timeline_pictures.publish(footage.scored(videos=videos), folder)

    assert sorted(path.name for path in (tmp_path / 'timelines').iterdir()) == [
        f'{number + 1:03d}-tank_{number}.{kind}' for number in range(3) for kind in ('png', 'svg')
    ]
    assert [shown.timeline.video for shown in found.shown] == list(videos)  # made to be better and better
    assert found.recordings == 3
    assert found.shown[0].timeline.marks[0][0] == 'best J'


def test_a_report_of_footage_shows_thresholds_groups_and_recordings(tmp_path: Path) -> None:
    asked = footage.scored(videos=('/lab/<b>1.mp4', '/lab/2.mp4'))
    base = findings(NAMES)
    held = scored_set.yardsticks(asked.rows, asked.question)
    drawn = figure_files.publish({'eval': asked}, paths(str(tmp_path)), base.curves)
    page = Page(
        report.render(
            replace(
                base,
                evaluation=replace(base.evaluation, labels=NAMES, eval=asked.result(held, None)),
                roc=drawn.roc,
                timelines=drawn.timelines['eval'],
            )
        )
    )

    slugs = [attributes['id'] for tag, attributes in page.elements if tag == 'section']
    assert slugs[:6] == ['classes', 'confusion', 'thresholds', 'groups', 'timelines', 'mistakes']
    assert '<b>1.mp4' in page.text and 'group of /lab/<b>1.mp4' in page.text
    assert 'best J' in page.text and 'model, area' in page.text
    pictures = [a['src'] for tag, a in page.elements if tag == 'img' and 'along time' in str(a['alt'])]
    assert len(pictures) == 2
    for picture in pictures:
        kind, _, data = str(picture).partition(';base64,')
        assert kind == 'data:image/svg+xml'
        ElementTree.fromstring(base64.b64decode(data))


def test_every_figure_is_a_file_and_what_is_gone_is_removed(tmp_path: Path) -> None:
    curves = findings(NAMES).curves
    both = {'eval': footage.scored(), 'test': footage.scored('test')}
    figure_files.publish(both, paths(str(tmp_path)), curves)
    first = {str(path.relative_to(tmp_path / 'eval')) for path in (tmp_path / 'eval').rglob('*') if path.is_file()}

    figure_files.publish({'eval': footage.scored(labels=('a', 'b', 'c'))}, paths(str(tmp_path)), ())
    second = {str(path.relative_to(tmp_path / 'eval')) for path in (tmp_path / 'eval').rglob('*') if path.is_file()}

    always = {f'confusion_matrix.{kind}' for kind in ('png', 'svg')}
    always |= {f'timelines/00{n}-tank{n}.{kind}' for n in (1, 2) for kind in ('png', 'svg')}
    of_test = {f'confusion_matrix.test.{kind}' for kind in ('png', 'svg')}
    of_test |= {f'timelines.test/00{n}-tank{n}.{kind}' for n in (1, 2) for kind in ('png', 'svg')}
    charts = {f'charts/{name}.svg' for name in ('true_positive_rate', 'loss', 'accuracy', 'roc_auc')}
    assert first == always | of_test | charts
    assert second == always
    for path in (tmp_path / 'eval').rglob('*.svg'):
        ElementTree.parse(path)
