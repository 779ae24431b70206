"""A model that is there only when it is whole; the one it replaces goes away last.

On a disk a directory gets its name when everything is in it. Object stores have no directories to rename: there
saved_model.pb comes last, and goes first, and without it nobody takes the rest for a model.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from preprocess import files
from preprocess.failures import InputError
from preprocess.progress import Progress

_log = logging.getLogger(__name__)
GRAPH = 'saved_model.pb'


@contextmanager
def publishing(directory: str, *, keep_previous: bool = False, main_file: str = GRAPH) -> Iterator[str]:
    """A directory on this machine to write into, swapped in when the block ends well.

    By its `main_file` a model is told from other directories. Killed at any moment, `directory` holds the old model,
    the new one, or between two renames nothing. The old one is kept as DIRECTORY.previous when asked. One process at a
    time: the caller holds the claim.
    """
    final = directory.rstrip('/')
    if files.is_remote(final):
        with _Objects(main_file).publishing(final, keep_previous=keep_previous) as staged:
            yield staged
        return
    staged, replaced = f'{final}.exporting', f'{final}.replaced'
    _refuse_strangers(final, main_file)
    files.delete_tree(staged)
    _restore(replaced, final)
    try:
        yield staged
    except BaseException:
        files.delete_tree(staged)
        raise
    if keep_previous and files.exists(final):
        replaced = f'{final}.previous'
        _discard(replaced, final)
    if files.exists(final):
        files.rename(final, replaced)
    files.rename(staged, final)
    if not keep_previous:
        _discard(replaced, final)


@dataclass(frozen=True)
class _Objects:
    """Models on an object store, by the file that comes last and goes first."""

    main_file: str

    @contextmanager
    def publishing(self, final: str, *, keep_previous: bool) -> Iterator[str]:
        """As publishing. A mark beside the model says that what lies there without its file is an unfinished one."""
        mark, replaced = f'{final}.exporting', f'{final}.replaced'
        if files.exists(mark):
            self._restore(replaced, final)
        else:
            _refuse_strangers(final, self.main_file)
        with tempfile.TemporaryDirectory() as folder:
            staged = files.join(folder, files.name(final))
            yield staged
            with Progress(f'copying the model to {final}'):
                files.write_atomic(mark, b'')
                if _is_model(final, self.main_file):
                    replaced = f'{final}.previous' if keep_previous else replaced
                    self._copy(final, replaced)
                self._clear(final)
                files.copy_tree(staged, final, last=self.main_file)
        if not keep_previous:
            self._clear(replaced)
        files.delete(mark)

    def _restore(self, replaced: str, final: str) -> None:
        """What a killed export left: the old model comes back, where there was one to come back."""
        if _is_model(replaced, self.main_file) and not _is_model(final, self.main_file):
            _log.info('%s is back from an export that was killed', final)
            self._copy(replaced, final)
        self._clear(replaced)

    def _copy(self, source: str, target: str) -> None:
        self._clear(target)
        files.copy_tree(source, target, last=self.main_file)

    def _clear(self, model: str) -> None:
        files.delete(files.join(model, self.main_file))
        files.delete_tree(model)


def _is_model(directory: str, main_file: str) -> bool:
    return files.exists(files.join(directory, main_file))


def _refuse_strangers(final: str, main_file: str) -> None:
    """A directory that holds anything but a model may be somebody's pictures: it is not replaced."""
    if not files.exists(final) or _is_model(final, main_file):
        return
    if not files.is_dir(final) or next(files.list_dir(final, recursive=True), None):
        raise InputError(
            'there is something here that is not a model, and it would be replaced',
            where=final,
            do='give another output directory, or remove what is there',
        )


def _restore(replaced: str, final: str) -> None:
    """Give back its name to a model whose successor was killed between the two renames; clear what else it left."""
    if files.exists(replaced) and not files.exists(final):
        _log.info('%s is back from an export that was killed', final)
        files.rename(replaced, final)
    _discard(replaced, final)


def _discard(unwanted: str, final: str) -> None:
    """Delete a model under a name that nobody takes for one, so that half of it is never found."""
    deleting = f'{final}.deleting'
    files.delete_tree(deleting)
    if files.exists(unwanted):
        files.rename(unwanted, deleting)
        files.delete_tree(deleting)
