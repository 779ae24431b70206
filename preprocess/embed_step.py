"""The step that runs the network: contents without a vector -> pieces of the store, and places in them."""

from collections.abc import Iterator, Sequence

from apache_beam.utils.windowed_value import WindowedValue

from preprocess import networks, shards, shelves
from preprocess.arrivals import Sources
from preprocess.embedder import Embedded, Failed, Lane
from preprocess.lookup import Located, Wanted
from preprocess.networks import Network
from preprocess.packed import Packed
from preprocess.pictures import Picture
from preprocess.pieces import PieceWriter
from preprocess.shards import Placed
from preprocess.shelves import Refusal
from preprocess.steps import Arrived, Step, arrival, in_global_window
from preprocess.worker_failures import carried


class Embed(Step):
    """Contents without a vector -> vectors in pieces of the store, and where each record finds its vector."""

    def setup(self) -> None:
        super().setup()
        self._network: Network | None = None

    def start_bundle(self) -> None:
        self._lane: Lane[Wanted] | None = None
        self._embedded: list[tuple[Picture, bytes]] = []
        self._sources = Sources()
        self._vectors = PieceWriter(self._job.vectors.shelf, staging=self._job.staging)
        self._refusals = PieceWriter(self._job.refusals.shelf, staging=self._job.staging)

    @carried
    def process(self, block: Packed[list[Wanted]]) -> Iterator[tuple[tuple[int, int], Packed[list[Placed]]] | Arrived]:
        for wanted in block.open():
            yield from self._take(self._into_lane().put(wanted))
            if self._vectors.is_due or self._refusals.is_due:
                yield from self._publish()
            if self._is_interrupted:
                # What is under way is finished and kept; the next run finds it in the store.
                yield from self._drain()
                yield from self._publish()
                self._raise_if_interrupted()

    @carried
    def finish_bundle(self) -> Iterator[WindowedValue | Arrived]:
        for output in [*self._drain(), *self._publish(), arrival(self._sources)]:
            yield in_global_window(output)

    def teardown(self) -> None:
        if self._network:
            networks.shared.give_back(self._job)
        super().teardown()

    def _into_lane(self) -> Lane[Wanted]:
        """The network is loaded by the first picture that needs it."""
        if not self._network:
            self._network = networks.shared.borrow(self._job)
        if not self._lane:
            self._lane = self._network.for_pictures.open_lane()
        return self._lane

    def _drain(self) -> Iterator[Arrived]:
        while self._lane and (results := self._lane.drain()):
            yield from self._take(results)

    def _take(self, results: Sequence[Embedded[Wanted] | Failed[Wanted]]) -> Iterator[Arrived]:
        kept: list[tuple[Embedded[Wanted], Sequence[Picture]]] = []
        for result in results:
            # A file that changed or vanished since it was looked up speaks for itself alone.
            same = result.item.pictures if result.key == result.item.key else result.item.pictures[:1]
            others = result.item.pictures[len(same) :]
            if isinstance(result, Embedded):
                kept.append((result, same))
            else:
                refusal = Refusal(result.stage, result.reason, result.message)
                if result.key:
                    self._refusals.add(result.key, shelves.refusal_row(refusal))
                yield from self._turned_away(same, refusal)
            if others:
                yield from self._take(self._into_lane().put(Wanted(result.item.key, others)))
        if kept:
            self._keep(kept)

    def _keep(self, some: Sequence[tuple[Embedded[Wanted], Sequence[Picture]]]) -> None:
        pictures = [(picture, result.key) for result, same in some for picture in same]
        for result, _ in some:
            self._vectors.add(result.key, shelves.vector_row(result.vector))
        self._embedded += pictures
        self._sources += Sources(embedded=len(some), copies=len(pictures) - len(some))
        self._count(
            embedded=len(some),
            accepted=sum(len(picture.uses) for picture, _ in pictures),
            bytes_read=sum(result.bytes for result, _ in some),
        )

    def _publish(self) -> Iterator[tuple[tuple[int, int], Packed[list[Placed]]]]:
        self._refusals.publish()
        if piece := self._vectors.publish():
            positions = {key: position for position, key in enumerate(piece.keys)}
            located = (Located(picture, key, piece.path, positions[key]) for picture, key in self._embedded)
            for target, placed in shards.place(located, self._job.sets).items():
                yield target, Packed.of(placed)
            self._embedded = []
