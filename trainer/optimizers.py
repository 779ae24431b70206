"""How weights move along their gradients: a table of update rules, each one fused TensorFlow kernel a weight."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

# The earlier trainers' Adam had epsilon 0.001, which damps rare features; these are the usual values.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7
_MOMENTUM = 0.9
_RMS_DECAY = 0.9


@dataclass(frozen=True)
class Optimizer:
    """An update rule: how many slots as large as a weight it keeps (zeros at first), and the update itself.

    The update takes a weight, its slots, the gradient, the learning rate and the number of the step, counted from 1.
    """

    slots: int
    update: Callable[[tf.Variable, Sequence[tf.Variable], tf.Tensor, float, tf.Tensor], None]


def _adam(weight: tf.Variable, slots: Sequence[tf.Variable], gradient: tf.Tensor, rate: float, step: tf.Tensor) -> None:
    mean, square = slots
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=mean.handle,
        v=square.handle,
        beta1_power=tf.pow(_BETA_1, tf.cast(step, tf.float32)),
        beta2_power=tf.pow(_BETA_2, tf.cast(step, tf.float32)),
        lr=rate,
        beta1=_BETA_1,
        beta2=_BETA_2,
        epsilon=_EPSILON,
        grad=gradient,
    )


def _sgd(weight: tf.Variable, slots: Sequence[tf.Variable], gradient: tf.Tensor, rate: float, step: tf.Tensor) -> None:
    tf.raw_ops.ResourceApplyGradientDescent(var=weight.handle, alpha=rate, delta=gradient)


def _momentum(
    weight: tf.Variable, slots: Sequence[tf.Variable], gradient: tf.Tensor, rate: float, step: tf.Tensor
) -> None:
    tf.raw_ops.ResourceApplyMomentum(
        var=weight.handle, accum=slots[0].handle, lr=rate, grad=gradient, momentum=_MOMENTUM
    )


def _rmsprop(
    weight: tf.Variable, slots: Sequence[tf.Variable], gradient: tf.Tensor, rate: float, step: tf.Tensor
) -> None:
    square, moment = slots
    tf.raw_ops.ResourceApplyRMSProp(
        var=weight.handle,
        ms=square.handle,
        mom=moment.handle,
        lr=rate,
        rho=_RMS_DECAY,
        momentum=0.0,
        epsilon=_EPSILON,
        grad=gradient,
    )


OPTIMIZERS = {
    'adam': Optimizer(2, _adam),
    'sgd': Optimizer(0, _sgd),
    'momentum': Optimizer(1, _momentum),
    'rmsprop': Optimizer(2, _rmsprop),
}
