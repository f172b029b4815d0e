"""How many samples a prediction model needs, and what precision those at hand buy.

Development: Riley et al. 2020, "Calculating the sample size required for developing a clinical prediction model",
doi:10.1136/bmj.m441; Riley et al. 2019, doi:10.1002/sim.7992 (two classes), doi:10.1002/sim.7993 (a number); Pate et
al. 2023, doi:10.1177/09622802231151220 (several classes). They are formulas for regression models with so many
candidate parameters; a neural network needs more, and how much more no formula says (van der Ploeg et al. 2014,
doi:10.1186/1471-2288-14-137, found ten times as many events and more).

External validation: Riley et al. 2021, doi:10.1002/sim.9025 (two classes); Archer et al. 2021, doi:10.1002/sim.8766 (a
number). Every sample counts as an independent one: where patients repeat, count patients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2

Floats = NDArray[np.float64]
Z = 1.96
"""As the papers round it, so that their examples come out to the sample."""
SHRINKAGE, OPTIMISM, MARGIN = 0.9, 0.05, 0.05
"""What Riley et al. ask of a development: a uniform shrinkage of .9 or more, .05 at most between apparent and adjusted
Nagelkerke's R² (R² of a number), and the overall risk to ± .05."""
CAUTIOUS = 0.15
"""Share of the R² that is possible, where nobody knows better (Riley et al. 2020)."""
OE_WIDTH, SLOPE_WIDTH, AUC_WIDTH, R2_WIDTH = 0.2, 0.2, 0.1, 0.1
"""Widths of 95% intervals that the authors aim at: of observed over expected, of the calibration slope, of the AUC, of
R²."""
MOST = 10**9


@dataclass(frozen=True)
class Needed:
    """Samples that each criterion asks for; all must be met."""

    shrinkage: int
    optimism: int
    overall: int
    """Of classes: the overall risks; of a number: the residual variance."""

    @property
    def samples(self) -> int:
        """What meets all criteria."""
        return max(self.shrinkage, self.optimism, self.overall)


def largest_r2(prevalence: float) -> float:
    """The largest Cox-Snell R² that a model of two classes can have, 0..0.75, at a share of positives in (0, 1)."""
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    return 1 - math.exp(2 * null)


def largest_r2_of_classes(shares: Floats) -> float:
    """The same of K classes with these shares (K,), each above 0, that sum to 1."""
    return 1 - math.exp(2 * float((shares * np.log(shares)).sum()))


def cox_snell_of_classes(probability: Floats, label: NDArray[np.integer]) -> float:
    """Cox-Snell R² of stated probabilities (N, K) of classes that all occur; below 0 where they harm."""
    shares = np.bincount(label, minlength=probability.shape[1]) / len(label)
    model = float(np.log(np.clip(probability[np.arange(len(label)), label], 1e-9, 1)).mean())
    return 1 - math.exp(2 * (float((shares * np.log(shares)).sum()) - model))


def pairwise_cox_snell(probability: Floats, label: NDArray[np.integer]) -> dict[tuple[int, int], float]:
    """Of every pair of classes the Cox-Snell R² among the samples of these two, from probabilities (N, K)."""
    found = {}
    for pair in combinations(range(probability.shape[1]), 2):
        rows = np.isin(label, pair)
        one, other = np.clip(probability[rows][:, pair], 1e-9, 1).T
        found[pair] = cox_snell(other / (one + other), label[rows] == pair[1])
    return found


def cox_snell(probability: Floats, positive: NDArray[np.bool_]) -> float:
    """Cox-Snell R² of stated probabilities (N,): what they explain of the outcome (N,); below 0 where they harm."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    share = float(positive.mean())
    model = float(np.where(positive, np.log(p), np.log1p(-p)).mean())
    null = share * math.log(share) + (1 - share) * math.log(1 - share)
    return 1 - math.exp(2 * (null - model))


def development(parameters: int, prevalence: float, r2: float) -> Needed:
    """Samples for a logistic regression with so many candidate parameters.

    Args:
        parameters: all that are candidates, also those that selection drops.
        prevalence: share of positives in (0, 1).
        r2: Cox-Snell R² that the model is expected to have, above 0 and below `largest_r2`.
    """
    smallest = r2 / (r2 + OPTIMISM * largest_r2(prevalence))
    return Needed(
        shrinkage=_for_shrinkage(parameters, r2, SHRINKAGE),
        optimism=_for_shrinkage(parameters, r2, smallest),
        overall=math.ceil((Z / MARGIN) ** 2 * prevalence * (1 - prevalence)),
    )


def development_of_classes(parameters: int, shares: Floats, r2s: Mapping[tuple[int, int], float], r2: float) -> Needed:
    """Samples for a multinomial logistic regression of K classes.

    Shrinkage is asked of each regression between two classes, which only the samples of these two inform.

    Args:
        parameters: candidates in each of its K - 1 equations.
        shares: of the classes (K,), each above 0, that sum to 1.
        r2s: Cox-Snell R² expected between each pair of classes k < j, above 0.
        r2: that of the whole model, above 0 and below `largest_r2_of_classes`.
    """
    several = len(shares) - 1
    smallest = r2 / (r2 + OPTIMISM * largest_r2_of_classes(shares))
    of_pairs = [_for_shrinkage(parameters, each, SHRINKAGE) / (shares[k] + shares[j]) for (k, j), each in r2s.items()]
    widest = float((shares * (1 - shares)).max())
    return Needed(
        shrinkage=math.ceil(max(of_pairs)),
        optimism=_for_shrinkage(several * parameters, r2, smallest),
        overall=math.ceil(float(chi2.ppf(1 - 0.05 / len(shares), 1)) * widest / MARGIN**2),
    )


def supported_parameters(samples: int, needed: Callable[[int], Needed]) -> int:
    """How many candidate parameters so many samples support; 0: none.

    Args:
        samples: those at hand.
        needed: what so many parameters take, as `development` says.
    """
    return _first(lambda parameters: needed(parameters).samples > samples, 1) - 1


def development_of_number(parameters: int, r2: float) -> Needed:
    """The same for a linear regression with an expected adjusted R² in (0, 1).

    The fourth criterion, the mean's own precision, depends on the unit of the outcome and isn't among them.
    """
    return Needed(
        shrinkage=_first(lambda n: _shrinkage_of_number(n, parameters, r2) >= SHRINKAGE, parameters + 2),
        optimism=math.ceil(1 + parameters * (1 - r2) / OPTIMISM),
        overall=234 + parameters,
    )


def oe_samples(prevalence: float, width: float = OE_WIDTH) -> int:
    """Samples for an interval of observed over expected of this width, of a model that is right on average."""
    error = float(brentq(lambda e: 2 * math.sinh(Z * e) - width, 1e-9, 10))
    return math.ceil((1 - prevalence) / (prevalence * error**2))


def oe_width(samples: int, prevalence: float) -> float:
    """The width that so many samples give."""
    return 2 * math.sinh(Z * math.sqrt((1 - prevalence) / (prevalence * samples)))


def slope_samples(linear_predictor: Floats, width: float = SLOPE_WIDTH) -> int:
    """Samples for an interval of the calibration slope of this width, of a calibrated model.

    Args:
        linear_predictor: logits (N,), spread as they will be.
        width: of the 95% interval.
    """
    return math.ceil(_slope_variance(linear_predictor) / (width / (2 * Z)) ** 2)


def slope_width(samples: int, linear_predictor: Floats) -> float:
    """The width that so many samples give."""
    return 2 * Z * math.sqrt(_slope_variance(linear_predictor) / samples)


def auc_samples(auc: float, prevalence: float, width: float = AUC_WIDTH) -> int:
    """Samples for an interval of an AUC in (0, 1) of this width (Newcombe 2006, doi:10.1002/sim.2324)."""
    return _first(lambda n: auc_width(n, auc, prevalence) <= width, 2)


def auc_width(samples: int, auc: float, prevalence: float) -> float:
    """The width that so many samples give."""
    half = samples / 2 - 1
    extra = 1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc)
    return 2 * Z * math.sqrt(auc * (1 - auc) * extra / (samples**2 * prevalence * (1 - prevalence)))


def r2_samples(r2: float, width: float = R2_WIDTH) -> int:
    """Samples for an interval of R², in (0, 1), of this width."""
    return math.ceil(4 * r2 * (1 - r2) ** 2 / (width / (2 * Z)) ** 2)


def r2_width(samples: int, r2: float) -> float:
    """The width that so many samples give."""
    return 2 * Z * math.sqrt(4 * r2 * (1 - r2) ** 2 / samples)


def slope_samples_of_number(r2: float, width: float = SLOPE_WIDTH) -> int:
    """Samples for an interval of the calibration slope of a number of this width, at slope 1."""
    return math.ceil((1 - r2) / (r2 * (width / (2 * Z)) ** 2) + 1)


def slope_width_of_number(samples: int, r2: float) -> float:
    """The width that so many samples give."""
    return 2 * Z * math.sqrt((1 - r2) / (r2 * (samples - 1)))


def _slope_variance(linear_predictor: Floats) -> float:
    """Variance of the slope times the samples: of the inverse of the mean information of intercept and slope."""
    lp = np.asarray(linear_predictor, np.float64)
    weight = np.exp(lp) / (1 + np.exp(lp)) ** 2
    of_intercept, of_both, of_slope = weight.mean(), (weight * lp).mean(), (weight * lp**2).mean()
    return float(of_intercept / (of_intercept * of_slope - of_both**2))


def _for_shrinkage(parameters: int, r2: float, shrinkage: float) -> int:
    return math.ceil(_exactly(parameters, r2, shrinkage))


def _exactly(parameters: int, r2: float, shrinkage: float) -> float:
    return parameters / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)) if r2 < shrinkage else math.inf


def _shrinkage_of_number(samples: int, parameters: int, r2: float) -> float:
    explained = (r2 * (samples - parameters - 1) + parameters) / (samples - 1)
    return 1 + (parameters - 2) / (samples * math.log(1 - explained)) if explained < 1 else -math.inf


def _first(holds: Callable[[int], bool], start: int) -> int:
    """The smallest whole number from `start` on, for which what grows truer with it is true."""
    low, high = start - 1, start
    while not holds(high):
        low, high = high, 2 * high
        if high > MOST:
            return MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
