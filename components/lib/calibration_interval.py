"""The calibration error with its 95% interval.

The error is a sum of absolute gaps, so chance alone makes it larger than it is, and no bootstrap puts that right: of a
perfectly calibrated model every draw shows an error. So the two ends are made apart.

lower   a test inverted: the smallest error of a population, shared out over the bins as it was found, under which a
        figure as large as the one found isn't rare (Neyman 1937, doi:10.1098/rsta.1937.0005). Under it, outcomes are
        drawn with the probabilities that were stated, shifted by that error, and with no other variance: a bin where
        .02 was stated and half came true would else excuse itself by how widely its own outcomes vary
upper   the figure and 1.96 standard errors. Chance makes the figure larger on average, never smaller, so that this end
        holds without a word on how much (Bröcker 2012, doi:10.1007/s00382-011-1191-1). The gaps err with the
        covariance that patients show, but no less than two hits and two misses more would (Agresti & Coull 1998,
        doi:10.1080/00031305.1998.10480550): ten hits of ten don't say that there is no miss

Another test set has other patients, and more or fewer of those whose probabilities are wrong. Both ends allow for it.

Where patients repeat, draws are correlated as the patients' outcomes are, each in units of its own deviation. Size and
power are simulated in benchmarks/calibration_error.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtrit

from components.lib.bootstrap import Design
from components.lib.resampling import calibration_bins
from components.lib.statistics import Bools, Estimate, Floats

DRAWS = 4000


def calibration_error(confidence: Floats, correct: Bools, design: Design, *, seed: int = 0) -> Estimate:
    """Expected calibration error over `resampling.calibration_bins`: mean gap between confidence and what came true.

    Args:
        confidence: stated probabilities (N,), N at least 1.
        correct: what came true (N,).
        design: whose the samples are.
        seed: equal seeds give equal intervals.

    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602.
    """
    bins, n = calibration_bins(confidence), len(confidence)
    gaps = np.bincount(bins, confidence - correct) / n
    value = float(np.abs(gaps).sum())
    units = np.arange(n) if design.patients is None else design.patients
    root = None if design.patients is None else _correlation(confidence, correct, bins, units)
    generator = np.random.default_rng(seed)
    low = 0.0
    if value > _by_chance(confidence, bins, root, generator):
        normal = _correlated(generator.standard_normal((DRAWS, len(gaps))), root)
        per_sample = (gaps * n / np.bincount(bins))[bins]
        low = lower_end(
            value,
            gaps,
            lambda share: normal * _deviations(np.clip(confidence - share * per_sample, 0, 1), bins),
            generator.standard_normal(DRAWS) * _mix(np.abs(per_sample), units),
        )
    wide = _at_least(_covariance(confidence, correct, bins, units), _padded(correct, bins, units))
    signs = np.where(gaps < 0, -1.0, 1.0)
    reach = float(stdtrit(max(len(np.unique(units)) - 1, 1), 0.975))
    high = value + reach * float(np.sqrt(signs @ wide @ signs))
    by = "inverted test" if design.patients is None else "inverted test, by patient"
    return Estimate(value, min(low, value), min(high, 1.0), n, by)


def _covariance(confidence: Floats, correct: Bools, bins: NDArray[np.intp], units: NDArray[np.intp]) -> Floats:
    """Of the gaps, as patients differ (B, B)."""
    by_unit = _by_unit(bins, units, confidence - correct)
    by_unit = by_unit - by_unit.mean(axis=0)
    several = max(len(by_unit), 2)
    return np.asarray(by_unit.T @ by_unit * several / (several - 1) / len(bins) ** 2, np.float64)


def _by_unit(bins: NDArray[np.intp], units: NDArray[np.intp], values: Floats) -> Floats:
    """Sums by patient and bin (P, B)."""
    count = int(bins.max()) + 1
    sums = np.bincount(units * count + bins, values, minlength=(int(units.max()) + 1) * count)
    return np.asarray(sums.reshape(-1, count), np.float64)


def _padded(correct: Bools, bins: NDArray[np.intp], units: NDArray[np.intp]) -> Floats:
    """Variance of each gap (B,), two hits and two misses added to its patients."""
    within = np.bincount(bins)
    patients = (_by_unit(bins, units, np.ones(len(bins))) > 0).sum(axis=0)
    share = (np.bincount(bins, correct) / within * patients + 2) / (patients + 4)
    return np.asarray(share * (1 - share) / patients * (within / len(bins)) ** 2, np.float64)


def _at_least(covariance: Floats, variance: Floats) -> Floats:
    return np.asarray(covariance + np.diag(np.maximum(variance - np.diag(covariance), 0)), np.float64)


def _by_chance(
    confidence: Floats, bins: NDArray[np.intp], root: Floats | None, generator: np.random.Generator
) -> float:
    """The 97.5% point of the error of probabilities that come true.

    Binomial in shape, since ten samples of .01 are far from normal, with the variance of the single probabilities.
    """
    counts = np.bincount(bins)
    share = np.clip(np.bincount(bins, confidence) / counts, 0, 1)
    spread = np.sqrt(counts * share * (1 - share))
    drawn = generator.binomial(counts, share, (DRAWS, len(counts)))
    standard = (drawn - counts * share) / np.where(spread > 0, spread, 1)
    errors = np.abs(_correlated(standard, root) * _deviations(confidence, bins)).sum(axis=1)
    return float(np.quantile(errors, 0.975))


def _correlated(standard: Floats, root: Floats | None) -> Floats:
    return standard if root is None else np.asarray(standard @ root, np.float64)


def _deviations(probability: Floats, bins: NDArray[np.intp]) -> Floats:
    """Of the gaps (B,), of independent outcomes with these probabilities (N,)."""
    return np.asarray(np.sqrt(np.bincount(bins, probability * (1 - probability))) / len(bins), np.float64)


def _correlation(confidence: Floats, correct: Bools, bins: NDArray[np.intp], units: NDArray[np.intp]) -> Floats:
    """Root (B, B) of what patients add: of the sums by bin, in deviations of independent outcomes, 1 or more of each.

    Outcomes are measured in the deviation of what came true in their bin, then given the one of what was stated.
    """
    share = (np.bincount(bins, correct) / np.bincount(bins))[bins]
    spread = np.sqrt(share * (1 - share))
    stated = np.sqrt(np.maximum(confidence * (1 - confidence), 1e-12))
    by_unit = _by_unit(bins, units, stated * (correct - share) / np.where(spread > 0, spread, 1))
    scale = np.sqrt(np.bincount(bins, stated**2))
    several = max(len(by_unit), 2)
    ratio = by_unit.T @ by_unit * several / (several - 1) / np.outer(scale, scale)
    return square_root(_at_least(ratio, np.ones(len(scale))))


def square_root(covariance: Floats) -> Floats:
    """The symmetric root of a covariance (B, B)."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T, np.float64)


def _mix(gap: Floats, units: NDArray[np.intp]) -> float:
    """Standard error of the mean gap, each sample's (N,) known, since other patients would have come."""
    totals = np.bincount(units, gap - gap.mean())
    return float(np.sqrt((totals**2).sum() * len(totals) / max(len(totals) - 1, 1))) / len(gap)


def lower_end(value: float, gaps: Floats, noise: Callable[[float], Floats], mix: Floats | float = 0.0) -> float:
    """The population's error for which `value` is the 97.5% point of what is found; 0 where none is so small.

    Args:
        value: the sum of the absolute gaps.
        gaps: as found (B,).
        noise: draws of the gaps (D, B) around a population whose gaps are this share (0..1) of those found.
        mix: draws of what the error of all gaps differs by (D,), since other patients have other gaps.
    """

    def above(share: float) -> float:
        errors = np.abs(share * gaps + noise(share)).sum(axis=1) + share * mix
        return float(np.quantile(errors, 0.975)) - value

    if above(0.0) >= 0:
        return 0.0
    return value * float(brentq(above, 0.0, 1.0, xtol=1e-3)) if above(1.0) > 0 else value
