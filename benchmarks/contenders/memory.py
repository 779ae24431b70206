"""How much memory a command and all its children hold at the most: proportional set sizes, summed."""

import subprocess
import threading
import time
from pathlib import Path

LOOK_EVERY_S = 0.2


class Watch:
    """Looks at a process and its descendants until it ends; the peak is in bytes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.peak = 0
        self._root = process.pid
        self._process = process
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while self._process.poll() is None:
            self.peak = max(self.peak, held(self._root))
            time.sleep(LOOK_EVERY_S)


def held(pid: int) -> int:
    """The memory of a process and all below it."""
    return sum(map(pss, _tree(pid)))


def pss(pid: int) -> int:
    """A process's memory, what it shares counted in shares; 0 when it has ended."""
    try:
        lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith('Pss:'))


def _tree(root: int) -> list[int]:
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in Path(f'/proc/{pid}/task').glob('*/children'):
            try:
                todo += map(int, task.read_text().split())
            except OSError:  # it has ended
                continue
    return found
