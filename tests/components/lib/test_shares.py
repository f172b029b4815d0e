"""Shares by patient, F1 and macro forms: what they are worth, and that no interval is a point or ends at 1."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_score, recall_score
from statsmodels.stats.proportion import proportion_confint

from components.lib.bootstrap import Design
from components.lib.class_metrics import F1, Area, Mean, Share, measured
from components.lib.resampling import ratio
from components.lib.statistics import Estimate, auc

Labels = NDArray[np.intp]


def alone(n: int) -> Design:
    return Design.of(np.zeros(n, np.intp), None)


def ends(found: Estimate) -> tuple[float, float]:
    return found.low, found.high


def test_f1_and_macro_forms_equal_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    label, called = generator.integers(0, 3, 200), generator.integers(0, 3, 200)
    f1 = [F1(called == k, label == k) for k in range(3)]
    assert [each.value for each in f1] == pytest.approx(f1_score(label, called, average=None), abs=1e-12)
    means = {
        f1_score: Mean(f1),
        precision_score: Mean([Share(label == k, called == k) for k in range(3)]),
        recall_score: Mean([Share(called == k, label == k) for k in range(3)]),
    }
    for figure, mean in means.items():
        assert mean.value == pytest.approx(figure(label, called, average="macro"), abs=1e-12)
        found = mean.estimate(alone(200))
        assert found.low < found.value < found.high


def test_f1_has_wilsons_interval_of_the_hits_among_all_concerned() -> None:
    generator = np.random.default_rng(1)
    positive, called = generator.random(120) < 0.3, generator.random(120) < 0.4
    either = int((positive | called).sum())
    low, high = proportion_confint(int((positive & called).sum()), either, method="wilson")
    found = F1(called, positive).estimate(alone(120))
    assert ends(found) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)), abs=1e-9)


def test_copies_of_a_patients_sample_are_worth_one() -> None:
    generator = np.random.default_rng(2)
    hit = generator.random(60) < 0.7
    once = Share(hit, np.ones(60, bool)).estimate(alone(60))
    copied = Share(np.repeat(hit, 4), np.ones(240, bool))
    found = copied.estimate(Design.of(np.zeros(240, np.intp), np.repeat(np.arange(60), 4)))
    assert (found.value, found.n) == (once.value, 240)
    assert found.high - found.low == pytest.approx(once.high - once.low, rel=0.04)  # Student's tails of 60
    assert found.high - found.low > once.high - once.low
    score, ill = generator.normal(size=60) + hit, hit
    thrice = auc(np.repeat(score, 3), np.repeat(ill, 3), np.repeat(np.arange(60), 3))
    assert ends(thrice) == pytest.approx(ends(auc(score, ill)), abs=1e-9)


@pytest.mark.parametrize("misses", [1, 2, 4, 7])
def test_a_share_near_1_with_repeats_ends_below_1(misses: int) -> None:
    hit = np.ones(200, bool)
    hit[:misses] = False
    found = Share(hit, np.ones(200, bool)).estimate(Design.of(np.zeros(200, np.intp), np.arange(200) // 4))
    exact = binomtest(200 - misses, 200).proportion_ci(method="wilson")
    assert found.low < exact.low  # some of the misses are of one patient
    assert found.value < found.high < 1


def test_the_interval_allows_for_another_mix_of_classes() -> None:
    """Its width is that of figures of many test sets, whose mix differs; within a fixed mix it would be narrower."""
    generator = np.random.default_rng(3)

    def made() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        positive = generator.random(200) < 0.3
        return np.where(positive, 0.4 + generator.normal(0, 0.05, 200), 0.1), positive

    def brier(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
        return (score - positive) ** 2

    spread = float(np.std([brier(*made()).mean() for _ in range(2000)]))
    widths = []
    for _ in range(12):
        score, positive = made()
        losses = {"brier": ratio(brier(score, positive), np.ones(200))}
        found = measured({}, losses, Design.of(positive.astype(np.intp), None), most={"brier": 1.0})["brier"]
        widths.append((found.high - found.low) / 2 / 1.97)
    assert np.mean(widths) == pytest.approx(spread, rel=0.1)


def test_one_versus_rest_areas_of_two_classes_do_not_depend_on_the_columns_order() -> None:
    generator = np.random.default_rng(4)
    label: Labels = generator.integers(0, 2, 80)
    score = generator.random(80)
    one = Area(np.stack([1 - score, score], 1), label).estimate(alone(80))
    other = Area(np.stack([score, 1 - score], 1), 1 - label).estimate(alone(80))
    assert (one.value, *ends(one)) == pytest.approx((other.value, *ends(other)), abs=1e-9)
