"""What a storage refuses, told as the reason a row is rejected for."""

from collections.abc import Iterator
from contextlib import contextmanager

from preprocess.image_formats import ImageError

_REASONS: tuple[tuple[type[OSError], str], ...] = (
    (FileNotFoundError, 'missing'),
    (NotADirectoryError, 'missing'),
    (PermissionError, 'forbidden'),
    (IsADirectoryError, 'is-a-directory'),
)


@contextmanager
def readable() -> Iterator[None]:
    """Whatever can't be read meanwhile is an ImageError with its reason."""
    try:
        yield
    except OSError as error:
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), 'unreadable')
        raise ImageError(reason, error.strerror or str(error)) from error
