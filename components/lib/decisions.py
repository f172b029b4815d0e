"""What an operating point means for patients: predictive values at any prevalence, natural frequencies, net benefit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from components.lib.bootstrap import Design
from components.lib.numbers import hundredths
from components.lib.shares import Share
from components.lib.statistics import Bools, Estimate, Floats, Z, missing, score_interval

GRID = tuple(round(0.01 * step, 2) for step in range(1, 100))
"""Threshold probabilities of a decision curve."""
TINY = 1e-12


@dataclass(frozen=True)
class Rate:
    """A proportion that was found, and how many independent samples it is worth."""

    value: float
    n: float
    """The samples; fewer where several are of one patient and alike."""

    @classmethod
    def of(cls, true: Bools, patients: NDArray[np.integer] | None = None) -> Rate:
        """The share of `true` (n,), n at least 1; `patients` (n,) are equal for samples of one patient, or None."""
        value, n = float(true.mean()), len(true)
        plain = value * (1 - value) / n
        if patients is None or plain == 0:
            units = n if patients is None else len(np.unique(patients))
            return cls(value, float(units))
        sums = np.bincount(np.unique(patients, return_inverse=True)[1], true - value)
        several = len(sums) / max(len(sums) - 1, 1)
        # Rao & Scott 1992, doi:10.2307/2532311: as many samples as would give the variance between patients.
        return cls(value, n / max(1.0, several * float((sums**2).sum()) / n**2 / plain))

    @property
    def inner(self) -> Rate:
        """Itself, or where it is 0 or 1 the share with two hits and two misses more, whose logit is finite."""
        if 0 < self.value < 1:
            return self
        return Rate((self.value * self.n + Z * Z / 2) / (self.n + Z * Z), self.n + Z * Z)


def proportions(shares: Mapping[str, Share], design: Design) -> dict[str, Estimate]:
    """Several shares of the same N samples with Wilson's intervals, of patients where they repeat.

    Args:
        shares: by name.
        design: whose the samples are, N at least 1.
    """
    return {name: each.estimate(design) for name, each in shares.items()}


def percent(estimate: Estimate) -> str:
    """A share for a table: `96.2% (91.0 to 98.4)`."""
    if not estimate.known:
        return "–"
    return f"{hundredths(estimate.value)}% ({hundredths(estimate.low)} to {hundredths(estimate.high)})"


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Of those called positive the share that is (PPV), and of those called negative the share that is (NPV).

    Bayes' formula; all in 0..1. NaN where nobody is called so.
    """
    hits, alarms = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    misses, rejections = (1 - sensitivity) * prevalence, specificity * (1 - prevalence)
    ppv = hits / (hits + alarms) if hits + alarms else math.nan
    return ppv, rejections / (rejections + misses) if rejections + misses else math.nan


def predictive_estimates(sensitivity: Rate, specificity: Rate, prevalence: float) -> tuple[Estimate, Estimate]:
    """PPV and NPV with 95% intervals at a prevalence that is stated, whatever that of the samples.

    The interval is symmetric on the logit scale; where sensitivity or specificity is 0 or 1 it is taken from shares
    with two hits and two misses more.

    Args:
        sensitivity: as found, on positives.
        specificity: as found, on negatives.
        prevalence: above 0 and below 1.

    Source: Mercaldo, Lau & Zhou 2007, doi:10.1002/sim.2677.
    """
    ppv, npv = predictive_values(sensitivity.value, specificity.value, prevalence)
    found, left = sensitivity.inner, specificity.inner
    around_ppv, around_npv = predictive_values(found.value, left.value, prevalence)
    of_ppv = _relative_variance(found) + _relative_variance(Rate(1 - left.value, left.n))
    of_npv = _relative_variance(left) + _relative_variance(Rate(1 - found.value, found.n))
    return _on_logit_scale(ppv, around_ppv, of_ppv), _on_logit_scale(npv, around_npv, of_npv)


def alarms(sensitivity: Rate, specificity: Rate, prevalence: float) -> Estimate:
    """The share of all samples that is called positive at a prevalence that is stated, with its 95% interval.

    Wilson's limits of sensitivity and of false alarms, joined by MOVER.

    Args:
        sensitivity: as found, on positives.
        specificity: as found, on negatives.
        prevalence: above 0 and below 1.

    Source: Zou & Donner 2008, doi:10.1002/sim.3095.
    """
    hits, false = sensitivity.value, 1 - specificity.value
    value = prevalence * hits + (1 - prevalence) * false
    (low_hits, high_hits), (low_false, high_false) = (
        score_interval(share, n) for share, n in ((hits, sensitivity.n), (false, specificity.n))
    )
    below = math.hypot(prevalence * (hits - low_hits), (1 - prevalence) * (false - low_false))
    above = math.hypot(prevalence * (high_hits - hits), (1 - prevalence) * (high_false - false))
    return Estimate(value, max(0.0, value - below), min(1.0, value + above), 0, "MOVER of Wilson's limits")


def number_needed(ppv: Estimate) -> Estimate:
    """Of those called positive, how many have to be evaluated for one who is: 1 / PPV; infinite where nobody is.

    Source: number needed to evaluate: Romero-Brufau et al. 2015, doi:10.1186/s13054-015-0999-1.
    """
    if not ppv.known:
        return ppv
    value, low, high = (1 / share if share > 0 else math.inf for share in (ppv.value, ppv.high, ppv.low))
    return replace(ppv, value=value, low=low, high=high, better="lower", meaning="")


def miss_in_false_alarms(threshold: float) -> float:
    """How many false alarms a miss is worth to whoever acts from this probability on: the odds against it.

    Args:
        threshold: 0..1; at 0 a miss is worth any number of them.

    Source: Pauker & Kassirer 1975, doi:10.1056/NEJM197507312930501; Elkan 2001, "The foundations of cost-sensitive
    learning", IJCAI, theorem 1.
    """
    return (1 - threshold) / threshold if threshold > 0 else math.inf


def _relative_variance(share: Rate) -> float:
    """Variance of a share's logarithm."""
    return (1 - share.value) / (share.value * share.n)


def _on_logit_scale(value: float, centre: float, variance: float) -> Estimate:
    if math.isnan(value):
        return missing("nobody is called so")
    low, high = (float(expit(logit(centre) + sign * Z * math.sqrt(variance))) for sign in (-1, 1))
    return Estimate(value, min(low, value), max(high, value), 0, "logit (Mercaldo, Lau & Zhou)")


@dataclass(frozen=True)
class Frequencies:
    """What happens to so many people, in whole numbers."""

    people: int
    positive: int
    called: int
    rightly: int
    """Of those called positive."""

    @property
    def missed(self) -> int:
        """Positives who aren't called so."""
        return self.positive - self.rightly


def natural_frequencies(sensitivity: float, specificity: float, prevalence: float) -> Frequencies:
    """Of 1,000 people, or of as many thousands as hold ten who have it, up to a million.

    Source: Gigerenzer & Hoffrage 1995, doi:10.1037/0033-295X.102.4.684: people misread rates and read counts right.
    """
    people = 1000
    while people * prevalence < 10 and people < 1_000_000:
        people *= 10
    positive = round(people * prevalence)
    rightly = round(positive * sensitivity)
    return Frequencies(people, positive, rightly + round((people - positive) * (1 - specificity)), rightly)


def net_benefit(score: Floats, positive: Bools, threshold: float) -> float:
    """Share of hits less the share of false alarms, each of these weighed by the odds of the threshold probability.

    Args:
        score: (N,), probabilities; called positive from `threshold` upwards.
        positive: (N,).
        threshold: the threshold probability, below 1.

    Source: Vickers & Elkin 2006, doi:10.1177/0272989X06295361.
    """
    return float(_worth(positive, threshold)[score >= threshold].sum()) / len(score)


def decision_curve(score: Floats, positive: Bools, patients: NDArray[np.integer] | None = None) -> pd.DataFrame:
    """Net benefit of going by the model, of treating everybody and of treating nobody, over threshold probabilities.

    Args:
        score: (N,), probabilities.
        positive: (N,).
        patients: (N,), equal for samples of one patient; None: every sample is of another.

    Returns:
        columns threshold, model, treat_all, treat_none, and low and high, the 95% interval of what the model adds to
        the better of the two others.
    """
    rows = []
    for threshold in GRID:
        worth, called = _worth(positive, threshold), score >= threshold
        everybody = float(worth.mean())
        added = np.where(called, worth, 0.0) - (worth if everybody > 0 else 0.0)
        error = Z * _standard_error(added, patients)
        rows.append((threshold, float((worth * called).mean()), everybody, 0.0, added.mean() - error,
                     added.mean() + error))  # fmt: skip
    return pd.DataFrame(rows, columns=["threshold", "model", "treat_all", "treat_none", "low", "high"])


def useful_range(curve: pd.DataFrame, *, surely: bool = False) -> tuple[float, float] | None:
    """The longest run of threshold probabilities at which the model is worth more than both others; None: nowhere.

    Args:
        curve: of `decision_curve`.
        surely: only where the interval of what the model adds lies above 0.
    """
    others = np.maximum(curve["treat_all"], curve["treat_none"])
    better = ((curve["low"] if surely else curve["model"] - others) > TINY).to_numpy()
    starts = np.flatnonzero(np.diff(better, prepend=False) & better)
    if not len(starts):
        return None
    ends = np.flatnonzero(np.diff(better, append=False) & better)
    longest = int(np.argmax(ends - starts))
    thresholds = curve["threshold"].to_numpy()
    return float(thresholds[starts[longest]]), float(thresholds[ends[longest]])


def _worth(positive: Bools, threshold: float) -> Floats:
    """What calling each sample positive is worth: 1, or a false alarm's cost."""
    return np.where(positive, 1.0, -threshold / (1 - threshold))


def _standard_error(values: Floats, patients: NDArray[np.integer] | None) -> float:
    """Of the mean of values (N,), patients counted and not samples."""
    off = values - values.mean()
    if patients is not None:
        off = np.bincount(np.unique(patients, return_inverse=True)[1], off)
    return float(np.sqrt((off**2).sum() * len(off) / max(len(off) - 1, 1)) / len(values))
