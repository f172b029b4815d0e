"""Keras layers for online augmentation of signals. Imported in training alone.

All draw from a `SeedGenerator`, work in float32 on traces (N, T, leads) in mV, and do nothing outside training.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

WANDER_HERTZ = (0.05, 0.5)
"""Breathing and slow movement of electrodes; what a monitor's filter lets pass of them."""


class _Random(keras.layers.Layer):  # type: ignore[misc]
    """A layer with a size and random numbers of its own."""

    def __init__(self, size: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.generator = keras.random.SeedGenerator(seed)

    def uniform(self, shape: tuple[Any, ...], low: float, high: float) -> Any:
        """Random numbers between two bounds."""
        return keras.random.uniform(shape, low, high, seed=self.generator)


class RandomNoise(_Random):
    """White noise of a standard deviation between 0 and `size` mV, another for each trace."""

    def call(self, traces: Any, training: bool = False) -> Any:
        """Altered traces of the same shape."""
        if not training:
            return traces
        deviation = self.uniform((ops.shape(traces)[0], 1, 1), 0, self.size)
        # Box and Muller's way from uniform to normal numbers: XLA draws normal ones eight times slower on processors.
        radius = ops.sqrt(-2 * ops.log(self.uniform(ops.shape(traces), 1e-7, 1)))
        return traces + deviation * radius * ops.cos(self.uniform(ops.shape(traces), 0, 2 * math.pi))


class RandomScale(_Random):
    """All leads of a trace times one number in 1 ± `size`."""

    def call(self, traces: Any, training: bool = False) -> Any:
        """Altered traces of the same shape."""
        if not training:
            return traces
        return traces * (1 + self.uniform((ops.shape(traces)[0], 1, 1), -self.size, self.size))


class RandomShift(_Random):
    """A shift by at most `size` samples, the same in all leads; the ends are filled with the last value."""

    def call(self, traces: Any, training: bool = False) -> Any:
        """Altered traces of the same shape."""
        if not training:
            return traces
        length, leads = traces.shape[1], traces.shape[2]
        shift = ops.cast(ops.round(self.uniform((ops.shape(traces)[0], 1), -self.size, self.size)), "int32")
        places = ops.clip(ops.arange(length, dtype="int32")[None] - shift, 0, length - 1)
        return ops.take_along_axis(traces, ops.tile(places[..., None], (1, 1, leads)), axis=1)


class RandomWander(_Random):
    """A slow sinusoid of at most `size` mV added: another amplitude and phase in each lead, one frequency.

    Args:
        size: largest amplitude, mV.
        rate: samples a second.
        seed: of the random numbers.
    """

    def __init__(self, size: float, rate: float, seed: int, **kwargs: Any) -> None:
        super().__init__(size, seed, **kwargs)
        self.rate = rate

    def call(self, traces: Any, training: bool = False) -> Any:
        """Altered traces of the same shape."""
        if not training:
            return traces
        count, length, leads = ops.shape(traces)[0], traces.shape[1], traces.shape[2]
        time = ops.arange(length, dtype="float32")[None, :, None] / self.rate
        hertz = self.uniform((count, 1, 1), *WANDER_HERTZ)
        phase = self.uniform((count, 1, leads), 0, 2 * math.pi)
        amplitude = self.uniform((count, 1, leads), 0, self.size)
        return traces + amplitude * ops.sin(2 * math.pi * hertz * time + phase)
