"""Intervals of figures made of errors: their mean, their root mean square and R², and when they can't be trusted.

Squared errors are skewed: the mean square of a few hangs on whether a rare large error is among them. A sample without
one looks safe and isn't, and no method learns from it how far the rarest go (Bahadur & Savage 1956,
doi:10.1214/aoms/1177728077). So the end on the side of larger errors allows for a distribution with the kurtosis of
Student's with seven degrees of freedom, 5 where the normal one has 3, even where the sample shows less. Where the
sample shows far more than that, nothing is promised: the interval is withheld from decisions.

Sources: Bonett 2006, doi:10.1016/j.csda.2005.03.012 (logarithmic scale, and the factor n / (n - z) for few samples);
the coverage is simulated in benchmarks/coverage.py.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from components.lib.bootstrap import Design
from components.lib.statistics import Floats, Z

OF_SQUARES, OF_SIZES = (5 / 3, 2.0), (1.1045, np.pi / 2 - 1)
"""Of Student's errors with seven degrees of freedom, which are normal ones of a scale that differs: the mean of the
scale's fourth power over that of its square squared, likewise of its square and itself; and the relative variance of
squares, and of sizes, of normal errors. Their kurtosis is 5 / 3 * (2 + 1) = 5."""
MOST_KURTOSIS, MOST_RELATIVE = 9.0, 0.02
"""Of the errors: Student's with five degrees of freedom have 9. And the squared standard error of the mean square, over
the mean square's square: of many errors a few large ones do no harm."""


def mean_error(error: Floats, design: Design) -> tuple[float, float]:
    """Ends of the 95% interval of the mean of absolute errors (N,), not all 0, of at least three patients.

    Args:
        error: predicted minus known (N,).
        design: whose the samples are.
    """
    units, sizes = _units(error, design)
    size, centre = np.abs(error), float(np.log(np.abs(error).mean()))
    own = _variance(design.totals(size / size.sum() - 1 / len(error)))
    allowed = max(own, _allowed(error, sizes, design, *OF_SIZES))
    reach = float(stdtrit(units - 1, 0.975)) * units / (units - Z)
    low, high = np.exp([centre - reach * np.sqrt(own), centre + reach * np.sqrt(allowed)])
    return float(low), float(high)


def mean_square(error: Floats, design: Design) -> tuple[float, float]:
    """Ends of the 95% interval of the mean of squared errors (N,), not all 0, of at least three patients."""
    squares, centre = error**2, float(np.log((error**2).mean()))
    units, sizes = _units(error, design)
    factor = units / (units - Z)
    own = _variance(design.totals(squares / squares.sum() - 1 / len(error)))
    reach = float(stdtrit(units - 1, 0.975)) * factor
    allowed = max(own, _allowed(error, sizes, design, *OF_SQUARES))
    shifted = centre + np.log(factor)  # the mean square of few is more often too small than too large
    low, high = np.exp([shifted - reach * np.sqrt(own), shifted + reach * np.sqrt(allowed)])
    return float(low), float(high)


def unexplained(error: Floats, known: Floats, design: Design) -> tuple[float, float]:
    """Ends of the 95% interval of the share of variance that isn't explained, 1 - R².

    Args:
        error: (N,), not all 0.
        known: the known values (N,), not all the same.
        design: whose the samples are, at least three patients.
    """
    squares, around = error**2, (known - known.mean()) ** 2
    centre = float(np.log(squares.sum() / around.sum()))
    units, sizes = _units(error, design)
    above = design.totals(squares / squares.sum() - 1 / len(error))
    below = design.totals(around / around.sum() - 1 / len(error))
    own = _variance(above - below)
    allowed = own + max(0.0, _allowed(error, sizes, design, *OF_SQUARES) - _variance(above))
    reach = float(stdtrit(units - 1, 0.975)) * units / (units - Z)
    low, high = np.exp([centre - reach * np.sqrt(own), centre + reach * np.sqrt(allowed)])
    return float(low), float(high)


def heavy_tails(values: Floats, design: Design, what: str) -> str:
    """Why the interval of a mean of squares isn't to be trusted; empty where it is.

    Args:
        values: errors, or distances from the mean (N,).
        design: whose the samples are.
        what: they are: "errors".
    """
    squares = values**2
    if not squares.any():
        return ""
    kurtosis = float((squares**2).mean() / squares.mean() ** 2)
    relative = _variance(design.totals(squares / squares.sum() - 1 / len(values)))
    if kurtosis <= MOST_KURTOSIS or relative <= MOST_RELATIVE:
        return ""
    largest = float(design.totals(squares).max() / squares.sum())
    return (
        f"heavy tails: the {what} have a kurtosis of {kurtosis:.0f} (at most {MOST_KURTOSIS:.0f}; normal ones 3), and "
        f"{'one patient' if design.patients is not None else 'a single one'} makes up {100 * largest:.0f}% of their "
        "squares; "
        "another sample may differ by more than the interval says"
    )


def _units(error: Floats, design: Design) -> tuple[int, Floats]:
    sizes = design.totals(np.ones(len(error)))
    return len(sizes), sizes


def _variance(totals: Floats) -> float:
    """Of a sum over patients of what each adds (P,), centred."""
    return len(totals) / (len(totals) - 1) * float((totals**2).sum())


def _allowed(error: Floats, sizes: Floats, design: Design, scale: float, normal: float) -> float:
    """Relative variance of the mean of squares, or of sizes, of errors with the kurtosis that is allowed for.

    They are normal ones whose scale differs from patient to patient, as alike within a patient as those found: of a
    patient's k errors the mean then has the relative variance scale * (1 + normal * (1 + (k - 1) r²) / k) - 1, where r
    is the correlation.
    """
    squares, pairs = error**2, float((sizes * (sizes - 1)).sum())
    alike = 0.0
    if pairs:
        products = design.totals(error) ** 2 - design.totals(squares)
        alike = float(np.clip(products.sum() / pairs / squares.mean(), 0, 1))
    each = scale * (1 + normal * (1 + (sizes - 1) * alike**2) / sizes) - 1
    return float(((sizes / len(error)) ** 2 * each).sum())
