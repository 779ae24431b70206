"""What the chief does between stretches of steps: measure both sets, keep the best weights, save, tell."""

import logging
import math
import time
from dataclasses import dataclass, replace

import numpy as np

from preprocess import command, files, interrupts
from preprocess.failures import Interrupted, RunFailed
from preprocess.progress import say
from trainer import checkpoints, heads, history, quality, scalars
from trainer.checkpoints import Best, Checkpoint
from trainer.config import SELECT_BY, Learning, Schedule
from trainer.data import ExampleSet
from trainer.environment import Environment
from trainer.heads import Floats
from trainer.history import CurvePoint
from trainer.network import Network
from trainer.pace import Pace
from trainer.result import Quality, Scored
from trainer.scalars import Scalars

_log = logging.getLogger(__name__)
# Steps between two looks up: the chief's word reaches the other nodes, and checkpoints are taken, only there.
STRETCH = 25
# About what two cores compute in a second. Steps that take long are looked up from sooner; by sizes and not by the
# clock, for the sake of what is best, below.
SECOND_FLOPS = 5e10
_LONGEST_STRETCH_S = 5
# What selecting the best may cost of training's time, when a step costs three times a score; by sizes and not by the
# clock, so that the same steps are looked at, and the same weights are best, on every machine.
_SELECTION_SHARE = 0.1
# Without a full evaluation in between, so much time may be lost by a kill.
_SAVE_EVERY_S = 10.0
_SAVING_SHARE = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """What is watched, and by which rules."""

    train: ExampleSet
    evaluation: ExampleSet
    majority_train: float
    majority_eval: float
    max_steps: int
    example_flops: int  # what scoring one example takes
    learning: Learning
    schedule: Schedule
    environment: Environment
    checkpoint_dir: str
    log_dir: str

    @property
    def batch_size(self) -> int:
        """Examples a step on all nodes together."""
        return self.learning.batch_size * max(len(self.environment.nodes), 1)

    @property
    def stretch(self) -> int:
        """How many steps are done before looking up."""
        step_flops = heads.TRAINING * self.learning.batch_size * self.example_flops
        return min(max(math.floor(_LONGEST_STRETCH_S * SECOND_FLOPS / step_flops), 1), STRETCH)

    def stopped(self, step: int) -> Interrupted:
        """What is raised when somebody asked to stop, and a step is saved."""
        return Interrupted(
            f'training stopped after step {step}, which is saved',
            where=self.checkpoint_dir,
            do=f'the same command continues: {command.this_command()}',
        )


class Watch:
    """The chief's memory of a training; what must survive a kill is in its checkpoints."""

    def __init__(self, watched: Watched, network: Network) -> None:
        self._watched = watched
        self._network = network
        self._pace = Pace(watched.schedule.eval_interval_secs, watched.schedule.min_train_eval_rate)
        self._scalars = Scalars(watched.log_dir)
        self._best: Best | None = None
        self._history: list[CurvePoint] = []
        self._seconds_before = 0.0
        self._select_every = stretches(len(watched.evaluation), watched.batch_size, watched.stretch)
        self._owes = False
        self._evaluated_step = 0
        self._last: Scored | None = None
        self._saved_step = -1
        self._saved_at, self._saving_s = time.monotonic(), 0.0
        self._was_constant = False

    def resume(self, kept: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self._best, self._history, self._seconds_before = kept.best, list(kept.history), kept.seconds
        self._select_every = kept.select_every
        self._saved_step = kept.step
        self._owes = kept.owes
        self._evaluated_step = kept.step

    def catch_up(self, step: int) -> None:
        """Measure what was not measured any more when somebody asked to stop."""
        if self._owes:
            self._saved_step = -1
            self._measured(step, None)

    def is_over(self, step: int) -> bool:
        """Whether there is nothing more to do."""
        patience = self._watched.learning.early_stopping_steps
        stale = self._best is not None and patience is not None and step - self._best.step >= patience
        return step >= self._watched.max_steps or stale

    def look_up(self, step: int, losses: Floats) -> None:
        """Called after each stretch of steps, with the training loss of each."""
        self._measured(step, losses)
        now = time.monotonic()
        if now - self._saved_at > max(_SAVE_EVERY_S, _SAVING_SHARE * self._saving_s):
            with self._pace.evaluating():
                self.save(step)

    def _measured(self, step: int, losses: Floats | None) -> None:
        """Measure both sets, or the evaluation set alone, when it is time to; asked to stop meanwhile, say so."""
        at_the_end = step >= self._watched.max_steps
        if not at_the_end and step % self._select_every:
            return
        try:
            if at_the_end or self._is_due(step):
                self._evaluate(step, losses)
            else:
                self._select(step)
        except quality.Stopped:
            self._owes = True
            self.save(step)
            raise self._watched.stopped(step) from None
        self._owes = False

    def _is_due(self, step: int) -> bool:
        """Whether there was enough training for a full evaluation, also for the first one, whose time nobody knows."""
        watched = self._watched
        both = len(watched.train) + len(watched.evaluation)
        as_long = both / (heads.TRAINING * watched.batch_size)
        enough = step - self._evaluated_step >= watched.schedule.min_train_eval_rate * as_long
        return enough and self._pace.due()

    def save(self, step: int) -> None:
        """Write a checkpoint, and the curves up to here."""
        if step == self._saved_step:
            return
        begun = time.monotonic()
        snapshot = self._network.snapshot()
        if not all(np.isfinite(weight).all() for weight in snapshot.weights):
            raise self._became_nan(step)
        kept = Checkpoint(
            step=step,
            network=snapshot,
            best=self._best,
            seconds=self._seconds,
            select_every=self._select_every,
            history=tuple(self._history),
            owes=self._owes,
        )
        directory = self._watched.checkpoint_dir
        checkpoints.save(directory, kept)
        files.write_atomic(files.join(directory, history.FILE), history.text(self._history).encode())
        self._saved_step, self._saved_at = step, time.monotonic()
        self._saving_s = self._saved_at - begun

    def finish(self, step: int) -> tuple[Scored, Scored]:
        """The best and the last weights, measured; everything is written when this returns."""
        try:
            return self._finished(step)
        except quality.Stopped:
            self.save(step)
            raise self._watched.stopped(step) from None

    def _finished(self, step: int) -> tuple[Scored, Scored]:
        if self._last is None or self._last.step != step:
            self._evaluate(step, None)
        self.save(step)
        self._scalars.close()
        last = self._last
        best = self._best
        if last is None or best is None:
            raise RuntimeError('an evaluation without a result')
        if best.step == step:
            return last, last
        self._network.use(best.weights)
        return Scored(best.step, self._measure(self._watched.train), self._measure(self._watched.evaluation)), last

    @property
    def _seconds(self) -> float:
        return self._seconds_before + self._pace.elapsed_s

    def _select(self, step: int) -> None:
        """See whether these weights are the best yet, and what the curves need where that costs as little."""
        watched = self._watched
        with self._pace.selecting():
            of_eval = self._measure(watched.evaluation, with_auc=watched.learning.select_by == 'eval_auc')
            self._keep_if_best(step, of_eval)
            both = len(watched.train) + len(watched.evaluation)
            cheap = self._select_every >= stretches(both, watched.batch_size, watched.stretch)
            of_train = self._measure(watched.train, with_auc=False) if cheap else None
            self._add_point(step, of_train, of_eval)
        if self._pace.selects_too_often():
            self._select_every *= 2
            self._tell(f'Looking for the best every {self._select_every} steps from now on: it took too long')

    def _evaluate(self, step: int, losses: Floats | None) -> None:
        """Measure both sets in full, tell and write what came out."""
        watched = self._watched
        with self._pace.evaluating():
            of_train, of_eval = self._measure(watched.train), self._measure(watched.evaluation)
            self._last, self._evaluated_step = Scored(step, of_train, of_eval), step
            self._keep_if_best(step, of_eval)
            self._add_point(step, of_train, of_eval)
            if losses is not None:
                self._scalars.write(scalars.TRAIN, step, {'loss': float(losses.mean())})
            self._scalars.flush()
            # The last step is told once, by whoever knows which weights are exported.
            if not self.is_over(step):
                scalars.report_trial(watched.environment, step, of_eval)
            self.save(step)
        self._tell(
            f'Eval, step {step}:\n- on train set {of_train.text(watched.majority_train)}\n'
            f'-- on eval set {of_eval.text(watched.majority_eval)}'
        )
        if of_train.constant and not self._was_constant:
            say('warning: the scores are the same for every input; try another --learning_rate, or look at the records')
        self._was_constant = of_train.constant
        if line := self._pace.evaluated():
            self._tell(line)

    def _measure(self, examples: ExampleSet, *, with_auc: bool = True) -> Quality:
        alone = not self._watched.environment.nodes  # others would take a chief that leaves for a lost one
        return quality.measure(
            self._network,
            examples,
            batch_size=self._watched.schedule.eval_batch_size,
            with_auc=with_auc,
            stop=interrupts.requested if alone else None,
        )

    def _keep_if_best(self, step: int, of_eval: Quality) -> None:
        by = self._watched.learning.select_by
        value = {'eval_loss': of_eval.loss, 'eval_accuracy': of_eval.accuracy, 'eval_auc': of_eval.auc}[by]
        if value is None or not math.isfinite(of_eval.loss):
            raise self._became_nan(step)
        sign = 1 if SELECT_BY[by] else -1
        if self._best is None or sign * value > sign * self._best.value:
            self._best = Best(step, value, self._network.snapshot().weights)

    def _became_nan(self, step: int) -> RunFailed:
        return RunFailed(
            f'loss became NaN at step {step}',
            where=self._watched.checkpoint_dir,
            do='look for NaN in the evaluation records, or train with --overwrite and a smaller --learning_rate; '
            'the checkpoint before is kept',
        )

    def _add_point(self, step: int, of_train: Quality | None, of_eval: Quality) -> None:
        point = CurvePoint(step, self._seconds, eval_loss=of_eval.loss, eval_accuracy=of_eval.accuracy)
        point = replace(point, eval_auc=of_eval.auc)
        self._scalars.quality(scalars.EVAL_SET, step, of_eval)
        if of_train is not None:
            self._scalars.quality(scalars.TRAIN_SET, step, of_train)
            point = replace(point, train_loss=of_train.loss, train_accuracy=of_train.accuracy, train_auc=of_train.auc)
        self._history.append(point)

    def _tell(self, line: str) -> None:
        if self._watched.schedule.talks:
            say(line)
        else:
            _log.info('%s', line)


def stretches(examples: int, batch_size: int, stretch: int = STRETCH) -> int:
    """After how many steps measuring so many examples takes no more than its share of the time."""
    steps = examples / (heads.TRAINING * _SELECTION_SHARE * batch_size)
    return stretch * max(math.ceil(steps / stretch), 1)
