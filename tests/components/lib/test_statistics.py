"""Metrics equal scikit-learn's; intervals equal published figures and slow, literal implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from components.lib import resampling, statistics
from components.lib.bootstrap import Design, bootstrap

Case = tuple[NDArray[np.float64], NDArray[np.bool_]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Scores with ties, and labels of both classes."""
    n = draw(st.integers(4, 60))
    scores = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n))
    positives = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    positives[:2] = [True, False]
    return np.array(scores) / 20, np.array(positives)


def once(statistic: resampling.Statistic, n: int) -> float:
    return float(statistic(np.ones((1, n)))[0])


@settings(max_examples=40, deadline=None)
@given(cases())
def test_figures_equal_scikit_learn(case: Case) -> None:
    score, positive = case
    n = len(score)
    assert statistics.auc(score, positive).value == pytest.approx(roc_auc_score(positive, score), abs=1e-9)
    found = once(resampling.average_precision(score, positive), n)
    assert found == pytest.approx(average_precision_score(positive, score), abs=1e-9)
    found = once(resampling.f1(score >= 0.5, positive), n)
    assert found == pytest.approx(f1_score(positive, score >= 0.5, zero_division=0), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(cases(), st.integers(0, 2**32 - 1))
def test_a_weight_is_as_good_as_a_copy(case: Case, seed: int) -> None:
    score, positive = case
    weights = np.random.default_rng(seed).integers(0, 3, len(score))
    weights[:2] = 1
    copied_score, copied_positive = np.repeat(score, weights), np.repeat(positive, weights)
    weighted = resampling.average_precision(score, positive)(weights[None].astype(float))[0]
    assert weighted == pytest.approx(average_precision_score(copied_positive, copied_score), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(cases())
def test_delong_equals_its_literal_definition(case: Case) -> None:
    score, positive = case
    above, below = score[positive], score[~positive]
    wins = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in below] for a in above])
    area = wins.mean()
    found = statistics.delong(score, positive)
    assert found.value == pytest.approx(area, abs=1e-12)
    if found.method.startswith("DeLong"):
        variance = wins.mean(1).var(ddof=1) / len(above) + wins.mean(0).var(ddof=1) / len(below)
        half = norm.ppf(0.975) * math.sqrt(variance) / (area * (1 - area))
        centre = math.log(area / (1 - area))
        assert found.low == pytest.approx(1 / (1 + math.exp(-(centre - half))), abs=1e-9)
        assert found.high == pytest.approx(1 / (1 + math.exp(-(centre + half))), abs=1e-9)
    shown = statistics.auc(score, positive)
    assert 0 <= shown.low <= found.low <= found.value == shown.value <= found.high <= shown.high <= 1


@pytest.mark.parametrize(("hits", "n", "low", "high"), [
    # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3.
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
])  # fmt: skip
def test_wilson_equals_published_intervals(hits: int, n: int, low: float, high: float) -> None:
    found = statistics.wilson(hits, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_equals_scipy(n: int, share: float) -> None:
    hits = round(share * n)
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    found = statistics.wilson(hits, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(cases(), st.integers(0, 2**32 - 1))
def test_an_area_of_weighted_samples_is_that_of_copies(case: Case, seed: int) -> None:
    score, positive = case
    weights = np.random.default_rng(seed).integers(0, 3, len(score))
    weights[:2] = 1
    weighted = resampling.area(score, positive)(weights[None].astype(float))[0]
    expected = roc_auc_score(np.repeat(positive, weights), np.repeat(score, weights))
    assert weighted == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_draws_of_many_samples_are_as_good_as_exact(share: float) -> None:
    generator = np.random.default_rng(0)
    score = generator.random(30_000)
    positive = generator.random(30_000) < share * 2 * score
    for figure, exact in (
        (resampling.area, roc_auc_score), (resampling.average_precision, average_precision_score),
    ):  # fmt: skip
        one, *many = figure(score, positive)(np.ones((1, 30_000))), *figure(score, positive)(np.ones((2, 30_000)))
        assert one[0] == pytest.approx(exact(positive, score), abs=1e-9)
        assert many == pytest.approx([one[0]] * 2, abs=2e-4)


def test_separated_classes_get_an_interval_with_a_width() -> None:
    positive = np.repeat([True, False], 30)
    found = statistics.auc(positive.astype(float), positive)
    assert (found.value, found.high) == (1, 1)
    # Newcombe's equation, method 5, solved by hand: (1 - a)^2 = z^2 a (1 - a) (1 + 29 (1-a)/(2-a) + 29 a/(1+a)) / 900.
    a = found.low
    spread = a * (1 - a) * (1 + 29 * (1 - a) / (2 - a) + 29 * a / (1 + a)) / 900
    assert (1 - a) ** 2 == pytest.approx(norm.ppf(0.975) ** 2 * spread, rel=1e-6)
    assert 0.9 < a < 0.95


def test_macro_auc_of_two_classes_is_delongs() -> None:
    generator = np.random.default_rng(1)
    label = generator.integers(0, 2, 80)
    score = generator.normal(label, 1.0)
    binary = statistics.auc(score, label == 1)
    macro = statistics.macro_auc(np.stack([-score, score], axis=1), label)
    assert (macro.value, macro.low, macro.high) == pytest.approx((binary.value, binary.low, binary.high), abs=1e-9)


@pytest.mark.parametrize("positive", [np.ones(5, bool), np.zeros(5, bool), np.empty(0, bool)])
def test_one_class_or_no_sample_is_missing_with_a_reason(positive: NDArray[np.bool_]) -> None:
    found = statistics.auc(np.linspace(0, 1, len(positive)), positive)
    assert not found.known
    assert found.note
    assert not statistics.wilson(0, 0).known
    assert math.isnan(statistics.macro_auc(np.zeros((len(positive), 2)), positive.astype(np.intp)).value)


def test_the_calibration_error_follows_equal_mass_bins() -> None:
    generator = np.random.default_rng(2)
    confidence = generator.random(200)
    correct = generator.random(200) < confidence**2
    share, mean = calibration_curve(correct, confidence, n_bins=15, strategy="quantile")
    counts = np.bincount(resampling.calibration_bins(confidence))
    expected = float((counts * np.abs(share - mean)).sum() / 200)
    assert once(resampling.calibration_error(confidence, correct), 200) == pytest.approx(expected, abs=1e-9)


def test_the_calibration_floor_is_what_a_calibrated_model_shows() -> None:
    generator = np.random.default_rng(3)
    confidence = generator.random(150)
    errors = [
        once(resampling.calibration_error(confidence, generator.random(150) < confidence), 150) for _ in range(200)
    ]
    assert resampling.calibration_floor(confidence) == pytest.approx(np.mean(errors), rel=0.1)


def test_the_bootstrap_covers_a_known_mean_and_repeats() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(5, 1, 400)
    statistics_ = {"mean": resampling.ratio(values, np.ones(400))}
    design = Design.of(np.zeros(400, np.intp), None)
    found = bootstrap(statistics_, design)["mean"]
    half = 1.96 * values.std() / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert found == bootstrap(statistics_, design)["mean"]
