"""One net that learns to answer as the mean of several: knowledge distillation (Hinton, Vinyals & Dean 2015,
arXiv:1503.02531).

Teachers and student see the same altered samples in every step: so the student learns their function, and not only
what they say of the samples as they are (Beyer et al. 2022, arXiv:2106.05237, who call it consistent teaching).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from components.lib.kinds import TargetKind
from components.lib.spec import TaskSpec
from components.lib.train_settings import Train
from components.train.fit import Weights
from components.train.network import build_core
from components.train.samples import Fitted


def frozen(teachers: Sequence[Weights], spec: TaskSpec, fitted: Fitted) -> list[keras.Model]:
    """Trained nets that learn no more, from their weights."""
    cores = []
    for number, weights in enumerate(teachers):
        cores.append(build_core(spec, fitted, f"teacher_{number}"))
        cores[-1].set_weights(weights)
        cores[-1].trainable = False
    return cores


def losses(spec: TaskSpec) -> Mapping[str, keras.losses.Loss]:
    """By target, the loss of a student whose outputs `build_training` made beside those of its teachers."""
    return {name: Distillation(kind, spec.train) for name, kind in spec.targets.items()}


class Distillation(keras.losses.Loss):  # type: ignore[misc]
    """`distil_hard_weight` of the loss on the labels, and for the rest how far the student is from its teachers.

    Of a target with classes that is Kullback and Leibler's divergence of the two answers at `distil_temperature`, times
    its square, so that the gradients keep their size; of a number the squared error to the teachers' mean.

    Defaults: Hinton et al. found a temperature of 2 the best of 1, 2, 5 and 10 for ten speech nets, with half of the
    weight on the labels (section 4.1).

    Args:
        kind: of the target.
        settings: those of `train:`.
    """

    def __init__(self, kind: TargetKind, settings: Train) -> None:
        super().__init__(name="distillation")
        self._kind, self._hard_weight = kind, settings.distil_hard_weight
        self._temperature = settings.distil_temperature if kind.class_names else 1.0
        self._hard = kind.loss(settings)
        self._plain = kind.loss(settings.model_copy(update={"loss": "cross_entropy", "label_smoothing": 0.0}))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of every sample (N,), of targets (N, units) and logits of student and teachers (N, 2 × units)."""
        own, taught = ops.split(y_pred, 2, axis=-1)
        taught = ops.stop_gradient(taught)
        hard = self._hard.call(y_true, own)
        return self._hard_weight * hard + (1 - self._hard_weight) * self._temperature**2 * self._apart(own, taught)

    def _apart(self, own: Any, taught: Any) -> Any:
        """How far the student is from its teachers (N,), 0 where they say the same."""
        own, taught = own / self._temperature, taught / self._temperature
        aims = self._kind.activation(taught, {}) if self._kind.class_names else taught
        # Cross-entropy, less that of the teachers with themselves, is the divergence.
        return self._plain.call(aims, own) - self._plain.call(aims, taught)
