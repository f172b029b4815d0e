"""Small signals for tests to spoil."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.lib.kinds.signal import Waveform


def beats(rate: float = 125.0, seconds: float = 2.0) -> np.ndarray:
    """Two leads with a beat a second, (T, 2) mV, without noise."""
    time = np.arange(round(rate * seconds)) / rate
    wave = np.exp(-(((time % 1 - 0.5) / 0.03) ** 2)) + 0.2 * np.exp(-(((time % 1 - 0.8) / 0.06) ** 2))
    return np.stack([wave, -0.5 * wave], axis=1) + 0.01 * np.sin(20 * time)[:, None]


def waveform(values: np.ndarray, rate: float = 125.0, **changes: Any) -> Waveform:
    told = {"leads": ("II", "V1")[: values.shape[1]], "units": ("mV", "mV")[: values.shape[1]], **changes}
    return Waveform(values, rate, **told)
