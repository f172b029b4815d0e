"""Logistic regression of what came true on a few columns, with a covariance that counts patients.

For calibration alone: a handful of columns, no penalty, and every coefficient with its error. scikit-learn gives no
covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_expit, stdtrit

from components.lib.bootstrap import Design
from components.lib.statistics import Bools, Floats

STEPS, CLOSE = 60, 1e-10
STEEPEST = 40.0
"""Of coefficients of columns with deviation 1: beyond it only complete separation leads."""
CHI_SQUARE = 3.841458820694124
"""95% point for one degree of freedom."""


@dataclass(frozen=True)
class Fit:
    """Coefficients that maximise the likelihood."""

    coefficients: Floats
    """(P,)."""
    covariance: Floats
    """(P, P), with whole patients as what varies."""
    of_model: Floats
    """(P, P), where the model holds and every sample is of another patient."""
    freedom: int
    """Degrees of freedom of Student's tails: patients, or samples, less P."""

    def interval(self, at: int) -> tuple[float, float, float]:
        """A coefficient and the ends of its 95% interval."""
        value = float(self.coefficients[at])
        half = float(self.halves(np.eye(len(self.coefficients))[at : at + 1])[0])
        return value, value - half, value + half

    def halves(self, columns: Floats) -> Floats:
        """Half widths (M,) of the 95% intervals of columns (M, P) times the coefficients.

        By the larger of both covariances: of forty that were stated at .95 and all came true the residuals vary less
        than chance would let them, and the sandwich alone would rule out that .95 is right.
        """
        forms = [np.einsum("mp,pq,mq->m", columns, each, columns) for each in (self.covariance, self.of_model)]
        return np.asarray(stdtrit(self.freedom, 0.975) * np.sqrt(np.maximum(*forms)), np.float64)


def fit(columns: Floats, true: Bools, design: Design, offset: Floats | None = None) -> Fit | None:
    """P(true) = expit(columns · coefficients + offset).

    The covariance is the sandwich with sums by patient, each residual divided by one less its leverage, so that few
    patients don't make it too small.

    Args:
        columns: (N, P), an intercept among them as a column of ones.
        true: (N,).
        design: whose the samples are.
        offset: (N,); None: 0.

    Returns:
        None where no finite coefficients are the most likely: columns that separate the two classes completely, or
        that depend on each other.

    Sources: Liang & Zeger 1986, doi:10.1093/biomet/73.1.13 (sums by patient); MacKinnon & White 1985,
    doi:10.1016/0304-4076(85)90158-7 (leverage).
    """
    shift = np.zeros(len(true)) if offset is None else offset
    scale = _scales(columns)
    scaled = columns / scale
    found = _climb(scaled, true, shift)
    if found is None:
        return None
    probability = expit(scaled @ found + shift)
    inverse = np.linalg.inv(_information(scaled, probability))
    leverage = np.einsum("np,pq,nq->n", scaled, inverse, scaled) * probability * (1 - probability)
    residual = (true - probability) / np.maximum(1 - leverage, 0.05)
    sums = np.stack([design.totals(column * residual) for column in scaled.T], axis=1)
    units = len(sums)
    covariance = inverse @ (sums.T @ sums) @ inverse * units / max(units - 1, 1)
    both = np.outer(scale, scale)
    return Fit(found / scale, covariance / both, inverse / both, max(units - columns.shape[1], 1))


def _scales(columns: Floats) -> Floats:
    """Deviation of each column (P,); 1 for a constant one."""
    spread = columns.std(axis=0)
    return np.asarray(np.where(spread > 1e-12, spread, 1.0), np.float64)


def _information(columns: Floats, probability: Floats) -> Floats:
    weighted = columns * (probability * (1 - probability))[:, None]
    return np.asarray(weighted.T @ columns, np.float64)


def _climb(columns: Floats, true: Bools, offset: Floats) -> Floats | None:
    """Newton's steps, halved where they overshoot; None where they lead nowhere finite."""
    found = np.zeros(columns.shape[1])
    reached = _likelihood(columns @ found + offset, true)
    for _ in range(STEPS):
        probability = expit(columns @ found + offset)
        try:
            step = np.linalg.solve(_information(columns, probability), columns.T @ (true - probability))
        except np.linalg.LinAlgError:
            return None
        for _ in range(30):
            gained = _likelihood(columns @ (found + step) + offset, true)
            if gained >= reached - CLOSE:
                break
            step = step / 2
        found, reached, before = found + step, gained, reached
        if not np.isfinite(found).all() or np.abs(found).max() > STEEPEST:
            return None
        if gained - before <= CLOSE * (1 + abs(gained)) and np.abs(step).max() < 1e-6:
            return np.asarray(found, np.float64)
    return None


def _likelihood(logit: Floats, true: Bools) -> float:
    return float(log_expit(np.where(true, logit, -logit)).sum())


def separated_interval(columns: Floats, true: Bools, design: Design, at: int) -> tuple[float, float, float] | None:
    """A coefficient with its 95% interval where the classes are separated, so that `fit` has none.

    Firth's penalty (Jeffreys' prior) keeps it finite, and the interval is that of the profile of the penalised
    likelihood. Each patient counts as one sample.

    Args:
        columns: (N, P).
        true: (N,).
        design: whose the samples are.
        at: which column.

    Returns:
        None where the columns depend on each other.

    Sources: Firth 1993, doi:10.1093/biomet/80.1.27; Heinze & Schemper 2002, doi:10.1002/sim.1047.
    """
    scale = _scales(columns)
    scaled = columns / scale
    units = np.arange(len(true)) if design.patients is None else design.patients
    weight = 1 / np.bincount(units)[units]
    if np.linalg.matrix_rank(scaled) < scaled.shape[1]:
        return None
    best, top = _firth(scaled, true, weight, None, np.zeros(scaled.shape[1]))

    def below(value: float) -> float:
        start = best.copy()
        start[at] = value
        return 2 * (top - _firth(scaled, true, weight, at, start)[1]) - CHI_SQUARE

    ends = []
    for sign in (-1, 1):
        reach = 0.5
        while below(best[at] + sign * reach) < 0 and reach < 1e4:
            reach *= 2
        ends.append(float(brentq(lambda far, sign=sign: below(best[at] + sign * far), 0, reach, xtol=1e-4)))
    value, low, high = best[at], best[at] - ends[0], best[at] + ends[1]
    return float(value / scale[at]), float(low / scale[at]), float(high / scale[at])


def _firth(columns: Floats, true: Bools, weight: Floats, fixed: int | None, start: Floats) -> tuple[Floats, float]:
    """Coefficients of the largest penalised likelihood, one of them held where it is, and that likelihood."""
    free = np.array([place for place in range(columns.shape[1]) if place != fixed])
    found, reached = start.copy(), _penalised(columns, true, weight, start)
    for _ in range(200):
        probability = expit(columns @ found)
        spread = weight * probability * (1 - probability)
        information = (columns * spread[:, None]).T @ columns
        inverse = np.linalg.pinv(information)
        leverage = np.einsum("np,pq,nq->n", columns, inverse, columns) * spread
        score = columns.T @ (weight * (true - probability) + leverage * (0.5 - probability))
        step = np.zeros(len(found))
        step[free] = np.linalg.pinv(information[np.ix_(free, free)]) @ score[free]
        step *= min(1.0, 2 / max(float(np.abs(step).max()), 1e-12))
        for _ in range(30):
            gained = _penalised(columns, true, weight, found + step)
            if gained >= reached:
                break
            step = step / 2
        else:
            break
        found, reached, before = found + step, gained, reached
        if gained - before < 1e-9:
            break
    return found, reached


def _penalised(columns: Floats, true: Bools, weight: Floats, coefficients: Floats) -> float:
    logit = columns @ coefficients
    probability = expit(logit)
    information = (columns * (weight * probability * (1 - probability))[:, None]).T @ columns
    sign, size = np.linalg.slogdet(information)
    if sign <= 0:
        return -np.inf
    return float((weight * log_expit(np.where(true, logit, -logit))).sum() + size / 2)
