"""Figures of resampled data: each is told from how often every sample was drawn. See `lib.bootstrap`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from components.lib.statistics import Bools, Floats

Statistic = Callable[[Floats], Floats]
"""A figure of resampled data: weights (draws, N), how often each sample was drawn, to figures (draws,)."""

FEW = 20
"""Samples, and patients, of a class below which no interval is trusted: benchmarks/coverage.py shows why."""
BINS = 15
MOST_RUNS = 2048
"""Runs of scores that draws tell apart: their number bounds the error of a draw by 1 in so many."""


def ratio(numerator: NDArray[np.floating], denominator: NDArray[np.floating]) -> Statistic:
    """Sum of one (N,) over sum of the other; 0 where the latter is 0, as scikit-learn does."""
    parts = np.stack([numerator, denominator], axis=1).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        sums = weights @ parts
        return _divide(sums[:, 0], sums[:, 1])

    return statistic


def f1(predicted: Bools, positive: Bools) -> Statistic:
    """Harmonic mean of precision and recall (van Rijsbergen 1979)."""
    hits = predicted & positive
    return ratio(2.0 * hits, predicted.astype(float) + positive)


def average_precision(score: Floats, positive: Bools) -> Statistic:
    """Mean precision over recall, without interpolation; equals scikit-learn's.

    Source: Saito & Rehmsmeier 2015, doi:10.1371/journal.pone.0118432.
    """
    order = np.argsort(-score, kind="stable")
    hits = positive[order].astype(np.float64)
    _, last = _ties_with_a_hit(score[order], positive[order])
    ends = {step: np.union1d(last[step - 1 :: step], last[-1:]) for step in {1, _step(len(last))}}

    def statistic(weights: Floats) -> Floats:
        if not len(last):
            return np.zeros(len(weights))
        upto = ends[1 if len(weights) == 1 else max(ends)]
        starts = np.append(0, upto[:-1] + 1)
        drawn = weights[:, order[: last[-1] + 1]]
        called = np.cumsum(np.add.reduceat(drawn, starts, axis=1), axis=1)
        gained = np.add.reduceat(drawn * hits[: last[-1] + 1], starts, axis=1)
        found = np.cumsum(gained, axis=1)
        return _divide((gained * _divide(found, called)).sum(axis=1), found[:, -1])

    return statistic


def _ties_with_a_hit(ordered: Floats, hits: Bools) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last place of each run of equal scores that holds a positive: nothing is gained in between."""
    first = np.flatnonzero(np.append(True, np.diff(ordered) != 0)) if len(ordered) else np.empty(0, np.intp)
    last = np.append(first[1:], len(ordered)) - 1 if len(first) else first
    holds = np.add.reduceat(hits.astype(np.intp), first) > 0 if len(first) else np.empty(0, bool)
    return first[holds], last[holds]


def _step(runs: int) -> int:
    """How many runs are taken together in draws, so that 50,000 samples take seconds; the figure itself is exact."""
    return -(-runs // MOST_RUNS) if runs else 1


def calibration_bins(confidence: Floats) -> NDArray[np.intp]:
    """Bin of each sample (N,): equal-mass bins, at most 15, of ten samples or more.

    Equal mass because most confidences of a good model crowd near 0 and 1, where bins of equal width leave all others
    empty. Source: Nixon et al. 2019, arXiv:1904.01685. Equal confidences share a bin.
    """
    count = int(np.clip(len(confidence) // 10, 1, BINS))
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, count + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, confidence), return_inverse=True)[1]


def calibration_error(confidence: Floats, correct: Bools) -> Statistic:
    """Expected calibration error over `calibration_bins`: mean gap between confidence and what came true.

    Biased upwards when bins are small: hold it against `calibration_floor`.

    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602.
    """
    bins = calibration_bins(confidence)
    gaps = np.zeros((len(bins), int(bins.max()) + 1))
    gaps[np.arange(len(bins)), bins] = confidence - correct

    def statistic(weights: Floats) -> Floats:
        return _divide(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))

    return statistic


def calibration_floor(confidence: Floats, *, seed: int = 0) -> float:
    """The calibration error that a perfectly calibrated model would show on such samples, by 200 simulated outcomes."""
    outcomes = np.random.default_rng(seed).random((200, len(confidence))) < confidence
    bins = calibration_bins(confidence)
    member = (bins[:, None] == np.arange(int(bins.max()) + 1)).astype(np.float64)
    return float(np.abs((confidence - outcomes) @ member).sum(axis=1).mean() / len(confidence))


def mean(statistics: Sequence[Statistic]) -> Statistic:
    """Mean of several figures: the macro form of a figure per class."""
    return lambda weights: np.mean([statistic(weights) for statistic in statistics], axis=0)


def area(score: Floats, positive: Bools) -> Statistic:
    """Area under the ROC curve: weighted share of pairs ranked right, ties by half; .5 for a draw of one class."""
    order = np.argsort(score, kind="stable")
    hits = positive[order].astype(np.float64)
    first, last = _ties_with_a_hit(score[order], positive[order])
    # What lies between two runs is of one class, and told apart from both.
    starts = {
        step: np.unique(np.concatenate([[0], first[::step], last[step - 1 :: step] + 1]))
        for step in {1, _step(len(first))}
    }

    def statistic(weights: Floats) -> Floats:
        drawn, at = weights[:, order], starts[1 if len(weights) == 1 else max(starts)]
        at = at[at < len(order)]
        of_positives = np.add.reduceat(drawn * hits, at, axis=1)
        of_negatives = np.add.reduceat(drawn, at, axis=1) - of_positives
        below = np.cumsum(of_negatives, axis=1) - of_negatives / 2
        pairs = of_positives.sum(axis=1) * of_negatives.sum(axis=1)
        right = (of_positives * below).sum(axis=1)
        share: Floats = np.divide(right, pairs, out=np.full_like(right, 0.5), where=pairs > 0)
        return share

    return statistic


def _divide(above: Floats, below: Floats) -> Floats:
    """Quotient of two arrays of one shape; 0 where the divisor is 0."""
    quotient: Floats = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return quotient
