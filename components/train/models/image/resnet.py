"""A small residual net (He et al. 2016, doi:10.1109/CVPR.2016.90): three stages, batch normalisation, about 300,000
parameters at width 32."""

from __future__ import annotations

from typing import Any

import keras

from components.lib.spec import Train


def features(pictures: Any, settings: Train) -> Any:
    """Standardised pictures (N, H, W, C) to a feature map (N, H/8, W/8, 4 × width); of less than 48 pixels, H/4."""
    # Small films are doubled, so that the stem sees edges between pixels; the stem halves every film, because a
    # full-size first stage would cost four times as much.
    x = keras.layers.UpSampling2D(2, interpolation="bilinear")(pictures) if min(pictures.shape[1:3]) < 48 else pictures
    x = _convolution(x, settings.width, kernel=5, stride=2)
    for stage in range(3):
        x = _block(x, settings.width * 2**stage, stride=1 if stage == 0 else 2)
    return x


def _convolution(x: Any, channels: int, *, kernel: int = 3, stride: int = 1, activate: bool = True) -> Any:
    x = keras.layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    # A small set makes few steps: at Keras' momentum of .99 the averages would still hold the first weights.
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.layers.Activation("relu")(x) if activate else x


def _block(x: Any, channels: int, *, stride: int) -> Any:
    """Two convolutions and a shortcut; the shortcut is projected where the shape changes."""
    residual = _convolution(_convolution(x, channels, stride=stride), channels, activate=False)
    if stride != 1 or x.shape[-1] != channels:
        # Not a convolution with a stride: of a narrow one of 1 × 1, TensorFlow's oneDNN kernel for the gradient writes
        # past its memory.
        x = _convolution(x[:, ::stride, ::stride], channels, kernel=1, activate=False)
    return keras.layers.Activation("relu")(keras.layers.Add()([x, residual]))
