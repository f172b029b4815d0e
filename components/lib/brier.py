"""The Brier score and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.lib.resampling import calibration_bins
from components.lib.statistics import Bools, Floats


@dataclass(frozen=True)
class Brier:
    """A Brier score in parts: score = reliability - resolution + uncertainty + within."""

    score: float
    """Mean squared error of the stated probabilities: 0 is perfect."""
    reliability: float
    """What probabilities that aren't what comes true cost: 0 is perfectly calibrated."""
    resolution: float
    """What is gained because groups of different probabilities differ: 0 is the same for all."""
    uncertainty: float
    """What always stating the share of all would give."""
    within: float
    """What is left because probabilities differ within a group: 0 where each group states one."""


def decompose(confidence: Floats, true: Bools) -> Brier:
    """Murphy's decomposition over `resampling.calibration_bins`, with what is left within the bins, so that it adds up.

    Args:
        confidence: stated probabilities (N,), N at least 1.
        true: what came true (N,).

    Sources: Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; within the bins: Stephenson, Coelho &
    Jolliffe 2008, doi:10.1175/2007WAF2006116.1 (its two terms taken together).
    """
    bins, n = calibration_bins(confidence), len(confidence)
    counts = np.bincount(bins)
    stated, found = (np.bincount(bins, values) / counts for values in (confidence, true.astype(np.float64)))
    share = float(true.mean())
    spread, joint = confidence - stated[bins], true - found[bins]
    return Brier(
        score=float(((confidence - true) ** 2).mean()),
        reliability=float((counts * (stated - found) ** 2).sum() / n),
        resolution=float((counts * (found - share) ** 2).sum() / n),
        uncertainty=share * (1 - share),
        within=float((spread**2 - 2 * spread * joint).mean()),
    )
