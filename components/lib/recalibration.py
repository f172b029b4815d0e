"""Calibration as the field reports it: in the large, slope, observed over expected, each with its 95% interval.

in the large        the intercept of a logistic model of what came true whose slope on the stated logit is held at 1
slope               the slope of the same model with an intercept: below 1, probabilities are too extreme
observed/expected   how many came true over the sum of the stated probabilities

Sources: Cox 1958, doi:10.1093/biomet/45.3-4.562; Van Calster et al. 2016, doi:10.1016/j.jclinepi.2015.12.005, and 2019,
doi:10.1186/s12916-019-1466-7; Steyerberg 2019, Clinical Prediction Models, doi:10.1007/978-3-030-16399-0. R's
`rms::val.prob` gives the same figures; docs/statistics.md shows how near.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.special import logit as to_logit
from scipy.special import stdtrit

from components.lib.bootstrap import Design
from components.lib.logistic import fit, separated_interval
from components.lib.statistics import Bools, Estimate, Floats, missing, score_interval

EDGE = 1e-7
"""Float32 rounds probabilities that are nearer to 0 and 1: they count as this far from them."""
LARGE, SLOPE, RATIO = "calibration_in_the_large", "calibration_slope", "observed_expected"
MEASURES = (LARGE, SLOPE, RATIO)
ONE_CLASS, ALL_EQUAL = "only one class among the samples", "all stated probabilities are the same"


def logits(probability: Floats) -> Floats:
    """Log odds of probabilities (N,)."""
    return np.asarray(to_logit(np.clip(np.asarray(probability, np.float64), EDGE, 1 - EDGE)), np.float64)


def measures(probability: Floats, true: Bools, design: Design) -> dict[str, Estimate]:
    """The three figures of one class against the rest, by name; missing where only one class occurs.

    Args:
        probability: stated (N,), 0..1.
        true: what came true (N,).
        design: whose the samples are; where somebody has several, the intervals count patients.
    """
    n = len(true)
    if not n or true.all() or not true.any():
        return {name: missing(ONE_CLASS if n else "no sample to count", n) for name in MEASURES}
    return {LARGE: in_the_large(probability, true, design),
            SLOPE: slope({"": (probability, true)}, design),
            RATIO: observed_expected(probability, true, design)}  # fmt: skip


def in_the_large(probability: Floats, true: Bools, design: Design) -> Estimate:
    """By how much all stated logits are too low (above 0) or too high (below 0); both classes must occur."""
    found = fit(np.ones((len(true), 1)), true, design, logits(probability))
    if found is None:
        return missing("no finite intercept", len(true))
    return Estimate(*found.interval(0), len(true), f"sandwich{_by(design)}")


def slope(stated: Mapping[str, tuple[Floats, Bools]], design: Design) -> Estimate:
    """The slope of what came true on the stated logit; of several classes one slope for all, each against the rest.

    Args:
        stated: by class, probabilities (N,) and which samples are of it (N,). Each class has an intercept of its own.
            Classes that don't occur are passed over.
        design: whose the samples are.
    """
    present = [each for each in stated.values() if each[1].any() and not each[1].all()]
    n = len(next(iter(stated.values()))[1])
    if not present:
        return missing(ONE_CLASS, n)
    stacked = [np.zeros((n, len(present) + 1)) for _ in present]
    for place, (columns, (probability, _)) in enumerate(zip(stacked, present, strict=True)):
        columns[:, place], columns[:, -1] = 1, logits(probability)
    columns, true = np.concatenate(stacked), np.concatenate([truth for _, truth in present])
    if np.ptp(columns[:, -1]) < EDGE:
        return missing(ALL_EQUAL, n)
    every = design if len(present) == 1 else _stacked(design, n, len(present))
    if found := fit(columns, true, every):
        return Estimate(*found.interval(len(present)), n, f"sandwich{_by(design)}")
    if ends := separated_interval(columns, true, every, len(present)):
        return Estimate(*ends, n, "profile of Firth's penalised likelihood, since the classes are separated")
    return missing(ALL_EQUAL, n)


def _stacked(design: Design, n: int, times: int) -> Design:
    """The design of the same samples once for each class: a sample is a unit, or its patient is."""
    units = np.arange(n) if design.patients is None else design.patients
    return Design(np.tile(design.strata, times), np.tile(units, times))


def observed_expected(probability: Floats, true: Bools, design: Design) -> Estimate:
    """How many came true over how many were expected: above 1, probabilities are too low.

    The interval is normal on the logarithmic scale, its error that of a ratio (Student's tails); where nothing came
    true, Wilson's for the share that did.
    """
    n, expected = len(true), float(np.sum(probability))
    if expected <= 0:
        return missing("no event was expected", n)
    value = float(true.sum()) / expected
    pulls = design.totals(true - value * probability) / expected
    units = len(pulls)
    if value == 0 or units < 2:
        ends = score_interval(value * expected / n, units)
        return Estimate(value, ends[0] * n / expected, ends[1] * n / expected, n, "Wilson")
    # At least what such probabilities let vary: that all of forty came true doesn't rule out .95.
    likely = min(value, 1.0) * np.asarray(probability, np.float64)
    by_chance = float((likely * (1 - likely)).sum()) / expected**2
    error = float(np.sqrt(max((pulls**2).sum() * units / (units - 1), by_chance))) / value
    reach = float(np.exp(stdtrit(units - 1, 0.975) * error))
    return Estimate(value, value / reach, value * reach, n, f"linearised ratio, logarithmic scale{_by(design)}")


def of_numbers(predicted: Floats, known: Floats, design: Design, unit: str = "") -> dict[str, Estimate]:
    """`calibration_slope` and `calibration_intercept` of known values on predictions, by least squares.

    Args:
        predicted: (N,).
        known: (N,).
        design: whose the samples are.
        unit: the target's, for the sentences.

    Source: Steyerberg 2019, chapter 15; the covariance as in `logistic.fit`.
    """
    names, n = (SLOPE, "calibration_intercept"), len(known)
    units = design.units(np.ones(n, bool))
    if units < 3 or np.ptp(predicted) == 0:
        why = "all predictions are the same" if n and np.ptp(predicted) == 0 else "too few to fit a line"
        return {name: missing(why, n) for name in names}
    columns = np.stack([predicted, np.ones(n)], axis=1)
    inverse = np.linalg.inv(columns.T @ columns)
    found = inverse @ columns.T @ known
    leverage = np.einsum("np,pq,nq->n", columns, inverse, columns)
    residual = (known - columns @ found) / np.maximum(1 - leverage, 0.05)
    sums = np.stack([design.totals(column * residual) for column in columns.T], axis=1)
    errors = np.sqrt(np.diag(inverse @ (sums.T @ sums) @ inverse) * units / (units - 1))
    halves = float(stdtrit(units - 2, 0.975)) * errors
    return {
        name: Estimate(float(value), float(value - half), float(value + half), n, f"sandwich{_by(design)}")
        for name, value, half in zip(names, found, halves, strict=True)
    }


def noted(found: Mapping[str, Estimate], note: str) -> dict[str, Estimate]:
    """The figures with a note on too few samples; one that is missing keeps its own."""
    return {name: replace(each, note=note) if each.known and note else each for name, each in found.items()}


def _by(design: Design) -> str:
    return "" if design.patients is None else ", by patient"
