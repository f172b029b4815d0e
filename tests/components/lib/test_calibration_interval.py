"""The calibration error's interval, and what a Brier score is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from components.lib.bootstrap import Design
from components.lib.brier import decompose
from components.lib.calibration_interval import calibration_error
from components.lib.resampling import calibration_error as statistic


def alone(n: int) -> Design:
    return Design.of(np.zeros(n, np.intp), None)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 30))
def test_the_figure_is_that_of_the_bins_and_lies_inside(seed: int, n: int, steps: int) -> None:
    generator = np.random.default_rng(seed)
    confidence, true = generator.integers(0, steps + 1, n) / steps, generator.random(n) < 0.4
    patients = generator.integers(0, max(n // 2, 1), n)
    for design in (alone(n), Design.of(np.zeros(n, np.intp), patients)):
        found = calibration_error(confidence, true, design)
        assert found.value == pytest.approx(float(statistic(confidence, true)(np.ones((1, n)))[0]), abs=1e-9)
        assert 0 <= found.low <= found.value <= found.high <= 1


def test_right_probabilities_may_have_no_error_and_wrong_ones_must_have_some() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.random(400)
    calibrated = calibration_error(confidence, generator.random(400) < confidence, alone(400))
    assert calibrated.low == 0 < calibrated.value
    wrong = calibration_error(confidence, generator.random(400) < confidence**4, alone(400))
    assert 0.1 < wrong.low < wrong.high < 0.5


@pytest.mark.parametrize("repeats", [1, 2])  # of two samples of each patient both, or none, come true
def test_a_bad_group_does_not_excuse_itself_by_its_own_outcomes(repeats: int) -> None:
    # Of forty at 1% four came true, which 1% would give once in a thousand times. By how four in forty vary they
    # might as well be none: 0.1 is 2.1 standard errors of their own from 0, and 0.09 isn't 1.96 from 0.01.
    true = np.arange(40) // repeats % 10 == 0
    assert true.sum() == 4
    design = Design.of(np.zeros(40, np.intp), np.arange(40) // repeats)
    found = calibration_error(np.full(40, 0.01), true, design)
    assert found.value == pytest.approx(0.09)
    assert 0 < found.low < 0.06


@pytest.mark.parametrize("centre", [0.0, -3.0])
def test_right_probabilities_seldom_have_an_error_beyond_chance(centre: float) -> None:
    raised = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        confidence = 1 / (1 + np.exp(-generator.normal(centre, 1.5, 200)))
        raised += calibration_error(confidence, generator.random(200) < confidence, alone(200)).low > 0
    assert raised <= 4  # of 40 one by chance


def test_samples_of_one_patient_say_less() -> None:
    generator = np.random.default_rng(0)
    confidence = np.repeat(generator.random(100), 4)
    true = np.repeat(generator.random(100) < confidence[::4], 4)
    by_sample = calibration_error(confidence, true, alone(400))
    by_patient = calibration_error(confidence, true, Design.of(np.zeros(400, np.intp), np.arange(400) // 4))
    assert by_patient.high > by_sample.high
    assert by_patient.low <= by_sample.low
    assert by_patient.method == "inverted test, by patient"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 40))
def test_the_parts_of_a_brier_score_add_up_exactly(seed: int, n: int, steps: int) -> None:
    generator = np.random.default_rng(seed)
    confidence, true = generator.integers(0, steps + 1, n) / steps, generator.random(n) < generator.random()
    found = decompose(confidence, true)
    together = found.reliability - found.resolution + found.uncertainty + found.within
    assert together == pytest.approx(found.score, abs=1e-12)
    assert found.score == pytest.approx(brier_score_loss(true, confidence, pos_label=True), abs=1e-9)
    assert min(found.reliability, found.resolution, found.uncertainty) >= 0


def test_the_parts_say_what_they_are_named_for() -> None:
    confidence, true = np.repeat([0.2, 0.8], 50), np.tile([1, 0, 0, 0, 0], 20).astype(bool)
    true[50:] = ~true[50:]
    found = decompose(confidence, true)
    assert (found.reliability, found.within) == pytest.approx((0, 0), abs=1e-15)
    assert (found.resolution, found.uncertainty) == pytest.approx((0.09, 0.25))
    assert decompose(np.full(100, 0.9), true).reliability == pytest.approx(0.16)
    assert decompose(np.full(100, 0.9), true).resolution == 0


def test_the_interval_is_as_wide_as_other_patients_make_it() -> None:
    """All probabilities are too high, some more so: what differs from draw to draw is who is in it."""
    ends, found = [], []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        stated = generator.beta(0.8, 1.6, 1000)
        came = generator.random(1000) < 0.05 * stated
        estimate = calibration_error(stated, came, Design.of(np.zeros(1000, np.intp), None))
        ends.append((estimate.low, estimate.high))
        found.append(estimate.value)
    low, high = np.array(ends).T
    truth = 0.95 / 3  # of a mean of 1 / 3
    assert np.mean((low <= truth) & (truth <= high)) >= 0.92
    assert np.mean(high - low) == pytest.approx(2 * 1.96 * np.std(found), rel=0.15)
