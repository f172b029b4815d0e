"""Differences between two models on the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from components.lib.kinds._paired import area_difference, error_difference


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(6, 60), st.integers(2, 4))
def test_difference_of_areas_equals_scikit_learn(seed: int, n: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    label = np.arange(n) % count
    one, two = (generator.integers(1, 5, (n, count)) / 4 for _ in range(2))
    expected = [
        np.mean([roc_auc_score(label == k, columns[:, k]) for k in (range(count) if count > 2 else [1])])
        for columns in (one, two)
    ]
    found = area_difference(one, two, label)
    assert found.value == pytest.approx(expected[1] - expected[0], abs=1e-9)
    assert found.low <= found.value <= found.high


def test_a_better_model_is_told_apart_and_an_equal_one_is_not() -> None:
    generator = np.random.default_rng(0)
    label = np.arange(300) % 2
    sharp, dull = (np.clip(0.5 + 0.2 * (label - 0.5) + generator.normal(0, s, 300), 0, 1) for s in (0.1, 0.4))
    columns = [np.stack([1 - score, score], axis=1) for score in (sharp, dull)]
    assert area_difference(columns[1], columns[0], label).low > 0
    same = area_difference(columns[0], columns[0], label)
    assert same.value == 0
    assert -0.1 < same.low < 0 < same.high < 0.1


@pytest.mark.parametrize("labels", [[], [1, 1, 1]])
def test_one_class_has_no_area(labels: list[int]) -> None:
    columns = np.full((len(labels), 2), 0.5)
    assert not area_difference(columns, columns, np.array(labels, np.intp)).known


def test_nothing_to_compare() -> None:
    assert not error_difference(np.empty(0), np.empty(0)).known
    assert error_difference(np.ones(5), np.zeros(5)).note.startswith("too few: 5")


def test_interval_holds_the_true_difference() -> None:
    held = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        shared = np.abs(generator.normal(0, 3, 60))
        found = error_difference(shared, shared + generator.normal(0.2, 0.5, 60))
        held += found.low <= 0.2 <= found.high
    assert held >= 52
