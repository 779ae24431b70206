"""How sets ended, told to the user: a line for each, and the failure of the first one that isn't there."""

import logging
import math
from collections.abc import Mapping, Sequence

from preprocess.failures import Failure, InputError, RunFailed, TooManyRejects
from preprocess.manifest import Manifest
from preprocess.outcomes import Outcome
from preprocess.progress import say
from preprocess.record_sets import is_whole
from preprocess.sets import SetJob

_log = logging.getLogger(__name__)
# What is said of recordings before the rest is left to the log.
_MOST_NOTES = 10


def tell(outcomes: Sequence[tuple[SetJob, Outcome]]) -> None:
    """Say how every set ended; raise for the first one that isn't there."""
    for one, outcome in outcomes:
        say(_summary(one, outcome))
        for number, note in enumerate(outcome.notes):
            (say if number < _MOST_NOTES else _log.info)(f'{one.name.stem}: {note}')
    for one, outcome in outcomes:
        if not outcome.is_published:
            raise _rejected(one, outcome)
        if not is_whole(one.name, Manifest.read(one.name.manifest())):
            raise RunFailed(
                'the runner says it is done, but the records are not what it wrote',
                where=one.name.manifest(),
                do='see whether something else writes there, and run the same command again',
            )


def _summary(one: SetJob, outcome: Outcome) -> str:
    rows = outcome.rows
    parts = [f'{outcome.examples.written:,} records']
    if outcome.examples.rejected_frames:
        parts.append(
            f'{outcome.examples.rejected_frames:,} frames rejected ({_histogram(outcome.frame_rejects_by_reason)})'
        )
    if rows.rejected:
        parts.append(f'{rows.rejected:,} rejected ({_histogram(outcome.rejects_by_reason)})')
    if rows.duplicate:
        parts.append(f'{rows.duplicate:,} repeats')
    if outcome.from_working_dir:
        parts.append(f'{outcome.from_working_dir:,} found in the working directory instead of beside the CSV')
    return f'{one.name.stem}: {rows.read:,} rows: {", ".join(parts)}'


def _rejected(one: SetJob, outcome: Outcome) -> Failure:
    rows = outcome.rows
    reasons = _histogram(outcome.rejects_by_reason)
    if not outcome.examples.written:
        everything = f'every frame was rejected ({_histogram(outcome.frame_rejects_by_reason)})'
        return InputError(
            everything if rows.accepted else f'every row was rejected ({reasons})',
            where=one.name.rejects(),
            do='look there for what is wrong with each row, mend the CSV or the files, and run the same command again',
        )
    worst = outcome.worst
    if worst and rows.rejected <= one.max_reject_fraction * rows.read:
        return TooManyRejects(
            f'{worst.rejected:,} of {worst.expanded:,} frames of {worst.video} rejected ({worst.fraction:.1%}, the '
            f'limit is {one.max_reject_fraction:.1%}): {_histogram(outcome.frame_rejects_by_reason)}',
            where=one.name.rejects(),
            do='mend what is said there and run the same command again, or go on without these frames with '
            f'--max_reject_fraction {_rounded_up(worst.fraction)}',
        )
    fraction = rows.rejected / rows.read
    return TooManyRejects(
        f'{rows.rejected:,} of {rows.read:,} rows rejected ({fraction:.1%}, the limit is '
        f'{one.max_reject_fraction:.1%}): {reasons}',
        where=one.name.rejects(),
        do=f'mend them and run the same command again, or go on without these {rows.rejected:,} rows with '
        f'--max_reject_fraction {_rounded_up(fraction)}',
    )


def _rounded_up(fraction: float) -> str:
    return f'{math.ceil(fraction * 1000) / 1000:g}'


def _histogram(reasons: Mapping[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ', '.join(f'{count:,} {reason}' for reason, count in ordered)
