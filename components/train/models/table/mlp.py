"""Two dense layers; with the linear head of one output behind them, a width of 64 is the usual 64-64-1 perceptron."""

from __future__ import annotations

from typing import Any

import keras

from components.lib.train_settings import Train


def features(table: Any, settings: Train) -> Any:
    """Standardised rows (N, F) to features (N, width)."""
    x = table
    for _ in range(2):
        x = keras.layers.Dense(settings.width, activation="relu")(x)
    return x
