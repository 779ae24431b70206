"""predict.batch --dry_run: the input counted, a few rows answered, and what all of them will take."""

import csv
import dataclasses
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from predict import batch_run
from predict.batch_inputs import Named
from predict.batch_options import BatchConfig
from preprocess import command, files, forecast, kept_vectors, quotes, rows
from preprocess.compiled import CompiledEncoder
from preprocess.costs import Workload
from preprocess.embedding import LOG, Machinery
from preprocess.failures import InputError, TooManyRejects
from preprocess.forecast import Pace
from preprocess.options import STORE
from preprocess.pieces import KEY_BYTES
from preprocess.processor import usable_cores
from preprocess.progress import Progress, duration, say, unsaid
from preprocess.rows import Reject, Row

TRIAL_ROWS = 32
# Of a recording so much is looked at.
_SECONDS = 10


@dataclass
class _Count:
    """What the rows are, and some of them, spread over all."""

    pictures: int = 0
    footage: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    some: list[Row] = field(default_factory=list)
    first_footage: Row | None = None

    def add(self, row: Row | Reject) -> None:
        """Count a row."""
        if isinstance(row, Reject):
            self.unreadable[row.reason] += 1
        elif row.is_footage:
            self.footage += 1
            self.first_footage = self.first_footage or row
        else:
            self.pictures += 1
            self._keep(row)

    def _keep(self, row: Row) -> None:
        """Every so many-th one, fewer of them the more there are."""
        every = 1 << max(0, (self.pictures - 1).bit_length() - TRIAL_ROWS.bit_length())
        if (self.pictures - 1) % every == 0:
            self.some.append(row)
        if len(self.some) > 4 * TRIAL_ROWS:
            self.some = self.some[::2]

    @property
    def tried(self) -> list[Row]:
        """Those that are answered."""
        return self.some[:: max(1, len(self.some) // TRIAL_ROWS)][:TRIAL_ROWS]

    def told(self) -> str:
        """The count in a line."""
        read = self.pictures + self.footage + self.unreadable.total()
        parts = [f'{self.pictures:,} pictures'] + [f'{self.footage:,} of footage'] * bool(self.footage)
        reasons = ', '.join(f'{count:,} {reason}' for reason, count in self.unreadable.most_common())
        return f'{read:,} rows: {", ".join(parts)}' + (f', {reasons}' if reasons else '')


def dry_run(config: BatchConfig, *, machinery: Machinery | None = None, asked: quotes.Asked | None = None) -> list[str]:
    """Check the model and every row, answer a few, and say what the whole run will take, here or as a job asked for."""
    with tempfile.TemporaryDirectory(prefix='headlight-dry-run-') as scratch:
        command.log_to(files.join(scratch, LOG), verbosity=config.verbosity)
        count = _counted(config, scratch)
        lines = [f'{config.input_path}: {count.told()}']
        trial = dataclasses.replace(
            config,
            input_path=_write_trial(count, scratch),
            output_path=files.join(scratch, 'trial'),
            embedding_store=files.join(scratch, STORE),
            image_root=None,
            overwrite=True,
            max_reject_fraction=1.0,
        )
        say(f'answering {len(count.tried):,} of the pictures' + (' and some footage' if count.first_footage else ''))
        begun = time.monotonic()
        with unsaid():
            try:
                lines.append(f'trial: {batch_run.predict(trial, machinery=machinery).told()}')
            except (InputError, TooManyRejects) as failure:
                if not files.exists(files.join(scratch, 'trial.run.json')):
                    raise
                lines.append(f'trial: {failure.what}')
        overhead_s = time.monotonic() - begun
        encoder = _encoder(scratch)
        pace = forecast.pace_of(encoder, [row.uri for row in count.tried]) if encoder and count.tried else None
        lines += _forecast(count, pace, overhead_s=overhead_s)
        if asked and encoder and pace:
            lines += quotes.lines(_workload(count, pace, encoder, config.store), asked)
        return lines


def _counted(config: BatchConfig, scratch: str) -> _Count:
    named, count = Named.of(config.input_path), _Count()
    if named.is_listing:
        listing = files.join(scratch, 'listing.csv')
        named.write_listing(listing)
        csvs: tuple[str, ...] = (listing,)
    else:
        csvs = named.csvs()
    root = os.getcwd() if named.is_listing else config.image_root
    with Progress('counting', unit='rows') as progress:
        for path in csvs:
            for row in rows.read_csv(path, image_root=root):
                progress.advance()
                count.add(row)
    return count


def _write_trial(count: _Count, scratch: str) -> str:
    """The rows that are tried, by where their files really are."""
    path = files.join(scratch, 'trial.csv')
    with open(path, 'w', encoding='utf-8', newline='') as opened:
        writer = csv.writer(opened)
        writer.writerow(['image'])
        writer.writerows([uri] for uri in _tried(count))
    return path


def _tried(count: _Count) -> Iterator[str]:
    yield from (files.absolute(row.uri) for row in count.tried)
    if row := count.first_footage:
        is_whole = row.start is None and row.frame is None
        yield files.absolute(row.recording) + (f'#t=0,{_SECONDS}' if is_whole else row.uri[len(row.recording) :])


def _encoder(scratch: str) -> CompiledEncoder | None:
    """The one that the trial used."""
    store = files.join(scratch, STORE)
    kept = [one.uri for one in files.list_dir(store, recursive=True) if one.uri.endswith('/encoder.json')]
    return CompiledEncoder.load(files.parent(kept[0])) if kept else None


def _workload(count: _Count, pace: Pace, encoder: CompiledEncoder, store: str) -> Workload:
    """What a job has to do, going by the files of some rows."""
    found = []
    for row in count.some:
        # What isn't there is answered with its reason.
        with suppress(OSError):
            found.append(files.stat(row.uri))
    known = kept_vectors.count(found, store, encoder) / max(len(found), 1)
    return Workload(
        rows=count.pictures + count.footage + count.unreadable.total(),
        pictures=count.pictures,
        in_store=round(known * count.pictures),
        picture_bytes=sum(one.size for one in found) / max(len(found), 1),
        seconds_per_picture=usable_cores() / pace.per_second,
        vector_bytes=pace.vector_bytes,
    )


def _forecast(count: _Count, pace: Pace | None, *, overhead_s: float) -> Iterator[str]:
    if pace:
        seconds = count.pictures / pace.per_second
        megabytes = count.pictures * (pace.vector_bytes + KEY_BYTES) / 1e6
        yield (
            f'embedding {count.pictures:,} pictures at {pace.per_second:,.1f}/s here: about {duration(seconds)}; '
            f'writes {megabytes:,.1f} MB into the store'
        )
        yield (
            f'in all about {duration(seconds + overhead_s)} on this machine; what the store has already takes no time'
        )
    if count.footage:
        yield 'footage takes what its decoding takes, besides'
