"""Targets that are numbers: values in, metrics, intervals and answers out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn import metrics as sk
from sklearn.datasets import load_diabetes

from components.evaluate.figures import draw
from components.lib.errors import DataError, ModelError
from components.lib.kinds.regression import Regression
from components.lib.numbers import number

PLAIN = Regression(kind="regression")
SUGAR = Regression(kind="regression", unit="mg/dl", minimum=0, maximum=600)
AT = {f"q{level:02d}": (level - 50) / 50 for level in range(5, 100, 5)} | {"low": -1.0, "high": 2.0, "coverage": 0.9}
Case = tuple[NDArray[np.float32], NDArray[np.float64]]


def case(seed: int, n: int, spread: float = 1.0) -> Case:
    generator = np.random.default_rng(seed)
    known = generator.normal(20, 5, n)
    return (known + generator.normal(0.3, spread, n)).astype(np.float32)[:, None], known[:, None]


@pytest.fixture(scope="module")
def diabetes() -> tuple[Case, Case]:
    """Ridge regression on scikit-learn's diabetes data: validation and test."""
    features, known = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(known))
    train, validation, test = order[:240], order[240:340], order[340:]
    encoded = SUGAR.encode(pd.Series(known))[0]
    ridge = SUGAR.baselines(0)["ridge"].fit(features[train], SUGAR.baseline_target(encoded[train]))
    output = SUGAR.baseline_output(ridge, features.astype(np.float32))
    return (output[validation], encoded[validation]), (output[test], encoded[test])


# Values


def test_text_and_numbers_are_read_alike() -> None:
    for values in (["1.5", None, " 3 "], [1.5, None, 3], [1.5, math.nan, 3.0]):
        encoded, known = PLAIN.encode(pd.Series(values, dtype=object))
        assert encoded.tolist() == [[1.5], [0.0], [3.0]]
        assert encoded.dtype == np.float64
        assert known.tolist() == [True, False, True]


def test_column_is_nullable_float_and_encodes_to_the_same() -> None:
    raw = pd.Series(["1e3", None, "-2"], index=[4, 7, 9], name="sugar")
    column = PLAIN.column(raw)
    assert str(column.dtype) == "Float64"
    assert column.isna().tolist() == [False, True, False]
    assert column.index.tolist() == [4, 7, 9]
    for one, other in zip(PLAIN.encode(raw), PLAIN.encode(column), strict=True):
        np.testing.assert_array_equal(one, other)


def test_table_survives_parquet(tmp_path: Any) -> None:
    column = PLAIN.column(pd.Series(["1.25", None]))
    column.to_frame("sugar").to_parquet(tmp_path / "t.parquet")
    encoded, known = PLAIN.encode(pd.read_parquet(tmp_path / "t.parquet")["sugar"])
    assert encoded[:, 0].tolist() == [1.25, 0]
    assert known.tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["12", "Anna Meier, see the letter of Tuesday", None], "1 value is no number: row 2"),
        (["1,5", "2"], "1 value is no number: row 1; write decimals with a point"),
        ([True, 2.0], "1 value is no number: row 1"),
        (["inf", 3], "1 value is infinite: row 1"),
        ([5, -3, 601], "2 values are outside the range at least 0, at most 600: row 2 (-3), row 3 (601)"),
        (["x"] * 7, "7 values are no numbers: row 1, row 2, row 3, row 4, row 5 and 2 more"),
        (["x", "-1"], "1 value is no number: row 1; 1 value is outside the range at least 0, at most 600: row 2 (-1)"),
    ],
)
def test_problem_names_rows_and_no_text(values: list[Any], found: str) -> None:
    assert SUGAR.problem(pd.Series(values, dtype=object)) == found


def test_a_problem_stands_where_the_reader_says() -> None:
    assert PLAIN.problem(pd.Series(["1", "x"], index=["row 41", "row 42"])) == "1 value is no number: row 42"
    assert PLAIN.problem(pd.Series(["1", "x"], index=["", ""])) == "1 value is no number: row 2"


def test_no_problem_with_good_or_unknown_values() -> None:
    assert SUGAR.problem(pd.Series(["0", "600", None])) is None
    assert SUGAR.problem(pd.Series([None, None], dtype=object)) is None
    assert SUGAR.problem(pd.Series([1, 2], dtype="int64")) is None


def test_encode_refuses_what_is_a_problem() -> None:
    with pytest.raises(DataError, match="no number: row 1"):
        PLAIN.encode(pd.Series(["much"], name="sugar"))


@pytest.mark.parametrize("wrong", [{"coverage": 0.4}, {"coverage": 1.0}, {"minimum": 3, "maximum": 3}, {"unit": ""}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Regression(kind="regression", **wrong)


# Scaling


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_scaling_there_and_back(values: list[float]) -> None:
    encoded = np.array(values)[:, None]
    scaling = PLAIN.fit(encoded)
    loss = PLAIN.to_loss(encoded, scaling)
    assert loss.dtype == np.float32
    size = max(abs(scaling["mean"]), scaling["deviation"])
    np.testing.assert_allclose(PLAIN.activation(loss.astype(np.float64), scaling), encoded, atol=1e-5 * size + 1e-9)


def test_scaling_of_equal_values_divides_by_one() -> None:
    assert PLAIN.fit(np.full((9, 1), 0.1)) == {"mean": pytest.approx(0.1), "deviation": 1.0}
    with pytest.raises(DataError, match="train"):
        PLAIN.fit(np.empty((0, 1)))


def test_map_adds_up_to_the_prediction() -> None:
    scaling, places = {"mean": 100.0, "deviation": 20.0}, np.random.default_rng(0).normal(size=(3, 4, 4, 1))
    summed = PLAIN.map_activation(places, scaling).mean(axis=(1, 2)) + scaling["mean"]
    np.testing.assert_allclose(summed, PLAIN.activation(places.mean(axis=(1, 2)), scaling))


def test_unknown_samples_weigh_nothing() -> None:
    assert PLAIN.sample_weights(np.zeros((3, 1)), np.array([True, False, True])).tolist() == [1, 0, 1]


# Metrics


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.floats(0.01, 1000))
def test_metrics_equal_scikit_learn(seed: int, n: int, spread: float) -> None:
    output, encoded = case(seed, n, spread)
    assume(np.ptp(encoded) > 1e-3)
    predicted, known = output[:, 0].astype(np.float64), encoded[:, 0]
    expected = {
        "mae": sk.mean_absolute_error(known, predicted), "rmse": sk.root_mean_squared_error(known, predicted),
        "r2": sk.r2_score(known, predicted), "bias": float((predicted - known).mean()),
    }  # fmt: skip
    found = PLAIN.metrics(output, encoded, AT)
    assert {name: found[name].value for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert PLAIN.score(output, encoded) == pytest.approx(expected["r2"], rel=1e-9, abs=1e-9)
    assert all(each.low <= each.value <= each.high for each in found.values())


def test_intervals_hold_the_figure_of_the_population() -> None:
    held = 0
    for seed in range(40):
        found = PLAIN.metrics(*case(seed, 80), AT)["bias"]
        held += found.low <= 0.3 <= found.high
    assert held >= 34


def test_metrics_of_real_data(diabetes: tuple[Case, Case]) -> None:
    validation, test = diabetes
    decision = SUGAR.fit_decision(*validation, None)
    found = SUGAR.metrics(*test, decision)
    assert 38 < found["mae"].value < 52
    assert 0.2 < found["r2"].low + 0.2 < found["r2"].value + 0.2 < 0.9
    assert found["coverage"].low < 0.9 < found["coverage"].high + 0.03
    assert found["mae"].meaning.startswith("On average the prediction is off by 4")
    assert "mg/dl" in found["mae"].meaning
    assert [name for name, each in found.items() if each.headline] == ["mae", "coverage"]
    assert SUGAR.chance[0] in found
    assert set(SUGAR.comparable) <= set(found)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_samples_give_no_figure(n: int) -> None:
    found = PLAIN.metrics(*case(0, n), AT)
    assert not any(found[name].known for name in ("mae", "rmse", "r2", "bias"))
    assert all(found[name].note for name in ("mae", "rmse", "r2", "bias"))
    assert found["coverage"].known == found["interval_width"].known == bool(n)


def test_few_samples_are_told_and_equal_values_have_no_r2() -> None:
    output, encoded = case(0, 12)
    assert PLAIN.metrics(output, encoded, AT)["mae"].note == "too few: 12 samples in all, at least 20 needed"
    found = PLAIN.metrics(output, np.full((12, 1), 7.0), AT)
    assert found["r2"].note == "all known values are the same"
    assert found["mae"].known


def test_score_of_equal_values_ranks_by_error() -> None:
    known = np.full((5, 1), 7.0)
    assert PLAIN.score(known + 1, known) == -1
    assert PLAIN.score(known + 2, known) < PLAIN.score(known + 1, known)


def test_nan_and_nothing_are_errors() -> None:
    output, encoded = case(0, 5)
    with pytest.raises(ModelError, match="NaN or infinity for 1 of 5"):
        PLAIN.score(np.where(np.arange(5)[:, None] == 2, np.nan, output), encoded)
    for call in (PLAIN.score, lambda *a: PLAIN.fit_decision(*a, None)):
        with pytest.raises(DataError, match="validation"):
            call(output[:0], encoded[:0])


# The interval


@pytest.mark.parametrize(("n", "coverage"), [(19, 0.9), (30, 0.8), (60, 0.9), (200, 0.95)])
def test_interval_holds_what_it_promises(n: int, coverage: float) -> None:
    """Over 3,000 validation sets, whatever the distribution: here a skewed one, whose coverage is known exactly."""
    kind = Regression(kind="regression", coverage=coverage)
    generator = np.random.default_rng(0)
    held = []
    for _ in range(3000):
        errors = generator.exponential(size=(n, 1))
        decision = kind.fit_decision(np.zeros((n, 1)), errors, None)
        held.append(math.exp(-decision["low"]) - math.exp(-decision["high"]))
    assert np.mean(held) >= coverage - 0.005
    assert np.mean(held) <= coverage + 2 / (n + 1) + 0.005


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.floats(0.5, 0.99))
def test_quantiles_rise_and_low_is_below_high(seed: int, n: int, coverage: float) -> None:
    decision = Regression(kind="regression", coverage=coverage).fit_decision(*case(seed, n), None)
    quantiles = [decision[f"q{level:02d}"] for level in range(5, 100, 5)]
    assert quantiles == sorted(quantiles)
    assert decision["low"] <= decision["high"]
    assert 0 <= decision["coverage"] <= coverage
    assert all(math.isfinite(value) for value in decision.values())


def test_small_validation_promises_less() -> None:
    decision = PLAIN.fit_decision(np.zeros((9, 1)), np.arange(9.0)[:, None], None)
    assert (decision["low"], decision["high"], decision["coverage"]) == (0, 8, 0.8)
    told = PLAIN.decision_text(decision)
    assert told == (
        "interval from 0 to +8.00 around the prediction, for 80% of cases (validation is too small for the 90% asked "
        "for)"
    )
    enough = PLAIN.fit_decision(np.zeros((19, 1)), np.arange(19.0)[:, None], None)
    assert PLAIN.decision_text(enough) == "interval from 0 to +18.0 around the prediction, for 90% of cases"


def test_answer_and_words_keep_inside_the_possible_range() -> None:
    decision = AT | {"low": -71.0, "high": 64.0}
    answer = SUGAR.answer(np.array([[143.4], [20.0], [-5.0], [590.0]], np.float32), decision)
    assert set(answer) == set(SUGAR.answer_types)
    assert answer["prediction"].round(1).tolist() == [143.4, 20, 0, 590]
    assert answer["low"].round(1).tolist() == [72.4, 0, 0, 519]
    assert answer["high"].round(1).tolist() == [207.4, 84, 64, 600]
    one = np.array([143.4], np.float32)
    assert SUGAR.described(one, 151.0, decision) == "known 151, predicted 143 (90% interval 72.4 to 207) mg/dl"
    for unknown in (None, pd.NA, math.nan):
        assert SUGAR.described(one, unknown, decision).startswith("unknown, predicted 143")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7.414, "7.41"), (0.0123, "0.0123"), (99.96, "100"), (151.4, "151"), (-12345, "−12,345"), (7, "7.00")],
)
def test_numbers_for_a_reader(value: float, text: str) -> None:
    assert number(value) == text


# Charts and examples


@pytest.mark.parametrize("n", [0, 1, 2, 40, 2500])
def test_charts_draw_whatever_the_number_of_samples(n: int) -> None:
    charts = PLAIN.charts(*case(0, n), AT)
    assert [chart.name for chart in charts] == ["predicted", "residuals", "quantiles", "errors"]
    assert all(len(chart.table) <= 500 for chart in charts)
    assert all(draw(chart).startswith(b"\x89PNG") for chart in charts)


def test_charts_are_the_same_twice_and_dvc_finds_their_columns(diabetes: tuple[Case, Case]) -> None:
    validation, test = diabetes
    decision = SUGAR.fit_decision(*validation, None)
    charts, again = ({chart.name: chart for chart in SUGAR.charts(*test, decision)} for _ in range(2))
    for name, plot in SUGAR.dvc_plots.items():
        assert {plot["x"], plot["y"]} <= set(charts[name].table.columns)
        assert draw(charts[name]) == draw(again[name])
        pd.testing.assert_frame_equal(charts[name].table, again[name].table)


def test_quantiles_of_the_same_samples_are_calibrated() -> None:
    output, encoded = case(0, 999)
    decision = PLAIN.fit_decision(output, encoded, None)
    table = next(chart.table for chart in PLAIN.charts(output, encoded, decision) if chart.name == "quantiles")
    np.testing.assert_allclose(table["observed"], table["nominal"], atol=0.002)


def test_examples_are_known_samples_by_their_error() -> None:
    known = np.array([True] * 9 + [False])
    encoded = np.zeros((10, 1))
    output = np.array([0, 1, -2, 3, -4, 5, 6, -7, 8, 99], np.float32)[:, None]
    shown = {each.title: each.rows.tolist() for each in PLAIN.examples(output, encoded, known, AT)}
    assert shown["Furthest off"] == [8, 7, 6, 5]
    assert shown["Closest"] == [0, 1, 2, 3]
    assert shown["Typical errors"][0] == 4
    assert all(not each.rows.size for each in PLAIN.examples(output, encoded, ~known & known, AT))


# Training and baselines


@pytest.mark.parametrize("robust", [False, True])
def test_loss_is_least_at_the_truth_and_huber_is_linear_far_off(robust: bool) -> None:
    keras = pytest.importorskip("keras")
    loss = Regression(kind="regression", robust=robust).loss(None)
    at = [float(keras.ops.convert_to_numpy(loss(np.zeros((1, 1)), np.full((1, 1), x)))) for x in (0.0, 10.0, 20.0)]
    assert at[0] == 0
    assert at[2] / at[1] == pytest.approx(19.5 / 9.5 if robust else 4)


def test_activation_takes_keras_tensors() -> None:
    keras = pytest.importorskip("keras")
    scaling = {"mean": 100.0, "deviation": 20.0}
    served = PLAIN.activation(keras.ops.convert_to_tensor(np.array([[0.5]], np.float32)), scaling)
    assert keras.ops.convert_to_numpy(served).tolist() == [[110.0]]


def test_difference_is_paired() -> None:
    """Two alike models: the difference is told apart although the intervals of both overlap widely."""
    output, encoded = case(0, 300, spread=3)
    worse = encoded + 1.1 * (output - encoded)
    one, two = PLAIN.metrics(output, encoded, AT)["mae"], PLAIN.metrics(worse, encoded, AT)["mae"]
    found = PLAIN.difference(output, worse, encoded)
    assert two.low < one.high
    assert 0 < found.low < found.high
    assert found.value == pytest.approx(two.value - one.value)
    assert PLAIN.difference(worse, output, encoded).value == pytest.approx(-found.value)
    assert not PLAIN.difference(output[:1], worse[:1], encoded[:1]).known
