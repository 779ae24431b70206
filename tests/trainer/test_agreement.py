"""Pictures scored again through the whole model, against what their records gave."""

from pathlib import Path

import numpy as np
import pytest

from tests.models import COLOURS, picture_bytes
from tests.trainer.sets import embedded
from trainer import agreement
from trainer.embedded_set import EmbeddedSet
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
