"""Operating points in terms of patients, against formulas and against examples done by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from components.lib.bootstrap import Design
from components.lib.class_metrics import Share
from components.lib.decisions import (
    Rate,
    alarms,
    decision_curve,
    miss_in_false_alarms,
    natural_frequencies,
    net_benefit,
    number_needed,
    predictive_estimates,
    predictive_values,
    proportions,
    useful_range,
)
from components.lib.statistics import Estimate, missing, wilson

SHARES = st.floats(0.001, 0.999)


@settings(max_examples=100, deadline=None)
@given(SHARES, SHARES, SHARES)
def test_predictive_values_are_bayes_formula(sensitivity: float, specificity: float, prevalence: float) -> None:
    joint = np.array([[prevalence * sensitivity, prevalence * (1 - sensitivity)],
                      [(1 - prevalence) * (1 - specificity), (1 - prevalence) * specificity]])  # fmt: skip
    posterior = joint / joint.sum(axis=0)
    found = predictive_values(sensitivity, specificity, prevalence)
    assert found == pytest.approx((posterior[0, 0], posterior[1, 1]), abs=1e-12)


def test_nobody_called_so_has_no_predictive_value() -> None:
    ppv, npv = predictive_values(0.0, 1.0, 0.2)
    assert math.isnan(ppv)
    assert npv == pytest.approx(0.8)
    assert not predictive_estimates(Rate(0.0, 20), Rate(1.0, 30), 0.2)[0].known


def test_the_interval_is_the_papers_formula() -> None:
    ppv, npv = predictive_estimates(Rate(0.9, 50), Rate(0.8, 100), 0.1)
    # By hand: logit of .09 / .27 with variance .1 / (.9 · 50) + .8 / (.2 · 100), and of .72 / .73 likewise.
    centre, half = math.log(0.09 / 0.18), 1.959964 * math.sqrt(0.1 / 45 + 0.8 / 20)
    assert (ppv.value, ppv.low, ppv.high) == pytest.approx(
        (1 / 3, *(1 / (1 + math.exp(-end)) for end in (centre - half, centre + half))), abs=1e-6
    )
    centre, half = math.log(0.72 / 0.01), 1.959964 * math.sqrt(0.9 / 5 + 0.2 / 80)
    assert (npv.low, npv.high) == pytest.approx(
        tuple(1 / (1 + math.exp(-end)) for end in (centre - half, centre + half)), abs=1e-6
    )


@pytest.mark.parametrize(("sensitivity", "specificity", "counts"), [(0.9, 0.8, (50, 100)), (0.97, 0.98, (40, 80))])
def test_the_interval_holds_the_true_value(sensitivity: float, specificity: float, counts: tuple[int, int]) -> None:
    generator, prevalence, draws = np.random.default_rng(0), 0.1, 2000
    true = predictive_values(sensitivity, specificity, prevalence)
    held = np.zeros((draws, 2), bool)
    hits, rejections = (
        generator.binomial(counts[0], sensitivity, draws),
        generator.binomial(counts[1], specificity, draws),
    )
    for draw in range(draws):
        shares = Rate(hits[draw] / counts[0], counts[0]), Rate(rejections[draw] / counts[1], counts[1])
        held[draw] = [
            e.low <= value <= e.high for e, value in zip(predictive_estimates(*shares, prevalence), true, strict=True)
        ]
    assert (held.mean(axis=0) >= 0.93).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), SHARES)
def test_an_interval_holds_its_value_at_the_ends_too(hits: int, rejections: int, prevalence: float) -> None:
    for each in predictive_estimates(Rate(hits / 20, 20), Rate(rejections / 20, 20), prevalence):
        assert not each.known or 0 <= each.low <= each.value <= each.high <= 1


def test_people_are_counted_in_whole_numbers() -> None:
    found = natural_frequencies(0.9, 0.95, 0.05)
    assert (found.people, found.positive, found.called, found.rightly, found.missed) == (1000, 50, 93, 45, 5)
    rare = natural_frequencies(0.9, 0.95, 0.002)
    assert (rare.people, rare.positive) == (10_000, 20)


def test_net_benefit_is_the_example_done_by_hand() -> None:
    # Of 10 samples, from .2 upwards: 3 hits, 2 false alarms; 3 / 10 - 2 / 10 · .2 / .8 = .25.
    score = np.array([0.9, 0.6, 0.25, 0.1, 0.3, 0.2, 0.15, 0.1, 0.05, 0.0])
    positive = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], bool)
    assert net_benefit(score, positive, 0.2) == pytest.approx(0.25, abs=1e-15)
    curve = decision_curve(score, positive).set_index("threshold").loc[0.2]
    assert curve["model"] == pytest.approx(0.25, abs=1e-15)
    assert curve["treat_all"] == pytest.approx(0.4 - 0.6 * 0.25, abs=1e-15)
    assert curve["treat_none"] == 0


def test_the_curve_equals_net_benefit_and_its_interval_surrounds_the_gain() -> None:
    generator = np.random.default_rng(2)
    probability = generator.beta(1, 2, 500)
    positive = generator.random(500) < probability
    curve = decision_curve(probability, positive)
    assert curve["model"].tolist() == pytest.approx([net_benefit(probability, positive, t) for t in curve["threshold"]])
    gain = curve["model"] - np.maximum(curve["treat_all"], 0)
    assert ((curve["low"] + curve["high"]) / 2).tolist() == pytest.approx(gain.tolist(), abs=1e-12)
    found, surely = useful_range(curve), useful_range(curve, surely=True)
    assert found is not None
    assert surely is not None
    assert found[0] <= surely[0] <= surely[1] <= found[1]


def test_a_worthless_score_is_surely_useful_nowhere() -> None:
    generator = np.random.default_rng(3)
    curve = decision_curve(np.full(200, 0.4), generator.random(200) < 0.4)
    assert useful_range(curve, surely=True) is None
    nothing = pd.DataFrame({"threshold": [0.1, 0.2], "model": [0.0, 0.0], "treat_all": [0.1, 0.0], "low": [-1.0, -1.0]})
    assert useful_range(nothing.assign(treat_none=0.0)) is None


def share(true: np.ndarray, patients: np.ndarray | None = None) -> Estimate:
    every, design = np.ones(len(true), bool), Design.of(np.zeros(len(true), np.intp), patients)
    return proportions({"one": Share(true, every)}, design)["one"]


def test_a_share_of_different_patients_is_wilsons() -> None:
    assert share(np.arange(50) < 41) == wilson(41, 50)


def test_samples_of_one_patient_count_as_what_they_are_worth() -> None:
    generator = np.random.default_rng(4)
    of_patient = generator.random(60) < 0.7
    four, patients = np.repeat(of_patient, 4), np.repeat(np.arange(60), 4)
    alike, alone = share(four, patients), share(of_patient)
    assert alike.high - alike.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert Rate.of(four, patients).n == pytest.approx(59, rel=0.03)
    assert Rate.of(np.ones(240, bool), patients).n == 60
    assert Rate.of(four).n == 240


def test_alarms_are_an_average_of_two_shares_and_their_interval_holds_the_truth() -> None:
    generator, prevalence, true = np.random.default_rng(0), 0.02, (0.9, 0.8)
    value = prevalence * true[0] + (1 - prevalence) * (1 - true[1])
    held = []
    for _ in range(1000):
        found = Rate(generator.binomial(40, true[0]) / 40, 40), Rate(generator.binomial(200, true[1]) / 200, 200)
        each = alarms(*found, prevalence)
        assert each.value == pytest.approx(prevalence * found[0].value + (1 - prevalence) * (1 - found[1].value))
        held.append(each.low <= value <= each.high)
    assert 0.93 <= np.mean(held) <= 0.98


def test_alarms_of_a_prevalence_near_an_end_are_one_share_with_wilsons_interval() -> None:
    found, left = Rate(0.85, 40), Rate(0.7, 60)
    low, high = proportion_confint(18, 60, method="wilson")
    each = alarms(found, left, 1e-9)
    assert (each.value, each.low, each.high) == pytest.approx((0.3, low, high), abs=1e-7)
    low, high = proportion_confint(34, 40, method="wilson")
    each = alarms(found, left, 1 - 1e-9)
    assert (each.value, each.low, each.high) == pytest.approx((0.85, low, high), abs=1e-7)


def test_the_number_needed_is_one_over_ppv_and_has_no_limit_where_none_is_surely_found() -> None:
    found = number_needed(Estimate(0.25, 0.2, 0.5, 40, "Wilson"))
    assert (found.value, found.low, found.high, found.better) == (4, 2, 5, "lower")
    assert number_needed(Estimate(0.0, 0.0, 0.1, 40, "Wilson")).value == math.inf
    assert not number_needed(missing("nobody is called so")).known


def test_a_miss_is_worth_the_odds_against_the_threshold() -> None:
    assert miss_in_false_alarms(0.02) == pytest.approx(49)
    assert miss_in_false_alarms(0.5) == 1
    assert (miss_in_false_alarms(0), miss_in_false_alarms(1)) == (math.inf, 0)
