"""How the processors of a machine are shared out: settled by each worker, whose machine may be another than ours."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from preprocess import jobs
from preprocess.embedder import Hands
from preprocess.processor import usable_cores


@dataclass(frozen=True)
class Manning:
    """What is asked of every worker process, None being what its machine suggests; `processes` share one machine."""

    remote: bool = False
    readers: int | None = None
    decoders: int | None = None
    network_threads: int | None = None
    processes: int = 1

    def hands(self) -> Hands:
        """Who reads and who decodes in this process."""
        suggested = Hands.for_machine(self._cores, remote=self.remote, decoders=self.decoders)
        return Hands(self.readers or suggested.readers, suggested.decoders)

    def threads(self) -> int | None:
        """In how many threads the network runs in this process; None: on the whole machine."""
        return self.network_threads or (self._cores if self.processes > 1 else None)

    @property
    def _cores(self) -> int:
        return max(usable_cores() // self.processes, 1)


def processes_here(beam_args: Sequence[str]) -> int:
    """How many worker processes a local job has on this machine; found out without Beam."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('--direct_running_mode')
    parser.add_argument('--direct_num_workers', type=int, default=1)
    found = parser.parse_known_args(list(beam_args))[0]
    if not jobs.is_local(beam_args) or found.direct_running_mode != 'multi_processing':
        return 1
    return found.direct_num_workers or usable_cores()  # 0: one a core
