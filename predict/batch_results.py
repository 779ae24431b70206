"""Finishing a batch: the input read once more, every row with its answer or failure, the result put in its place.

Rows and answers meet in one order, so neither is held in memory, and a row that an engine lost can't go unnoticed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from predict import batch_lines, batch_scores, segment_files, segments
from predict.answers import Prediction, Style, answered
from predict.batch_footage import FootageFiles
from predict.batch_layout import Layout
from predict.batch_lines import Lines, Table, Written
from predict.batch_record import FileMade, RunRecord
from predict.batch_scores import Answer, FrameScores
from predict.description import Windowing
from predict.segments import Rule, Segment, Track
from preprocess import command, files, interrupts, outcomes, rows
from preprocess.arrivals import Arrival
from preprocess.failures import Interrupted, RunFailed
from preprocess.manifest import Examples, Rows
from preprocess.outcomes import Outcome
from preprocess.publishing import Gathered
from preprocess.rows import Reject, Row
from preprocess.sets import SetJob
from preprocess.settings import Json

_LOOK_EVERY = 1000


@dataclass(frozen=True)
class Publication:
    """How answers are told, and where."""

    layout: Layout
    style: Style
    model_threshold: float | None  # from which a label holds, where several may
    rule: Rule  # of segments, and with the threshold that was asked for
    window: Windowing | None
    with_table: bool
    is_listing: bool  # the rows are those of a listing nobody has seen: no line tells their numbers

    def decided(self, answer: Prediction) -> Prediction:
        """With the labels that reach the threshold that was asked for."""
        return answer if self.rule.threshold is None else self.style.decided(answer, self.rule.threshold)

    @property
    def rule_of_segments(self) -> Rule:
        """The rule with the model's own threshold where several labels may hold and no other is asked for."""
        asked = self.rule.threshold
        return replace(
            self.rule,
            threshold=self.model_threshold if asked is None else asked,
            multi_label=self.style.multi_label,
        )


def finish(job: SetJob, arrivals: Iterable[Arrival], publication: Publication) -> None:
    """Publish the lines of a batch, and leave word of it."""
    gathered = Gathered.of(arrivals)
    damaged = tuple(sorted(gathered.damaged, key=lambda piece: piece.piece))
    if any(piece.is_late for piece in damaged):
        outcomes.write(job, Outcome(Rows(0, 0, 0, 0), {}, 0, False, gathered.sources, damaged))
        return
    record, from_working_dir = _Finishing(job, gathered, publication).publish()
    footage = gathered.footage
    expanded, refused = footage.expanded.total(), footage.rejected.total()
    outcome = Outcome(
        Rows(record.rows, record.answered, record.failed, 0),
        record.failed_by_reason,
        from_working_dir,
        is_published=True,
        sources=gathered.sources,
        damaged=damaged,
        examples=Examples(gathered.written, refused, gathered.written + refused),
        frame_rejects_by_reason=footage.by_reason,
        worst=footage.worst() if expanded else None,
        notes=footage.said(),
    )
    outcomes.write(job, outcome)


@dataclass
class _Sinks:
    """Where lines go."""

    lines: Lines
    table: Table | None
    footage: FootageFiles


@dataclass
class _Finishing:
    """One batch that is put together."""

    job: SetJob
    gathered: Gathered
    publication: Publication
    failed: Counter[str] = field(default_factory=Counter)
    rows_read: int = 0
    from_working_dir: int = 0

    def publish(self) -> tuple[RunRecord, int]:
        """Write everything under temporary names, then give it its own; how many rows the working directory had."""
        layout, folder = self.publication.layout, files.join(self.job.work, 'published')
        with ExitStack() as held:
            most = None if layout.is_one_file else batch_lines.LINES_PER_FILE
            lines = held.enter_context(Lines(folder, most=most))
            sink = held.enter_context(files.writing_atomic(files.join(folder, 'table'))) if self._with_table else None
            table = Table(sink, self.publication.style) if sink else None
            footage = FootageFiles(files.join(folder, 'scores'), find=self._segments)
            self._write(_Sinks(lines, table, footage))
        footage.write_scores(self._look)
        written = list(lines.written(layout))
        if self._with_table:
            written.append(Written(files.join(folder, 'table'), layout.table, self.rows_read))
        if footage.by_video:
            segment_files.write_segments(files.join(folder, 'segments'), footage.by_video)
            written += [
                Written(files.join(folder, 'scores'), layout.scores, footage.samples),
                Written(files.join(folder, 'segments'), layout.segments, sum(map(len, footage.by_video.values()))),
            ]
        return self._put_in_place(written, footage), self.from_working_dir

    @property
    def _with_table(self) -> bool:
        return self.publication.with_table

    def _put_in_place(self, written: list[Written], footage: FootageFiles) -> RunRecord:
        """The old result goes, the new one takes its names; the record, which vouches for it, comes last."""
        layout = self.publication.layout
        files.delete(layout.path(layout.record))
        made = tuple(FileMade(one.name, one.lines, files.stat(one.path).size) for one in written)
        for one in written:
            files.rename(one.path, layout.path(one.name))
        for found in list(files.list_dir(layout.directory)):
            name = files.name(found.uri)
            if layout.owns(name) and name not in {one.name for one in written}:
                files.delete(found.uri)
        files.delete_tree(layout.path(layout.boris))
        footage.write_workbooks(layout.path(layout.boris))
        read, failed = self.rows_read, dict(sorted(self.failed.items()))
        record = RunRecord(self.job.settings, made, read, read - sum(failed.values()), failed)
        record.write(layout.path(layout.record))
        return record

    def _write(self, sinks: _Sinks) -> None:
        """A line for every row of the input, in its order."""
        shards = [shard.path for shard in self.gathered.shards.values()]
        answers = batch_scores.merged(shards, len(self.publication.style.names))
        refused = {(one.source, one.row): one for one in self.gathered.rejects}
        frames = defaultdict[tuple[str, int], list[Reject]](list)
        for one in self.gathered.footage.rejects:
            frames[one.source, one.row].append(one)
        for number, row in self._rows():
            if self.rows_read % _LOOK_EVERY == 0:
                self._look()
            self.rows_read += 1
            if isinstance(row, Reject):
                self._fail(sinks, row, row.uri, row)
                continue
            self.from_working_dir += row.from_working_dir
            if refusal := refused.get((row.source, row.line)):
                self._fail(sinks, row, row.cell, refusal)
            elif row.is_footage:
                self._tell_footage(sinks, number, row, frames[row.source, row.line])
            else:
                self._tell(sinks, row, self._answer(next(answers, None), number, row))
        if left := next(answers, None):
            raise self._lost(f'an answer for line {left.line} of {self.job.csvs[left.csv]}, which has none')

    def _look(self) -> None:
        if interrupts.requested():
            raise Interrupted('interrupted', where=self.job.name.directory, do=command.this_command())

    def _segments(self, track: Track) -> list[Segment]:
        return segments.segments(track, self.publication.style.names, self.publication.rule_of_segments)

    def _rows(self) -> Iterator[tuple[int, Row | Reject]]:
        job = self.job
        for number, path in enumerate(job.csvs):
            for row in rows.read_csv(path, image_root=job.image_root, working_dir=job.working_dir):
                yield number, row

    def _answer(self, found: Answer | None, number: int, row: Row) -> Prediction:
        if found is None or (found.csv, found.line) != (number, row.line):
            raise self._lost(f'no answer for {row.source}:{row.line}')
        return self._answered(row, found.scores)

    def _answered(self, row: Row, scores: batch_scores.Scores) -> Prediction:
        said = answered(scores, self.publication.style.names, threshold=self.publication.model_threshold)
        return self.publication.decided(replace(said, key=row.cell))

    def _tell(self, sinks: _Sinks, row: Row, answer: Prediction) -> None:
        sinks.lines.write(batch_lines.as_json({**self.publication.style.json(answer), **self._origin(row)}))
        if sinks.table:
            sinks.table.write(row.cell, '|'.join(row.labels), answer)

    def _tell_footage(self, sinks: _Sinks, number: int, row: Row, refused: list[Reject]) -> None:
        """The segments of a recording or stretch; of one frame its answer, as of a picture."""
        stem = batch_scores.of_footage(self.job, number, row.line)
        try:
            found = FrameScores.read(f'{stem}.npz', row.recording)
        except FileNotFoundError:
            if not refused:
                raise self._lost(f'no frames of {row.source}:{row.line}') from None
            self._fail(sinks, row, row.cell, refused[0])
            return
        if not len(found.track):
            self._fail(sinks, row, row.cell, self._too_few(row, found.frames))
            return
        if row.frame is not None:
            self._tell(sinks, row, self._answered(row, found.track.scores[0].astype('float32')))
            return
        stretches = self._segments(found.track)
        sinks.footage.add(stem, found.track, stretches)
        lost = sum(one.frames for one in refused)
        said: dict[str, Json] = {'key': row.cell, 'frames': found.frames}
        if lost:
            said |= {'rejected_frames': lost, 'first_rejected': f'{refused[0].uri}: {refused[0].reason}'}
        sinks.lines.write(
            batch_lines.as_json({**said, 'segments': [_segment(one) for one in stretches], **self._origin(row)})
        )
        if sinks.table:
            sinks.table.write(row.cell, '|'.join(row.labels), None)

    def _too_few(self, row: Row, frames: int) -> Reject:
        length = self.publication.window.length if self.publication.window else 1
        message = f'{frames:,} frames, and the model looks at windows of {length} consecutive ones'
        return rows.reject(row, stage='frames', reason='too-few-frames', message=message)

    def _fail(self, sinks: _Sinks, row: Row | Reject, key: str, why: Reject) -> None:
        self.failed[why.reason] += 1
        answer = Prediction(key, error=f'{why.reason}: {why.message}')
        said = {**self.publication.style.json(answer), 'reason': why.reason, **self._origin(row)}
        sinks.lines.write(batch_lines.as_json(said))
        if sinks.table:
            sinks.table.write(key, '|'.join(row.labels) if isinstance(row, Row) else '', answer)

    def _origin(self, row: Row | Reject) -> dict[str, Json]:
        """Where a row stands, and what it says of the picture."""
        if self.publication.is_listing:
            return {}
        line = row.line if isinstance(row, Row) else row.row
        truth: dict[str, Json] = {'truth': '|'.join(row.labels)} if isinstance(row, Row) and row.labels else {}
        return {'source': row.source, 'row': line, **truth}

    def _lost(self, what: str) -> RunFailed:
        return RunFailed(
            f'{what}: the runner lost data',
            where=self.publication.layout.prefix,
            do='run the same command with another --runner',
        )


def _segment(one: Segment) -> dict[str, Json]:
    return {'start': round(one.start, 6), 'stop': round(one.stop, 6), 'label': one.label, 'score': round(one.score, 6)}
