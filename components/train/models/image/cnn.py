"""A plain convolutional net: three times convolution and pooling. Small and fast; a baseline to beat."""

from __future__ import annotations

from typing import Any

import keras

from components.lib.train_settings import Train

LEAST = 8


def features(pictures: Any, settings: Train) -> Any:
    """Standardised pictures (N, H, W, C) to a feature map (N, H/8, W/8, 4 × width)."""
    x = pictures
    for stage in range(3):
        x = keras.layers.Conv2D(settings.width * 2**stage, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    return x
