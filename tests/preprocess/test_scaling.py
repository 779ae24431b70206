"""Frames at a size look as pictures at that size do."""

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from preprocess.scaling import Scaler
from tests.footage import COLOURS
from tests.preprocess.test_timelines import UNEVEN

UPRIGHT = UNEVEN.__class__(**{**UNEVEN.__dict__, 'rotation': 0})


@pytest.fixture(scope='module')
def picture() -> Image.Image:
    """Something with edges, slopes and grain, as a photograph has."""
    chance = np.random.default_rng(0)
    rough = chance.integers(0, 256, (60, 107, 3), np.uint8)
    grain = chance.integers(-12, 13, (480, 856, 3))
    smooth = Image.fromarray(rough).resize((856, 480), Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)).filter(ImageFilter.SHARPEN)


def frame_of(picture: Image.Image, pixel_format: str = 'yuv420p') -> av.VideoFrame:
    return av.VideoFrame.from_image(picture).reformat(format=pixel_format)


def by_pillow(frame: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.float64]:
    """The planes of a frame scaled one by one, then put together by the rule of ITU-R BT.601."""
    width, height = frame.width, frame.height
    rows = frame.to_ndarray()
    planes = [rows[:height], *rows[height:].reshape(2, height // 2, width // 2)]
    y, u, v = (
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BILINEAR), np.float64)
        for plane in planes
    )
    y, u, v = (y - 16) * 255 / 219, (u - 128) * 255 / 224, (v - 128) * 255 / 224
    return np.clip(np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], axis=2), 0, 255)


@pytest.mark.parametrize('size', [(299, 299), (96, 96), (320, 240), (40, 200)])
def test_frames_shrink_as_pictures_do(picture: Image.Image, size: tuple[int, int]) -> None:
    frame = frame_of(picture)
    apart = np.abs(Scaler(UPRIGHT, size, gray=False, roi=None).pixels(frame) - by_pillow(frame, size))
    assert apart.mean() < 0.6
    assert apart.max() < 20


def test_gray_is_that_of_pictures(picture: Image.Image) -> None:
    frame = frame_of(picture)
    ours = Scaler(UPRIGHT, (120, 90), gray=True, roi=None).pixels(frame)
    theirs = by_pillow(frame, (120, 90)) @ [0.299, 0.587, 0.114]
    assert np.abs(ours[:, :, 0] - theirs).mean() < 2


def test_frames_out_of_hardware_give_the_same_pixels(picture: Image.Image) -> None:
    planes = frame_of(picture)
    woven = planes.reformat(format='nv12')
    scaler = Scaler(UPRIGHT, (299, 299), gray=False, roi=None)
    assert np.abs(scaler.pixels(planes).astype(int) - scaler.pixels(woven)).max() <= 1


@pytest.mark.parametrize('space', [Colorspace.ITU709, Colorspace.ITU601])
@pytest.mark.parametrize('colour', ['red', 'green', 'blue', 'yellow'])
def test_colours_mean_what_the_video_says_they_do(space: Colorspace, colour: str) -> None:
    rgb = av.VideoFrame.from_ndarray(np.full((64, 64, 3), COLOURS[colour], np.uint8), 'rgb24')
    coded = rgb.reformat(format='yuv420p', dst_colorspace=space)
    found = Scaler(UPRIGHT, (32, 32), gray=False, roi=None).pixels(coded)
    assert np.abs(found.astype(int) - COLOURS[colour]).max() <= 4


@pytest.mark.parametrize('pixel_format', ['yuv420p10le', 'yuv422p', 'yuvj420p', 'gray', 'rgb24'])
def test_every_form_of_pixels_is_scaled(picture: Image.Image, pixel_format: str) -> None:
    scaled = Scaler(UPRIGHT, (50, 40), gray=False, roi=None).pixels(frame_of(picture, pixel_format))
    assert (scaled.shape, scaled.dtype) == ((40, 50, 3), np.uint8)
    assert scaled.max() > 150
    assert scaled.min() < 100


def test_a_stream_may_change_its_size(picture: Image.Image) -> None:
    scaler = Scaler(UPRIGHT, (50, 40), gray=False, roi=None)
    large, small = frame_of(picture), frame_of(picture.resize((428, 240), Image.Resampling.BILINEAR))
    again = scaler.pixels(large)
    assert np.abs(again.astype(int) - scaler.pixels(small)).mean() < 4
    np.testing.assert_array_equal(scaler.pixels(large), again)
