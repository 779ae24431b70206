"""What can go wrong in a way a user can mend: what, where, what to do, and the exit code it ends with."""


class Failure(Exception):
    """A mistake or mishap shown in three lines instead of a traceback."""

    exit_code = 1

    def __init__(self, what: str, *, where: str, do: str) -> None:
        super().__init__(what, where, do)
        self.what = what
        self.where = where
        self.do = do

    def __str__(self) -> str:
        return f'{self.where}: {self.what}; {self.do}'

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments need help to cross a process border.
        return _rebuild, (type(self), self.what, self.where, self.do)

    def lines(self) -> str:
        """The three lines a user sees."""
        return f'error: {self.what}\nwhere: {self.where}\ndo: {self.do}'


class UsageError(Failure, ValueError):
    """Unknown flag, missing flag, impossible value."""

    exit_code = 2


class InputError(Failure, ValueError):
    """Input that can't be used: missing, empty, contradicting, or being written by another run."""

    exit_code = 3


class TooManyRejects(Failure):
    """More rows were rejected than the user allows."""

    exit_code = 4


class RunFailed(Failure):
    """The run failed through no bug: loss became NaN, disk full, a worker or a cloud job lost."""

    exit_code = 5


class Interrupted(Failure):
    """The user asked to stop; `do` is the command that continues."""

    exit_code = 130


def _rebuild(kind: type[Failure], what: str, where: str, do: str) -> Failure:
    return kind(what, where=where, do=do)
