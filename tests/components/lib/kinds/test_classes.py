"""Targets with classes: labels in, metrics and answers out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn import metrics as sk

from components.lib.errors import DataError, ModelError
from components.lib.kinds.base import Array
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.train_settings import Train

BINARY = Binary(kind="binary", classes=("normal", "pneumonia"))
MULTICLASS = Multiclass(kind="multiclass", classes=("normal", "bacterial", "viral"))
AT = {"threshold": 0.5}
Kind = Binary | Multiclass
Case = Callable[[int, int], tuple[Array, Array]]
Decision = dict[str, float]
CHARTS = ["roc", "precision_recall", "confusion", "reliability", "histogram"]


def binary_case(seed: int, n: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    positive = np.arange(n) % 2 == 0
    probability = np.clip(generator.normal(np.where(positive, 0.6, 0.4), 0.2).round(2), 0, 1)
    return probability[:, None].astype(np.float32), positive[:, None].astype(np.float32)


def multiclass_case(seed: int, n: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    label = np.arange(n) % 3
    logits = generator.normal(2 * np.eye(3)[label], 1)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probability, np.eye(3, dtype=np.float32)[label]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 80))
def test_binary_metrics_equal_scikit_learn(seed: int, n: int) -> None:
    probability, encoded = binary_case(seed, n)
    truth, score = encoded[:, 0] > 0.5, probability[:, 0].astype(np.float64)
    called = score >= 0.5
    expected = {
        "accuracy": sk.accuracy_score(truth, called), "recall": sk.recall_score(truth, called),
        "specificity": sk.recall_score(~truth, ~called), "auc": sk.roc_auc_score(truth, score),
        "f1": sk.f1_score(truth, called, zero_division=0), "brier": sk.brier_score_loss(truth, score),
        "average_precision": sk.average_precision_score(truth, score),
    }  # fmt: skip
    found = BINARY.metrics(probability, encoded, AT)
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-9)
    if called.any():
        assert found["precision"].value == pytest.approx(sk.precision_score(truth, called), abs=1e-9)
    assert all(e.low <= e.value <= e.high for e in found.values() if e.known)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(6, 80))
def test_multiclass_metrics_equal_scikit_learn(seed: int, n: int) -> None:
    probability, encoded = multiclass_case(seed, n)
    label, called = encoded.argmax(axis=1), probability.argmax(axis=1)
    per_class = sk.multilabel_confusion_matrix(label, called)
    expected = {
        "accuracy": sk.accuracy_score(label, called),
        "precision": sk.precision_score(label, called, average="macro", zero_division=0),
        "recall": sk.recall_score(label, called, average="macro"),
        "specificity": np.mean([m[0, 0] / m[0].sum() for m in per_class]),
        "f1": sk.f1_score(label, called, average="macro"),
        "auc": sk.roc_auc_score(label, probability, multi_class="ovr", average="macro"),
        "average_precision": sk.average_precision_score(encoded, probability, average="macro"),
        "brier": ((probability - encoded) ** 2).sum(axis=1).mean(),
        "recall_viral": sk.recall_score(label == 2, called == 2),
    }
    found = MULTICLASS.metrics(probability, encoded, {})
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 80), st.integers(2, 4), st.booleans())
def test_unbalanced_classes_ties_and_classes_that_are_missing(seed: int, n: int, steps: int, repeated: bool) -> None:
    """Figures equal scikit-learn's whatever the labels, and whose the samples are changes none of them."""
    generator = np.random.default_rng(seed)
    label = generator.choice(3, n, p=generator.dirichlet([0.4] * 3))
    grid = generator.integers(1, steps + 1, (n, 3)).astype(float)
    probability = grid / grid.sum(axis=1, keepdims=True)
    present, called = np.unique(label), probability.argmax(axis=1)
    patients = generator.integers(0, n, n) if repeated else None
    found = MULTICLASS.metrics(probability, np.eye(3, dtype=np.float32)[label], {}, patients)
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    truth = np.eye(3)[label]
    expected = {
        "accuracy": sk.accuracy_score(label, called), "precision": sk.precision_score(label, called, **macro),
        "recall": sk.recall_score(label, called, **macro), "f1": sk.f1_score(label, called, **macro),
        "average_precision": np.mean([sk.average_precision_score(truth[:, k], probability[:, k]) for k in present]),
        "brier": ((probability - truth) ** 2).sum(axis=1).mean(),
    }  # fmt: skip
    if len(present) > 1:
        expected["auc"] = np.mean([sk.roc_auc_score(truth[:, k], probability[:, k]) for k in present])
        expected["specificity"] = np.mean([sk.recall_score(label != k, called != k) for k in present])
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-9)
    for k, name in enumerate(MULTICLASS.classes):
        assert found[f"recall_{name}"].known == found[f"f1_{name}"].known == (k in present)
    assert all(each.low <= each.value <= each.high for each in found.values() if each.known)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.floats(0, 1), st.booleans())
def test_unbalanced_binary_figures_equal_scikit_learn(seed: int, n: int, share: float, repeated: bool) -> None:
    generator = np.random.default_rng(seed)
    truth, score = generator.random(n) < share, generator.integers(0, 9, n) / 8
    called = score >= 0.5
    patients = generator.integers(0, n, n) if repeated else None
    found = BINARY.metrics(score[:, None], truth[:, None].astype(np.float32), AT, patients)
    expected = {"accuracy": sk.accuracy_score(truth, called), "brier": ((score - truth) ** 2).mean()}
    if truth.any():
        expected["recall"] = sk.recall_score(truth, called)
        expected["f1"] = sk.f1_score(truth, called, zero_division=0)
        expected["average_precision"] = sk.average_precision_score(truth, score)
    if called.any():
        expected["precision"] = sk.precision_score(truth, called, zero_division=0)
    if not truth.all():
        expected["specificity"] = sk.recall_score(~truth, ~called, zero_division=0)
    if truth.any() and not truth.all():
        expected["auc"] = sk.roc_auc_score(truth, score)
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-9)
    assert {name for name, each in found.items() if each.known} == {*expected, "ece"}
    assert all(each.low <= each.value <= each.high for each in found.values() if each.known)


@pytest.mark.parametrize("kind", [BINARY, MULTICLASS])
def test_unknown_labels_are_masked_and_weigh_nothing(kind: Kind) -> None:
    encoded, known = kind.encode(pd.Series(["normal", None, kind.classes[1], "normal", "normal"]))
    assert known.tolist() == [True, False, True, True, True]
    assert encoded.dtype == np.float32
    assert encoded.shape == (5, kind.units)
    assert not encoded[1].any()
    weights = kind.sample_weights(encoded, known)
    assert weights.tolist() == pytest.approx([4 / 6, 0, 2, 4 / 6, 4 / 6])


def test_numbers_as_labels_survive_a_gap() -> None:
    kind = Binary(kind="binary", classes=("0", "1"))
    encoded, known = kind.encode(pd.Series([0, 1, None]))
    assert encoded[:, 0].tolist() == [0, 1, 0]
    assert known.tolist() == [True, True, False]


def test_a_mistyped_label_names_the_nearest_class() -> None:
    values = pd.Series(["normal", "Pneumona", None, "Pneumona"], name="finding")
    assert BINARY.problem(values.head(1)) is None
    assert "'Pneumona' (2; nearest: pneumonia)" in str(BINARY.problem(values))
    with pytest.raises(DataError, match="target column finding"):
        BINARY.encode(values)


def test_classes_are_distinct() -> None:
    with pytest.raises(ValidationError, match="stands there twice"):
        Binary(kind="binary", classes=("normal", "normal"))


@pytest.mark.parametrize(("kind", "case", "decision"), [(BINARY, binary_case, AT), (MULTICLASS, multiclass_case, {})])
class TestBothKinds:
    def test_score_is_the_auc(self, kind: Kind, case: Case, decision: Decision) -> None:
        probability, encoded = case(0, 60)
        assert kind.score(probability, encoded) == kind.metrics(probability, encoded, decision)["auc"].value

    def test_score_of_one_class_is_minus_the_log_loss(self, kind: Kind, case: Case, decision: Decision) -> None:
        probability, encoded = case(0, 60)
        one = kind.labels(encoded) == 0
        columns = kind.columns(probability)[one]
        assert kind.score(probability[one], encoded[one]) == pytest.approx(np.log(columns[:, 0]).mean())

    def test_nan_is_an_error_that_counts(self, kind: Kind, case: Case, decision: Decision) -> None:
        probability, encoded = case(0, 60)
        probability[:7] = np.nan
        for call in (kind.score, lambda p, e: kind.metrics(p, e, decision), lambda p, e: kind.charts(p, e, decision)):
            with pytest.raises(ModelError, match="7 of 60 samples"):
                call(probability, encoded)

    @pytest.mark.parametrize("rows", [0, 1, 30])
    def test_one_class_or_none_is_no_crash(self, kind: Kind, case: Case, decision: Decision, rows: int) -> None:
        probability, encoded = case(0, 90)
        one = np.flatnonzero(kind.labels(encoded) == 0)[:rows]
        found = kind.metrics(probability[one], encoded[one], decision)
        assert not found["auc"].known
        assert found["auc"].note
        assert found["accuracy"].known == (rows > 0)
        assert [chart.name for chart in kind.charts(probability[one], encoded[one], decision)] == CHARTS

    def test_charts_draw_and_tell_their_numbers(self, kind: Kind, case: Case, decision: Decision) -> None:
        from components.evaluate.figures import draw

        charts = {chart.name: chart for chart in kind.charts(*case(0, 60), decision)}
        assert list(charts) == CHARTS
        assert list(charts["confusion"].table) == ["actual", "predicted"]
        assert len(charts["confusion"].table) == 60
        assert list(charts["reliability"].table) == ["confidence", "accuracy", "count"]
        assert charts["reliability"].table["count"].sum() == charts["histogram"].table["count"].sum() == 60
        assert {"false_positive_rate", "true_positive_rate"} <= set(charts["roc"].table)
        assert draw(charts["reliability"]).startswith(b"\x89PNG")

    def test_answers_have_the_columns_they_announce(self, kind: Kind, case: Case, decision: Decision) -> None:
        probability, _ = case(0, 60)
        answer = kind.answer(probability, decision)
        assert list(answer) == list(kind.answer_types)
        assert all(len(column) == 60 for column in answer.values())
        assert answer["probability"].dtype == np.float64

    def test_calibration_and_decision_are_fitted(self, kind: Kind, case: Case, decision: Decision) -> None:
        probability, encoded = case(0, 60)
        logits = np.log(np.clip(probability, 1e-3, 1))
        assert 0.05 <= kind.calibrate(logits, encoded, {})["slope" if kind.units == 1 else "temperature"] <= 20
        plain = kind.model_copy(update={"calibration": "temperature"})
        assert 0.05 <= plain.calibrate(logits, encoded, {})["temperature"] <= 20
        assert kind.model_copy(update={"calibration": "none"}).calibrate(logits, encoded, {}) == {}
        fitted = kind.fit_decision(probability, encoded, Train())
        sets = {f"{figure}_{k}" for figure in ("set", "samples") for k in range(len(kind.classes))}
        assert set(fitted) >= {"coverage", *sets, *decision}
        assert kind.decision_problem(fitted) is None
        assert not any("set" in name for name in kind.fit_decision(probability, encoded, Train(coverage=0)))

    def test_figures_that_are_no_probabilities_are_told(self, kind: Kind, case: Case, decision: Decision) -> None:
        fitted = kind.fit_decision(*case(0, 60), Train())
        assert kind.decision_problem({**fitted, "set_1": float("nan")}) == "set_1 nan"
        assert kind.decision_problem({**fitted, "coverage": 1.5}) == "coverage 1.5"
        assert kind.decision_problem({key: value for key, value in fitted.items() if key != "set_1"}) is not None

    def test_a_model_abstains_unless_the_set_is_its_answer(self, kind: Kind, case: Case, decision: Decision) -> None:
        probability, encoded = case(0, 60)
        answer = kind.answer(probability, kind.fit_decision(probability, encoded, Train()))
        assert (answer["abstain"] == (answer["prediction_set"] != answer["label"])).all()
        assert 0 < answer["abstain"].sum() < 60


def test_a_binary_answer_switches_at_the_threshold() -> None:
    answer = BINARY.answer(np.array([[0.29], [0.3], [0.31]]), {"threshold": 0.3})
    assert answer["label"].tolist() == ["normal", "pneumonia", "pneumonia"]
    assert answer["threshold"].tolist() == [0.3] * 3


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        ({"threshold": 0.4}, "threshold 0.400"),
        ({"set_0": 0.7, "set_1": 0.62}, "threshold 0.400, abstains from 0.300 to 0.620"),
        ({"set_0": 0.7, "set_1": 0.0}, "threshold 0.400, abstains below 0.400"),
        ({"set_0": 0.0, "set_1": 0.62}, "threshold 0.400, abstains from 0.400 upwards"),
        (
            {"set_0": 0.0, "set_1": 0.0},
            "threshold 0.400, abstains on every sample (validation is too small for sets of 90%)",
        ),
    ],
)
def test_a_binary_decision_is_told_in_words(decision: Decision, text: str) -> None:
    assert BINARY.decision_text({"threshold": 0.4, "coverage": 0.9, **decision}) == text


@pytest.mark.parametrize("threshold", [float("nan"), -0.1, 1.5])
def test_a_threshold_out_of_range_is_told(threshold: float) -> None:
    assert BINARY.decision_problem({"threshold": threshold}) == f"threshold {threshold:g}"
    assert BINARY.decision_problem({}) == "no threshold"
    assert BINARY.decision_problem({"threshold": 0.5}) is None, "of a model without prediction sets"


def test_a_multiclass_answer_is_the_most_probable_class() -> None:
    answer = MULTICLASS.answer(np.array([[0.2, 0.7, 0.1]]), {})
    assert (answer["label"][0], answer["probability"][0], answer["probability_viral"][0]) == ("bacterial", 0.7, 0.1)


def test_a_class_missing_from_test_is_left_out_and_named() -> None:
    probability, encoded = multiclass_case(0, 90)
    present = encoded[:, 2] == 0
    found = MULTICLASS.metrics(probability[present], encoded[present], {})
    assert "viral" in found["auc"].note
    assert found["auc"].known
    assert not found["recall_viral"].known


def test_metric_names_suit_every_store() -> None:
    kind = Multiclass(kind="multiclass", classes=("COVID-19", "stage 1.5 (early)"))
    names = kind.metrics(np.array([[0.9, 0.1], [0.2, 0.8]]), np.eye(2, dtype=np.float32), {})
    assert {"recall_COVID-19", "recall_stage 1_5 _early_"} <= set(names)


def test_perfect_separation_has_honest_intervals() -> None:
    encoded = np.repeat([0.0, 1.0], 25)[:, None].astype(np.float32)
    found = BINARY.metrics(encoded * 0.8 + 0.1, encoded, AT)
    assert found["auc"].value == found["recall"].value == 1
    assert found["auc"].low < 0.95
    assert found["recall"].low < 0.9


def test_importing_the_kinds_loads_no_heavy_library() -> None:
    code = (
        "import sys, components.lib.kinds; "
        "print([m for m in ('keras', 'tensorflow', 'matplotlib', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
