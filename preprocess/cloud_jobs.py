"""What all jobs in the cloud have in common for the command that started one: it may end before they do."""

from collections.abc import Callable, Sequence

from preprocess import command
from preprocess.failures import Interrupted
from preprocess.settings import Settings

# Called with what is known of a job whenever that changes; pipeline.py writes it into run.json.
Tell = Callable[[Settings], None]


class LeftToRun(Exception):
    """The command ends well, because nobody asked it to wait, and a job goes on without it."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__('; '.join(lines))
        self.lines = tuple(lines)


def left_to_run(what: str, *, console: str) -> LeftToRun:
    """The end of a command with --no_wait."""
    return LeftToRun(
        [
            f'{what} goes on without this command',
            f'watch it     {console}',
            f'continue     {command.this_command()}     (attaches to it, or goes on when it is done)',
        ]
    )


def interrupted(what: str, *, console: str, cancel: str) -> Interrupted:
    """Ctrl-C ends the command that waits, never the job."""
    return Interrupted(
        f'{what} goes on without this command',
        where=console,
        do=f'the same command attaches to it again: {command.this_command()}; to end it: {cancel}',
    )


def say_nothing(facts: Settings) -> None:
    """Where nobody keeps a run.json."""
