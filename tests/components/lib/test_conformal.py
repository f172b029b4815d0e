"""Prediction sets: what is promised is held, and where nothing can be promised nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from components.lib.conformal import (
    ALONE,
    abstained,
    fit_sets,
    fitted_least,
    least_probability,
    members,
    out_of_range,
    set_columns,
    unsure_band,
)

SPLITS = 2000
BINARY = {"threshold": 0.5, "coverage": 0.9, "set_0": 0.7, "set_1": 0.6}


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "coverage"), [(30, 0.9), (99, 0.9), (57, 0.8), (200, 0.95)])
def test_one_figure_holds_its_promise_and_little_more(n: int, coverage: float) -> None:
    # Of uniform figures the chance of a new one at or above `least` is 1 - least, without any further draw.
    generator = np.random.default_rng(n)
    held = np.array([1 - least_probability(generator.random(n), coverage) for _ in range(SPLITS)])
    error = 4 * held.std() / np.sqrt(SPLITS)
    assert coverage - error <= held.mean() <= coverage + 1 / (n + 1) + error


def test_sets_hold_their_promise_together_and_for_each_class() -> None:
    generator, counts, coverage = np.random.default_rng(0), np.array([60, 40, 25]), 0.9
    label = np.repeat(np.arange(3), counts)
    new = np.repeat(np.arange(3), 30)
    held = np.empty((SPLITS, 3))
    for split in range(SPLITS):
        fitted = fit_sets(softmax(generator.normal(1.5 * np.eye(3)[label], 1)), label, coverage)
        least = fitted_least(fitted, 3)
        assert least is not None
        inside = members(softmax(generator.normal(1.5 * np.eye(3)[new], 1)), least)
        held[split] = inside[np.arange(90), new].reshape(3, 30).mean(axis=1)
    error = 4 * held.std(axis=0) / np.sqrt(SPLITS)
    assert (held.mean(axis=0) >= coverage - error).all()
    assert (held.mean(axis=0) <= coverage + 1 / (counts + 1) + error).all()
    together = held @ (counts / counts.sum())
    spread = 4 * together.std() / np.sqrt(SPLITS)
    assert coverage - spread <= together.mean() <= coverage + (counts / counts.sum() / (counts + 1)).sum() + spread


def test_rare_classes_share_a_figure_and_hold_the_promise_together() -> None:
    generator, counts = np.random.default_rng(1), np.array([80, 12, 9])
    label = np.repeat(np.arange(3), counts)
    held = []
    for _ in range(SPLITS):
        fitted = fit_sets(softmax(generator.normal(1.5 * np.eye(3)[label], 1)), label, 0.9)
        assert fitted["set_1"] == fitted["set_2"] > 0
        new = np.repeat([1, 2], counts[1:])
        probability = softmax(generator.normal(1.5 * np.eye(3)[new], 1))
        held.append((probability[np.arange(21), new] >= fitted["set_1"]).mean())
    assert 0.9 - 0.01 <= np.mean(held) <= 0.9 + 1 / 22 + 0.01
    assert [fitted[f"samples_{k}"] for k in range(3)] == [80, 12, 9]


def test_too_few_samples_rule_nothing_out() -> None:
    probability = np.array([[0.9, 0.1]] * 40 + [[0.2, 0.8]] * 8)
    fitted = fit_sets(probability, np.repeat([0, 1], [40, 8]), 0.9)
    assert (fitted["set_0"], fitted["set_1"]) == (0.9, 0.0)
    assert fit_sets(np.empty((0, 3)), np.empty(0, np.intp), 0.9) == {
        "coverage": 0.9, "set_0": 0.0, "set_1": 0.0, "set_2": 0.0, "samples_0": 0.0, "samples_1": 0.0, "samples_2": 0.0,
    }  # fmt: skip
    assert least_probability(np.full(9, 0.4), 0.9) == 0.4, "nine are enough for 90%"


def test_a_class_of_twenty_has_a_figure_of_its_own() -> None:
    label = np.repeat([0, 1], [ALONE, ALONE - 1])
    probability = np.stack([np.where(label == 0, 0.8, 0.3), np.where(label == 0, 0.2, 0.7)], axis=1)
    fitted = fit_sets(probability, label, 0.9)
    assert (fitted["set_0"], fitted["set_1"]) == (0.8, 0.7)


def test_answers_name_the_set_and_abstain_where_it_is_not_the_answer_alone() -> None:
    probability = np.array([[0.9, 0.1], [0.65, 0.35], [0.4, 0.6], [0.71, 0.29]])
    called = np.array([0, 0, 1, 1])
    answer = set_columns(probability, called, ("normal", "pneumonia"), BINARY)
    assert answer["prediction_set"].tolist() == ["normal", "", "pneumonia", "normal"]
    assert answer["abstain"].tolist() == [False, True, False, True], "empty, and another class than the answer"
    wide = set_columns(probability, called, ("normal", "pneumonia"), {**BINARY, "set_0": 0.3, "set_1": 0.3})
    assert wide["prediction_set"].tolist() == ["normal", "normal | pneumonia", "normal | pneumonia", "normal"]


def test_a_model_without_sets_says_nothing_about_them() -> None:
    answer = set_columns(np.array([[0.9, 0.1]]), np.array([0]), ("normal", "pneumonia"), {"threshold": 0.5})
    assert {name: column.tolist() for name, column in answer.items()} == {"prediction_set": [None], "abstain": [None]}


@pytest.mark.parametrize("figures", [(0.7, 0.6, 0.5), (0.3, 0.4, 0.5), (0.9, 0.2, 0.15), (0.4, 0.9, 0.95)])
def test_two_classes_abstain_inside_one_band(figures: tuple[float, float, float]) -> None:
    decision = dict(zip(("set_0", "set_1", "threshold"), figures, strict=True))
    score = np.linspace(0, 1, 1001)
    inside = members(np.stack([1 - score, score], axis=1), np.array(figures[:2]))
    unsure = abstained(inside, (score >= decision["threshold"]).astype(np.intp))
    band = unsure_band(decision)
    assert band is not None
    low, high = band
    assert unsure[(score > low + 1e-9) & (score < high - 1e-9)].all()
    assert not unsure[(score < low - 1e-9) | (score > high + 1e-9)].any()


def test_a_figure_that_is_no_probability_is_named() -> None:
    assert out_of_range(BINARY, ["threshold", "set_0"]) is None
    assert out_of_range({**BINARY, "threshold": float("nan")}, ["threshold"]) == "threshold nan"
    assert out_of_range({**BINARY, "set_1": 1.2}, ["threshold", "set_1"]) == "set_1 1.2"
