"""Odd and broken pictures of every kind we know of, made on the spot, each with what must become of it."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 48, 32
Made = Iterator[tuple[str, bytes, str]]


class OddPicture(NamedTuple):
    """A file, and what must become of it: 'ok', or the reason it is rejected for."""

    name: str
    data: bytes
    expected: str


def odd_pictures() -> list[OddPicture]:
    """All of them, in a fixed order, under names that differ."""
    kinds = (_formats, _modes, _turned, _strange_but_fine, _cut, _damaged, _other_formats, _not_pictures, _bombs)
    kinds += (_floods, _empty)
    return [OddPicture(*made) for kind in kinds for made in kind()]


def photograph(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A picture with smooth and busy parts, the same every time."""
    rng = np.random.default_rng(7)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    noise = rng.integers(-20, 21, (height, width, 3))
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def translucent() -> Image.Image:
    """The photograph, ever less opaque towards the right."""
    picture = photograph().convert('RGBA')
    ramp = np.tile(np.linspace(255, 0, WIDTH).astype(np.uint8), (HEIGHT, 1))
    picture.putalpha(Image.fromarray(ramp))
    return picture


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    """A picture as a file of a format."""
    buffer = io.BytesIO()
    # Saving as JPEG or MPO leaves marks on a picture, over which other formats stumble.
    options = {
        key: [one.copy() for one in value] if key == 'append_images' else value for key, value in options.items()
    }
    picture.copy().save(buffer, file_format, **options)
    return buffer.getvalue()


def png(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks, whatever is in them."""
    whole = [(b'IHDR', header), *chunks, (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data)) for name, data in whole
    )


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG's header: by default 8-bit RGB."""
    return struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)


def tiff(*tags: tuple[int, int, int, int], after: bytes = b'') -> bytes:
    """A TIFF whose directory has these (tag, type, count, value) entries."""
    entries = b''.join(struct.pack('<HHII', *tag) for tag in sorted(tags))
    return b'II*\0' + struct.pack('<I', 8) + struct.pack('<H', len(tags)) + entries + b'\0\0\0\0' + after


def with_orientation(orientation: int, file_format: str = 'JPEG') -> bytes:
    """The photograph stored so that the EXIF orientation makes it upright."""
    stored_as = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = photograph()
    stored = upright.transpose(stored_as[orientation]) if orientation in stored_as else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(
        stored, file_format, exif=exif, **({'quality': 100, 'subsampling': 0} if file_format == 'JPEG' else {})
    )


def _formats() -> Made:
    rgb = photograph()
    second = rgb.transpose(Image.Transpose.ROTATE_180)
    animated = {'save_all': True, 'append_images': [second], 'duration': 100}
    yield 'plain.jpg', encoded(rgb, 'JPEG'), 'ok'
    yield 'progressive.jpg', encoded(rgb, 'JPEG', progressive=True), 'ok'
    yield 'worst-quality.jpg', encoded(rgb, 'JPEG', quality=1), 'ok'
    yield 'two-pictures.mpo', encoded(rgb, 'MPO', save_all=True, append_images=[second]), 'ok'
    yield 'plain.png', encoded(rgb, 'PNG'), 'ok'
    yield 'animated.png', encoded(rgb, 'PNG', **animated), 'ok'
    yield 'plain.gif', encoded(rgb, 'GIF'), 'ok'
    yield 'animated.gif', encoded(rgb, 'GIF', **animated), 'ok'
    yield 'lossy.webp', encoded(rgb, 'WEBP'), 'ok'
    yield 'lossless.webp', encoded(rgb, 'WEBP', lossless=True), 'ok'
    yield 'animated.webp', encoded(rgb, 'WEBP', **animated), 'ok'
    yield 'plain.bmp', encoded(rgb, 'BMP'), 'ok'
    yield 'pages.tiff', encoded(rgb, 'TIFF', save_all=True, append_images=[second]), 'ok'
    for compression in ('raw', 'tiff_lzw', 'tiff_adobe_deflate', 'packbits', 'jpeg'):
        yield f'{compression}.tiff', encoded(rgb, 'TIFF', compression=compression), 'ok'
    yield 'fax.tiff', encoded(rgb.convert('1'), 'TIFF', compression='group4'), 'ok'
    yield 'a-png.jpg', encoded(rgb, 'PNG'), 'ok'
    yield 'a-jpeg.png', encoded(rgb, 'JPEG'), 'ok'
    yield 'a-webp.tiff', encoded(rgb, 'WEBP'), 'ok'
    yield 'a-gif', encoded(rgb, 'GIF'), 'ok'


def _modes() -> Made:
    rgb, rgba = photograph(), translucent()
    palette = rgb.quantize(256)
    wide = np.asarray(rgb.convert('L')).astype(np.uint16) * 257
    for mode in ('L', 'CMYK'):
        yield f'{mode}.jpg', encoded(rgb.convert(mode), 'JPEG'), 'ok'
    for mode in ('1', 'L'):
        yield f'{mode}.png', encoded(rgb.convert(mode), 'PNG'), 'ok'
        yield f'{mode}.bmp', encoded(rgb.convert(mode), 'BMP'), 'ok'
    for mode in ('1', 'L', 'CMYK', 'LAB', 'I', 'F'):
        yield f'{mode}.tiff', encoded(_converted(rgb, mode), 'TIFF'), 'ok'
    yield 'P.png', encoded(palette, 'PNG'), 'ok'
    yield 'P-transparent.png', encoded(palette, 'PNG', transparency=3), 'ok'
    yield 'P-translucent.png', encoded(palette, 'PNG', transparency=bytes(range(0, 256, 8))), 'ok'
    yield 'P-transparent.gif', encoded(palette, 'GIF', transparency=3), 'ok'
    yield 'P.bmp', encoded(palette, 'BMP'), 'ok'
    yield 'P.tiff', encoded(palette, 'TIFF'), 'ok'
    yield 'LA.png', encoded(rgba.convert('LA'), 'PNG'), 'ok'
    yield 'RGBA.png', encoded(rgba, 'PNG'), 'ok'
    yield 'RGB-transparent.png', encoded(rgb, 'PNG', transparency=rgb.getpixel((0, 0))), 'ok'
    yield 'RGBA.webp', encoded(rgba, 'WEBP'), 'ok'
    yield 'RGBA.bmp', encoded(rgba, 'BMP'), 'ok'
    yield 'RGBA.tiff', encoded(rgba, 'TIFF'), 'ok'
    yield '16-bit-gray.png', encoded(Image.fromarray(wide), 'PNG'), 'ok'
    yield '16-bit-gray.tiff', encoded(Image.fromarray(wide), 'TIFF'), 'ok'
    rows = b''.join(b'\0' + row.tobytes() for row in (np.asarray(rgb).astype('>u2') * 257).astype('>u2'))
    yield '16-bit-rgb.png', png(png_header(WIDTH, HEIGHT, depth=16), (b'IDAT', zlib.compress(rows))), 'ok'


def _converted(rgb: Image.Image, mode: str) -> Image.Image:
    if mode == 'LAB':
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile('sRGB'), ImageCms.createProfile('LAB')
        converted = ImageCms.profileToProfile(rgb, srgb, lab, outputMode='LAB')
        assert converted
        return converted
    return rgb.convert('L').convert(mode) if mode in ('I', 'F') else rgb.convert(mode)


def _turned() -> Made:
    for orientation in range(1, 9):
        yield f'turned-{orientation}.jpg', with_orientation(orientation), 'ok'
    for file_format in ('PNG', 'TIFF', 'WEBP'):
        yield f'turned.{file_format.lower()}', with_orientation(6, file_format), 'ok'
    yield 'turned-to-nowhere.jpg', with_orientation(77), 'ok'
    jpeg = encoded(photograph(), 'JPEG')
    broken = b'Exif\0\0II*\0\xff\xff\xff\xff garbage'
    yield 'broken-exif.jpg', jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(broken) + 2) + broken + jpeg[2:], 'ok'


def _strange_but_fine() -> Made:
    rgb = photograph()
    yield 'one-pixel.png', encoded(rgb.crop((0, 0, 1, 1)), 'PNG'), 'ok'
    yield 'one-pixel.gif', encoded(rgb.crop((0, 0, 1, 1)), 'GIF'), 'ok'
    yield 'one-gray-pixel.jpg', encoded(rgb.crop((0, 0, 1, 1)).convert('L'), 'JPEG'), 'ok'
    yield 'tall.png', encoded(Image.new('RGB', (1, 10_000), 'green'), 'PNG'), 'ok'
    yield 'wide.jpg', encoded(Image.new('L', (10_000, 1), 128), 'JPEG'), 'ok'
    yield 'junk-behind.jpg', encoded(rgb, 'JPEG') + b'appended by a camera' * 10, 'ok'
    yield 'junk-behind.png', encoded(rgb, 'PNG') + b'appended' * 10, 'ok'
    yield 'zip-behind.gif', encoded(rgb, 'GIF') + b'PK\x03\x04' + b'polyglot' * 10, 'ok'
    yield 'script-inside.jpg', encoded(rgb, 'JPEG', comment=b'<script>alert(1)</script>'), 'ok'


def _cut() -> Made:
    rgb = photograph(300, 200)
    for file_format in ('JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF'):
        whole = encoded(rgb, file_format)
        for percent in (10, 30, 50, 70, 90):
            yield f'cut-at-{percent}.{file_format.lower()}', whole[: len(whole) * percent // 100], 'truncated'
    for compression in ('tiff_lzw', 'tiff_adobe_deflate', 'jpeg'):
        whole = encoded(rgb, 'TIFF', compression=compression)
        yield f'cut-{compression}.tiff', whole[: len(whole) // 2], 'truncated'
    progressive = encoded(rgb, 'JPEG', progressive=True)
    yield 'cut-progressive.jpg', progressive[: len(progressive) // 2], 'truncated'
    for file_format, length in (
        ('JPEG', 3),
        ('JPEG', 12),
        ('PNG', 8),
        ('PNG', 20),
        ('GIF', 6),
        ('BMP', 20),
        ('TIFF', 6),
    ):
        whole = encoded(rgb, file_format)
        yield f'only-{length}-bytes.{file_format.lower()}', whole[:length], 'truncated'


def _damaged() -> Made:
    rgb = photograph()
    whole = encoded(rgb, 'PNG')
    yield 'flipped-header.png', whole[:17] + b'\xff' + whole[18:], 'corrupt'
    middle = len(whole) // 2
    yield 'flipped-data.png', whole[:middle] + bytes([whole[middle] ^ 0x55]) * 8 + whole[middle + 8 :], 'corrupt'
    yield 'no-data.png', png(png_header(8, 8)), 'corrupt'
    yield 'garbage-data.png', png(png_header(8, 8), (b'IDAT', b'no zlib stream')), 'corrupt'
    yield (
        'impossible-type.png',
        png(png_header(8, 8, depth=3, colour=9), (b'IDAT', zlib.compress(b'\0' * 999))),
        'corrupt',
    )
    jpeg = encoded(rgb, 'JPEG')
    yield 'no-tables.jpg', jpeg.replace(b'\xff\xdb', b'\xff\xfe').replace(b'\xff\xc4', b'\xff\xfe'), 'corrupt'
    yield 'no-frame.jpg', b'\xff\xd8\xff\xe0\0\x04ab\xff\xd9', 'corrupt'
    yield 'no-picture.gif', b'GIF89a\x08\0\x08\0\0\0\0;', 'corrupt'
    yield 'garbage.webp', b'RIFF\x20\0\0\0WEBPVP8 ' + b'garbage ' * 4, 'corrupt'
    yield 'no-strips.tiff', tiff((256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1)), 'corrupt'
    yield 'unknown-compression.tiff', tiff((256, 3, 1, 8), (257, 3, 1, 8), (259, 3, 1, 65000)), 'corrupt'
    lzw = bytearray(encoded(rgb, 'TIFF', compression='tiff_lzw'))
    lzw[20:400] = b'\xaa' * 380
    yield 'garbage-lzw.tiff', bytes(lzw), 'corrupt'
    yield 'many-samples.tiff', tiff((256, 3, 1, 8), (257, 3, 1, 8), (277, 3, 1, 255), (262, 3, 1, 1)), 'corrupt'
    bmp = encoded(rgb, 'BMP')
    yield 'impossible-depth.bmp', bmp[:28] + b'\x07' + bmp[29:], 'corrupt'


def _other_formats() -> Made:
    rgb = photograph()
    for file_format in ('EPS', 'PDF', 'JPEG2000', 'AVIF', 'ICO', 'ICNS', 'PPM', 'SGI', 'DDS', 'QOI'):
        yield f'another.{file_format.lower()}', encoded(rgb, file_format), 'unsupported-format'
    yield 'an-eps.jpg', encoded(rgb, 'EPS'), 'unsupported-format'
    yield (
        'dos.eps',
        b'\xc5\xd0\xd3\xc6' + struct.pack('<7I', 30, 9, 0, 0, 0, 0, 0xFFFF) + b'%!PS-Adobe',
        'unsupported-format',
    )
    yield 'drawing.svg', b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', 'unsupported-format'
    yield 'phone.heic', b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(64), 'unsupported-format'
    yield 'layers.psd', b'8BPS\0\x01' + bytes(64), 'unsupported-format'
    yield 'clip.mp4', b'\0\0\0\x18ftypisom\0\0\x02\0isomiso2' + bytes(64), 'unsupported-format'
    yield 'clip.avi', b'RIFF\x40\0\0\0AVI LIST' + bytes(64), 'unsupported-format'


def _not_pictures() -> Made:
    yield 'notes.txt', b'not a picture at all\n', 'not-an-image'
    yield 'page.html', b'<!DOCTYPE html><html><body>404</body></html>', 'not-an-image'
    yield 'zeros.jpg', bytes(1000), 'not-an-image'
    yield 'noise.png', np.random.default_rng(3).bytes(1000), 'not-an-image'
    yield 'archive.zip', b'PK\x03\x04' + bytes(100), 'not-an-image'
    yield 'one-byte.jpg', b'\xff', 'not-an-image'


def _bombs() -> Made:
    data = (b'IDAT', zlib.compress(bytes(1000)))
    yield 'huge.png', png(png_header(100_000, 100_000), data), 'too-many-pixels'
    yield 'just-too-large.png', png(png_header(9_460, 9_459), data), 'too-many-pixels'
    yield 'huge.gif', b'GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x02\0\0\0;', 'too-many-pixels'
    yield (
        'huge.bmp',
        b'BM' + struct.pack('<IIIIiiHHIIiiII', 999, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        'too-many-pixels',
    )
    jpeg = encoded(photograph(), 'JPEG')
    at = jpeg.index(b'\xff\xc0') + 5
    yield 'huge.jpg', jpeg[:at] + struct.pack('>HH', 65_500, 65_500) + jpeg[at + 4 :], 'too-many-pixels'
    webp = b'WEBPVP8X' + struct.pack('<I', 10) + b'\0\0\0\0' + b'\xff\x3f\0' * 2
    yield 'huge.webp', b'RIFF' + struct.pack('<I', len(webp)) + webp, 'corrupt'
    huge_tags = (
        (256, 4, 1, 1 << 20),
        (257, 4, 1, 1 << 20),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 8),
    )
    yield 'huge.tiff', tiff(*huge_tags), 'too-many-pixels'
    endless = ((256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1 << 31, 200), (273, 4, 1 << 30, 200))
    yield 'endless-tags.tiff', tiff(*endless), 'corrupt'
    text = b'Comment\0\0' + zlib.compress(bytes(30 << 20), 9)
    yield (
        'text-bomb.png',
        png(png_header(8, 8), (b'zTXt', text), (b'IDAT', zlib.compress(bytes(8 * 25)))),
        'too-many-bytes',
    )
    profile = b'ICC\0\0' + zlib.compress(bytes(30 << 20), 9)
    yield (
        'profile-bomb.png',
        png(png_header(8, 8), (b'iCCP', profile), (b'IDAT', zlib.compress(bytes(8 * 25)))),
        'too-many-bytes',
    )


def _floods() -> Made:
    """Headers of so many or such greedy pieces that reading them is the attack."""
    jpeg, pixels = encoded(photograph(), 'JPEG'), (b'IDAT', zlib.compress(bytes(8 * 25)))
    progressive = encoded(photograph(), 'JPEG', progressive=True)
    scan = progressive.rindex(b'\xff\xda')
    yield 'scans.jpg', progressive[:-2] + progressive[scan:-2] * 1000 + b'\xff\xd9', 'corrupt'
    yield 'segments.jpg', jpeg[:2] + b'\xff\xfe\0\x02' * 20_000 + jpeg[2:], 'corrupt'
    yield 'chunks.png', png(png_header(8, 8), *[(b'abCd', b'')] * 150_000, pixels), 'corrupt'
    gif = encoded(photograph(), 'GIF')
    comment = b'!\xfe' + (b'\xff' + b'x' * 255) * 20_000 + b'\0'
    begin = 13 + (3 << (gif[10] & 7) + 1)
    yield 'comment.gif', gif[:begin] + comment + gif[begin:], 'corrupt'
    size = (
        (256, 3, 1, 8),
        (257, 3, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 64),
    )
    greedy = tiff(*size, *((tag, 7, 1 << 20, 8) for tag in range(40_000, 60_000)), after=bytes(1 << 20))
    yield 'greedy-tags.tiff', greedy, 'corrupt'
    yield (
        'million-strips.tiff',
        tiff(*size[:5], (273, 4, 2 << 20, 8), (279, 4, 2 << 20, 8), after=bytes(8 << 20)),
        'corrupt',
    )
    exif = tiff(*((tag, 7, 60_000, 8) for tag in range(40_000, 45_000)))
    segments = [b'Exif\0\0' + exif[at : at + 65_000] for at in range(0, len(exif), 65_000)]
    app1 = b''.join(b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment for segment in segments)
    yield 'greedy-exif.jpg', jpeg[:2] + app1 + jpeg[2:], 'corrupt'
    yield 'greedy-exif.png', png(png_header(8, 8), (b'eXIf', exif + bytes(60_000)), pixels), 'ok'


def _empty() -> Made:
    yield 'empty.jpg', b'', 'empty-file'
    yield 'no-pixels.png', png(png_header(0, 8)), 'too-small'
    yield 'no-pixels.gif', b'GIF89a\0\0\x08\0\0\0\0;', 'too-small'
    yield (
        'no-pixels.bmp',
        b'BM' + struct.pack('<IIIIiiHHIIiiII', 54, 0, 54, 40, 0, 8, 1, 24, 0, 0, 0, 0, 0, 0),
        'too-small',
    )
