"""Calibration of a finding: right where data are plenty, careful where they are few, and as other programs fit it."""

from __future__ import annotations

from typing import get_args

import keras
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from components.lib import calibration
from components.lib.calibration import (
    BinaryMethod,
    binary_before,
    binary_logits,
    binary_method,
    binary_text,
    class_offsets,
    fit_binary,
    fit_platt,
    fit_temperature,
    negative_log_likelihood,
)
from components.lib.isotonic import pools

METHODS: tuple[BinaryMethod, ...] = get_args(BinaryMethod)
Floats = NDArray[np.float64]


def drawn(seed: int, n: int, prevalence: float = 0.02) -> tuple[Floats, Floats]:
    """Logits of a network trained with balanced weights, too sure and a little off, and the truth, both (n, 1)."""
    generator = np.random.default_rng(seed)
    truth = generator.random(n) < prevalence
    right = 1.5 * generator.normal(np.where(truth, 0.75, -0.75), 1)
    return (1.6 * right + 0.3)[:, None], truth[:, None].astype(np.float64)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_of_two_classes_is_recovered(temperature: float) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 1))
    truth = (generator.random((20_000, 1)) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_of_several_classes_is_recovered() -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 2, (20_000, 4))
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    assert fit_temperature(logits * 3, np.eye(4, dtype=np.float32)[labels]) == pytest.approx(3, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([1, 3]), st.floats(0.01, 100))
def test_the_temperature_is_bounded_and_never_fits_worse(seed: int, n: int, units: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, scale, (n, units)).astype(np.float32)
    labels = generator.integers(0, max(units, 2), n)
    encoded = (labels[:, None] if units == 1 else np.eye(units)[labels]).astype(np.float32)
    temperature = fit_temperature(logits, encoded)
    assert 0.05 <= temperature <= 20
    before, after = (negative_log_likelihood(logits / t, encoded) for t in (1.0, temperature))
    assert after <= before + 1e-9


def test_separated_samples_are_not_sharpened_without_end() -> None:
    truth = np.repeat([0.0, 1.0], 40)[:, None]
    logits = np.where(truth > 0, 4.0, -4.0)
    assert 0.3 < fit_temperature(logits, truth) < 1
    assert 1 < fit_binary("platt", logits, truth, 0.0)["slope"] < 3
    iso = {"offset": 0.0} | fit_binary("isotonic", logits, truth, 0.0)
    assert expit(binary_logits(logits, iso)).max() < 0.999


@pytest.mark.parametrize("method", METHODS)
def test_without_samples_the_logits_stay(method: BinaryMethod) -> None:
    fitted = fit_binary(method, np.empty((0, 1)), np.empty((0, 1)), 0.0)
    assert binary_logits(np.array([[0.7]]), fitted)[0, 0] == pytest.approx(0.7)
    assert binary_method(fitted) == method


def test_platt_is_the_logistic_regression_of_two_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, truth = drawn(0, 4000, 0.1)
    start = logits[:, 0] + logit(0.1)
    by_statsmodels = sm.Logit(truth[:, 0], sm.add_constant(start)).fit(disp=0).params
    ours = fit_platt(start, truth[:, 0] > 0)
    assert [ours["intercept"], ours["slope"]] == pytest.approx(by_statsmodels, abs=0.01)
    monkeypatch.setattr(calibration, "SLOPE_PRIOR", 1e6)  # without priors it is the maximum of the likelihood
    monkeypatch.setattr(calibration, "SHIFT_PRIOR", 1e6)
    plain = fit_platt(start, truth[:, 0] > 0)
    assert [plain["intercept"], plain["slope"]] == pytest.approx(by_statsmodels, abs=1e-4)
    other = LogisticRegression(C=np.inf, tol=1e-10).fit(start[:, None], truth[:, 0])
    assert [plain["intercept"], plain["slope"]] == pytest.approx([other.intercept_[0], other.coef_[0, 0]], abs=1e-4)


def test_the_pools_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    start = generator.normal(-2, 1.5, 1500).round(2)  # with ties
    positive = generator.random(1500) < expit(start)
    centre, samples, events, expected = pools(start, positive)
    theirs = IsotonicRegression().fit(start, positive)
    np.testing.assert_allclose(theirs.predict(centre), events / samples, atol=1e-12)
    assert samples.sum() == 1500
    assert expected.sum() == pytest.approx(expit(start).sum())
    # With many samples in every pool what was added to each hardly tells: the map runs through the pools.
    fitted = {"offset": 0.0} | fit_binary("isotonic", start[:, None], positive[:, None].astype(float), 0.0)
    large = (samples > 100) & (events > 10)
    assert large.sum() >= 2
    said = expit(binary_logits(centre[large][:, None], fitted))[:, 0]
    np.testing.assert_allclose(said, theirs.predict(centre[large]), atol=0.03)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 80), st.floats(0.01, 30), st.floats(0, 1), st.sampled_from(METHODS),
    st.floats(-5, 5),
)  # fmt: skip
def test_no_method_fits_worse_turns_the_order_or_reaches_certainty(
    seed: int, n: int, scale: float, share: float, method: BinaryMethod, offset: float
) -> None:
    generator = np.random.default_rng(seed)
    truth = (generator.random((n, 1)) < share).astype(np.float64)  # of one class alone too
    logits = (generator.normal(0, scale, (n, 1)) + scale * truth).astype(np.float32)
    fitted = {"offset": offset} | fit_binary(method, logits, truth, offset)
    assert all(type(value) is float and np.isfinite(value) for value in fitted.values())
    before = negative_log_likelihood(logits + offset, truth)
    assert negative_log_likelihood(binary_logits(np.float64(logits), fitted), truth) <= before + 1e-6 * n
    ascending = np.sort(logits, axis=0)
    calibrated = np.float32(binary_logits(ascending, fitted))
    assert (np.diff(calibrated, axis=0) >= -1e-5 * (1 + np.abs(calibrated[1:]))).all()
    if method == "isotonic":
        said = np.asarray(keras.ops.sigmoid(binary_logits(logits, fitted, keras.ops)))
        assert said.dtype == np.float32
        assert ((said > 0) & (said < 1)).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_the_network_stated_is_found_from_what_is_served(method: BinaryMethod) -> None:
    logits, truth = drawn(3, 600, 0.3)
    fitted = {"offset": -1.2} | fit_binary(method, logits, truth, -1.2)
    served = expit(binary_logits(logits, fitted))
    np.testing.assert_allclose(binary_before(served, fitted), expit(logits), atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_arrays_and_tensors_are_calibrated_alike_in_float32(method: BinaryMethod) -> None:
    logits, truth = drawn(4, 500, 0.2)
    fitted = {"offset": -1.4} | fit_binary(method, logits, truth, -1.4)
    small = logits.astype(np.float32)
    found = np.asarray(binary_logits(keras.ops.convert_to_tensor(small), fitted, keras.ops))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, binary_logits(logits, fitted), atol=1e-4)


def test_an_old_temperature_is_applied_as_it_was() -> None:
    assert binary_logits(np.array([[3.0]]), {"temperature": 1.5})[0, 0] == 2.0
    assert binary_before(np.array([[expit(2.0)]]), {"temperature": 1.5})[0, 0] == pytest.approx(expit(3.0))
    assert binary_text({"temperature": 1.5}) == "temperature 1.50"


def test_the_shares_of_the_classes_are_what_class_weights_took_away() -> None:
    negative, positive = class_offsets([980, 20], [500, 500])
    assert positive - negative == pytest.approx(logit(0.02))
    # Copies of the rare class alone, without weights, take as much as weights of their number.
    negative, positive = class_offsets([980, 20], [980, 60])
    assert positive - negative == pytest.approx(-np.log(3))
    assert class_offsets([50, 0, 50], [50, 0, 50]).tolist() == [0, 0, 0]


def test_balanced_weights_at_two_in_a_hundred_leave_no_trace() -> None:
    """The fault: a temperature has no intercept, so that 2% were stated as 33%."""
    learnt, truth = drawn(5, 6000)
    logits, later = drawn(6, 60_000)
    always = ((later - later.mean()) ** 2).mean()
    old = expit(logits / fit_temperature(learnt, truth))
    assert old.mean() > 8 * later.mean()
    assert ((old - later) ** 2).mean() > 3 * always
    for method in ("platt", "isotonic"):
        said = expit(binary_logits(logits, {"offset": logit(0.02)} | fit_binary(method, learnt, truth, logit(0.02))))
        assert later.mean() / said.mean() == pytest.approx(1, abs=0.15), method  # 120 events: a tenth by chance alone
        assert ((said - later) ** 2).mean() < always, method
    slope = sm.Logit(later[:, 0], sm.add_constant(logit(np.clip(said, 1e-9, 1 - 1e-9)))).fit(disp=0).params[1]
    assert slope > 0.6


def test_the_words_name_method_numbers_and_weights() -> None:
    fitted = {"offset": -3.9, "slope": 1.1, "intercept": -2.9}
    assert binary_text(fitted) == "Platt: slope 1.10, intercept −2.90; class weights undone: offset −3.90"
    assert binary_text({"offset": 0.0}) == ""
    assert (
        binary_text({"offset": 0.0, "knot_0": 0.0, "value_0": 0.1, "knot_1": 1.0, "value_1": 2.0})
        == "isotonic: 2 knots"
    )
