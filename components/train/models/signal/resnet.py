"""A small residual net over time (He et al. 2016, doi:10.1109/CVPR.2016.90, in one dimension): three stages, batch
normalisation, about 240,000 parameters at width 32."""

from __future__ import annotations

from typing import Any

import keras

from components.lib.spec import Train


def features(signal: Any, settings: Train) -> Any:
    """Standardised signals (N, T, C) to a feature map (N, T/8, 4 × width)."""
    x = _convolution(signal, settings.width, kernel=15, stride=2)
    for stage in range(3):
        x = _block(x, settings.width * 2**stage, stride=1 if stage == 0 else 2)
    return x


def _convolution(x: Any, channels: int, *, kernel: int = 7, stride: int = 1, activate: bool = True) -> Any:
    x = keras.layers.Conv1D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    # A small set makes few steps: at Keras' momentum of .99 the averages would still hold the first weights.
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.layers.Activation("relu")(x) if activate else x


def _block(x: Any, channels: int, *, stride: int) -> Any:
    """Two convolutions and a shortcut; the shortcut is projected where the shape changes."""
    residual = _convolution(_convolution(x, channels, stride=stride), channels, activate=False)
    if stride != 1 or x.shape[-1] != channels:
        # Not a convolution with a stride: of a narrow one of 1 × 1, TensorFlow's oneDNN kernel for the gradient writes
        # past its memory.
        x = _convolution(x[:, ::stride], channels, kernel=1, activate=False)
    return keras.layers.Activation("relu")(keras.layers.Add()([x, residual]))
