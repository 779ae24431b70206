"""Pictures -> a request for a served model: `python -m predict.images_to_json -o request.json PICTURE...`."""

import argparse
import re
import sys
from collections.abc import Sequence

from predict import pictures, request
from predict.answers import visible
from predict.description import Description
from predict.pictures import Picture, Unusable
from preprocess import command, files
from preprocess.command import FlagParser
from preprocess.failures import InputError, UsageError
from preprocess.progress import Progress, say
from preprocess.settings import Json

EXIT_SOME_FAILED = 4
# What Vertex accepts in one online request.
MAX_REQUEST_BYTES = 1_500_000
MAX_REQUEST_PICTURES = 100
# The side Inception v3 takes.
DEFAULT_SIZE = 299
_PROG = 'python -m predict.images_to_json'
# What the decoder inside the model reads; other formats are sent as PNG.
_SERVER_READS = re.compile(rb'\xff\xd8\xff|\x89PNG|GIF8[79]a|BM')
_EPILOG = """\
Without -r the bytes of JPEG, PNG, GIF and BMP files are sent as they are, for the decoder in the model, which does not
turn pictures by their EXIF orientation. With -r each picture is decoded here, turned upright and sent as the square the
encoder takes, as PNG: the scores are then those of predict.local, and camera pictures travel in a twentieth of the
bytes. Pictures that can't be used are named, the others written, and the exit code is 4.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the request; 4 when some pictures could not be used."""
    options = pictures.parse_args(_parser(), argv)
    if not options.pictures:
        raise UsageError('no picture is given', where=_PROG, do='name pictures, a folder, or - for stdin')
    if files.is_dir(options.output):
        raise UsageError(f'--output {options.output} is a folder', where=_PROG, do='give the name of a file')
    shape = _shape(options)
    resize = options.resize or options.size is not None or options.model_dir is not None
    named = pictures.named(options.pictures, sys.stdin.buffer)
    good, failed = _read(named, shape, resize=resize)
    if not good:
        raise InputError('no picture could be used', where=options.output, do='mend what is named above')
    _write(good, options.output, request.FORMATS[options.format])
    return EXIT_SOME_FAILED if failed else 0


def _parser() -> FlagParser:
    parser = FlagParser(_PROG, 'Write pictures as a request for a served model.', epilog=_EPILOG)
    parser.add_argument('pictures', nargs='*', metavar='PICTURE', help='a picture, a folder, a pattern, or - for stdin')
    parser.add_argument('-o', '--output', metavar='FILE', default='request.json', help='default: request.json')
    parser.add_argument('-r', '--resize', action='store_true', help='send each as the square the encoder takes')
    size = parser.add_mutually_exclusive_group()
    size.add_argument('--size', type=int, metavar='N', help=f"the square's side, with -r (default {DEFAULT_SIZE})")
    size.add_argument('--model_dir', metavar='DIR', help='take the size from this model, with -r')
    parser.add_argument(
        '--format',
        choices=request.FORMATS,
        default='lines',
        help='lines: one object a line, for gcloud; instances: one object, for Vertex and TensorFlow Serving',
    )
    return parser


def _shape(options: argparse.Namespace) -> tuple[int, int, int]:
    if options.model_dir is not None:
        return Description.read(options.model_dir).shape_for_pictures(options.model_dir)
    size = DEFAULT_SIZE if options.size is None else options.size
    if not 1 <= size <= 4096:
        raise UsageError(f'--size is from 1 to 4096, got {size}', where=_PROG, do="give the encoder's side")
    return size, size, 3


def _read(
    named: Sequence[Picture | Unusable], shape: tuple[int, int, int], *, resize: bool
) -> tuple[list[dict[str, Json]], int]:
    """What can be sent, and how many pictures can't."""
    good = []
    with Progress('reading', total=len(named), unit='pictures') as progress:
        for picture in named:
            instance = _instance(picture, shape, resize=resize)
            progress.advance(failed=int(isinstance(instance, Unusable)))
            if isinstance(instance, Unusable):
                print(f'error: {visible(instance.key)}: {visible(instance.error)}', file=sys.stderr)
            else:
                good.append(instance)
    return good, len(named) - len(good)


def _instance(picture: Picture | Unusable, shape: tuple[int, int, int], *, resize: bool) -> dict[str, Json] | Unusable:
    from predict import reading
    from preprocess import images
    from preprocess.image_formats import ImageError

    if isinstance(picture, Unusable):
        return picture
    try:
        data = reading.file_bytes(picture.source)
        # Decoded even where the bytes go as they are: one broken picture fails the whole request at the server.
        square = reading.square(data, shape)
    except ImageError as error:
        return Unusable(picture.key, str(error))
    as_it_is = not resize and _SERVER_READS.match(data)
    return request.instance(picture.key, data if as_it_is else images.png_bytes(square))


def _write(good: Sequence[dict[str, Json]], output: str, form: request.Form) -> None:
    size = 0
    with files.writing_atomic(output) as written:
        for piece in form(good):
            size += written.write(piece)
    print(f'Wrote {len(good)} images to {output}')
    if size > MAX_REQUEST_BYTES or len(good) > MAX_REQUEST_PICTURES:
        say(
            f'warning: {len(good)} pictures, {size / 1e6:.1f} MB: Vertex takes {MAX_REQUEST_PICTURES} pictures and '
            f'{MAX_REQUEST_BYTES / 1e6:.1f} MB in one request; send them in several, or smaller with -r'
        )


if __name__ == '__main__':
    command.run(main)
