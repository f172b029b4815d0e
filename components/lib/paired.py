"""Two models on the same samples: the difference of every measure, with an interval that knows of the pairing.

Each draw takes a sample with both models' answers, and all measures are taken from the same draws, so that what makes
a sample hard for both cancels. Where patients repeat, whole patients are drawn. Nothing is held fixed in a draw, not
the mix of classes either: the interval speaks of another test sample of this size.

The areas under ROC curves have a formula. Its variance sums, before it squares, what each patient's samples add.

Sources: paired areas, DeLong et al. 1988, doi:10.2307/2531595; by patient, Obuchowski 1997, doi:10.2307/2533958; whole
patients drawn, Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x; shares that differ in few samples or none,
Agresti & Min 2005, doi:10.1002/sim.1781 (half a sample more in each cell of the 2 x 2 table of pairs).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from components.lib.bootstrap import WEIGHTS_AT_ONCE, Design, drawn
from components.lib.class_metrics import Area
from components.lib.resampling import Statistic
from components.lib.statistics import Bools, Floats, placements

SEED = 0
TINY = 1e-12
"""Below it a standard error is rounding."""


@dataclass(frozen=True)
class Measure:
    """One measure of one model on N samples, ready to be drawn."""

    title: str
    statistic: Statistic
    rests_on: tuple[tuple[Bools, str], ...]
    """Which samples (N,) it needs enough of, and what they are: "labelled pneumonia"."""
    scale: float = 1.0
    """What a margin of 1 stands for, in the measure's unit: the distance from a useless model to a perfect one."""
    better: Literal["higher", "lower"] = "higher"
    gains: bool = True
    """Whether being better in it is a reason to replace a model."""
    area: Area | None = None
    """What an area under ROC curves is made of: it has a formula."""
    floor: float = 0.0
    """Least standard error of a difference, where both models may be alike in every one of few samples."""
    spread: float = 0.0
    """How far its own interval reaches towards the worse, where no draw varies it: of two perfect models."""
    note: str = ""
    """What a reader should know of it: which group is the worst."""


@dataclass(frozen=True)
class Difference:
    """A measure of two models, and how far the second is from the first."""

    first: Measure
    second: Measure
    values: tuple[float, float]
    error: float
    """Standard error of the difference."""
    freedom: float
    """Degrees of freedom of Student's tails: the independent units it rests on, less one."""
    method: str
    note: str = ""
    """Why it can't be judged."""

    @property
    def value(self) -> float:
        """Second less first, in the measure's unit."""
        return self.values[1] - self.values[0]

    @property
    def gain(self) -> float:
        """How much better the second is, as a share of the scale; negative: worse."""
        sign = 1 if self.first.better == "higher" else -1
        return sign * self.value / self.first.scale

    def interval(self, level: float = 0.05) -> tuple[float, float]:
        """Ends of the two-sided interval of `value` that misses the truth with a chance of `level`."""
        half = float(stdtrit(self.freedom, 1 - level / 2)) * self.error
        return self.value - half, self.value + half

    def gain_interval(self, level: float = 0.05) -> tuple[float, float]:
        """The same of `gain`."""
        half = float(stdtrit(self.freedom, 1 - level / 2)) * self.error / self.first.scale
        return self.gain - half, self.gain + half

    def of_equals(self) -> Difference:
        """The same of two models that answer alike on every sample: there is no difference, and nothing varies it."""
        value = self.values[0]
        return replace(self, second=self.first, values=(value, value), error=0.0, method="the same answers")


def differences(
    first: Mapping[str, Measure],
    second: Mapping[str, Measure],
    patients: NDArray[np.integer] | None,
    *,
    seed: int = SEED,
) -> dict[str, Difference]:
    """The measures that both models have, each with its difference.

    Args:
        first: of the first model by name, on N samples, N at least 1.
        second: of the second, on the same samples.
        patients: equal numbers for samples of one patient (N,); None: nobody has several.
        seed: equal seeds give equal intervals.
    """
    names = [name for name in first if name in second]
    if not names:
        return {}
    count = len(first[names[0]].rests_on[0][0])
    design = Design.of(np.zeros(count, np.intp), patients)
    resampled = [name for name in names if first[name].area is None]
    errors = _resampled({name: (first[name].statistic, second[name].statistic) for name in resampled}, design, seed)
    found = {}
    for name in names:
        one, other = first[name], second[name]
        one_value, other_value = (float(each.statistic(np.ones((1, count)))[0]) for each in (one, other))
        if one.area is not None and other.area is not None:
            error, method = paired_area_error(one.area, other.area, design.patients), f"DeLong, paired{_by(design)}"
        else:
            error, method = errors[name], f"paired bootstrap{design.drawn}"
        if error < TINY:
            error = math.hypot(one.spread, other.spread) / float(stdtrit(np.inf, 0.975))
        of = (*one.rests_on, *other.rests_on)
        units = min(design.units(member) for member, _ in of)
        note = next(filter(None, (design.too_few(*each) for each in of)), "")
        found[name] = Difference(
            one, other, (one_value, other_value), math.hypot(error, one.floor), max(units - 1, 1), method, note
        )
    return found


def paired_area_error(one: Area, other: Area, patients: NDArray[np.intp] | None = None) -> float:
    """Standard error of the difference of two areas on the same samples; of several classes of their means.

    Args:
        one: of one model.
        other: of the other, with the same labels, of which at least two occur.
        patients: position of each sample's patient (N,), 0 ... P-1; None: nobody has several.
    """
    label = one.label
    added = _added(other) - _added(one)
    centred = np.empty(len(label))
    for k in np.unique(label):
        member = label == k
        away = added[member] - added[member].mean()
        count = int(member.sum())
        centred[member] = away * math.sqrt(count / max(count - 1, 1))
    if patients is None:
        return math.sqrt(float((centred**2).sum()))
    sums = np.bincount(patients, centred)
    units = len(sums)
    return math.sqrt(float((sums**2).sum()) * units / max(units - 1, 1))


def _added(area: Area) -> Floats:
    """What each sample adds to the area, or to the mean of several (N,): their spread within a class is its error."""
    present = np.unique(area.label)
    classes = present[1:] if area.columns.shape[1] == 2 else present
    added = np.zeros(len(area.label))
    for k in classes:
        positive = area.label == k
        of_positives, of_negatives = placements(area.columns[:, k], positive)
        added[positive] += of_positives / len(of_positives) / len(classes)
        added[~positive] += of_negatives / len(of_negatives) / len(classes)
    return added


def _resampled(statistics: Mapping[str, tuple[Statistic, Statistic]], design: Design, seed: int) -> dict[str, float]:
    """Standard error of the second less the first of each pair, all from the same draws of whole patients."""
    if not statistics:
        return {}
    count = len(design.strata)
    units = count if design.patients is None else int(design.patients.max()) + 1
    draws: dict[str, list[Floats]] = {name: [] for name in statistics}
    every = np.zeros(units, np.intp)  # one stratum: the mix of classes is drawn too
    for piece in drawn(every, max(1, WEIGHTS_AT_ONCE // count), np.random.default_rng(seed)):
        weights = design.weights(piece)
        for name, (one, other) in statistics.items():
            draws[name].append(other(weights) - one(weights))
    widened = math.sqrt(units / max(units - 1, 1))
    return {name: widened * float(np.concatenate(pieces).std(ddof=1)) for name, pieces in draws.items()}


def _by(design: Design) -> str:
    return "" if design.patients is None else ", by patient"
