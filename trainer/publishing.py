"""A model that is there only when it is whole; the one it replaces goes away last.

On a disk a directory gets its name when everything is in it. Object stores have no directories to rename: there
saved_model.pb comes last, and goes first, and without it nobody takes the rest for a model.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from preprocess import files
from preprocess.failures import InputError
from preprocess.progress import Progress

_log = logging.getLogger(__name__)
GRAPH = 'saved_model.pb'


@contextmanager
def publishing(directory: str, *, keep_previous: bool = False) -> Iterator[str]:
    """A directory on this machine to write into, swapped in when the block ends well.

    Killed at any moment, `directory` holds the old model, the new one, or between two renames nothing. The old one
    is kept as DIRECTORY.previous when asked. One process at a time: the caller holds the claim.
    """
    final = directory.rstrip('/')
    if files.is_remote(final):
        with _publishing_objects(final, keep_previous=keep_previous) as staged:
            yield staged
        return
    staged, replaced = f'{final}.exporting', f'{final}.replaced'
    _refuse_strangers(final)
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


@contextmanager
def _publishing_objects(final: str, *, keep_previous: bool) -> Iterator[str]:
    """As publishing. A mark beside the model says that what lies there without saved_model.pb is an unfinished one."""
    mark, replaced = f'{final}.exporting', f'{final}.replaced'
    if files.exists(mark):
        _restore_objects(replaced, final)
    else:
        _refuse_strangers(final)
    with tempfile.TemporaryDirectory() as folder:
        staged = files.join(folder, files.name(final))
        yield staged
        with Progress(f'copying the model to {final}'):
            files.write_atomic(mark, b'')
            if _is_model(final):
                replaced = f'{final}.previous' if keep_previous else replaced
                _copy_model(final, replaced)
            _clear(final)
            files.copy_tree(staged, final, last=GRAPH)
    if not keep_previous:
        _clear(replaced)
    files.delete(mark)


def _restore_objects(replaced: str, final: str) -> None:
    """What a killed export left: the old model comes back, where there was one to come back."""
    if _is_model(replaced) and not _is_model(final):
        _log.info('%s is back from an export that was killed', final)
        _copy_model(replaced, final)
    _clear(replaced)


def _copy_model(source: str, target: str) -> None:
    _clear(target)
    files.copy_tree(source, target, last=GRAPH)


def _clear(model: str) -> None:
    files.delete(files.join(model, GRAPH))
    files.delete_tree(model)


def _is_model(directory: str) -> bool:
    return files.exists(files.join(directory, GRAPH))


def _refuse_strangers(final: str) -> None:
    """A directory that holds anything but a model may be somebody's pictures: it is not replaced."""
    if not files.exists(final) or _is_model(final):
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
