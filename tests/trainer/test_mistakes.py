"""The worst mistakes and the classes mixed up, and the small pictures that show them."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import tanks
from tests.models import picture_bytes
from trainer import mistakes, thumbnails
from trainer.mistakes import Mixup
from trainer.moments import Moments
from trainer.predictions import Predictions


def said(*pairs: tuple[str, str], folder: str = '') -> Predictions:
    labels, predicted = zip(*pairs, strict=True)
    uris = tuple(f'{folder}{row}.jpg' for row in range(len(pairs)))
    return Predictions(uris, labels, predicted, np.zeros((len(pairs), 2), np.float32), ('a', 'b'))


def test_the_surest_mistakes_come_first_and_unlabelled_pictures_are_none() -> None:
    predictions = said(('a', 'a'), ('a', 'b'), ('b', 'a'), ('', 'a'), ('b', 'a'))
    confidence = np.array([1.0, 0.6, 0.9, 1.0, 0.7], np.float32)

    found = mistakes.find(predictions, confidence, with_thumbnails=False)

    assert found.wrong == 3
    assert [(one.uri, one.label, one.predicted) for one in found.worst] == [
        ('2.jpg', 'b', 'a'),
        ('4.jpg', 'b', 'a'),
        ('1.jpg', 'a', 'b'),
    ]
    assert found.mixups == (Mixup('b', 'a', 2), Mixup('a', 'b', 1))
    assert all(one.thumbnail is None for one in found.worst)


def test_only_so_many_are_shown() -> None:
    found = mistakes.find(said(*[('a', 'b')] * 100), np.linspace(0, 1, 100, dtype=np.float32), with_thumbnails=False)

    assert (found.wrong, len(found.worst)) == (100, mistakes.WORST)
    assert found.worst[0].uri == '99.jpg'


def test_a_mistake_shows_its_picture_small(tmp_path: Path) -> None:
    (tmp_path / '0.jpg').write_bytes(picture_bytes('red', size=(600, 200)))

    found = mistakes.find(said(('a', 'b'), folder=f'{tmp_path}/'), np.ones(1, np.float32), with_thumbnails=True)

    thumbnail = found.worst[0].thumbnail
    assert thumbnail is not None and thumbnail.source is not None
    start, data = thumbnail.source.split(',')
    assert start == 'data:image/jpeg;base64'
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (thumbnails.SIZE, thumbnails.SIZE)


@pytest.mark.parametrize(
    ('content', 'problem'), [(None, 'No such file'), (b'', 'no bytes'), (b'<svg/>', ''), (b'GIF89a', '')]
)
def test_a_picture_that_can_not_be_read_says_why(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / 'x.jpg'
    if content is not None:
        path.write_bytes(content)

    found = thumbnails.of_picture(str(path))

    assert found.source is None
    assert found.problem.startswith('cannot be read: ')
    assert problem in found.problem


def test_a_thumbnail_carries_nothing_of_the_original_but_its_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = '<script>alert(1)</script>'
    path = tmp_path / 'x.jpg'
    Image.new('RGB', (20, 20)).save(path, exif=exif, comment=b'<script>')

    source = thumbnails.of_picture(str(path)).source

    assert b'script' in path.read_bytes()
    assert source is not None
    assert b'script' not in base64.b64decode(source.split(',')[1])


def test_of_footage_a_mistake_shows_its_frame_and_its_neighbours_are_left_out(tmp_path: Path) -> None:
    film = np.zeros((90, 24, 32), np.uint8)
    film[75] = 200
    video = str(tanks.write_video(tmp_path / 'tank.mkv', film))
    numbers = [2, 10, 75, 70, 89]
    moments = Moments((video,) * 5, np.array(numbers), np.array(numbers) / 30)
    predictions = replace(
        said(*[('a', 'b')] * 5), uris=tuple(f'{video}#frame={number}' for number in numbers), moments=moments
    )

    found = mistakes.find(predictions, np.array([0.9, 0.8, 0.99, 0.7, 0.6], np.float32), with_thumbnails=True)

    # 70 and 89 are within two seconds of 75, 10 of 2.
    assert [one.uri.rpartition('=')[2] for one in found.worst] == ['75', '2']
    assert found.wrong == 5
    shown = [thumbnail.source for one in found.worst if (thumbnail := one.thumbnail)]
    brightness = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(str(source).split(',')[1]))).convert('L')).mean()
        for source in shown
    ]
    assert brightness == pytest.approx([200, 0], abs=2)


@pytest.mark.parametrize(
    ('name', 'problem'), [('gone.mp4#frame=3', 'No such file'), ('tank.mkv#frame=7', 'the video has 5 frames now')]
)
def test_a_frame_that_is_gone_has_no_thumbnail(tmp_path: Path, name: str, problem: str) -> None:
    tanks.write_video(tmp_path / 'tank.mkv', tanks.frames(5))

    found = thumbnails.of_picture(f'{tmp_path}/{name}')

    assert found.source is None
    assert problem in found.problem
