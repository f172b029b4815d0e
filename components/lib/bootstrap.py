"""95% intervals of figures that have no formula of their own: whole patients are drawn again and again.

Where nobody has several samples, the samples are drawn. Two samples of a patient are alike: counted as two they make
an interval too narrow. Patients are drawn within the design's classes, as suits a figure that doesn't depend on how
many there are of each, or of all classes together (`Design.any_mix`), as suits one that does.

BCa with the tails of Student's t; average precision on the logit scale, with the same tails. A bootstrap of few units
is too narrow, by the factor sqrt((m - 1) / m) and by normal tails in place of Student's; both are put right by the
variance that each class adds. The coverage that this reaches is simulated in benchmarks/coverage.py, with the figures
in docs/statistics.md.

Sources: Efron 1987, doi:10.1080/01621459.1987.10478410 (BCa); Hesterberg 2015, doi:10.1080/00031305.2015.1089789
(Student's tails); Welch 1947, doi:10.1093/biomet/34.1-2.28 (degrees of freedom of several classes); Field & Welsh 2007,
doi:10.1111/j.1467-9868.2007.00593.x (drawing whole patients).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri, stdtrit
from scipy.special import logit as to_logit

from components.lib.resampling import FEW, Statistic
from components.lib.statistics import Bools, Estimate, Floats, Z, missing

MOST_DRAWS, FEWEST_DRAWS, NUMBERS = 2000, 400, 10_000_000
"""Draws: fewer of many samples, whose figures are nearly normal: from 5,000 samples to 25,000 they fall to 400."""
WEIGHTS_AT_ONCE = 2_000_000
"""Numbers in one array of weights: 16 MB."""
LEFT_OUT = 400
"""Groups of patients, at most, that are left out in turn."""
MOST_SKEWED = 0.25
"""Of an acceleration: beyond it the shift of the tails runs away."""
TINY, EQUAL = 1e-24, 1e-12
"""Variances, and differences, below it are rounding."""


@dataclass(frozen=True)
class Design:
    """Which of N samples are of one patient, and of which class each is."""

    strata: NDArray[np.intp]
    """Class of each sample (N,); all 0 for a target without classes."""
    patients: NDArray[np.intp] | None
    """Position of each sample's patient (N,), 0 … P-1; None where every sample is of another."""

    @classmethod
    def of(cls, strata: NDArray[np.intp], patients: NDArray[np.integer] | None) -> Design:
        """The design of N samples; `patients` are numbers (N,), equal for samples of one patient, or None."""
        if patients is None:
            return cls(strata, None)
        known, positions = np.unique(patients, return_inverse=True)
        return cls(strata, positions.astype(np.intp) if len(known) < len(strata) else None)

    def units(self, member: Bools) -> int:
        """Patients who have one of these samples (N,), or the number of samples where nobody has several."""
        return int(member.sum()) if self.patients is None else len(np.unique(self.patients[member]))

    def too_few(self, member: Bools, which: str) -> str:
        """Why a figure that rests on these samples (N,) isn't to be trusted; empty where it is.

        Args:
            member: the samples.
            which: what they are: "labelled pneumonia".
        """
        samples, units = int(member.sum()), self.units(member)
        if samples < FEW:
            return f"too few: {samples or 'no'} sample{'' if samples in (0, 1) else 's'} {which}, at least {FEW} needed"
        if units < FEW:
            whose = f"{units} patient{'' if units == 1 else 's'}"
            return f"too few: {samples} samples {which} are of {whose}, at least {FEW} needed"
        return ""

    def unit_strata(self) -> NDArray[np.intp]:
        """Class of each patient: the rarest of those that the patient's samples have."""
        if self.patients is None:
            return self.strata
        values, positions, counts = np.unique(self.strata, return_inverse=True, return_counts=True)
        rarity = np.argsort(np.argsort(counts, kind="stable"), kind="stable")
        rarest = np.full(int(self.patients.max()) + 1, len(values))
        np.minimum.at(rarest, self.patients, rarity[positions])
        return rarest

    @property
    def any_mix(self) -> Design:
        """The same without classes: a bootstrap of it draws another mix of them each time, as another test set has."""
        return Design(np.zeros(len(self.strata), np.intp), self.patients)

    def weights(self, of_units: Floats) -> Floats:
        """Weights of patients (draws, P) as weights of their samples (draws, N)."""
        return of_units if self.patients is None else of_units[:, self.patients]

    def totals(self, values: Floats) -> Floats:
        """Sums of values (N,) by patient (P,)."""
        return values if self.patients is None else np.asarray(np.bincount(self.patients, values), np.float64)

    @property
    def drawn(self) -> str:
        """What a bootstrap draws, behind its name."""
        return "" if self.patients is None else ", whole patients drawn"


def bootstrap(
    statistics: Mapping[str, Statistic],
    design: Design,
    *,
    logit: Collection[str] = (),
    normal: Collection[str] = (),
    seed: int = 0,
) -> dict[str, Estimate]:
    """Figures with intervals from 2,000 draws (400 of many samples) of whole patients within each class.

    Args:
        statistics: by name, each on the same N samples.
        design: whose the samples are.
        logit: names of figures in 0 … 1 that few samples show too large, as average precision: their intervals are
            made on the logit scale, the lower end less the bias that the draws show.
        normal: names of figures that are as often too large as too small, as differences are.
        seed: equal seeds give equal intervals.

    Returns:
        BCa intervals; for `logit` and `normal` as many deviations of the draws as Student's tails ask for. Where every
        draw gives the same, low = high.
    """
    n = len(design.strata)
    if n == 0:
        return {name: missing("no sample to count") for name in statistics}
    strata = design.unit_strata()
    size = max(1, WEIGHTS_AT_ONCE // n)  # draws at a time
    groups, stratum_of_group = _groups(strata)
    draws = _figures(statistics, design, drawn(strata, size, np.random.default_rng(seed)))
    left_out = _figures(statistics, design, _without(groups, len(stratum_of_group), size))
    units = np.bincount(strata)[stratum_of_group]
    estimates = {}
    for name, statistic in statistics.items():
        value = float(statistic(np.ones((1, n)))[0])
        pulls = _pulls(left_out[name], stratum_of_group)
        ends, method = (_bca, "BCa bootstrap")
        if name in logit:
            ends, method = (_logit, "bootstrap, logit scale")
        elif name in normal:
            ends, method = (_normal, "bootstrap")
        low, high = ends(value, draws[name], pulls, _widened(pulls, stratum_of_group, units))
        estimates[name] = Estimate(value, low, high, n, f"{method}{design.drawn}")
    return estimates


def _figures(statistics: Mapping[str, Statistic], design: Design, pieces: Iterable[Floats]) -> dict[str, Floats]:
    """Every figure of every draw; `pieces` are weights of patients (some draws, P)."""
    found: dict[str, list[Floats]] = {name: [] for name in statistics}
    for piece in pieces:
        weights = design.weights(piece)
        for name, statistic in statistics.items():
            found[name].append(statistic(weights))
    return {name: np.concatenate(figures) for name, figures in found.items()}


def drawn(strata: NDArray[np.intp], size: int, generator: np.random.Generator) -> Iterator[Floats]:
    """How often each patient is drawn, some draws at a time: as many of each class as there are."""
    units = len(strata)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    draws = int(np.clip(NUMBERS // units, FEWEST_DRAWS, MOST_DRAWS))
    for start in range(0, draws, size):
        rows = min(size, draws - start)
        chosen = np.concatenate([m[generator.integers(0, len(m), (rows, len(m)))] for m in members], axis=1)
        cells = (chosen + units * np.arange(rows)[:, None]).ravel()
        yield np.bincount(cells, minlength=rows * units).reshape(rows, units).astype(np.float64)


def _groups(strata: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Group of each patient (P,), and the class of each group: patients one by one, or many of a class together."""
    values, counts = np.unique(strata, return_counts=True)
    most = max(20, LEFT_OUT // len(values))
    groups, of_group = np.empty(len(strata), np.intp), list[int]()
    for value, count in zip(values, counts, strict=True):
        groups[strata == value] = len(of_group) + np.arange(count) % most
        of_group += [int(value)] * min(int(count), most)
    return groups, np.array(of_group, np.intp)


def _without(groups: NDArray[np.intp], count: int, size: int) -> Iterator[Floats]:
    """Weights of patients that leave out one group each, some at a time."""
    for start in range(0, count, size):
        yield (groups != np.arange(start, min(start + size, count))[:, None]).astype(np.float64)


def _pulls(left_out: Floats, stratum: NDArray[np.intp]) -> Floats:
    """What each group adds to the figure's error: how far it falls when the group is left out, within its class."""
    sums, counts = np.bincount(stratum, left_out), np.bincount(stratum)
    return np.asarray((sums / np.maximum(counts, 1))[stratum] - left_out, np.float64)


def _widened(pulls: Floats, stratum: NDArray[np.intp], units: NDArray[np.intp]) -> float:
    """The 97.5% point to use in place of 1.96.

    Args:
        pulls: of each group (G,).
        stratum: its class (G,).
        units: patients of that class (G,).
    """
    several = np.maximum(units, 2)
    shares = np.bincount(stratum, pulls**2)
    true = np.bincount(stratum, pulls**2 * several / (several - 1))
    if true.sum() < TINY:
        return Z
    freedom = np.bincount(stratum, several - 1) / np.maximum(np.bincount(stratum), 1)
    degrees = true.sum() ** 2 / (true**2 / np.maximum(freedom, 1)).sum()
    return float(np.sqrt(true.sum() / shares.sum()) * stdtrit(degrees, 0.975))


def _bca(value: float, draws: Floats, pulls: Floats, reach: float) -> tuple[float, float]:
    """Bias-corrected and accelerated interval; always holds the value itself."""
    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    bias = float(ndtri(np.clip(below, 1 / len(draws), 1 - 1 / len(draws))))
    scale = float((pulls**2).sum()) ** 1.5
    skew = float((pulls**3).sum()) / (6 * scale) if scale > TINY else 0.0
    acceleration = float(np.clip(skew, -MOST_SKEWED, MOST_SKEWED))
    shifted = np.array([bias - reach, bias + reach])
    low, high = np.quantile(draws, ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 0.1)))
    return min(float(low), value), max(float(high), value)


def _normal(value: float, draws: Floats, pulls: Floats, reach: float) -> tuple[float, float]:
    """As many deviations of the draws as Student's tails ask for."""
    half = reach * float(draws.std())
    return value - half, value + half


def _logit(value: float, draws: Floats, pulls: Floats, reach: float) -> tuple[float, float]:
    """Normal interval on the logit scale; the lower end less the bias.

    Source: Boyd, Eng & Page 2013, doi:10.1007/978-3-642-40994-3_29, who found it the best for average precision.
    """
    if np.ptp(draws) < EQUAL:
        return value, value
    edge = 1 / (4 * len(draws))
    scaled, centre = to_logit(np.clip(draws, edge, 1 - edge)), to_logit(np.clip(value, edge, 1 - edge))
    bias, error = max(float(scaled.mean() - centre), 0.0), float(scaled.std())
    low, high = expit(centre - bias - reach * error), expit(centre + reach * error)
    return min(float(low), value), max(float(high), value)
