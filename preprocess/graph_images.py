"""The pixel policy of `images` as TensorFlow ops, for raw pictures sent to a served model (TensorFlow).

The same as far as the ops go. They do not turn pictures upright (EXIF), know a GIF's transparency, or WebP
and TIFF at all; a JPEG is always decoded whole. A PNG of the encoder's own size comes back bit for bit.
"""

import tensorflow as tf

_PNG = b'\x89PNG'
_BMP = b'BM'
_JPEG = b'\xff\xd8\xff'
# Where the headers of PNG and BMP say how many bits a pixel has, and BMP's how they are stored.
_PNG_DEPTH_AT = 24
_BMP_DEPTH_AT = 28
_BMP_COMPRESSION_AT = 30
_BMP_BITFIELDS = 3  # only then is a fourth channel transparency


def decode_in_graph(image_bytes: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """A scalar string tensor of a JPEG, PNG, GIF or BMP as uint8[H,W,C]; works inside map_fn and signatures."""
    height, width, channels = shape
    rgb = tf.case(
        [
            (_begins(image_bytes, _JPEG), lambda: _jpeg(image_bytes)),
            (_begins(image_bytes, _PNG), lambda: _png(image_bytes)),
            (_begins(image_bytes, _BMP), lambda: _bmp(image_bytes)),
        ],
        # GIF; and whatever else there is, which this op refuses by name.
        default=lambda: _opaque(tf.io.decode_image(image_bytes, channels=3, expand_animations=False)),
        exclusive=True,
    )
    rgb = tf.ensure_shape(rgb, (None, None, 3))
    values = tf.image.rgb_to_grayscale(rgb) if channels == 1 else rgb
    resized = tf.image.resize(values, (height, width), method='bilinear', antialias=True)
    return tf.ensure_shape(_rounded(resized), shape)


def _begins(image_bytes: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.equal(tf.strings.substr(image_bytes, 0, len(magic)), magic)


def _jpeg(image_bytes: tf.Tensor) -> tf.Tensor:
    return _opaque(tf.io.decode_jpeg(image_bytes, channels=3, dct_method='INTEGER_ACCURATE'))


def _png(image_bytes: tf.Tensor) -> tf.Tensor:
    # Asked for four channels, TensorFlow gives pictures of 1, 2 and 4 bits an alpha of 1, 3 and 15, not 255; they come
    # out right as they are stored. Wider ones are right with four, and only so does a transparent colour become alpha.
    narrow = _uint(image_bytes, _PNG_DEPTH_AT, 1) < 8
    return tf.cond(
        narrow,
        lambda: _by_channels(tf.io.decode_png(image_bytes, channels=0), alpha=True),
        lambda: _on_white(tf.io.decode_png(image_bytes, channels=4)),
    )


def _bmp(image_bytes: tf.Tensor) -> tf.Tensor:
    has_palette = tf.equal(_uint(image_bytes, _BMP_DEPTH_AT, 2), 8)
    has_alpha = tf.equal(_uint(image_bytes, _BMP_COMPRESSION_AT, 4), _BMP_BITFIELDS)
    picture = tf.io.decode_bmp(image_bytes)
    return tf.cond(
        has_palette,
        lambda: _opaque(tf.gather(_bmp_palette(image_bytes), tf.cast(picture[:, :, 0], tf.int32))),
        lambda: _by_channels(picture, alpha=has_alpha),
    )


def _bmp_palette(image_bytes: tf.Tensor) -> tf.Tensor:
    """The colours of a BMP as uint8[256,3]: they stand between its header and its pixels, blue first."""
    begin = 14 + _uint(image_bytes, 14, 4)
    colours = tf.minimum((_uint(image_bytes, 10, 4) - begin) // 4, 256)
    flat = tf.io.decode_raw(tf.strings.substr(image_bytes, begin, 4 * colours), tf.uint8)
    return tf.pad(tf.reshape(flat, (-1, 4))[:, 2::-1], [[0, 256 - colours], [0, 0]])


def _uint(image_bytes: tf.Tensor, start: int, length: int) -> tf.Tensor:
    """A little-endian number of a header."""
    digits = tf.io.decode_raw(tf.strings.substr(image_bytes, start, length), tf.uint8)
    return tf.reduce_sum(tf.cast(digits, tf.int32) * [256**place for place in range(length)])


def _by_channels(picture: tf.Tensor, *, alpha: tf.Tensor | bool) -> tf.Tensor:
    """Gray, RGB or, if the fourth channel is transparency, RGBA as float RGB on white."""
    channels = tf.shape(picture)[2]
    return tf.case(
        [
            (tf.equal(channels, 1), lambda: _opaque(tf.repeat(picture, 3, axis=2))),
            (tf.logical_and(tf.equal(channels, 4), alpha), lambda: _on_white(picture)),
        ],
        default=lambda: _opaque(picture[:, :, :3]),
    )


def _opaque(rgb: tf.Tensor) -> tf.Tensor:
    return tf.cast(rgb, tf.float32)


def _on_white(rgba: tf.Tensor) -> tf.Tensor:
    values = tf.cast(rgba, tf.float32)
    alpha = values[:, :, 3:] / 255.0
    return tf.floor(values[:, :, :3] * alpha + 255.0 * (1.0 - alpha) + 0.5)


def _rounded(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.floor(values + 0.5), 0.0, 255.0), tf.uint8)
