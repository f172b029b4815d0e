"""The threshold: right where data are plenty, careful where they are few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from components.lib.kinds.binary import Binary
from components.lib.thresholds import fit_threshold, fit_thresholds
from components.lib.train_settings import Threshold


def test_youden_takes_the_threshold_nearest_the_share_of_positives_among_equals() -> None:
    score, positive = np.array([0.1, 0.2, 0.7, 0.9] * 10), np.array([False, False, True, True] * 10)
    assert fit_threshold(score, positive, Threshold(method="youden")) == 0.5
    assert 0.5 < fit_threshold(score / 10 + 0.6, positive, Threshold(method="youden")) < 0.68


def test_of_a_rare_finding_calibrated_probabilities_are_called_from_its_share_upwards() -> None:
    generator = np.random.default_rng(3)
    probability = 1 / (1 + np.exp(-generator.normal(-4.8, 1.3, 100_000)))
    positive = generator.random(len(probability)) < probability
    assert positive.mean() < 0.03
    assert fit_threshold(probability, positive, Threshold(method="youden")) == pytest.approx(positive.mean())


def test_youden_is_steadier_than_the_plain_best() -> None:
    generator = np.random.default_rng(2)
    ours, plain = [], []
    for _ in range(60):
        positive = np.repeat([True, False], [100, 30])
        # Of two normal distributions a calibrated logit has the odds of the classes in it.
        score = expit(generator.normal(np.where(positive, 1.5, -1.5), 1.2) + np.log(100 / 30))
        ours.append(fit_threshold(score, positive, Threshold()))
        candidates = np.unique(score)
        index = [(score[positive] >= t).mean() - (score[~positive] >= t).mean() for t in candidates]
        plain.append(candidates[int(np.argmax(index))])
    assert np.std(ours) < np.std(plain) / 3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0.01, 1))
def test_the_stated_sensitivity_is_reached_and_no_higher_threshold_does(seed: int, n: int, sensitivity: float) -> None:
    generator = np.random.default_rng(seed)
    score = generator.integers(1, 50, n + 10) / 50
    positive = np.arange(n + 10) < n
    threshold = fit_threshold(score, positive, Threshold(method="sensitivity", sensitivity=sensitivity))
    assert (score[positive] >= threshold).mean() >= sensitivity - 1e-9
    higher = score[score > threshold].min() + 1e-9
    assert (score[positive] >= higher).mean() < sensitivity


def test_a_fixed_threshold_stays() -> None:
    assert fit_threshold(np.array([0.1]), np.array([True]), Threshold(method="fixed", value=0.3)) == 0.3


@pytest.mark.parametrize("method", ["youden", "sensitivity", "cost"])
def test_one_class_keeps_one_half(method: str) -> None:
    settings_ = Threshold.model_validate({"method": method})
    assert fit_threshold(np.array([0.1, 0.2]), np.array([False, False]), settings_) == 0.5


def expected_cost(score: np.ndarray, positive: np.ndarray, at: float, miss_cost: float, prevalence: float) -> float:
    missed, alarmed = (score[positive] < at).mean(), (score[~positive] >= at).mean()
    return float(miss_cost * prevalence * missed + (1 - prevalence) * alarmed)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(20, 300), st.floats(0.05, 50), st.none() | st.floats(0.01, 0.9)
)  # fmt: skip
def test_cost_is_within_a_standard_error_of_a_grid_search(
    seed: int, n: int, miss_cost: float, prevalence: float | None
) -> None:
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < 0.4
    positive[:2] = [True, False]
    score = 1 / (1 + np.exp(-generator.normal(np.where(positive, 1.2, -1.2), 1.5)))
    share = float(positive.mean()) if prevalence is None else prevalence
    found = fit_threshold(score, positive, Threshold(method="cost", miss_cost=miss_cost, prevalence=prevalence))
    assert 0 < found < 1
    grid = np.concatenate([np.linspace(0, 1, 501), np.nextafter(score, 2)])
    least = min(expected_cost(score, positive, at, miss_cost, share) for at in grid)
    # No standard error of a share of m samples, two hits and misses more, is above .5 / sqrt(m + 4).
    most = np.hypot(miss_cost * share / np.sqrt(positive.sum() + 4), (1 - share) / np.sqrt((~positive).sum() + 4)) / 2
    assert expected_cost(score, positive, found, miss_cost, share) <= least + most + 1e-12


def test_with_many_samples_cost_finds_the_grid_search() -> None:
    generator = np.random.default_rng(5)
    probability = generator.beta(0.7, 1.5, 40_000)
    positive = generator.random(40_000) < probability
    # Squared: no longer calibrated, so that theory alone (1 / 11) would be wrong.
    score, settings_ = probability**2, Threshold(method="cost", miss_cost=10)
    found = fit_threshold(score, positive, settings_)
    share = float(positive.mean())
    cost = [expected_cost(score, positive, at, 10, share) for at in (found, 1 / 11, (1 / 11) ** 2)]
    assert cost[0] == pytest.approx(cost[2], rel=0.02)
    assert cost[1] > 1.1 * cost[2]
    assert fit_threshold(probability, positive, settings_) == pytest.approx(1 / 11), "calibrated: theory is right"


def test_a_dearer_miss_lowers_the_threshold_and_a_rarer_finding_raises_it() -> None:
    generator = np.random.default_rng(6)
    positive = generator.random(4000) < 0.3
    score = 1 / (1 + np.exp(-generator.normal(np.where(positive, 1.0, -1.0), 1.2)))

    def at(miss_cost: float, prevalence: float | None = None) -> float:
        return fit_threshold(score, positive, Threshold(method="cost", miss_cost=miss_cost, prevalence=prevalence))

    assert at(20) < at(5) < at(1) < at(0.2)
    assert at(5, 0.02) > at(5, 0.3) > at(5, 0.8)


def test_what_other_methods_choose_is_kept_beside_the_threshold() -> None:
    generator = np.random.default_rng(7)
    positive = generator.random(300) < 0.5
    score = 1 / (1 + np.exp(-generator.normal(np.where(positive, 1.0, -1.0), 1.2)))
    settings_ = Threshold(method="sensitivity", sensitivity=0.9, miss_cost=4, prevalence=0.1)
    chosen = fit_thresholds(score, positive, settings_)
    assert chosen["threshold"] == chosen["threshold_sensitivity"]
    for method in ("youden", "sensitivity", "cost"):
        alone = settings_.model_copy(update={"method": method})
        assert chosen[f"threshold_{method}"] == fit_threshold(score, positive, alone)
    assert (chosen["asked_sensitivity"], chosen["asked_miss_cost"], chosen["asked_prevalence"]) == (0.9, 4, 0.1)


@pytest.mark.parametrize(
    ("share", "method"), [(0.02, "sensitivity"), (0.09, "sensitivity"), (0.1, "youden"), (0.5, "youden")]
)
def test_a_method_that_nobody_named_follows_the_prevalence_and_says_so(share: float, method: str) -> None:
    generator = np.random.default_rng(8)
    positive = np.zeros(2000, bool)
    positive[: round(2000 * share)] = True
    score = 1 / (1 + np.exp(-generator.normal(np.where(positive, 1.0, -1.0), 1.2)))
    chosen = fit_thresholds(score, positive, Threshold())
    assert chosen["threshold"] == chosen[f"threshold_{method}"]
    assert chosen["prevalence"] == pytest.approx(share)
    assert ("assumed_sensitivity" in chosen) == (method == "sensitivity")
    told = Binary(kind="binary", classes=("well", "sepsis")).assumed(chosen, None)
    assert [f"find 95% of sepsis on validation, where {100 * share:.1f}% are sepsis" in each for each in told] == [
        True
    ] * (method == "sensitivity")


@pytest.mark.parametrize("method", ["youden", "sensitivity", "cost", "fixed"])
def test_a_method_that_is_named_is_taken_however_rare_the_finding(method: str) -> None:
    score, positive = np.linspace(0.01, 0.99, 200), np.arange(200) > 196
    chosen = fit_thresholds(score, positive, Threshold.model_validate({"method": method}))
    assert chosen["threshold"] == (0.5 if method == "fixed" else chosen[f"threshold_{method}"])
    assert "assumed_sensitivity" not in chosen
