"""A bidirectional GRU (Cho et al. 2014, arXiv:1406.1078) behind a convolutional stem."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import ops

from components.lib.train_settings import Train
from components.train.models.signal._recurrent import both_ways, shortened

LOCAL = False
"""Its state at one time knows of all others: on the ECG phantom the evidence lay on the beat no more than by chance."""


def features(signal: Any, settings: Train) -> Any:
    """Standardised signals (N, T, C) to a feature map (N, T/4, 4 × width)."""
    return both_ways(shortened(signal, settings), partial(GRU, 2 * settings.width))


class GRU(keras.layers.RNN):  # type: ignore[misc]
    """keras.layers.GRU, equal in weights and answers, in the form that tf2onnx knows as an ONNX GRU.

    Keras' own becomes a Loop of small operators, which takes ONNX Runtime ten times as long for one sample.
    """

    def __init__(self, units: int, *, go_backwards: bool) -> None:
        super().__init__(_Cell(units), return_sequences=True, go_backwards=go_backwards)

    def inner_loop(self, *arguments: Any, **settings: Any) -> Any:
        """The loop over time. Biases are read before it: tf2onnx wants them as plain inputs of the loop."""
        self.cell.biases = tuple(ops.unstack(self.cell.bias + 0.0))
        try:
            return super().inner_loop(*arguments, **settings)
        finally:
            self.cell.biases = ()


class _Cell(keras.layers.GRUCell):  # type: ignore[misc]
    """One step, without dropout."""

    biases: tuple[Any, ...] = ()

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """Inputs (N, channels) and one state (N, units) to the next state, twice: as output and as state."""
        (before,) = states
        sources = ((inputs, self.kernel), (before, self.recurrent_kernel))
        (update, reset, new), (update_, reset_, new_) = (
            ops.split(ops.add(ops.matmul(values, kernel), bias), 3, axis=1)
            for (values, kernel), bias in zip(sources, self.biases, strict=True)
        )
        update = ops.sigmoid(update + update_)
        reset = ops.sigmoid(reset + reset_)
        after = update * before + (1 - update) * ops.tanh(new + reset * new_)
        return after, [after]
