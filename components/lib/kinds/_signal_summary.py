"""Plain figures of signals, how they get worse in practice, and signals of other kinds than hearts make."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.lib.kinds._records import Array, Corruption, five

Floats = NDArray[np.float64]

WORDS: Mapping[str, tuple[str, str]] = {
    "level": ("a higher median", "a lower median"),
    "spread": ("larger swings", "smaller swings"),
    "least_spread": ("larger swings in the flattest lead", "smaller swings in the flattest lead"),
    "peak": ("higher peaks", "lower peaks"),
    "skew": ("peaks upwards", "peaks downwards"),
    "tails": ("rarer and steeper peaks", "fewer steep peaks"),
    "noise": ("more change from one value to the next", "less change from one value to the next"),
    "quick": ("more change within .04 s", "less change within .04 s"),
    "beat": ("more change within .2 s", "less change within .2 s"),
    "slow": ("more change within a second", "less change within a second"),
    "flat": ("longer without any change", "shorter without any change"),
    "agreement": ("leads that move together more", "leads that move together less"),
}
"""Name of each figure, in order, to what more and what less of it mean."""
WINDOWS = {"quick": 0.04, "beat": 0.2, "slow": 1.0}
"""Seconds."""
STILL = 1e-3
"""mV from one value to the next that count as none."""
LEAST = 1e-4
"""mV², below which nothing is told apart; of a share of the variance too."""

NOISE = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Standard deviation, mV."""
WANDER = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Amplitude, mV."""
WANDER_HERTZ = (0.05, 0.5)
GAIN = (0.8, 0.6, 0.4, 0.2, 0.1)
"""Of the amplitude that stays."""
OFF = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Share of the window."""
PIECES = 8


def summary(traces: Array, rate: float) -> Floats:
    """Figures (N, len(WORDS)) of signals (N, T, leads) in mV: means over the leads; of energies log10."""
    values = np.asarray(traces, np.float64)
    centred = values - values.mean(axis=1, keepdims=True)
    variance = np.square(centred).mean(axis=1)
    deviation = np.sqrt(variance + LEAST**2)
    scaled = centred / deviation[:, None]
    steps = np.diff(values, axis=1)
    middle = np.median(values, axis=1)
    columns = {
        "level": middle.mean(axis=1),
        "spread": np.log10(variance + LEAST).mean(axis=1),
        "least_spread": np.log10(variance.min(axis=1) + LEAST),
        "peak": np.log10(np.abs(values - middle[:, None]).max(axis=1) + LEAST).mean(axis=1),
        "skew": np.cbrt((scaled**3).mean(axis=1)).mean(axis=1),
        "tails": np.log10((scaled**4).mean(axis=1) + LEAST).mean(axis=1),
        "noise": _share(np.square(steps).mean(axis=1), variance),
        **{name: _share(_within(centred, round(seconds * rate)), variance) for name, seconds in WINDOWS.items()},
        "flat": np.sqrt((np.abs(steps) < STILL).mean(axis=(1, 2))),
        "agreement": (scaled[..., 1:] * scaled[..., :-1]).mean(axis=1).sum(axis=1) / max(1, values.shape[2] - 1),
    }
    return np.stack([columns[name] for name in WORDS], axis=1)


def _within(centred: Floats, width: int) -> Floats:
    """Mean variance inside windows of so many values (N, leads); what is left over at the end isn't looked at."""
    count, length, leads = centred.shape
    width = int(np.clip(width, 2, length))
    windows = centred[:, : length // width * width].reshape(count, -1, width, leads)
    return np.asarray(windows.var(axis=2).mean(axis=1), np.float64)


def _share(energy: Floats, variance: Floats) -> Floats:
    """Of the variance of each lead, log10, mean over the leads."""
    return np.asarray(np.log10(energy / (variance + LEAST) + LEAST).mean(axis=1), np.float64)


def corruptions(rate: float) -> dict[str, Corruption]:
    """What happens to signals at the bedside, of this many values a second."""

    def noise(traces: Array, strength: int, generator: np.random.Generator) -> Array:
        return _floats(traces + NOISE[strength - 1] * generator.standard_normal(traces.shape))

    def wander(traces: Array, strength: int, generator: np.random.Generator) -> Array:
        count, length, leads = traces.shape
        time = np.arange(length)[:, None] / rate
        hertz = generator.uniform(*WANDER_HERTZ, (count, 1, 1))
        phase = generator.uniform(0, 2 * np.pi, (count, 1, leads))
        return _floats(traces + WANDER[strength - 1] * np.sin(2 * np.pi * hertz * time + phase))

    def gain(traces: Array, strength: int, generator: np.random.Generator) -> Array:
        return _floats(traces * GAIN[strength - 1])

    def off(traces: Array, strength: int, generator: np.random.Generator) -> Array:
        altered, length = np.array(traces), traces.shape[1]
        width = max(1, round(OFF[strength - 1] * length))
        for row, start in enumerate(generator.integers(0, length - width + 1, len(traces))):
            altered[row, start : start + width] = altered[row, start]
        return _floats(altered)

    return {
        "noise": Corruption("standard deviation, mV", five("{:g}", NOISE), noise),
        "baseline wander": Corruption("up and down, mV", five("{:g}", WANDER), wander),
        "low gain": Corruption("amplitude that is left", five("{:.0%}", GAIN), gain),
        "electrode off": Corruption("share of the window", five("{:.0%}", OFF), off),
    }


def strangers(traces: Array, rate: float, generator: np.random.Generator) -> dict[str, Array]:
    """Signals of other kinds, (N, T, leads) float32 each: made from nothing, or from these."""
    count, length, leads = traces.shape
    time = np.arange(length)[:, None] / rate
    hertz = generator.uniform(0.1, 0.25, (count, 1, 1)) * rate
    size = np.asarray(traces, np.float64).std(axis=1, keepdims=True)
    cut = length // PIECES
    pieces = np.array(traces)[:, : PIECES * cut].reshape(count, PIECES, cut, leads)
    mixed = np.array(traces)
    mixed[:, : PIECES * cut] = np.stack([each[generator.permutation(PIECES)] for each in pieces]).reshape(
        count, -1, leads
    )
    return {
        "noise": _floats(size * generator.standard_normal(traces.shape)),
        "a flat line, almost": _floats(0.02 * generator.standard_normal(traces.shape)),
        "hum": _floats(size * np.sqrt(2) * np.sin(2 * np.pi * hertz * time + np.zeros(leads))),
        "electrodes swapped": _floats(-np.asarray(traces)),
        "backwards in time": _floats(np.asarray(traces)[:, ::-1]),
        "in shuffled pieces": _floats(mixed),
    }


def _floats(values: Array) -> Array:
    return np.asarray(values, np.float32)
