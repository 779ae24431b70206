"""Copies of remote files on this machine, for readers that take only local paths: made once, gone with the process.

What is local already is used where it is. A copy is of one version: an object that changed is copied again.
"""

import atexit
import hashlib
import os
import re
import shutil
import socket
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import BinaryIO

from preprocess import files, interrupts
from preprocess.failures import InputError, Interrupted, RunFailed
from preprocess.files import FileStat
from preprocess.progress import Progress

_AT_ONCE = 8
_PIECE_BYTES = 1 << 20
_MEGABYTE = 1_000_000
# Smaller copies are over before anybody wonders.
_TELL_FROM_BYTES = 16 * _MEGABYTE
# The room that is left to everybody else.
_SPARE_BYTES = 256 * _MEGABYTE
# Characters: a local name may have 255 bytes. Its end tells what kind of file it is.
_LONGEST_NAME = 60
_PREFIX = f'headlight-near-{re.sub("[^A-Za-z0-9]", "", socket.gethostname())}-'

_copies: dict[FileStat, str] = {}
_brought: dict[str, str] = {}
_trees: defaultdict[str, set[str]] = defaultdict(set)
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def file(uri: str) -> str:
    """A local path to a file's content: itself, or a copy."""
    return _copied(files.stat(uri), lambda count: None) if files.is_remote(uri) else files.without_scheme(uri)


def bring(uris: Iterable[str], *, what: str) -> None:
    """Copy several files near at once, so that `file` has them; `what` they are is told, and how far it is."""
    remote = {uri for uri in uris if files.is_remote(uri)}
    # Folders are listed: thousands of questions would take minutes.
    listed = [one for folder in {files.parent(uri) for uri in remote} for one in files.list_dir(folder)]
    found = [one for one in listed if one.uri in remote]
    # Those that are not there say so.
    found += [files.stat(uri) for uri in remote - {one.uri for one in found}]
    with ThreadPoolExecutor(_AT_ONCE, 'near') as pool:
        _copy([one for one in found if one not in _copies], what, pool)
    _brought.update({one.uri: _copies[one] for one in found})


def if_brought(uri: str) -> str:
    """The copy that `bring` made of a file, without asking whether the file is still the same; else its own path."""
    return _brought.get(uri, uri)


def tree(uri: str, *, what: str) -> str:
    """A local directory with everything below `uri`: itself, or a copy."""
    if not files.is_remote(uri):
        return files.without_scheme(uri)
    found = sorted(files.list_dir(uri, recursive=True), key=lambda one: one.uri)
    start = len(files.join(uri, ''))
    with ThreadPoolExecutor(_AT_ONCE, 'near') as pool:
        _copy([one for one in found if one not in _copies], what, pool)
    place = os.path.join(
        folder(), 'tree-' + hashlib.sha256(repr((uri, found)).encode(errors='replace')).hexdigest()[:16]
    )
    for one in found:
        path = os.path.join(place, _checked(one.uri[start:], one.uri))
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.link(_copies[one], path)
    _trees[uri].add(place)
    return place


def forget(uri: str) -> None:
    """Remove the copies of what is below a folder, old versions too: whoever asked for them has read them."""
    start = files.join(uri, '')
    for found in [found for found in list(_copies) if found.uri.startswith(start)]:
        shutil.rmtree(os.path.dirname(_copies.pop(found)), ignore_errors=True)
    for place in _trees.pop(uri, ()):
        shutil.rmtree(place, ignore_errors=True)


@cache
def folder() -> str:
    """This process' folder for what it needs near; other processes' are removed where these are gone."""
    base = tempfile.gettempdir()
    for name in os.listdir(base):
        owner = name.removeprefix(_PREFIX).partition('-')[0] if name.startswith(_PREFIX) else ''
        if owner.isdigit() and _is_gone(int(owner)):
            shutil.rmtree(os.path.join(base, name), ignore_errors=True)
    made = tempfile.mkdtemp(prefix=f'{_PREFIX}{os.getpid()}-')
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _copy(wanted: list[FileStat], what: str, pool: ThreadPoolExecutor) -> None:
    total = sum(one.size for one in wanted)
    _check_room(total, what)
    if total < _TELL_FROM_BYTES:
        list(pool.map(lambda one: _copied(one, lambda count: None), wanted))
        return
    counting, done = threading.Lock(), 0

    def count(copied: int) -> None:
        nonlocal done
        if interrupts.requested():
            raise Interrupted('interrupted', where=f'copying {what} near', do='run the same command again')
        with counting:
            done += copied
            progress.update(done // _MEGABYTE)

    with Progress(f'copying {what} near', total=-(-total // _MEGABYTE), unit='MB') as progress:
        list(pool.map(lambda one: _copied(one, count), wanted))


def _copied(found: FileStat, count: Callable[[int], None]) -> str:
    with _locks[found.uri]:
        if found in _copies:
            return _copies[found]
        path = os.path.join(tempfile.mkdtemp(dir=folder()), files.name(found.uri)[-_LONGEST_NAME:])
        with files.open_read(found.uri) as opened, open(path, 'xb') as written:
            while piece := opened.read(_PIECE_BYTES):
                _write(written, piece, path)
                count(len(piece))
        _copies[found] = path
        return path


def _write(opened: BinaryIO, piece: bytes, path: str) -> None:
    try:
        opened.write(piece)
    except OSError as error:
        # A full disk says no name.
        error.filename = path
        raise


def _check_room(wanted: int, what: str) -> None:
    free = shutil.disk_usage(folder()).free - _SPARE_BYTES
    if wanted > free:
        raise RunFailed(
            f'{what}, {wanted / 1e9:,.1f} GB, are to be copied near, where {max(free, 0) / 1e9:,.1f} GB are free',
            where=tempfile.gettempdir(),
            do='set TMPDIR to a folder with more room',
        )


def _checked(path: str, uri: str) -> str:
    """A path below a folder, which it must not leave."""
    if {'', '.', '..'} & set(path.split('/')):
        raise InputError('a name that no local file can have', where=uri, do='remove or rename it')
    return path


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
