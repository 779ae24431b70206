"""A model and pictures, or videos -> a table or JSON Lines: `python -m predict.local --model_dir DIR PICTURE...`."""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from predict import footage, pictures, request, videos
from predict.answers import UNSURE, Prediction, Style, visible
from predict.description import Description
from predict.pictures import Picture, Unusable
from preprocess import command, files, interrupts, quiet
from preprocess.command import FlagParser
from preprocess.failures import InputError, Interrupted, UsageError
from preprocess.labels import Labels
from preprocess.progress import Progress

EXIT_SOME_FAILED = 4
_PROG = 'python -m predict.local'
Stream: TypeAlias = Callable[[Sequence[Picture | Unusable]], Iterator[Prediction]]
_EPILOG = """\
A folder means the pictures in and below it; a pattern in quotes ('shots/*.jpg') is expanded here. `-` reads standard
input: a picture, or paths, one a line (or ended by NUL, as find -print0 writes them). Names that begin with `-` go
after `--`. Answers come in the order of the pictures; pictures that fail are named on stderr, and the exit code is 4.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Answer every picture; 4 when some could not be answered."""
    options = pictures.parse_args(_parser(), argv)
    _check(options)
    _make_printable(as_json=options.json)
    if recordings := _recordings(options):
        return EXIT_SOME_FAILED if videos.answer(videos.from_flags(options, recordings)) else 0
    named = _named(options)
    description, stream = _elsewhere(options) if options.endpoint else _here(options.model_dir)
    if options.top_k and options.top_k > len(description.labels):
        raise _mistake(f'--top_k {options.top_k}, but the model has {len(description.labels)} labels', 'give fewer')
    style = Style(description.labels, description.multi_label, options.top_k)
    answers = _shown_how_far(_until_stopped(stream(named)), len(named))
    if options.threshold is not None:
        answers = (style.decided(answer, options.threshold) for answer in answers)
    failed = _print_json(answers, style) if options.json else _print_table(answers, style, named)
    if failed:
        print(f'{failed:,} of {len(named):,} pictures failed', file=sys.stderr)
    return EXIT_SOME_FAILED if failed else 0


def _parser() -> FlagParser:
    parser = FlagParser(_PROG, 'Answer pictures with a model.', epilog=_EPILOG)
    parser.add_argument('pictures', nargs='*', metavar='PICTURE', help='a picture, a folder, a pattern, or - for stdin')
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument('--model_dir', metavar='DIR', help='the folder that holds saved_model.pb')
    model.add_argument('--endpoint', metavar='URL', help='or a model served elsewhere: .../v1/models/NAME:predict')
    parser.add_argument('--size', type=int, metavar='N', help="side of an endpoint's squares, if it does not say (299)")
    parser.add_argument('--input_dict', metavar='FILE', help="dict.txt of an endpoint's model, if it does not say")
    parser.add_argument('--request', metavar='FILE', help='a request.json instead of pictures (- for stdin)')
    parser.add_argument('--json', action='store_true', help='JSON Lines instead of the table')
    parser.add_argument('--top_k', type=int, metavar='N', help='name the N best labels with their scores')
    parser.add_argument(
        '--threshold', type=float, metavar='T', help=f'the score a label needs; when none has it: {UNSURE}'
    )
    videos.add_flags(parser)
    return parser


def _check(options: argparse.Namespace) -> None:
    if options.model_dir and (options.size or options.input_dict):
        raise _mistake('--size and --input_dict are for --endpoint', 'leave them out')
    if options.size is not None and options.size < 1:
        raise _mistake(f'--size is 1 or more, got {options.size}', "give the side of the model's squares")
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise _mistake(f'--threshold is from 0 to 1, got {options.threshold}', 'give a score, say 0.9')
    if options.top_k is not None and options.top_k < 1:
        raise _mistake(f'--top_k is 1 or more, got {options.top_k}', 'give how many labels to name')
    if options.request and options.pictures:
        raise _mistake('--request and pictures are both given', 'give one of them')
    if not options.request and not options.pictures:
        raise _mistake('no picture is given', 'name pictures, a folder, - for stdin, or --request FILE')


def _recordings(options: argparse.Namespace) -> list[str]:
    """The footage among what is named: all of it or none."""
    found = [word for word in options.pictures if footage.is_recording(word)]
    if found and len(found) < len(options.pictures):
        other = next(word for word in options.pictures if word not in found)
        raise _mistake(f'{found[0]} is footage and {other} is not', 'give pictures and videos one after the other')
    if not found and (options.output_dir or options.frames_per_second or options.every_frame or options.keyframes):
        raise _mistake('--output_dir and the flags of sampling are for footage', 'leave them out, or name videos')
    return found


def _mistake(what: str, do: str) -> UsageError:
    return UsageError(what, where=_PROG, do=do)


def _named(options: argparse.Namespace) -> list[Picture | Unusable]:
    if not options.request:
        return pictures.named(options.pictures, sys.stdin.buffer)
    try:
        data = sys.stdin.buffer.read() if options.request == '-' else files.read_bytes(options.request)
    except OSError as error:
        raise InputError(
            f'the request can not be read: {error.strerror or error}', where=options.request, do='check the path'
        ) from error
    return request.parse(data, where=options.request)


def _here(model_dir: str) -> tuple[Description, Stream]:
    """A model in this process, to be loaded after all that can be wrong without it."""
    description = Description.read(model_dir)
    description.shape_for_pictures(model_dir)
    description.for_single_pictures(model_dir)

    def stream(named: Sequence[Picture | Unusable]) -> Iterator[Prediction]:
        with Progress('loading the model'), quiet.loading():
            # TensorFlow takes seconds to load.
            from predict.model import load

            model = load(model_dir)
        return model.stream(named)

    return description, stream


def _elsewhere(options: argparse.Namespace) -> tuple[Description, Stream]:
    """A model that is served somewhere."""
    from predict import endpoint
    from predict.remote import Remote

    labels = Labels.read(options.input_dict).names if options.input_dict else ()
    with Progress('asking the endpoint'):
        found = endpoint.connect(options.endpoint, Remote(), size=options.size, labels=labels)
    return found.description, found.stream


def _shown_how_far(answers: Iterator[Prediction], count: int) -> Iterator[Prediction]:
    if sys.stdout.isatty():
        # The rows themselves show how far it has come.
        yield from answers
        return
    with Progress('predicting', total=count, unit='pictures') as progress:
        for answer in answers:
            progress.advance(failed=int(answer.error is not None))
            yield answer


def _until_stopped(answers: Iterable[Prediction]) -> Iterator[Prediction]:
    for answer in answers:
        if interrupts.requested():
            raise Interrupted('stopped before the last picture', where=_PROG, do=command.this_command())
        yield answer


def _print_json(answers: Iterable[Prediction], style: Style) -> int:
    failed = 0
    for answer in answers:
        failed += _reported(answer)
        print(json.dumps(style.json(answer), ensure_ascii=False), flush=True)
    return failed


def _print_table(answers: Iterable[Prediction], style: Style, named: Sequence[Picture | Unusable]) -> int:
    table = style.table(picture.key for picture in named)
    failed, header = 0, [table.header]
    for answer in answers:
        if _reported(answer):
            failed += 1
            continue
        print(*header, table.row(answer), sep='\n', flush=True)
        header = []
    return failed


def _reported(answer: Prediction) -> bool:
    """Whether the picture failed, which is then said on stderr."""
    if answer.error is not None:
        print(f'error: {visible(answer.key)}: {visible(answer.error)}', file=sys.stderr, flush=True)
    return answer.error is not None


def _make_printable(*, as_json: bool) -> None:
    """Let any name be printed: JSON is UTF-8 whatever the terminal's encoding, a table escapes what that lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = 'utf-8' if as_json and stream is sys.stdout else stream.encoding
            stream.reconfigure(encoding=encoding, errors='backslashreplace')


if __name__ == '__main__':
    command.run(main)
