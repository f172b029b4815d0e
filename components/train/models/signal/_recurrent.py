"""What the recurrent architectures share: a strided convolutional stem, then both directions of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from components.lib.train_settings import Train


def shortened(signal: Any, settings: Train) -> Any:
    """Signals (N, T, C) to (N, T/4, 2 × width): a recurrent layer takes one step after the other, so a quarter of the
    steps is four times as fast, and its memory reaches four times as far."""
    x = signal
    for kernel, channels in ((7, settings.width), (5, 2 * settings.width)):
        x = keras.layers.Conv1D(channels, kernel, strides=2, padding="same", use_bias=False)(x)
        # A small set makes few steps: at Keras' momentum of .99 the averages would still hold the first weights.
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.Activation("relu")(x)
    return x


def both_ways(x: Any, layer: Callable[..., Any]) -> Any:
    """Features (N, t, channels) to (N, t, 2 × units): one layer from the start, one from the end.

    Not keras.layers.Bidirectional: it copies its layer through a configuration, which a class of ours would have to
    be registered for. The exported graph is the same: one bidirectional ONNX operator.

    Args:
        x: the features.
        layer: makes a recurrent layer that returns every step; takes `go_backwards`.
    """
    backwards = keras.ops.flip(layer(go_backwards=True)(x), axis=1)
    return keras.layers.Concatenate()([layer(go_backwards=False)(x), backwards])
