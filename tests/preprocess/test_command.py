"""The conventions of the command lines: flags, three-line errors, exit codes, signals."""

import errno
import logging
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from preprocess import command
from preprocess.failures import InputError, RunFailed, TooManyRejects, UsageError


def parser() -> command.FlagParser:
    flags = command.FlagParser('python -m example', 'An example.')
    flags.add_argument('--max_steps', type=int, default=7)
    flags.add_argument('--no_wait', action='store_true')
    return flags


def parser_with_pictures() -> command.FlagParser:
    flags = parser()
    flags.add_argument('pictures', nargs='*')
    return flags


def test_underscores_and_hyphens_name_the_same_flag() -> None:
    assert parser().parse_args(['--max_steps', '3']).max_steps == 3
    assert parser().parse_args(['--max-steps=3']).max_steps == 3
    assert parser().parse_args(['--no-wait']).no_wait is True


def test_hyphens_in_values_and_after_the_double_dash_are_kept() -> None:
    found = parser_with_pictures().parse_args(['my-picture.jpg', '--', '--a-b.jpg'])
    assert found.pictures == ['my-picture.jpg', '--a-b.jpg']


def test_flags_are_not_abbreviated() -> None:
    with pytest.raises(UsageError) as caught:
        parser().parse_args(['--max', '3'])
    assert caught.value.what == 'unknown flag --max'


def test_an_unknown_flag_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError) as caught:
        parser().parse_args(['--max_step', '3'])
    assert caught.value.lines() == (
        'error: unknown flag --max_step\n'
        'where: python -m example\n'
        'do: did you mean --max_steps? see `python -m example --help`'
    )


def test_an_impossible_value_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        parser().parse_args(['--max_steps', 'many'])
    assert "invalid int value: 'many'" in caught.value.what


def test_what_is_left_over_goes_to_beam() -> None:
    found, rest = command.parse_with_beam(
        parser(), ['--max_steps=3', '--runner=DirectRunner', '--direct-num-workers', '2', '--labels', 'team=birds']
    )
    assert found.max_steps == 3
    assert rest == ['--runner=DirectRunner', '--direct_num_workers', '2', '--labels', 'team=birds']


def test_a_flag_neither_we_nor_beam_know_gets_suggestions_from_both() -> None:
    with pytest.raises(UsageError, match='did you mean --direct_num_workers'):
        command.parse_with_beam(parser(), ['--direct_num_worker=2'])
    with pytest.raises(UsageError, match='did you mean --max_steps'):
        command.parse_with_beam(parser(), ['--max_stepz=2'])


def test_an_impossible_value_for_beam_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError) as caught:
        command.parse_with_beam(parser(), ['--direct_num_workers=several'])
    assert caught.value.what == "argument --direct_num_workers: invalid int value: 'several'"
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(('failure', 'code'), [(UsageError, 2), (InputError, 3), (TooManyRejects, 4), (RunFailed, 5)])
def test_each_failure_ends_with_its_code_and_three_lines(
    failure: type[UsageError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: object) -> int:
        raise failure('it broke', where='a.csv:3', do='mend it')

    with pytest.raises(SystemExit) as ended:
        command.run(main)
    assert ended.value.code == code
    assert capsys.readouterr().err == 'error: it broke\nwhere: a.csv:3\ndo: mend it\n'


@pytest.mark.parametrize(
    ('number', 'code', 'what'),
    [
        (errno.ENOSPC, 5, 'no space left on device'),
        (errno.EFBIG, 5, 'file too large'),
        (errno.EACCES, 3, 'permission denied'),
        (errno.EROFS, 3, 'read-only file system'),
    ],
)
def test_a_full_or_forbidden_disk_is_three_lines(
    number: int, code: int, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: object) -> int:
        raise OSError(number, os.strerror(number), '/out/x')

    with pytest.raises(SystemExit) as ended:
        command.run(main)
    assert ended.value.code == code
    assert capsys.readouterr().err.splitlines()[:2] == [f'error: {what}', 'where: /out/x']


def test_a_bug_keeps_its_traceback() -> None:
    def main(argv: object) -> int:
        raise KeyError('a bug')

    with pytest.raises(KeyError):
        command.run(main)


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(InputError) as caught:
        command.require('no_such_package', extra='video', why='videos')
    assert caught.value.do == "pip install 'headlight[video]'"


def test_the_log_is_written_to_the_file_and_not_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.log_to(str(tmp_path / 'out' / 'log.txt'))
    try:
        logging.getLogger('some.library').warning('chatter')
    finally:
        handler = logging.getLogger().handlers[-1]
        logging.getLogger().removeHandler(handler)
        handler.close()
    assert 'WARNING some.library: chatter' in (tmp_path / 'out' / 'log.txt').read_text()
    assert capsys.readouterr().err == ''


SLOW_COMMAND = textwrap.dedent("""
    import sys, time
    from preprocess import command, interrupts
    from preprocess.failures import Interrupted
    def main(argv):
        print('begun', flush=True)
        while not interrupts.requested():
            time.sleep(0.01)
        if 'stubborn' in sys.argv:
            print('pieces', flush=True)
            time.sleep(60)
        raise Interrupted('stopped', where='here', do=command.this_command())
    command.run(main)
""")


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_in_order_with_the_command_that_continues(
    tmp_path: Path, number: signal.Signals
) -> None:
    script = tmp_path / 'slow.py'
    script.write_text(SLOW_COMMAND)
    with _started(script, 'two words') as process:
        assert process.stdout is not None and process.stdout.readline() == 'begun\n'
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines()[-1] == f"do: python {script} 'two words'"


def test_the_second_signal_stops_at_once(tmp_path: Path) -> None:
    script = tmp_path / 'slow.py'
    script.write_text(SLOW_COMMAND)
    with _started(script, 'stubborn') as process:
        assert process.stdout is not None and process.stdout.readline() == 'begun\n'
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == 'pieces\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130


def _started(script: Path, *words: str) -> 'subprocess.Popen[str]':
    return subprocess.Popen(
        [sys.executable, str(script), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])},
    )
