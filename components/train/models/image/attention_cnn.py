"""A convolutional net whose feature map looks at itself: self-attention (Vaswani et al. 2017, arXiv:1706.03762) behind
convolutions (as in Bello et al. 2019, arXiv:1904.09925), for findings that one place alone doesn't show."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from components.lib.train_settings import Train
from components.train.models._residual import convolution

LEAST = 16
"""Of a single place there is nothing to look at, and its attention doesn't export."""
LOCAL = False
"""By attention every place knows of all others, so a place of the map needn't speak of its own place on the film."""
HEADS = 4


def features(pictures: Any, settings: Train) -> Any:
    """Standardised pictures (N, H, W, C) to a feature map (N, H/8, W/8, 4 × width)."""
    x = pictures
    for stage in range(3):
        x = convolution(x, settings.width * 2**stage, kernel=3)
        x = keras.layers.MaxPooling2D()(x)
    channels = x.shape[-1]
    x = x + positions(x.shape[1], x.shape[2], channels)
    # Normalised before each part, so that what is added stays of the size of what it is added to.
    normal = keras.layers.LayerNormalization()(x)
    places = keras.layers.Reshape((-1, channels))(normal)
    looked = keras.layers.MultiHeadAttention(HEADS, channels // HEADS)(places, places)
    x = x + keras.layers.Reshape(x.shape[1:])(looked)
    hidden = keras.layers.Dense(2 * channels, activation="relu")(keras.layers.LayerNormalization()(x))
    return x + keras.layers.Dense(channels)(hidden)


def positions(height: int, width: int, channels: int) -> NDArray[np.float32]:
    """Where each place is, (height, width, channels): sines and cosines of the row in the first half of the channels,
    of the column in the second. Attention alone doesn't know it."""
    row, column = _waves(height, channels // 2), _waves(width, channels - channels // 2)
    shape = (height, width)
    return np.concatenate(
        [np.broadcast_to(row[:, None], (*shape, row.shape[1])), np.broadcast_to(column, (*shape, column.shape[1]))],
        axis=-1,
    ).astype(np.float32)


def _waves(count: int, channels: int) -> NDArray[np.float64]:
    pair = np.arange(channels) // 2
    angle = np.arange(count)[:, None] / 10_000 ** (2 * pair / channels)
    return np.where(np.arange(channels) % 2, np.cos(angle), np.sin(angle))
