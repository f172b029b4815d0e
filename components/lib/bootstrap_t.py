"""Intervals of positive quotients of sums, as mean errors are: studentised, on the logarithmic scale.

Squared errors are skewed, now and then with one that outweighs all others. Draws without it are narrower around a lower
figure, which percentiles don't know and BCa knows half; here each draw is measured in its own standard errors.

Sources: Hall 1988, doi:10.1214/aos/1176350933; DiCiccio & Efron 1996, doi:10.1214/ss/1032280214.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.lib.bootstrap import TINY, WEIGHTS_AT_ONCE, Design, drawn
from components.lib.statistics import Floats

FURTHEST = 20.0
"""Standard errors beyond which a draw says no more."""


@dataclass(frozen=True)
class Quotient:
    """The sum of `above` over that of `below`, both of N samples and not negative."""

    above: Floats
    below: Floats
    centred: Floats | None = None
    """Where `below` is the square of this, so that of a draw its own mean is taken off."""

    def moments(self, design: Design) -> Floats:
        """What draws sum up, by patient (P, 7)."""
        zeros = np.zeros(len(self.above)) if self.centred is None else self.centred
        a, b, c, n = (design.totals(each) for each in (self.above, self.below, zeros, np.ones(len(zeros))))
        return np.stack([a, b, a * a, a * b, b * b, c, n], axis=1)


def log_intervals(
    quotients: Mapping[str, Quotient], design: Design, *, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Ends of the 95% interval of each quotient; both NaN where it is 0 or has no variance.

    Args:
        quotients: by name, each of the same N samples.
        design: whose the samples are.
        seed: equal seeds give equal intervals.
    """
    moments = {name: each.moments(design) for name, each in quotients.items()}
    studentised: dict[str, list[Floats]] = {name: [] for name in quotients}
    found = {name: _log_and_error(each.sum(axis=0)[None]) for name, each in moments.items()}
    size = max(1, WEIGHTS_AT_ONCE // len(design.strata))
    for weights in drawn(design.unit_strata(), size, np.random.default_rng(seed)):
        for name, each in moments.items():
            centre, error = _log_and_error(weights @ each)
            away = np.divide(centre - found[name][0], error, out=np.zeros_like(centre), where=error > 0)
            studentised[name].append(np.clip(away, -FURTHEST, FURTHEST))
    ends = {}
    for name, (centre, error) in found.items():
        low, high = np.quantile(np.concatenate(studentised[name]), [0.025, 0.975])
        known = bool(error[0] > 0)
        pair = np.exp(centre[0] - np.array([high, low]) * error[0]) if known else np.full(2, np.nan)
        ends[name] = (float(pair[0]), float(pair[1]))
    return ends


def _log_and_error(moments: Floats) -> tuple[Floats, Floats]:
    """The quotient's logarithm and its standard error, of sums (draws, 7); 0 and 0 where there is none."""
    a, b, aa, ab, bb, c, n = moments.T
    b = b - c**2 / np.maximum(n, 1)
    there = (a > TINY) & (b > TINY)
    a, b = np.where(there, a, 1.0), np.where(there, b, 1.0)
    variance = np.where(there, aa / a**2 - 2 * ab / (a * b) + bb / b**2, 0.0)
    return np.where(there, np.log(a / b), 0.0), np.sqrt(np.where(variance > TINY, variance, 0.0))
