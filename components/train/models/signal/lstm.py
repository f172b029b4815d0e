"""A bidirectional LSTM (Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735) behind a convolutional stem."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from components.lib.train_settings import Train
from components.train.models.signal._recurrent import both_ways, shortened

LOCAL = False
"""Its state at one time knows of all others: on the ECG phantom the evidence lay on the beat no more than by chance."""


def features(signal: Any, settings: Train) -> Any:
    """Standardised signals (N, T, C) to a feature map (N, T/4, 4 × width)."""
    # cuDNN's kernel for GPUs doesn't export (keras#21799).
    layer = partial(keras.layers.LSTM, 2 * settings.width, return_sequences=True, use_cudnn=False)
    return both_ways(shortened(signal, settings), layer)
