"""The step that decodes video and runs the network: frames without a vector -> pieces of the store, places in them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from apache_beam.utils.windowed_value import WindowedValue

from preprocess import footage, footage_files, networks, shelves
from preprocess.arrivals import Sources
from preprocess.embedder import Embedded
from preprocess.footage import VideoFile, WantedFrames
from preprocess.frame_decoding import FrameLane, FrameOf, Result
from preprocess.frame_shards import PlacedFrames, Target
from preprocess.image_formats import ImageError
from preprocess.networks import Network
from preprocess.packed import Packed
from preprocess.pieces import Piece, PieceWriter
from preprocess.shelves import Refusal
from preprocess.steps import Arrived, Step, arrival, in_global_window
from preprocess.worker_failures import carried


class EmbedFrames(Step):
    """Pieces of video -> vectors in pieces of the store, and where each record finds its vector."""

    def setup(self) -> None:
        super().setup()
        self._network: Network | None = None

    def start_bundle(self) -> None:
        self._lane: FrameLane | None = None
        self._embedded: list[FrameOf] = []
        self._failed: list[tuple[FrameOf, Refusal]] = []
        self._sources = Sources()
        self._vectors = PieceWriter(self._job.vectors.shelf, staging=self._job.staging)
        self._refusals = PieceWriter(self._job.refusals.shelf, staging=self._job.staging)

    @carried
    def process(self, wanted: WantedFrames) -> Iterator[tuple[Target, Packed[list[PlacedFrames]]] | Arrived]:
        for results in self._into_lane().put(wanted):
            yield from self._go_on(results)

    @carried
    def finish_bundle(self) -> Iterator[WindowedValue | Arrived]:
        for output in [*self._drain(), *self._publish(), arrival(self._sources)]:
            yield in_global_window(output)

    def teardown(self) -> None:
        if self._network:
            networks.shared.give_back(self._job)
        super().teardown()

    def _into_lane(self) -> FrameLane:
        """The network is loaded by the first frame that needs it."""
        if not self._network:
            self._network = networks.shared.borrow(self._job)
        if not self._lane:
            self._lane = self._network.open_frame_lane()
        return self._lane

    def _drain(self) -> Iterator[tuple[Target, Packed[list[PlacedFrames]]] | Arrived]:
        for results in self._lane.drain() if self._lane else ():
            yield from self._go_on(results)

    def _go_on(self, results: Sequence[Result]) -> Iterator[tuple[Target, Packed[list[PlacedFrames]]] | Arrived]:
        """Keep what is ready; publish it when that is due, and at last when the user wants to stop."""
        for result in results:
            self._keep(result)
            if self._vectors.is_due or self._refusals.is_due:
                yield from self._publish()
        if self._is_interrupted and self._lane:
            # What is under way is finished and kept; the next run finds it in the store.
            self._lane.stop()
            for last in self._lane.drain():
                for result in last:
                    self._keep(result)
            yield from self._publish()
            self._raise_if_interrupted()

    def _keep(self, result: Result) -> None:
        if isinstance(result, Embedded):
            self._vectors.add(result.key, shelves.vector_row(result.vector))
            self._embedded.append(result.item)
            return
        refusal = Refusal(result.stage, result.reason, result.message)
        self._failed.append((result.item, refusal))
        if result.key:
            self._refusals.add(result.key, shelves.refusal_row(refusal))

    def _publish(self) -> Iterator[tuple[Target, Packed[list[PlacedFrames]]] | Arrived]:
        self._take_back_changed()
        self._refusals.publish()
        if piece := self._vectors.publish():
            yield from self._placed(piece)
        yield from self._turned_away_frames()
        self._sources += Sources(
            embedded=len(self._embedded),
            rejected=len(self._failed),
            frames=len(self._embedded) + len(self._failed),
        )
        self._embedded, self._failed = [], []

    def _take_back_changed(self) -> None:
        """A file that was written to meanwhile may have given frames of another content: none of them is kept."""
        changed: dict[VideoFile, Refusal] = {}
        for file in {frame.wanted.file for frame in self._embedded}:
            try:
                footage_files.check_unchanged(file)
            except ImageError as error:
                changed[file] = Refusal('decode', error.reason, error.message)
        if changed:
            lost = [frame for frame in self._embedded if frame.wanted.file in changed]
            self._embedded = [frame for frame in self._embedded if frame.wanted.file not in changed]
            self._failed += [(frame, changed[frame.wanted.file]) for frame in lost]
            for frame in lost:
                self._vectors.drop(frame.key)

    def _placed(self, piece: Piece) -> Iterator[tuple[Target, Packed[list[PlacedFrames]]]]:
        at = {key: position for position, key in enumerate(piece.keys)}
        for wanted, frames in _by_wanted(self._embedded):
            numbers = np.array(sorted(frame.number for frame in frames), np.int64)
            keys = [footage.frame_key(wanted.prefix, number) for number in numbers.tolist()]
            positions = np.array([at[key] for key in keys], np.int64)
            for taken in wanted.taken:
                if len(part := taken.among(numbers)):
                    self._count(frames_placed=len(part))
                    placed = PlacedFrames(piece.path, positions[np.searchsorted(numbers, part.numbers)], part)
                    yield placed.target(self._job.sets), Packed.of([placed])

    def _turned_away_frames(self) -> Iterator[Arrived]:
        why = {(id(frame.wanted), frame.number): refusal for frame, refusal in self._failed}
        for wanted, frames in _by_wanted([frame for frame, _ in self._failed]):
            numbers = np.array(sorted(frame.number for frame in frames), np.int64)
            for taken in wanted.taken:
                if len(part := taken.among(numbers)):
                    refused = footage.refused(part, [why[id(wanted), number] for number in part.numbers.tolist()])
                    yield from self._refused_frames(part.set_index, refused)


def _by_wanted(frames: Sequence[FrameOf]) -> Iterator[tuple[WantedFrames, list[FrameOf]]]:
    """Frames by the piece of video they were asked for with."""
    found: dict[int, list[FrameOf]] = defaultdict(list)
    for frame in frames:
        found[id(frame.wanted)].append(frame)
    return ((same[0].wanted, same) for same in found.values())
