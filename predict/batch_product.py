"""What the machinery of embedding makes of vectors for a batch: scores by the head, and a line for every row."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np

from predict import batch_results, batch_scores
from predict.batch_results import Publication
from predict.batch_scores import Scorer, TimedTaken
from preprocess import expansion, pictures, rows, stretches
from preprocess.arrivals import Arrival
from preprocess.compiled import CompiledEncoder
from preprocess.expansion import Expansion
from preprocess.footage import Expanded, Floats, Taken, VideoFile
from preprocess.frame_shards import PlacedFrames
from preprocess.pictures import Picture, Use
from preprocess.recordings import Recording
from preprocess.rows import Row
from preprocess.sets import SetJob
from preprocess.shards import Damaged, Placed, ShardWritten
from preprocess.stretches import Claim, Claimed


@dataclass(frozen=True)
class Predictions:
    """Every row for itself, whatever its label says and whoever else names the same picture."""

    scorer: Scorer
    publication: Publication
    packages: ClassVar[tuple[str, ...]] = ('preprocess', 'predict')
    needs: ClassVar[tuple[str, ...]] = ('tensorflow', 'openpyxl')

    def settle(self, found: Iterable[tuple[int, Row]], jobs: Sequence[SetJob]) -> pictures.Settled:
        """Each picture once, for all rows that name it; none where the model looks at windows."""
        by_uri: dict[str, list[Use]] = defaultdict(list)
        settled = pictures.Settled()
        for index, row in found:
            if window := self.scorer.window:
                message = f'a picture, and the model looks at windows of {window.length} frames'
                settled.rejects[index].append(rows.reject(row, stage='rows', reason='too-few-frames', message=message))
                continue
            by_uri[row.uri].append(Use(index, (), None, row.source, row.line))
        settled.pictures += [Picture(uri, tuple(by_uri[uri])) for uri in sorted(by_uri)]
        return settled

    def settle_footage(self, found: Iterable[tuple[int, Row]], jobs: Sequence[SetJob]) -> stretches.Settled:
        """Each recording once, for all rows that name it or a stretch of it."""
        by_video: dict[str, list[Claim]] = defaultdict(list)
        for index, row in found:
            by_video[row.recording].append(Claim(index, replace(row, labels=(), split=None, group=None), ()))
        claimed = [
            Claimed(video, tuple(sorted(claims, key=lambda claim: (claim.row.source, claim.row.line))))
            for video, claims in sorted(by_video.items())
        ]
        return stretches.Settled(recordings=claimed)

    def expand(
        self, claimed: Claimed, recording: Recording, files: Sequence[VideoFile], jobs: Sequence[SetJob]
    ) -> Expansion:
        """The frames of every row by themselves, with the times at which they end."""
        sampling = jobs[0].sampling
        clock = np.append(recording.samples(sampling).time, recording.duration)
        whole = Expansion()
        for claim in claimed.claims:
            one = expansion.expand(replace(claimed, claims=(claim,)), recording, files, sampling, jobs)
            whole.taken += [_timed(taken, clock) for taken in one.taken]
            for index, expanded in one.expanded.items():
                whole.expanded[index] = _together(whole.expanded.get(index), expanded)
            for index, rejects in one.rejects.items():
                whole.rejects[index] += rejects
            for index, refused in one.refused_frames.items():
                whole.refused_frames[index] += refused
        return whole

    def write_shard(
        self, job: SetJob, index: int, placed: Iterable[Placed | PlacedFrames]
    ) -> ShardWritten | list[Damaged]:
        """Scores under their rows."""
        return batch_scores.write_answers(job, index, placed, self.scorer)

    def finish(self, job: SetJob, arrivals: Iterable[Arrival]) -> None:
        """Lines in the order of the rows."""
        batch_results.finish(job, arrivals, self.publication)

    def encoder_for(self, encoder: CompiledEncoder, folder: str) -> CompiledEncoder:
        """The one in the store: nobody needs it beside predictions."""
        return encoder


def _timed(taken: Taken, clock: Floats) -> TimedTaken:
    return TimedTaken(**{field.name: getattr(taken, field.name) for field in fields(taken)}, clock=clock)


def _together(before: Expanded | None, one: Expanded) -> Expanded:
    if before is None:
        return one
    return replace(
        one, rows=before.rows + one.rows, frames=before.frames + one.frames, cut_rows=before.cut_rows + one.cut_rows
    )
