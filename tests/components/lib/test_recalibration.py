"""Calibration in the large, slope, observed/expected: against statsmodels, against what is known, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from scipy.stats import t as student

from components.lib.bootstrap import Design
from components.lib.calibration_curve import basis, curve, distances
from components.lib.quantile_error import quantile_error
from components.lib.recalibration import LARGE, MEASURES, RATIO, SLOPE, measures, of_numbers, slope


def drawn(seed: int, n: int, *, centre: float = 0.0, shift: float = 0.0, factor: float = 1.0):
    """Stated probabilities, and outcomes whose log odds are `shift` and `factor` times the stated ones."""
    generator = np.random.default_rng(seed)
    stated = generator.normal(centre, 1.5, n)
    return expit(stated), generator.random(n) < expit(shift + factor * stated)


def design(true: np.ndarray, each: int = 1) -> Design:
    return Design.of(true.astype(np.intp), np.arange(len(true)) // each)


@pytest.mark.parametrize(("seed", "n", "centre"), [(1, 60, 0.0), (2, 500, -1.0), (3, 3000, -4.0)])
def test_slope_and_intercept_are_those_of_statsmodels(seed: int, n: int, centre: float) -> None:
    stated, true = drawn(seed, n, centre=centre, shift=-0.3, factor=0.7)
    found = measures(stated, true, design(true))
    line = sm.GLM(true, sm.add_constant(logit(stated)), family=sm.families.Binomial()).fit()
    level = sm.GLM(true, np.ones(n), family=sm.families.Binomial(), offset=logit(stated)).fit()
    assert found[SLOPE].value == pytest.approx(line.params[1], abs=1e-7)
    assert found[LARGE].value == pytest.approx(level.params[0], abs=1e-7)
    assert found[RATIO].value == pytest.approx(true.sum() / stated.sum())
    # The interval is never narrower than the model's own, and not far from it.
    half = student.ppf(0.975, n - 2) * line.bse[1]
    assert half * 0.999 <= found[SLOPE].high - found[SLOPE].value <= 1.4 * half


def test_where_patients_repeat_the_error_is_that_of_their_sums() -> None:
    stated, true = drawn(4, 4000, factor=0.8)
    alike = np.arange(4000) // 4
    stated, true = np.repeat(stated[:1000], 4), np.repeat(true[:1000], 4)
    found = measures(stated, true, design(true, 4))
    fitted = sm.GLM(true, sm.add_constant(logit(stated)), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": alike}
    )
    half = student.ppf(0.975, 998) * fitted.bse[1]
    assert found[SLOPE].high - found[SLOPE].value == pytest.approx(half, rel=0.01)
    alone = measures(stated, true, design(true))
    for name in MEASURES:
        assert found[name].value == alone[name].value
        assert found[name].high - found[name].low > 1.8 * (alone[name].high - alone[name].low), name
        assert found[name].method.endswith("by patient")


def test_a_shift_and_a_factor_that_are_planted_are_found() -> None:
    right = measures(*drawn(5, 4000), design(np.zeros(4000)))
    assert right[SLOPE].low < 1 < right[SLOPE].high
    assert right[LARGE].low < 0 < right[LARGE].high
    assert right[RATIO].low < 1 < right[RATIO].high
    extreme = measures(*drawn(6, 4000, factor=0.5), design(np.zeros(4000)))[SLOPE]
    assert extreme.low < 0.5 < extreme.high < 0.8
    # Balanced class weights at 2%: seventeen times too high.
    stated, true = drawn(7, 4000, centre=-0.8, shift=-3.9)
    weighted = measures(stated, true, design(true))
    assert weighted[RATIO].high < 0.1
    assert weighted[LARGE].low < -3.9 < weighted[LARGE].high


def test_one_class_equal_probabilities_and_no_sample_are_missing() -> None:
    assert {each.note for each in measures(np.full(5, 0.4), np.ones(5, bool), design(np.ones(5))).values()} == {
        "only one class among the samples"
    }
    constant = measures(np.full(50, 0.02), np.arange(50) < 2, design(np.zeros(50)))
    assert constant[SLOPE].note == "all stated probabilities are the same"
    assert constant[RATIO].value == pytest.approx(2.0)
    assert not any(each.known for each in measures(np.empty(0), np.empty(0, bool), design(np.zeros(0))).values())


@pytest.mark.parametrize("each", [1, 2])
def test_separated_classes_have_a_slope_with_a_finite_interval(each: int) -> None:
    true = np.arange(80) < 40
    stated = np.where(true, 0.95, 0.04) + np.random.default_rng(0).uniform(0, 0.03, 80)
    found = measures(stated, true, design(true, each))
    assert 0 < found[SLOPE].low < 1.25 < found[SLOPE].high < 20
    assert "Firth" in found[SLOPE].method
    # That all of forty came true doesn't rule out .95.
    assert found[RATIO].low < 1 < found[RATIO].high
    assert found[LARGE].low < 0 < found[LARGE].high
    timid = measures(np.where(true, 0.6, 0.4) + stated / 100, true, design(true, each))[SLOPE]
    assert timid.low > 1.25


def test_one_slope_for_several_classes_needs_no_order() -> None:
    generator = np.random.default_rng(8)
    logits = generator.normal(0, 1.5, (800, 4))
    stated = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    powers = stated**0.6 / (stated**0.6).sum(axis=1, keepdims=True)
    label = np.array([generator.choice(4, p=row) for row in powers])
    classes = {str(k): (stated[:, k], label == k) for k in range(4)}
    found = slope(classes, design(label))
    assert found.high < 0.8
    order = generator.permutation(4)
    other = slope({str(k): classes[str(k)] for k in order}, design(label))
    assert (other.value, other.low, other.high) == pytest.approx((found.value, found.low, found.high))
    assert found.n == 800
    two = {"b": classes["0"]}
    assert slope(two, design(label)).value == pytest.approx(measures(*classes["0"], design(label))[SLOPE].value)


def test_the_spline_is_cubic_between_knots_and_straight_outside() -> None:
    knots = np.array([-2.0, -0.5, 0.7, 2.0])
    x = np.linspace(-6, 6, 1201)
    bends = np.diff(basis(x, knots), n=2, axis=0)
    outside = (x[1:-1] < -2.05) | (x[1:-1] > 2.05)
    np.testing.assert_allclose(bends[outside], 0, atol=1e-9)
    assert np.abs(bends[~outside][:, 2:]).max() > 1e-6
    assert basis(x, knots).shape == (1201, 4)


def test_the_smooth_curve_follows_what_came_true_and_its_band_holds_it() -> None:
    stated, true = drawn(9, 3000, shift=-0.4, factor=0.6)
    found = curve(stated, true, design(true))
    assert found is not None
    truth = expit(-0.4 + 0.6 * logit(found.stated))
    assert np.abs(found.found - truth)[10:-10].max() < 0.06
    held = []
    for seed in range(20):
        again = drawn(seed, 400, shift=-0.4, factor=0.6)
        smooth = curve(*again, design(again[1]))
        assert smooth is not None
        truth = expit(-0.4 + 0.6 * logit(smooth.stated))
        held.append(((smooth.low <= truth) & (truth <= smooth.high)).mean())
    assert np.mean(held) > 0.9
    off = distances(found, stated)
    assert off["ici"].value == pytest.approx(np.abs(stated - expit(-0.4 + 0.6 * logit(stated))).mean(), abs=0.02)
    assert 0 < off["ici"].low < off["ici"].value < off["e90"].value < off["emax"].value
    right_stated, right_true = drawn(11, 3000)
    right = distances(curve(right_stated, right_true, design(right_true)), right_stated)
    assert all(each.low == 0 for each in right.values())
    assert curve(np.full(90, 0.3), np.arange(90) < 27, design(np.zeros(90))) is None


def test_the_line_of_numbers_is_that_of_statsmodels() -> None:
    generator = np.random.default_rng(11)
    known = generator.normal(150, 40, 400)
    predicted = 150 + 1.3 * (known - 150) + generator.normal(0, 30, 400)
    fitted = sm.OLS(known, sm.add_constant(predicted)).fit(cov_type="HC3", use_t=True)
    found = of_numbers(predicted, known, design(np.zeros(400)))
    for name, at in ((SLOPE, 1), ("calibration_intercept", 0)):
        ends = (found[name].value, found[name].low, found[name].high)
        assert ends == pytest.approx((fitted.params[at], *fitted.conf_int()[at]), rel=0.01)
    assert of_numbers(np.full(9, 1.0), known[:9], design(np.zeros(9)))[SLOPE].note == "all predictions are the same"


def test_quantiles_that_hold_have_no_error_beyond_chance_and_narrow_ones_have() -> None:
    generator = np.random.default_rng(12)
    levels = np.arange(0.05, 1, 0.05).round(2)
    place = generator.random(500)
    right = quantile_error({level: place <= level for level in levels}, design(place))
    assert right.low == 0 < right.value < right.high < 0.1
    narrow = quantile_error({level: place <= 0.5 + (level - 0.5) / 2 for level in levels}, design(place))
    assert narrow.value == pytest.approx(np.abs(levels - 0.5).mean() / 2, abs=0.03)
    assert 0.05 < narrow.low < narrow.high
    held = {level: np.repeat(place[:100] <= level, 5) for level in levels}
    alike, alone = (quantile_error(held, design(place, each)) for each in (5, 1))
    assert alike.low <= alone.low
    assert alike.high > alone.high
