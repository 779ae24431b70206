"""Looking after the embedding store: the command `python -m preprocess.store stats|verify|compact DIR`."""

import argparse
from collections.abc import Callable, Sequence

from preprocess import command, files, upkeep
from preprocess.failures import InputError, UsageError
from preprocess.upkeep import ShelfReport

DEFAULT_GRACE_HOURS = 24.0


def main(argv: Sequence[str] | None = None) -> int:
    """One look, check or clean-up of a store."""
    parser = command.FlagParser('python -m preprocess.store', 'Looks after the embedding store.')
    parser.add_argument(
        'action',
        metavar='stats|verify|compact',
        choices=sorted(_ACTIONS),
        help='what is there; whether every checksum is right; many small pieces into few',
    )
    parser.add_argument('store', metavar='DIR', help='the store: `embeddings` of a result, or an --embedding_store')
    parser.add_argument(
        '--grace_hours',
        type=float,
        default=DEFAULT_GRACE_HOURS,
        metavar='H',
        help=f'compact: keep what was replaced so long for runs under way (default {DEFAULT_GRACE_HOURS:g})',
    )
    found = parser.parse_args(argv)
    if not found.grace_hours >= 0:
        raise UsageError('a time can not be negative', where='--grace_hours', do='give 0 or more')
    _ACTIONS[found.action](found)
    return 0


def _stats(found: argparse.Namespace) -> None:
    report = upkeep.report(found.store)
    bad: list[str] = []
    for encoder in report.encoders:
        print(f'{encoder.name or "an encoder whose description is gone"}  {encoder.key}')
        print(_line('vectors', encoder.vectors))
        print(_line('rejects', encoder.rejects))
        bad += [*encoder.vectors.bad, *encoder.rejects.bad]
    print('index of files')
    print(_line('files', report.index))
    if report.timelines:
        print(f'times of videos\n  {report.timelines:,} in {report.timeline_bytes:,} bytes')
    for path in [*bad, *report.index.bad]:
        print(f'damaged: {path}')


def _line(what: str, shelf: ShelfReport) -> str:
    old = f', {shelf.old:,} replaced' if shelf.old else ''
    return (
        f'  {what + ":":<10} {shelf.rows:,} in {shelf.pieces:,} pieces, {shelf.bytes:,} bytes, '
        f'{len(shelf.bad):,} damaged{old}'
    )


def _verify(found: argparse.Namespace) -> None:
    damaged = upkeep.verify(found.store)
    for error in damaged:
        print(error)
    if damaged:
        raise InputError(
            f'{len(damaged):,} damaged file{"s" if len(damaged) > 1 else ""}, set aside: '
            + ', '.join(files.name(error.path) for error in damaged),
            where=found.store,
            do='the next run makes what was in them again; compact removes them in time',
        )
    print('every checksum is right')


def _compact(found: argparse.Namespace) -> None:
    done = upkeep.compact(found.store, grace_s=found.grace_hours * 3600)
    for why in done.bad:
        print(f'set aside: {why}')
    print(
        f'{done.merged:,} pieces became {done.written:,}, without {done.duplicates:,} rows that were there twice; '
        f'{done.removed:,} replaced or damaged earlier removed'
    )


_ACTIONS: dict[str, Callable[[argparse.Namespace], None]] = {'stats': _stats, 'verify': _verify, 'compact': _compact}


if __name__ == '__main__':
    command.run(main)
