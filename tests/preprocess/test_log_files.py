"""log.txt on an object store: written here, copied there."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from preprocess import files, log_files
from tests.fakes.gcs import FakeGcs

_log = logging.getLogger('preprocess.of_this_test')
LOG = 'gs://bucket/logs/log.txt'


@pytest.fixture(autouse=True)
def only_ours() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def close() -> None:
    """As a command ends."""
    for handler in [one for one in logging.getLogger().handlers if isinstance(one, log_files.LogFile)]:
        logging.getLogger().removeHandler(handler)
        handler.close()


def test_it_is_there_in_the_end_behind_what_was_there_before(gcs: FakeGcs) -> None:
    files.delete(LOG)
    for number in range(2):
        log_files.attach(LOG, verbosity='INFO')
        _log.info('run %d', number)
        close()
    assert [line.rpartition(': ')[2] for line in files.read_text(LOG).splitlines()] == ['run 0', 'run 1']


def test_it_is_copied_now_and_then(gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    files.delete(LOG)
    handler = log_files.RemoteLogFile(LOG)
    handler.emit(logging.LogRecord('a', logging.INFO, '', 1, 'first', None, None))
    handler.copy()
    assert 'first' in files.read_text(LOG)
    before = files.stat(LOG)
    handler.copy()
    assert files.stat(LOG) == before
    handler.close()


def test_one_log_is_written_once_and_workers_append_to_it(gcs: FakeGcs, tmp_path: Path) -> None:
    for uri in (LOG, f'{tmp_path}/log.txt'):
        log_files.attach(uri, verbosity='INFO')
        log_files.attach(uri, verbosity='INFO')
    found = [one for one in logging.getLogger().handlers if isinstance(one, log_files.LogFile)]
    assert [one.uri for one in found] == [LOG, f'{tmp_path}/log.txt']
    assert log_files.for_workers('gs://bucket/elsewhere/log.txt') == log_files.local_path(LOG)
    assert log_files.for_workers(f'{tmp_path}/x/log.txt') == f'{tmp_path}/x/log.txt'
    assert log_files.local_path('gs://bucket/elsewhere/log.txt') is None


def test_a_log_that_can_not_be_copied_fails_nobody(gcs: FakeGcs) -> None:
    handler = log_files.RemoteLogFile('gs://no-such-bucket/log.txt')
    handler.emit(logging.LogRecord('a', logging.INFO, '', 1, 'lost', None, None))
    handler.close()
    assert not files.exists('gs://no-such-bucket/log.txt')
    assert 'lost' in Path(handler._local()).read_text()  # as long as the process is there
