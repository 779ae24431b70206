"""The pixel policy: what each kind of picture becomes, and why others are refused."""

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile

from preprocess import images
from preprocess.image_formats import ImageError
from preprocess.reasons import REASONS
from tests.preprocess import odd_pictures as odd

ROOT = Path(__file__).parents[2]
SMALL = (64, 64, 3)
OWN_SIZE = (odd.HEIGHT, odd.WIDTH, 3)
PICTURES = odd.odd_pictures()


def verdict(data: bytes) -> str:
    try:
        images.to_pixels(data, SMALL)
    except ImageError as error:
        return error.reason
    return 'ok'


def difference(pixels: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(pixels.astype(int) - reference.astype(int)).mean())


def on_white(rgba: Image.Image) -> np.ndarray:
    values = np.asarray(rgba.convert('RGBA'), float)
    alpha = values[:, :, 3:] / 255
    return values[:, :, :3] * alpha + 255 * (1 - alpha)


@pytest.mark.parametrize('picture', PICTURES, ids=lambda picture: picture.name)
def test_every_odd_picture_is_read_or_refused_for_its_reason(picture: odd.OddPicture) -> None:
    assert verdict(picture.data) == picture.expected


def test_every_reason_is_in_the_closed_list() -> None:
    assert {picture.expected for picture in PICTURES} - {'ok'} <= set(REASONS)


def test_odd_pictures_have_different_names() -> None:
    assert len({picture.name for picture in PICTURES}) == len(PICTURES)


def test_flipped_bytes_are_read_or_refused_but_nothing_else() -> None:
    rng = np.random.default_rng(11)
    verdicts = set()
    for picture in PICTURES:
        if picture.expected == 'ok' and 64 < len(picture.data) < 20_000:
            for _ in range(6):
                data = bytearray(picture.data)
                for at in rng.integers(0, len(data), 4):
                    data[at] ^= int(rng.integers(1, 256))
                verdicts.add(verdict(bytes(data)))
    assert verdicts <= {'ok', *REASONS}


def test_verdicts_on_whole_and_cut_files_are_pillows() -> None:
    differing = []
    for picture in PICTURES:
        if picture.expected in ('ok', 'truncated'):
            try:
                with warnings.catch_warnings(), Image.open(odd.io.BytesIO(picture.data)) as opened:
                    warnings.simplefilter('ignore')
                    opened.convert('RGB')
                said = 'ok'
            except Exception:
                said = 'truncated'
            if said != picture.expected:
                differing.append(picture.name)
    assert differing == []


def test_a_picture_of_the_encoders_size_comes_through_bit_for_bit() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (299, 299, 3), dtype=np.uint8)
    assert np.array_equal(images.to_pixels(images.png_bytes(pixels), (299, 299, 3)), pixels)


def test_a_gray_picture_of_the_encoders_size_comes_through_bit_for_bit() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 1), dtype=np.uint8)
    assert np.array_equal(images.to_pixels(images.png_bytes(pixels), (40, 50, 1)), pixels)


def test_pixels_in_memory_follow_the_same_policy_as_a_file() -> None:
    picture = odd.photograph(200, 150)
    from_file = images.to_pixels(odd.encoded(picture, 'PNG'), SMALL)
    assert np.array_equal(images.fit(np.array(picture), SMALL), from_file)


def test_a_colour_picture_becomes_gray_by_luminance() -> None:
    pixels = images.to_pixels(odd.encoded(odd.photograph(), 'PNG'), (odd.HEIGHT, odd.WIDTH, 1))
    assert np.array_equal(pixels[:, :, 0], np.asarray(odd.photograph().convert('L')))


def test_the_aspect_is_not_kept() -> None:
    assert images.to_pixels(odd.encoded(odd.photograph(), 'PNG'), (10, 70, 3)).shape == (10, 70, 3)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_pictures_are_turned_upright(orientation: int) -> None:
    pixels = images.to_pixels(odd.with_orientation(orientation), OWN_SIZE)
    assert difference(pixels, np.asarray(odd.photograph())) < 2.5


@pytest.mark.parametrize('file_format', ['PNG', 'TIFF'])
def test_pictures_of_lossless_formats_are_turned_upright_exactly(file_format: str) -> None:
    pixels = images.to_pixels(odd.with_orientation(6, file_format), OWN_SIZE)
    assert np.array_equal(pixels, np.asarray(odd.photograph()))


@pytest.mark.parametrize('name', ['RGBA.png', 'RGBA.tiff', 'RGBA.bmp', 'LA.png', 'P-translucent.png'])
def test_transparency_is_laid_on_white(name: str) -> None:
    data = next(picture.data for picture in PICTURES if picture.name == name)
    with Image.open(odd.io.BytesIO(data)) as opened:
        reference = on_white(opened)
    assert difference(images.to_pixels(data, OWN_SIZE), reference) < 1


def test_a_transparent_gif_is_white_where_nothing_is_drawn() -> None:
    nothing = Image.new('P', (8, 8), 0)
    assert (images.to_pixels(odd.encoded(nothing, 'GIF', transparency=0), (8, 8, 3)) == 255).all()


@pytest.mark.parametrize('name', ['16-bit-gray.png', '16-bit-gray.tiff', '16-bit-rgb.png', 'I.tiff', 'F.tiff'])
def test_deep_pictures_are_scaled_not_clipped(name: str) -> None:
    data = next(picture.data for picture in PICTURES if picture.name == name)
    reference = odd.photograph() if 'rgb' in name else odd.photograph().convert('L').convert('RGB')
    assert difference(images.to_pixels(data, OWN_SIZE), np.asarray(reference)) <= 1


@pytest.mark.parametrize(
    ('dtype', 'values', 'shades'),
    [
        (np.float32, [0.0, 0.5, 1.0], [0, 128, 255]),
        (np.float32, [0.0, 100.0, 255.0], [0, 100, 255]),
        (np.float32, [-1.0, 0.0, 1.0], [0, 128, 255]),
        (np.float32, [np.nan, np.inf, 1.0], [0, 0, 255]),
        (np.float32, [0.0, 4e5, 1e6], [0, 102, 255]),
        (np.int32, [0, 100, 255], [0, 100, 255]),
        (np.int32, [0, 257, 65535], [0, 1, 255]),
        (np.int32, [0, 100_000, 200_000], [0, 128, 255]),
        (np.int32, [0, 0, 0], [0, 0, 0]),
        (np.uint16, [0, 256, 65535], [0, 1, 255]),
    ],
)
def test_numbers_without_a_natural_white_get_one(dtype: type, values: list[float], shades: list[int]) -> None:
    picture = odd.encoded(Image.fromarray(np.array([values], dtype)), 'TIFF')
    assert images.to_pixels(picture, (1, 3, 1))[0, :, 0].tolist() == shades


@pytest.mark.parametrize('name', ['CMYK.jpg', 'CMYK.tiff', 'LAB.tiff', 'P.png', 'P.gif', 'animated.webp', 'pages.tiff'])
def test_other_colours_and_frames_come_out_like_the_photograph(name: str) -> None:
    data = next(
        (picture.data for picture in PICTURES if picture.name == name),
        odd.encoded(odd.photograph().quantize(256), 'GIF'),
    )
    # A palette and lossy compression cost some; another frame or inverted colours would cost 60 and more.
    assert difference(images.to_pixels(data, OWN_SIZE), np.asarray(odd.photograph())) < 12


def test_the_first_frame_is_taken() -> None:
    frames = [Image.new('RGB', (8, 8), colour) for colour in ('red', 'blue')]
    for file_format in ('GIF', 'PNG', 'WEBP', 'TIFF', 'MPO'):
        data = odd.encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
        red, _, blue = images.to_pixels(data, (8, 8, 3)).mean(axis=(0, 1))
        assert red > 240 and blue < 15, file_format


def test_much_larger_pictures_are_antialiased() -> None:
    stripes = Image.fromarray(np.tile(np.array([[0, 255]], np.uint8), (640, 320)))
    for file_format in ('PNG', 'JPEG'):
        pixels = images.to_pixels(odd.encoded(stripes, file_format), (32, 32, 3))
        assert np.abs(pixels.astype(int) - 128).max() < 6, file_format


def test_a_jpeg_at_reduced_scale_is_like_the_whole_one() -> None:
    whole = odd.photograph(1600, 1200)
    reduced = images.to_pixels(odd.encoded(whole, 'JPEG', quality=95), SMALL)
    assert difference(reduced, np.asarray(whole.resize((64, 64), Image.Resampling.BILINEAR))) < 1


def test_the_same_bytes_give_the_same_pixels() -> None:
    data = odd.encoded(odd.photograph(500, 400), 'JPEG')
    assert np.array_equal(images.to_pixels(data, SMALL), images.to_pixels(data, SMALL))


def test_a_file_above_the_byte_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = odd.encoded(odd.photograph(), 'PNG')
    monkeypatch.setattr(images, 'MAX_BYTES', len(data) - 1)
    assert verdict(data) == 'too-many-bytes'
    monkeypatch.setattr(images, 'MAX_BYTES', len(data))
    assert verdict(data) == 'ok'


def test_a_picture_at_the_pixel_limit_is_read_and_one_above_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    data = odd.encoded(odd.photograph(), 'PNG')
    monkeypatch.setattr(images, 'MAX_PIXELS', odd.WIDTH * odd.HEIGHT)
    assert verdict(data) == 'ok'
    monkeypatch.setattr(images, 'MAX_PIXELS', odd.WIDTH * odd.HEIGHT - 1)
    assert verdict(data) == 'too-many-pixels'


def test_truncated_pictures_stay_refused() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_failure_survives_the_way_to_another_process() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(ImageError('corrupt', 'a message')))
    assert (error.reason, error.message, str(error)) == ('corrupt', 'a message', 'corrupt: a message')


def test_messages_are_the_same_every_time() -> None:
    def said(data: bytes) -> str:
        with pytest.raises(ImageError) as caught:
            images.to_pixels(data, SMALL)
        return caught.value.message

    for picture in PICTURES:
        if picture.expected != 'ok':
            message = said(picture.data)
            assert message == said(picture.data) and '\n' not in message and ' at 0x' not in message, picture.name


def run_fresh(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, '-W', 'always', '-c', code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ''
    return done.stdout


def test_no_picture_makes_pillow_warn_or_load_more_formats(tmp_path: Path) -> None:
    folder = tmp_path / 'odd'
    folder.mkdir()
    for picture in PICTURES:
        (folder / picture.name).write_bytes(picture.data)
    loaded = run_fresh(
        """
import pathlib, sys
from preprocess import images
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        images.to_pixels(path.read_bytes(), (64, 64, 3))
    except images.ImageError:
        pass
print([name for name in sys.modules if 'Eps' in name or 'Ghost' in name or name in ('tensorflow', 'apache_beam')])
""",
        str(folder),
    )
    assert loaded.strip() == '[]'


def test_bombs_are_refused_without_memory(tmp_path: Path) -> None:
    folder = tmp_path / 'bombs'
    folder.mkdir()
    for picture in PICTURES:
        if picture.name.split('.')[0] in BOMBS:
            (folder / picture.name).write_bytes(picture.data)
    assert len(list(folder.iterdir())) == 16
    grown = run_fresh(
        """
import pathlib, resource, sys
from preprocess import images
files = [path.read_bytes() for path in pathlib.Path(sys.argv[1]).iterdir()]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for data in files:
    try:
        images.to_pixels(data, (64, 64, 3))
    except images.ImageError:
        continue
    raise SystemExit('not refused')
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
""",
        str(folder),
    )
    assert int(grown) < 60


BOMBS = {
    *('huge', 'just-too-large', 'endless-tags', 'text-bomb', 'profile-bomb'),
    *('scans', 'segments', 'chunks', 'comment', 'greedy-tags', 'million-strips'),
}


def test_at_its_own_size_a_picture_is_upright_rgb_and_nothing_is_resized() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG', exif=turned)

    assert np.array_equal(images.at_own_size(buffer.getvalue()), np.rot90(pixels, -1))
    with pytest.raises(ImageError):
        images.at_own_size(buffer.getvalue()[:60])
