"""Parts of a residual net (He et al. 2016, doi:10.1109/CVPR.2016.90) over time (N, t, C) or pictures (N, h, w, C)."""

from __future__ import annotations

from typing import Any

import keras


def convolution(x: Any, channels: int, *, kernel: int, stride: int = 1, activate: bool = True) -> Any:
    """Convolution and batch normalisation, and ReLU behind them where the block isn't added to anything."""
    layer = keras.layers.Conv1D if len(x.shape) == 3 else keras.layers.Conv2D
    x = layer(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    # A small set makes few steps: at Keras' momentum of .99 the averages would still hold the first weights.
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.layers.Activation("relu")(x) if activate else x


def block(x: Any, channels: int, *, kernel: int, stride: int) -> Any:
    """Two convolutions and a shortcut; the shortcut is projected where the shape changes."""
    inner = convolution(x, channels, kernel=kernel, stride=stride)
    residual = convolution(inner, channels, kernel=kernel, activate=False)
    if stride != 1 or x.shape[-1] != channels:
        # Not a convolution with a stride: of a narrow one of 1 × 1, TensorFlow's oneDNN kernel for the gradient writes
        # past its memory.
        sampled = x[(slice(None), *[slice(None, None, stride)] * (len(x.shape) - 2))]
        x = convolution(sampled, channels, kernel=1, activate=False)
    return keras.layers.Activation("relu")(keras.layers.Add()([x, residual]))
