"""The confusion matrix as a picture: any number of classes, any label, no screen."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from trainer import confusion

BLUE, WHITE = (31, 95, 191), (255, 255, 255)


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert('RGB')


def test_the_share_of_a_cell_is_that_of_its_row() -> None:
    grid = confusion.of_classes([[3, 1], [0, 0]], ('a', 'b'))

    assert grid.share.tolist() == [[0.75, 0.25], [0, 0]]
    assert grid.right.tolist() == [[True, False], [False, True]]


def test_several_labels_give_four_ways_it_can_go() -> None:
    true = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    said = np.array([[1, 0], [0, 0], [1, 1], [0, 1]], bool)

    grid = confusion.of_labels(true, said, ('a', 'b'))

    assert grid.columns == ('found', 'missed', 'false alarm', 'rightly absent')
    assert grid.counts.tolist() == [[1, 1, 1, 1], [2, 0, 0, 2]]
    assert grid.share.tolist() == [[0.5, 0.5, 0.5, 0.5], [1, 0, 0, 1]]


def test_right_answers_are_blue_and_cells_of_nothing_white() -> None:
    found = opened(confusion.draw(confusion.of_classes([[5, 0], [0, 5]], ('a', 'b'))).png)

    pixels = np.asarray(found).reshape(-1, 3)
    blue = (pixels == BLUE).all(axis=1).mean()
    assert 0.2 < blue < 0.5
    assert found.getpixel((1, 1)) == WHITE


@pytest.mark.parametrize('classes', [2, 30, 400])
def test_the_picture_stays_readable_from_two_classes_to_many(classes: int) -> None:
    names = [f'a rather long name of class {number}' for number in range(classes)]
    found = opened(confusion.draw(confusion.of_classes(np.eye(classes, dtype=int).tolist(), names)).png)

    assert min(classes, 100) * 26 <= min(found.size) <= max(found.size) <= 3500


@pytest.mark.parametrize('name', ['$x^2$', '$', r'\frac', '日本語', 'a\nb\x00', '_hidden', '🙂', ''])
def test_any_label_can_be_drawn(name: str) -> None:
    grid = confusion.of_classes([[1, 0], [0, 1]], (name, 'other'))

    drawing = confusion.draw(grid)
    assert drawing.png.startswith(b'\x89PNG')
    ElementTree.fromstring(drawing.svg)
