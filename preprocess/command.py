"""The conventions every command line here follows: spelling of flags, three-line errors, exit codes, signals, logs."""

import argparse
import contextlib
import difflib
import errno
import io
import logging
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from preprocess import interrupts, log_files
from preprocess.failures import Failure, InputError, Interrupted, RunFailed, UsageError

_log = logging.getLogger(__name__)
# What an operating system, or a storage on the network, says when the fault is not the program's.
_DISK_ERRORS = {
    errno.ENOSPC: 'free some space or choose another output directory; the same command continues',
    errno.EDQUOT: 'free some of your quota or choose another output directory; the same command continues',
    errno.EIO: 'look whether it is up and can be reached; the same command continues',
    errno.ESTALE: 'run the same command again',
    errno.EFBIG: 'raise the file size limit (ulimit -f); the same command continues',
    errno.EROFS: 'choose an output directory that can be written',
    errno.EACCES: 'choose a directory you may write, or mend its permissions',
    errno.EPERM: 'choose a directory you may write, or mend its permissions',
}


class FlagParser(argparse.ArgumentParser):
    """argparse with underscores or hyphens, no abbreviations, and mistakes raised as UsageError."""

    def __init__(self, prog: str, description: str, *, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, where=self.prog, do=f'see `{self.prog} --help`')

    def parse_known_args(  # type: ignore[override]  # argparse's overloads allow other namespaces; ours don't
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words = _underscored(list(sys.argv[1:] if args is None else args))
        try:
            return super().parse_known_args(words, namespace)
        except argparse.ArgumentError as error:
            self.error(str(error))

    def parse_args(  # type: ignore[override]  # as above
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            raise unknown_flag(rest[0], where=self.prog, known=self.flags())
        return found

    def flags(self) -> list[str]:
        """Every long flag this parser knows."""
        return sorted(name for name in self._option_string_actions if name.startswith('--'))


def unknown_flag(word: str, *, where: str, known: Sequence[str]) -> UsageError:
    """The error for a word nobody asked for, with the nearest flag we know."""
    name = word.split('=', 1)[0]
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    if not name.startswith('-'):
        # A pattern without quotes arrives as the files that fit it.
        quotes = 'put patterns in quotes, or the shell takes them; ' if os.path.exists(word) else ''
        return UsageError(f'unexpected argument {name!r}', where=where, do=f'{quotes}see `{where} --help`')
    hint = f'did you mean {" or ".join(close)}? ' if close else ''
    return UsageError(f'unknown flag {name}', where=where, do=f'{hint}see `{where} --help`')


def parse_with_beam(parser: FlagParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Our flags first; what remains must be Beam's, word for word."""
    found, rest = parser.parse_known_args(argv)
    if rest:
        _check_beam_words(rest, where=parser.prog, ours=parser.flags())
    return found, rest


def _check_beam_words(words: Sequence[str], *, where: str, ours: Sequence[str]) -> None:
    require('apache_beam', extra='beam', why='Beam options')
    from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

    beam = _BeamArgumentParser(allow_abbrev=False, add_help=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(beam)  # Beam has no public way to list its options.
    known = sorted({*ours, *(name for name in beam._option_string_actions if name.startswith('--'))})
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            _, rest = beam.parse_known_args(list(words))
    except SystemExit:
        said = complaint.getvalue().strip().splitlines()[-1].partition('error: ')[2]
        raise UsageError(said, where=where, do="see Apache Beam's pipeline options") from None
    if rest:
        raise unknown_flag(rest[0], where=where, known=known)


def require(module: str, *, extra: str, why: str) -> None:
    """Stop with the name of the extra when an optional package is absent."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise InputError(
            f'{why} need the package {module}, which is not installed',
            where='this Python environment',
            do=f"pip install 'headlight[{extra}]'",
        )


def run(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command to its exit code: failures in three lines, bugs with their traceback."""
    interrupts.watch()
    _quieten()
    try:
        code = main(argv) or 0
        sys.stdout.flush()
    except Failure as failure:
        code = _report(failure)
    except KeyboardInterrupt:
        code = _report(
            Interrupted('interrupted', where=sys.argv[0], do=f'the same command continues: {this_command()}')
        )
    except BrokenPipeError:
        # The reader of our output (head, less) went away; nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        code = _report(from_os_error(error))
    _flush_and_exit(code)


def from_os_error(error: OSError) -> Failure:
    """A full disk, a forbidden path or a failing storage as three lines."""
    kind = InputError if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else RunFailed
    return kind(
        (error.strerror or os.strerror(error.errno or 0)).lower(),
        where=str(error.filename or 'the output directory'),
        do=_DISK_ERRORS.get(error.errno or 0, 'mend what the message names and run the same command again'),
    )


def this_command() -> str:
    """The command line as it was typed, quoted for a shell."""
    module = sys.modules['__main__'].__spec__
    start = ['python', '-m', module.name] if module and module.name != '__main__' else _script()
    return shlex.join([*start, *sys.argv[1:]])


def log_to(path: str, *, verbosity: str = 'INFO') -> None:
    """The full log of this process goes to `path` (appended), whatever the terminal shows."""
    log_files.attach(path, verbosity=verbosity)


def _quieten() -> None:
    # Set before TensorFlow is imported: its C++ chatter can't be caught later.
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
    os.environ.setdefault('GRPC_VERBOSITY', 'NONE')
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(terminal)


def _report(failure: Failure) -> int:
    _log.error('%s', failure.lines(), exc_info=failure)
    print(failure.lines(), file=sys.stderr, flush=True)
    return failure.exit_code


def _script() -> list[str]:
    name = sys.argv[0]
    return ['python', name] if name.endswith('.py') else [os.path.basename(name)]


def _underscored(words: list[str]) -> list[str]:
    end = words.index('--') if '--' in words else len(words)
    return [*map(_underscored_name, words[:end]), *words[end:]]


def _underscored_name(word: str) -> str:
    if not word.startswith('--'):
        return word
    name, equals, value = word.partition('=')
    return '--' + name[2:].replace('-', '_') + equals + value


def _flush_and_exit(code: int) -> NoReturn:
    # Only ours: other handlers may close streams that somebody still writes to.
    log_files.close()
    sys.stderr.flush()
    sys.exit(code)
