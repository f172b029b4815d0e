"""A smooth calibration curve with its band, and how far stated probabilities lie from it.

Logistic regression of what came true on a restricted cubic spline of the stated logit: smooth inside, straight in both
tails, so that few samples at the ends don't bend it.

Sources: Harrell 2015, Regression Modeling Strategies, section 2.4.5 (spline, knots), doi:10.1007/978-3-319-19425-7;
Austin & Steyerberg 2014, doi:10.1002/sim.5941 (such curves of calibration), and 2019, doi:10.1002/sim.8281 (ICI, E90,
Emax).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from components.lib.bootstrap import Design
from components.lib.logistic import Fit, fit
from components.lib.recalibration import EDGE, logits
from components.lib.statistics import Bools, Estimate, Floats, missing

KNOTS = {5: (0.05, 0.275, 0.5, 0.725, 0.95), 4: (0.05, 0.35, 0.65, 0.95), 3: (0.1, 0.5, 0.9)}
"""Quantiles of the stated logits, by the number of knots: Harrell's."""
NEEDED = {5: 200, 4: 100, 3: 20}
"""Samples of the rarer class from which as many knots are taken."""
ICI, E90, EMAX = "ici", "e90", "emax"
DISTANCES = (ICI, E90, EMAX)
POINTS, DRAWS = 200, 500
SHARES = np.linspace(0, 1, 21)
"""Of the way from the diagonal to the curve."""
NO_CURVE = "no smooth curve: the classes are separated, or too few of one are among the samples"


@dataclass(frozen=True)
class Curve:
    """What came true over what was stated."""

    stated: Floats
    """Quantiles of the stated probabilities, rising (M,)."""
    found: Floats
    """(M,), in 0..1, as are the ends of the 95% band of each point, `low` and `high`."""
    low: Floats
    high: Floats
    basis: Floats
    """Columns of the model at those points (M, P)."""
    knots: Floats
    fit: Fit

    def at(self, probability: Floats) -> Floats:
        """The curve over any stated probabilities (N,)."""
        columns = basis(logits(probability), self.knots)[:, : len(self.fit.coefficients)]
        return np.asarray(expit(columns @ self.fit.coefficients), np.float64)


def curve(probability: Floats, true: Bools, design: Design) -> Curve | None:
    """The curve of N samples, as many knots as the rarer class can bear; None where none can be fitted.

    Args:
        probability: stated (N,).
        true: what came true (N,).
        design: whose the samples are; the band counts patients where somebody has several.
    """
    rarer = min(int(true.sum()), int((~true).sum()))
    x = logits(probability)
    if not len(x) or np.ptp(x) < EDGE:
        return None
    for count, needed in NEEDED.items():
        knots = np.quantile(x, KNOTS[count])
        if rarer < needed or np.diff(knots).min() < 1e-3 * max(float(np.ptp(knots)), 1e-12):
            continue
        if (found := fit(basis(x, knots), true, design)) is not None:
            return _along(probability, found, knots)
    straight = np.quantile(x, KNOTS[3])
    found = fit(basis(x, straight)[:, :2], true, design) if rarer >= NEEDED[3] else None
    return None if found is None else _along(probability, found, straight)


def basis(x: Floats, knots: Floats) -> Floats:
    """Columns of a restricted cubic spline (N, K): 1, x, and K - 2 cubic ones over the squared span of the knots.

    Source: Harrell 2015, equation 2.25.
    """
    last, before, span = knots[-1], knots[-2], (knots[-1] - knots[0]) ** 2
    columns = [np.ones(len(x)), x]
    for knot in knots[:-2]:
        tails = [(last - knot) / (last - before), (before - knot) / (last - before)]
        cubes = [np.maximum(x - at, 0) ** 3 for at in (knot, before, last)]
        columns.append((cubes[0] - tails[0] * cubes[1] + tails[1] * cubes[2]) / max(span, 1e-12))
    return np.stack(columns, axis=1)


def _along(probability: Floats, found: Fit, knots: Floats) -> Curve:
    stated = np.quantile(probability, np.linspace(0, 1, min(POINTS, len(probability))))
    columns = basis(logits(stated), knots)[:, : len(found.coefficients)]
    centre = columns @ found.coefficients
    half = found.halves(columns)
    return Curve(stated, expit(centre), expit(centre - half), expit(centre + half), columns, knots, found)


def distances(found: Curve | None, probability: Floats, *, seed: int = 0) -> dict[str, Estimate]:
    """ICI, E90 and Emax: mean, 90% quantile and maximum of the gap between stated probabilities and the curve.

    Chance alone makes them larger than 0. The lower end inverts a test as that of the calibration error does: the
    smallest distance, the curve shrunk towards the diagonal, under which so large a one isn't rare. The upper end is
    the 97.5% point of curves drawn around the fitted one, and on the safe side.

    Args:
        found: of `curve`; None gives missing figures.
        probability: stated (N,), of the same samples.
        seed: equal seeds give equal intervals.
    """
    n = len(probability)
    if found is None:
        return {name: missing(NO_CURVE, n) for name in DISTANCES}
    values, vectors = np.linalg.eigh(found.fit.covariance)
    normal = np.random.default_rng(seed).standard_normal((DRAWS, len(values)))
    noise = normal @ (vectors * np.sqrt(np.maximum(values, 0))).T
    right = np.zeros(len(values))
    right[1] = 1.0

    def gaps(share: float) -> tuple[Floats, Floats]:
        centre = right + share * (found.fit.coefficients - right)
        drawn = _gaps(expit((centre + noise) @ found.basis.T), found.stated)
        return _gaps(expit(centre @ found.basis.T)[None], found.stated)[0], np.quantile(drawn, 0.975, axis=0)

    shrunk, reached = (np.stack(each) for each in zip(*map(gaps, SHARES), strict=True))
    exact = _gaps(found.at(probability)[None], probability)[0]
    made = {}
    for place, name in enumerate(DISTANCES):
        value = float(exact[place])
        rare = np.flatnonzero(reached[:, place] >= shrunk[-1, place])
        low = value if not len(rare) else float(shrunk[rare[0], place]) if rare[0] else 0.0  # not the rounding at 0
        high = max(float(reached[-1, place]), value)
        made[name] = Estimate(value, min(low, value), high, n, "inverted test, curves drawn", better="lower")
    return made


def _gaps(curves: Floats, stated: Floats) -> Floats:
    """The three distances of some curves (D, M) as (D, 3)."""
    gaps = np.abs(curves - stated)
    return np.stack([gaps.mean(axis=1), np.quantile(gaps, 0.9, axis=1), gaps.max(axis=1)], axis=1)
