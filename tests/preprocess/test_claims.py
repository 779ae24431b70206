"""One writer at a time: who is refused, and when a dead owner's claim is free."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from preprocess import claims, files
from preprocess.failures import InputError

HOLDER = """
import sys
from preprocess.claims import Claim
with Claim(sys.argv[1], doing='training in another process'):
    print('held', flush=True)
    sys.stdin.readline()
"""


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = str(tmp_path / 'out' / '.claim')
    with claims.Claim(path, doing='training'), pytest.raises(InputError) as caught:
        claims.Claim(path, doing='more training').__enter__()
    assert caught.value.what == (
        f'another run is writing this result: training, process {os.getpid()} on {socket.gethostname()}'
    )
    assert caught.value.where == path


def test_the_mark_goes_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / '.claim'
    with claims.Claim(str(path), doing='training'):
        assert json.loads(path.read_text())['doing'] == 'training'
    assert list(tmp_path.iterdir()) == []
    with claims.Claim(str(path), doing='again'):
        assert path.exists()


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_process_of_this_host_holds_nothing(tmp_path: Path, number: signal.Signals) -> None:
    path = str(tmp_path / '.claim')
    with _holder(path) as other:
        with pytest.raises(InputError, match='training in another process'):
            claims.Claim(path, doing='training').__enter__()
        other.send_signal(number)
        # Not collected by us yet: a zombie writes nothing, so its claim is free.
        _wait_until_dead(other.pid)
        with claims.Claim(path, doing='training'):
            assert json.loads(Path(path).read_text())['pid'] == os.getpid()


@pytest.mark.parametrize(('beat_ago_s', 'refused'), [(5, True), (44, True), (46, False)])
def test_a_process_of_another_host_is_alive_for_45_seconds_after_its_beat(
    tmp_path: Path, beat_ago_s: float, refused: bool
) -> None:
    path = tmp_path / '.claim'
    path.write_text(
        json.dumps(
            {'doing': 'embedding', 'host': 'elsewhere', 'pid': 1, 'started': '1', 'token': 't'}
            | {'beat': time.time() - beat_ago_s}
        )
    )
    claim = claims.Claim(str(path), doing='training')
    if refused:
        with pytest.raises(InputError, match='embedding, process 1 on elsewhere'):
            claim.__enter__()
    else:
        with claim:
            assert json.loads(path.read_text())['doing'] == 'training'


def test_with_patience_an_earlier_run_elsewhere_is_waited_for(tmp_path: Path, monkeypatch, capsys) -> None:
    path = tmp_path / '.claim'
    other = {'doing': 'training', 'host': 'elsewhere', 'pid': 1, 'started': '1', 'token': 't', 'beat': time.time()}
    path.write_text(json.dumps(other))
    waited: list[float] = []

    def gone_after_a_while(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            path.write_text(json.dumps({**other, 'beat': 0}))

    monkeypatch.setattr(claims.time, 'sleep', gone_after_a_while)
    with claims.Claim(str(path), doing='training again', patience_s=60):
        assert json.loads(path.read_text())['doing'] == 'training again'
    assert len(waited) == 3 and all(seconds < 5 for seconds in waited)
    assert capsys.readouterr().err.startswith('waiting for an earlier run to be gone: training, process 1 on elsewhere')


def test_a_container_of_the_same_name_is_another_host(tmp_path: Path) -> None:
    path = tmp_path / '.claim'
    with claims.Claim(str(path), doing='training'):
        mine = json.loads(path.read_text())
    path.write_text(json.dumps({**mine, 'machine': 'another', 'pid': 1 << 22, 'beat': time.time()}))
    with pytest.raises(InputError, match='training, process'):
        claims.Claim(str(path), doing='training').__enter__()


def test_what_this_process_could_not_give_back_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / '.claim'
    with claims.Claim(str(path), doing='training'):
        left = path.read_text()
    path.write_text(left)
    with claims.Claim(str(path), doing='again'):
        assert json.loads(path.read_text())['doing'] == 'again'


def test_only_one_holds_a_claim_on_an_object_store(place: str) -> None:
    path = f'{place}/out/.claim'
    refused = pytest.raises(InputError, match='another run is writing this result: training')
    with claims.Claim(path, doing='training'), refused:
        claims.Claim(path, doing='more').__enter__()
    assert not files.exists(path)


def test_a_torn_mark_names_nobody_and_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / '.claim'
    path.write_text('{"doing": "tra')
    with claims.Claim(str(path), doing='training'):
        assert json.loads(path.read_text())['doing'] == 'training'


def test_the_mark_of_another_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / '.claim'
    with claims.Claim(str(path), doing='training'):
        path.write_text(json.dumps({**json.loads(path.read_text()), 'token': 'another'}))
    assert json.loads(path.read_text())['token'] == 'another'


def _holder(path: str) -> 'subprocess.Popen[str]':
    process = subprocess.Popen(
        [sys.executable, '-c', HOLDER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None and process.stdout.readline() == 'held\n'
    return process


def _wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        state = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
        if state == 'Z':
            return
    raise AssertionError(f'process {pid} still runs')
