"""The training loop: stretches of compiled steps, on one node or several in step, until the chief says stop."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from preprocess import interrupts
from preprocess.failures import RunFailed
from preprocess.progress import Progress, say
from trainer import checkpoints, heads
from trainer.batches import Batches
from trainer.checkpoints import Snapshot
from trainer.cluster import GO_ON, STOP, Cluster
from trainer.heads import Floats
from trainer.network import Network, Recipe
from trainer.result import Scored
from trainer.watch import SECOND_FLOPS, Watch, Watched

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """A training that came to its end."""

    steps: int
    best: Scored
    last: Scored


@dataclass(frozen=True, eq=False)
class Job:
    """Everything a training needs."""

    recipe: Recipe
    batches: Batches
    watched: Watched

    def run(self, cluster: Cluster) -> Outcome | None:
        """Train to the end, from the last checkpoint where there is one; None on nodes that aren't the chief."""
        network = Network(self.recipe, cluster.strategy)
        watch = Watch(self.watched, network) if cluster.is_chief else None
        step = _resume(network, watch, self.watched, cluster)
        if watch:
            watch.catch_up(step)
        stretch = _Stretch(self, network, cluster, step)
        length = self.watched.stretch
        while True:
            word = STOP if watch and watch.is_over(step) else GO_ON
            word, interrupted = cluster.agree(word, interrupted=interrupts.requested())
            if word == STOP:
                break
            if interrupted:
                _stop(watch, self.watched, step)
            first, step = step, min(self.watched.max_steps, (step // length + 1) * length)
            losses = stretch.learn(first, step)
            if watch:
                watch.look_up(step, losses)
        return Outcome(step, *watch.finish(step)) if watch else None


def _resume(network: Network, watch: Watch | None, watched: Watched, cluster: Cluster) -> int:
    """Every node at the chief's last checkpoint; the number of steps done."""
    snapshot, step = network.snapshot(), 0
    if watch and (kept := checkpoints.latest(watched.checkpoint_dir)):
        watch.resume(kept)
        snapshot, step = kept.network, kept.step
        say(f'continuing from the checkpoint of step {step:,}')
    # Steps travel as two floats, which hold whole numbers up to 2^24 exactly.
    counter = np.array(divmod(step, 1 << 20), np.float32)
    arrays = cluster.from_chief([counter, *snapshot.weights, *snapshot.slots])
    weights = arrays[1 : 1 + len(snapshot.weights)]
    network.restore(Snapshot(weights, arrays[1 + len(weights) :]))
    return int(arrays[0][0]) * (1 << 20) + int(arrays[0][1])


def _stop(watch: Watch | None, watched: Watched, step: int) -> None:
    if watch:
        watch.save(step)
    raise watched.stopped(step)


class _Stretch:
    """Some steps at a time, checked, and told of in the words of the earlier trainers."""

    def __init__(self, job: Job, network: Network, cluster: Cluster, step: int) -> None:
        self._job, self._network, self._cluster = job, network, cluster
        role = job.watched.environment.role if cluster.size > 1 else 'master'
        self._who = f'{role}/{cluster.index}'
        self._began = self._told = time.monotonic()
        self._began_step = self._told_step = step
        # About a second's work: longer calls would leave signals and the user waiting.
        work = heads.TRAINING * job.recipe.batch_size * heads.flops(job.recipe.spec)
        self._steps_a_call = max(math.floor(SECOND_FLOPS / work), 1)
        self._is_compiled = False

    def learn(self, first: int, last: int) -> Floats:
        """Do the steps first..last-1; the loss of each."""
        losses = []
        for start in range(first, last, self._steps_a_call):
            stop = min(start + self._steps_a_call, last)
            done = start
            for work in self._job.batches.steps(start, stop):
                with self._cluster.company(), self._compiling():
                    losses.append(self._network.learn(work, done))
                self._check(losses[-1], done)
                done += len(work.indices)
            self._tell(stop)
        return np.concatenate(losses)

    @contextmanager
    def _compiling(self) -> Iterator[None]:
        """The first call compiles the step, which takes a while for heads of footage."""
        if self._is_compiled or self._job.recipe.spec.kind == 'softmax':
            yield
            return
        with Progress('compiling the training step'):
            yield
        self._is_compiled = True

    def _check(self, losses: Floats, first: int) -> None:
        wrong = np.flatnonzero(~np.isfinite(losses))
        if not len(wrong):
            return
        watched = self._job.watched
        kept = checkpoints.latest(watched.checkpoint_dir) if self._cluster.is_chief else None
        broken = watched.train.not_finite()
        remedy = f'{broken} holds NaN or infinity: make it again' if broken else 'try a smaller --learning_rate'
        raise RunFailed(
            # Infinity is NaN one step later.
            f'loss became NaN at step {first + int(wrong[0]) + 1}',
            where=watched.checkpoint_dir,
            do=f'{remedy} (with --overwrite)' + (f'; the checkpoint of step {kept.step} is kept' if kept else ''),
        )

    def _tell(self, step: int) -> None:
        schedule, now = self._job.watched.schedule, time.monotonic()
        if now - self._told < schedule.log_interval_secs:
            return
        recently = (step - self._told_step) / max(now - self._told, 1e-9)
        overall = (step - self._began_step) / max(now - self._began, 1e-9)
        line = f'Train [{self._who}], step {step} ({now - self._began:.3f} sec) '
        line += f'{overall:.1f} global steps/s, {recently:.1f} local steps/s'
        if schedule.talks:
            say(line)
        else:
            _log.info('%s', line)
        self._told, self._told_step = now, step
