"""Optimizer, schedule of the learning rate, and penalties on the weights, as `train:` asks for them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from components.lib.train_settings import Train

# What `exponential` leaves of the learning rate at the end.
LAST_SHARE = 0.01


def optimizer(settings: Train, steps: int, epochs: int, *, frozen: bool = False) -> keras.optimizers.Optimizer:
    """The optimizer for a stretch of training.

    Args:
        settings: those of `train:`.
        steps: steps an epoch.
        epochs: epochs of the stretch; the schedule falls over them.
        frozen: whether the backbone stays as it is: then the rate is constant, and no averages are kept.
    """
    rate = settings.learning_rate if frozen else _rate(settings, steps, epochs)
    common: dict[str, Any] = {"global_clipnorm": settings.clip_norm or None}
    if settings.ema and not frozen:
        common |= {"use_ema": True, "ema_momentum": settings.ema}
    match settings.optimizer:
        case "adamw":
            made = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **common)
        case "adam":
            made = keras.optimizers.Adam(rate, **common)
        case _:
            decay = settings.weight_decay or None
            made = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay, **common)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # With `use_ema` Keras overwrites the weights with their averages at the end of every `fit` call, that is in the
    # middle of ours: `components.train.averages` does it for validation alone.
    made.finalize_variable_values = lambda variables: None
    return made


def penalise(model: keras.Model, settings: Train) -> None:
    """Add `l1` and `l2` of every kernel that is trained to the loss; biases and normalisations are left alone."""
    if settings.l1 or settings.l2:
        for variable in model.trainable_variables:
            if variable.name.endswith("kernel"):
                variable.regularizer = keras.regularizers.L1L2(l1=settings.l1, l2=settings.l2)


def _rate(settings: Train, steps: int, epochs: int) -> Any:
    """The learning rate by step, or the one number it stays."""
    backbone = settings.frozen_epochs > 0
    peak = settings.learning_rate * (settings.pretrained.learning_rate_factor if backbone else 1)
    warm = settings.warmup_epochs * steps
    after = _schedule(settings.schedule, peak, steps * epochs - warm)
    return Warmup(peak, warm, after) if warm else after


def _schedule(name: str, peak: float, steps: int) -> Any:
    schedules = keras.optimizers.schedules
    match name:
        case "cosine":  # Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts
            return schedules.CosineDecay(peak, steps)
        case "linear":
            return schedules.PolynomialDecay(peak, steps, end_learning_rate=0.0)
        case "exponential":
            return schedules.ExponentialDecay(peak, steps, decay_rate=LAST_SHARE)
        case _:
            return peak


class Warmup(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A rate that rises in equal steps to its peak (Goyal et al. 2017, arXiv:1706.02677), and then follows another.

    Args:
        peak: the rate at the last step of the rise.
        steps: how many steps it takes.
        after: the schedule from there on, or a number that the rate stays at.
    """

    def __init__(self, peak: float, steps: int, after: Any) -> None:
        super().__init__()
        self.peak, self.steps, self.after = peak, steps, after

    def __call__(self, step: Any) -> Any:
        """The rate of a step, float32; steps count from 0."""
        step = ops.cast(step, "float32")
        rising = self.peak * (step + 1) / self.steps
        later = ops.maximum(step - self.steps, 0.0)
        after = self.after(later) if callable(self.after) else self.after
        return ops.where(step < self.steps, rising, after)
