"""Keeping a server's model the newest: loaded at the start, and again when another one is exported in its place."""

import asyncio
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from predict.metrics import Metrics
from predict.service import Service
from predict.serving import Answerer, Machinery, Served
from preprocess import files, heap, near
from preprocess.failures import Failure, InputError
from preprocess.progress import say

_log = logging.getLogger(__name__)

# What tells one export from another.
_FILES = ('saved_model.pb', 'assets/model.json', 'assets/dict.txt')
_TRIES = 3
Mark: TypeAlias = tuple[files.FileStat, ...]
Loaded: TypeAlias = tuple[Answerer, Mark | None]


@dataclass(frozen=True)
class Export:
    """A model's directory, which may be replaced at any time; `load` loads what is in it."""

    directory: str
    load: Callable[[], Answerer]

    def mark(self) -> Mark | None:
        """Which export is there now; None while there is none, as between the two renames of a new one."""
        try:
            return tuple(files.stat(files.join(self.directory, name)) for name in _FILES)
        except OSError:
            return None

    def loaded(self) -> Loaded:
        """The model, all of one export."""
        for _ in range(_TRIES):
            before = self.mark()
            try:
                answerer = self.load()
            finally:
                near.forget(self.directory)  # else the disk of a server fills, export by export
            if self.mark() == before:
                return answerer, before
        raise InputError('it is replaced again and again', where=self.directory, do='wait until the exports are over')


@dataclass
class Keeper:
    """Puts models into a service."""

    service: Service
    machinery: Machinery
    metrics: Metrics

    async def put(self, load: Callable[[], Loaded]) -> Mark | None:
        """Serve what `load` loads, and say which export it was; Failure when it can't be."""
        making = asyncio.ensure_future(asyncio.to_thread(self._made, load))
        try:
            served, mark = await asyncio.shield(making)
        except asyncio.CancelledError:
            # A thread can't be stopped, and what it makes has threads of its own.
            served, _ = await making
            served.close()
            raise
        except Exception:
            self.metrics.loads.add(outcome='failed')
            raise
        self.metrics.loads.add(outcome='ok')
        self.service.put(served)
        return mark

    async def follow(self, export: Export, served: Mark | None, interval_s: float) -> None:
        """Look for another export every so often, for ever; one that can't be served leaves the old one where it is."""
        seen = refused = served
        while True:
            await asyncio.sleep(interval_s)
            before, seen = seen, await asyncio.to_thread(_looked_at, export)
            # Looked at twice: on some storages an export is written file by file, in sight of everybody.
            if seen is None or seen != before or seen in (served, refused):
                continue
            try:
                served = await self.put(export.loaded)
                say(f'serving the new model in {export.directory}')
            except Exception as error:  # whatever is wrong with it, the old one goes on
                refused = seen
                _tell(export, error)
            # Those of the one before, whose last request is answered.
            await asyncio.to_thread(_clear_up)

    def _made(self, load: Callable[[], Loaded]) -> tuple[Served, Mark | None]:
        answerer, mark = load()
        served = Served(answerer, self.machinery)
        _clear_up()
        return served, mark


def _clear_up() -> None:
    """Drop what loading left: the objects of a model know each other, and go only when they are looked for."""
    gc.collect()
    heap.give_back()


def _looked_at(export: Export) -> Mark | None:
    """Which export is there; a storage that can't be asked now is asked again: what is served goes on."""
    try:
        return export.mark()
    except Failure as failure:
        _log.warning('%s can not be looked at: %s', export.directory, failure.what)
        return None


def _tell(export: Export, error: Exception) -> None:
    _log.error('the new model in %s can not be served', export.directory, exc_info=error)
    why = error.what if isinstance(error, Failure) else f'{type(error).__name__}: {error}'
    say(f'warning: the new model in {export.directory} can not be served, the old one is kept: {why}')
