"""A directory that gets its name only when it is whole; the one it replaces goes away last."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from preprocess import files
from preprocess.failures import InputError

_log = logging.getLogger(__name__)


@contextmanager
def publishing(directory: str, *, keep_previous: bool = False) -> Iterator[str]:
    """A sibling directory to write into, swapped in when the block ends well.

    Killed at any moment, `directory` holds the old model, the new one, or between two renames nothing. The old one
    is kept as DIRECTORY.previous when asked. One process at a time: the caller holds the claim.
    """
    final = directory.rstrip('/')
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


def _refuse_strangers(final: str) -> None:
    """A directory that holds anything but a model may be somebody's pictures: it is not replaced."""
    if not files.exists(final) or files.exists(files.join(final, 'saved_model.pb')):
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
