"""Pictures scored again through the whole model, against what their records gave."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import footage
from tests.models import COLOURS, picture_bytes
from tests.trainer.sets import embedded
from trainer import agreement
from trainer.embedded_set import EmbeddedSet, Source
from trainer.evaluation import ServingAgreement

SHAPE = (4, 4, 3)


def redness(pixels: np.ndarray) -> np.ndarray:
    """Two scores: how red a picture is, and how little."""
    red = pixels[..., 0].mean(axis=(1, 2)) / 255
    return np.stack([red, 1 - red], axis=1).astype(np.float32)


def pictures(directory: Path, count: int) -> list[str]:
    paths = [directory / f'{number:03}.png' for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(picture_bytes(sorted(COLOURS)[number % 3], form='PNG'))
    return [str(path) for path in paths]


def rows(uris: list[str]) -> EmbeddedSet:
    return embedded('eval', np.zeros((len(uris), 1)), uris=uris)


def test_records_that_give_the_same_scores_agree_entirely(tmp_path: Path) -> None:
    uris = pictures(tmp_path, 5)
    scores = redness(np.stack([np.full(SHAPE, COLOURS[sorted(COLOURS)[row % 3]]) for row in range(5)]))

    found = agreement.measure([(rows(uris), lambda: scores)], SHAPE, redness)

    assert (found.pictures, found.unreadable, found.same_label) == (5, 0, 1.0)
    assert found.largest_difference == pytest.approx(0, abs=1e-6)


def test_differences_are_measured_picture_by_picture(tmp_path: Path) -> None:
    uris = pictures(tmp_path, 3)  # blue, green, red
    scores = redness(np.stack([np.full(SHAPE, COLOURS[name]) for name in sorted(COLOURS)]))
    scores[0] = [0.9, 0.1]  # the blue one, which is 30 / 255 red

    found = agreement.measure([(rows(uris), lambda: scores)], SHAPE, redness)

    assert found.same_label == pytest.approx(2 / 3)
    assert found.largest_difference == pytest.approx(0.9 - 30 / 255, abs=1e-6)
    assert found.mean_difference == pytest.approx((0.9 - 30 / 255) / 3, abs=1e-6)


def test_two_hundred_pictures_are_read_and_those_that_are_gone_are_counted(tmp_path: Path) -> None:
    uris = pictures(tmp_path, 230)
    for gone in uris[::10]:
        Path(gone).unlink()
    Path(uris[1]).write_bytes(b'no picture')
    scored: list[int] = []

    def score(pixels: np.ndarray) -> np.ndarray:
        scored.append(len(pixels))
        return redness(pixels)

    found = agreement.measure([(rows(uris), lambda: np.zeros((230, 2), np.float32))], SHAPE, score)

    assert found.pictures == 200
    assert 0 < found.unreadable <= 24
    assert set(scored) == {32}  # one fixed size


def test_pictures_of_the_next_set_fill_up_and_are_scored_only_then(tmp_path: Path) -> None:
    uris = pictures(tmp_path, 210)
    right = redness(np.stack([np.full(SHAPE, COLOURS[sorted(COLOURS)[row % 3]]) for row in range(210)]))
    small, large = (rows(uris[:6]), lambda: 1 - right[:6]), (rows(uris[6:]), lambda: right[6:])

    found = agreement.measure([small, large], SHAPE, redness)
    assert (found.pictures, found.same_label) == (200, pytest.approx(194 / 200))

    def never() -> np.ndarray:
        raise AssertionError('nobody asked for these')

    enough = agreement.measure([(rows(uris), lambda: right), (rows(uris), never)], SHAPE, redness)
    assert (enough.pictures, enough.same_label) == (200, 1.0)


def test_without_a_readable_picture_nothing_is_claimed() -> None:
    found = agreement.measure([(rows(['/gone/1.jpg']), lambda: np.zeros((1, 2), np.float32))], SHAPE, redness)

    assert found == ServingAgreement(0, 1, None, None, None)


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Six recordings of 30 frames, each a little redder than the one before it."""
    directory = tmp_path_factory.mktemp('videos')
    paths = []
    for number in range(6):
        frames = [np.full((64, 96, 3), (40 * number + frame, 30, 30), np.uint8) for frame in range(30)]
        paths.append(str(footage.write(directory / f'{number}.mp4', frames)))
    return paths


def of_videos(uris: list[str], length: int | None) -> EmbeddedSet:
    starts = np.arange(len(uris) - (length or 1) + 1)
    last = [uris[start + (length or 1) - 1] for start in starts]
    return replace(rows(last), source=Source(uris, [len(uris)], starts, length))


def test_frames_of_video_are_decoded_again_of_four_videos_at_most(videos: list[str]) -> None:
    uris = [f'{video}#frame={frame}' for video in videos for frame in range(30)]
    shown = [np.full(SHAPE, (40 * number + frame, 30, 30)) for number in range(6) for frame in range(30)]
    scores = redness(np.stack(shown))

    found = agreement.measure([(of_videos(uris, None), lambda: scores)], SHAPE, redness)

    assert (found.pictures, found.unreadable) == (120, 0)
    # Colours of a video are as near as its coder leaves them.
    assert found.largest_difference is not None and found.largest_difference < 0.03


def test_windows_are_scored_as_clips(videos: list[str]) -> None:
    uris = [f'{videos[5]}#frame={frame}' for frame in range(30)]
    seen: list[int] = []

    def first_redness(clip: np.ndarray) -> np.ndarray:
        seen.append(len(clip))
        return redness(clip[:1])

    scores = redness(np.stack([np.full(SHAPE, (200 + frame, 30, 30)) for frame in range(30)]))[:25]
    found = agreement.measure([(of_videos(uris, 6), lambda: scores)], SHAPE, first_redness)

    assert set(seen) == {6}
    assert (found.pictures, len(seen)) == (150, 25)
    assert found.largest_difference is not None and found.largest_difference < 0.03


def test_a_video_that_is_gone_is_counted() -> None:
    gone = of_videos(['/gone/a.mp4#frame=1'], None)
    found = agreement.measure([(gone, lambda: np.zeros((1, 2), np.float32))], SHAPE, redness)

    assert found == ServingAgreement(0, 1, None, None, None)
