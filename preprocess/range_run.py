"""Sheets, and the footage that is theirs -> every file that preprocess.ranges writes."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from preprocess import command, files, interrupts, range_files, range_report
from preprocess.documents import in_dictionary_order
from preprocess.failures import InputError, Interrupted, UsageError
from preprocess.group_split import in_order, some
from preprocess.labelling import (
    Counting,
    LabelledRow,
    Session,
    Sides,
    check_parts,
    choose_sides,
    frame_rows,
    video_rows,
)
from preprocess.progress import Progress
from preprocess.range_clocks import RecordingClock, read_clocks
from preprocess.range_files import Output
from preprocess.range_footage import Footage, find_footage
from preprocess.range_frames import FrameSequence, find_frames
from preprocess.range_report import Account, Written
from preprocess.range_rules import LAB_FPS, RangeRules
from preprocess.range_times import ClockRules, timed
from preprocess.sheet_columns import ColumnChoice
from preprocess.sheet_formats import read_sheets
from preprocess.sheets import Sheet
from preprocess.split_rules import SplitRules
from preprocess.ties import Ties

# Cameras are stopped, and sheets filled in, by hand.
_LATE_S = 1
_SHEET_ENDINGS = ('.csv', '.tsv', '.xlsx', '.csv.gz', '.tsv.gz')


@dataclass(frozen=True)
class RangesConfig:
    """What the command is asked for; `fps` None is what the sheet says, else the lab's."""

    sheets: tuple[str, ...]
    output_dir: str
    videos: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    subjects: str | None = None
    columns: ColumnChoice = ColumnChoice()
    clocks: ClockRules = ClockRules()
    rules: RangeRules = RangeRules()
    fps: Fraction | None = None
    counting: Counting = Counting()
    split: SplitRules = SplitRules()
    leave_one_out: bool = False
    image_root: str | None = None

    def __post_init__(self) -> None:
        if self.videos and self.frames:
            raise UsageError(
                'rows are of videos or of extracted frames', where='--videos and --frames', do='give one of them'
            )
        if self.leave_one_out and self.split.flag:
            raise UsageError(
                'leaving every group out in turn splits already',
                where=f'--leave_one_out and {self.split.flag}',
                do='give one of them',
            )
        if self.counting.stride > 1 and not self.frames:
            raise UsageError(
                'a stride is of extracted frames',
                where='--stride',
                do='of videos, say --frames_per_second when embedding',
            )


@dataclass(frozen=True)
class RangesResult:
    """What was written, the tables of it, and what to tell the user."""

    accounts: tuple[Account, ...]
    rows: int
    table: str
    notes: tuple[str, ...]
    paths: tuple[str, ...]
    frame_ranges: str
    sets: dict[str, str] = field(default_factory=dict)
    folds: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Labelled:
    """The rows there are, and how they came about."""

    sessions: tuple[Session, ...]
    rows: tuple[LabelledRow, ...] = ()
    unit: str = 'rows'
    notes: tuple[str, ...] = ()


def make_ranges(config: RangesConfig) -> RangesResult:
    """Read the sheets, label what is theirs, write the files."""
    paths = _expanded(config.sheets)
    range_files.check_inputs(config.output_dir, paths)
    sheets = read_sheets(paths, config.columns)
    _check_names(sheets, config)
    sessions = [_session(sheet, config) for sheet in sheets]
    labelled = _labelled(sessions, config)
    accounts = tuple(Account(session, by_frame=bool(config.frames)) for session in labelled.sessions)
    written = _written(labelled) if labelled.rows else None
    return _write(config, accounts, labelled, written)


def _expanded(paths: Sequence[str]) -> list[str]:
    """The sheets that paths, patterns and folders name, in order, each once."""
    found: dict[str, str] = {}
    for path in paths:
        fitting = _in_folder(path) if files.is_dir(path) else files.glob(path)
        if not fitting:
            raise InputError('there is no such sheet', where=path, do='check the path or the pattern')
        found |= {files.absolute(one): one for one in fitting}
    return in_order(found.values())


def _in_folder(folder: str) -> list[str]:
    names = [name for name, is_dir in files.entries(folder).items() if not is_dir and not name.startswith('.')]
    return [files.join(folder, name) for name in names if name.lower().endswith(_SHEET_ENDINGS)]


def _session(sheet: Sheet, config: RangesConfig) -> Session:
    return Session(timed(sheet, config.clocks), replace(config.rules, fps=config.fps or sheet.fps or LAB_FPS))


def _check_names(sheets: Sequence[Sheet], config: RangesConfig) -> None:
    """Refuse an origin for a sheet that isn't there."""
    names = {sheet.name for sheet in sheets}
    if unknown := [name for name in config.clocks.origins if name and name not in names]:
        raise InputError(
            f'there is no sheet {some(unknown)}', where='--origin', do=f'the sheets are {some(in_order(names))}'
        )


def _labelled(sessions: Sequence[Session], config: RangesConfig) -> _Labelled:
    """The rows of footage or frames, where any are named."""
    sheets = [session.timed.sheet for session in sessions]
    if not config.frames and not config.videos and not any(sheet.media for sheet in sheets):
        _check_offsets(config, sessions, ())
        if config.split.groups:
            config.split.groups.sides(session.group for session in sessions)
        return _Labelled(tuple(sessions), notes=('no video and no frames are named: frame ranges alone are written',))
    ties = Ties.of(sheets, config.subjects)
    if config.frames:
        _check_rate(sheets, config)
        sequences = find_frames(config.frames, ties)
        _check_offsets(config, sessions, [name for one in sequences for name in one.names])
        labelled = _of_frames(sessions, sequences, config)
    else:
        footage = find_footage(sheets, config.videos, ties, root=config.image_root)
        _check_offsets(config, sessions, [name for one in footage for name in one.names])
        labelled = _of_videos(sessions, footage, config)
    if not labelled.rows:
        raise InputError(
            'nothing is labelled',
            where=config.output_dir,
            do='look at the ranges: origin, offset, rate, camera and subject',
        )
    return labelled


def _sides(sessions: Sequence[Session], config: RangesConfig) -> Sides:
    return Sides({}, {}) if config.leave_one_out else choose_sides(sessions, config.split)


def _of_videos(sessions: Sequence[Session], footage: Sequence[Footage], config: RangesConfig) -> _Labelled:
    """Stretches of videos; their own times are read where something rests on them."""
    clocks: dict[str, RecordingClock] = {}
    notes: list[str] = []
    guessed = {session.name for session in sessions if _is_guessed(session.timed.sheet, config)}
    every = config.rules.background is not None or config.split.contiguous is not None
    if asked := [one for one in footage if every or one.sheet in guessed]:
        clocks, notes = read_clocks(asked)
    timed_sessions = [_on_footage(session, footage, clocks, config) for session in sessions]
    by_name = {session.name: session for session in timed_sessions}
    sides = _sides(timed_sessions, config)
    if sides.contiguous:
        notes += [note for session in timed_sessions for note in check_parts(session, sides.contiguous)]
    rows: list[LabelledRow] = []
    reached: set[tuple[str, str | None]] = set()
    for one in footage:
        found = [*video_rows(by_name[one.sheet], one, config.clocks, sides, clocks.get(one.uri))]
        reached |= {(one.sheet, row.side) for row in found}
        rows += found
    notes += [f'{one.sheet}: {one.uri}' for one in footage]
    notes += [note for session in timed_sessions for note in (*_late(session), *_empty(session, sides, reached))]
    return _Labelled(tuple(timed_sessions), tuple(rows), 'stretches', (*notes, *sides.notes))


def _is_guessed(sheet: Sheet, config: RangesConfig) -> bool:
    """Whether nobody said how many frames a second a sheet's recordings have."""
    return config.fps is None and sheet.fps is None and not sheet.is_lab


def _on_footage(
    session: Session, footage: Sequence[Footage], clocks: Mapping[str, RecordingClock], config: RangesConfig
) -> Session:
    """A session with its longest recording's clock, and its recordings' rate where nobody said another."""
    own = [one for one in footage if one.sheet == session.name]
    if not own or any(one.uri not in clocks for one in own):
        return session
    moved = [clocks[one.uri].ahead(session.timed.offset - session.offset(one.names, config.clocks)) for one in own]
    longest = max(moved, key=lambda clock: clock.end)
    rates = {clocks[one.uri].rate for one in own}
    rate = rates.pop() if len(rates) == 1 and _is_guessed(session.timed.sheet, config) else None
    rules = replace(session.rules, fps=rate) if rate else session.rules
    return replace(session, rules=rules, clock=longest, end=longest.end)


def _late(session: Session) -> Iterator[str]:
    """Rows that end behind the recording: mistyped, or of another one."""
    if session.clock is None or session.end is None:
        return
    for one in session.ranges().ranges:
        if one.stop > session.end + _LATE_S:
            yield (
                f'warning: {session.name}: row {one.entry.line} ({one.entry.label}) stops at {float(one.stop):,.3f} s; '
                f'the recording ends at {float(session.end):,.3f} s'
            )


def _empty(session: Session, sides: Sides, reached: Collection[tuple[str, str | None]]) -> Iterator[str]:
    """Parts of a recording without any row."""
    if sides.contiguous:
        for side, share in zip(sides.contiguous.sides, sides.contiguous.shares, strict=True):
            if share and (session.name, side) not in reached:
                yield f'warning: {session.name}: nothing is labelled in its {side} part'


def _of_frames(sessions: Sequence[Session], sequences: Sequence[FrameSequence], config: RangesConfig) -> _Labelled:
    sides = _sides(sessions, config)
    by_name = {session.name: session for session in sessions}
    ends: dict[str, Fraction] = {}
    rows: list[LabelledRow] = []
    notes: list[str] = []
    with Progress('labelling', unit='frames', total=sum(len(one.numbers) for one in sequences)) as progress:
        for one in sequences:
            if interrupts.requested():
                raise Interrupted('interrupted', where=one.uris[0], do=f'run it again: {command.this_command()}')
            before = len(rows)
            rows += frame_rows(by_name[one.sheet], one, config.clocks, sides, config.counting)
            notes.append(_told(one, len(rows) - before, by_name[one.sheet], config))
            ends[one.sheet] = max(_end_of(one, by_name[one.sheet], config), ends.get(one.sheet, Fraction(0)))
            progress.advance(len(one.numbers))
    ended = tuple(replace(session, end=ends.get(session.name)) for session in sessions)
    return _Labelled(ended, tuple(rows), 'frames', (*notes, *sides.notes))


def _end_of(sequence: FrameSequence, session: Session, config: RangesConfig) -> Fraction:
    """When the last of its frames is over, on the sheet's clock."""
    base = sequence.base if config.counting.base is None else config.counting.base
    shift = session.offset(sequence.names, config.clocks) - session.timed.offset
    return (sequence.numbers[-1] - base + 1) / session.rules.fps - shift


def _told(sequence: FrameSequence, labelled: int, session: Session, config: RangesConfig) -> str:
    """What there is of a sequence, and what its ranges hold that isn't there."""
    first, last = sequence.numbers[0], sequence.numbers[-1]
    base = sequence.base if config.counting.base is None else config.counting.base
    camera = f' ({sequence.names[0]})' if sequence.names else ''
    count = f'{len(sequence.numbers):,} frames, {first} to {last}, the first is {base}; {labelled:,} labelled'
    found = session.ranges(session.offset(sequence.names, config.clocks))
    pieces = session.by_frames(found, end=last - base + 1).pieces
    stride = config.counting.stride
    held = sum(-(-int(piece.stop or 0) // stride) + (-int(piece.start) // stride) for piece in pieces)
    missing = f'warning: {held - labelled:,} that its ranges hold are not there: ' if held > labelled else ''
    # A few are lost now and then; most of them are not there where the rate is another.
    rate = float(session.rules.fps)
    doubt = f'; were there {rate:.6g} frames of each second? --fps says another rate' if held > 2 * labelled else ''
    return f'{missing}{sequence.sheet}{camera}: {count}{doubt}'


def _check_rate(sheets: Sequence[Sheet], config: RangesConfig) -> None:
    """Frames of sheets that aren't the lab's may be of any rate: a guess would shift every label."""
    unknown = [sheet for sheet in sheets if not sheet.is_lab and sheet.fps is None]
    if unknown and config.fps is None:
        raise UsageError(
            f'how many frames a second were extracted of {unknown[0].name}?',
            where='--frames',
            do='say it: --fps 30000/1001, --fps 25, or --fps 1 for one a second',
        )


def _check_offsets(config: RangesConfig, sessions: Sequence[Session], names: Iterable[str]) -> None:
    known = {session.name for session in sessions} | {*names}
    if unknown := [name for name in config.clocks.offsets if name and name not in known]:
        raise InputError(
            f'no sheet, folder, camera or video is called {some(unknown)}',
            where='--video_offset',
            do=f'the sheets are {some(in_order(session.name for session in sessions))}',
        )


def _written(labelled: _Labelled) -> Written:
    counts = Counter((label, row.side) for row in labelled.rows for label in row.labels)
    return Written(counts, labelled.unit)


def _write(
    config: RangesConfig, accounts: tuple[Account, ...], labelled: _Labelled, written: Written | None
) -> RangesResult:
    output = Output(config.output_dir)
    earlier = output.earlier()
    sets: dict[str, str] = {}
    folds: dict[str, str] = {}
    with Progress('writing', unit='rows'):
        for account in accounts:
            range_files.write_frame_ranges(output, account.session)
        if labelled.rows:
            labels = in_dictionary_order({label for row in labelled.rows for label in row.labels})
            sets = range_files.write_labelled(output, labelled.rows, labels)
            folds = range_files.write_folds(output, labelled.rows) if config.leave_one_out else {}
        range_files.write_dropped(output, accounts)
        notes = (*_notes(accounts, labelled, config), *range_report.warnings(accounts, written))
        content = {**range_report.content(accounts, written), 'notes': notes}
        report = range_files.write_report(output, content)
        output.remove_others(earlier)
    return RangesResult(
        accounts=accounts,
        rows=len(labelled.rows),
        table=range_report.text(accounts, written),
        notes=notes,
        paths=(*sets.values(), *([files.join(config.output_dir, 'dict.txt')] if sets else []), *folds.values(), report),
        frame_ranges=files.join(config.output_dir, 'framecsv'),
        sets=sets,
        folds=folds,
    )


def _notes(accounts: Sequence[Account], labelled: _Labelled, config: RangesConfig) -> Iterator[str]:
    for account in accounts:
        yield from account.session.timed.notes
    guessed = [account.session for account in accounts if _is_guessed(account.session.timed.sheet, config)]
    unknown = [session for session in guessed if session.clock is None or session.clock.rate is None]
    if unknown:
        yield f'frames are counted at {float(LAB_FPS):.2f} a second; --fps says another rate'
    if told := sorted({session.rules.fps for session in guessed if session not in unknown}):
        yield f'frames are counted at {", ".join(f"{float(rate):.6g}" for rate in told)} a second, as in the videos'
    yield from labelled.notes
