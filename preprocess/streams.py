"""How a network uses the processors of its process: so many batches at a time, so many threads on each."""

from dataclasses import dataclass
from typing import Self

from preprocess import processor

# More batches under way take more memory (100 MB each with Inception v3) than their independence is worth.
MOST = 16
# A GPU is as long over eight pictures as over many; these take some 2 GB of its memory with Inception v3.
_GPU_BATCH = 64


@dataclass(frozen=True)
class Streams:
    """Batches at a time, and threads for each of them.

    One thread a batch is fastest (measured: 1.2 x in OpenVINO int8, 1.1 x in TensorFlow, against one batch on all
    cores): nobody waits for anybody at the end of every layer, also not for a thread that a decoder has pushed aside.
    """

    count: int
    threads: int = 1
    least: int = 1  # a batch is of so many pictures, or of more where the encoder was made for that

    @classmethod
    def for_machine(cls, threads: int | None = None, *, cores: int | None = None, gpus: int | None = None) -> Self:
        """What suits this process: a GPU works on one batch after the other, processors on one each."""
        whole = threads or cores or processor.usable_cores()
        if processor.gpus() if gpus is None else gpus:
            return cls(1, whole, _GPU_BATCH)
        count = min(whole, MOST)
        return cls(count, whole // count)

    @property
    def all_threads(self) -> int:
        """The threads of all batches together."""
        return self.count * self.threads
