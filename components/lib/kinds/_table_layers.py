"""Keras layers for online augmentation of tables; float32. Imported in training alone."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class RandomNumbers(keras.layers.Layer):  # type: ignore[misc]
    """Noise on the standardised numbers of rows (N, F), and some of them put to 0, their mean; only in training.

    Args:
        numbers: how many numbers stand at the start of a row; what follows is left alone.
        noise: standard deviation of the Gaussian noise, in standard deviations of the column.
        drop: share of the numbers put to 0.
        seed: of the random numbers.
    """

    def __init__(self, numbers: int, noise: float, drop: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.numbers, self.noise, self.drop = numbers, noise, drop
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, rows: Any, training: bool = False) -> Any:
        """Altered rows of the same shape."""
        if not training:
            return rows
        changed, rest = rows[:, : self.numbers], rows[:, self.numbers :]
        shape = ops.shape(changed)
        if self.noise:
            changed = changed + self.noise * keras.random.normal(shape, dtype=changed.dtype, seed=self.generator)
        if self.drop:
            kept = keras.random.uniform(shape, seed=self.generator) >= self.drop
            changed = ops.where(kept, changed, ops.zeros_like(changed))
        return ops.concatenate([changed, rest], axis=1)
