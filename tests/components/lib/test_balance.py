"""Standardised differences: against their definitions, and where there is no variance to divide by."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis
from statsmodels.stats.meta_analysis import effectsize_smd

from components.lib.balance import by_chance, of_counts, of_numbers


def test_of_numbers_is_cohen_s_d_where_groups_are_of_one_size() -> None:
    generator = np.random.default_rng()
    one, other = generator.normal(60, 12, 200), generator.normal(55, 15, 200)
    d, _ = effectsize_smd(one.mean(), one.std(ddof=1), 200, other.mean(), other.std(ddof=1), 200)
    correction = 1 - 3 / (4 * 398 - 1)  # Hedges', which the definition of the SMD in a Table 1 doesn't have
    assert of_numbers(one, other) == pytest.approx(abs(d) / correction, rel=1e-9)


@given(st.lists(st.integers(1, 200), min_size=2, max_size=6), st.data())
def test_of_categories_is_the_mahalanobis_distance_in_any_order(counts: list[int], data: st.DataObject) -> None:
    other = data.draw(st.lists(st.integers(1, 200), min_size=len(counts), max_size=len(counts)))
    first, second = np.array(counts), np.array(other)
    p, q = first / first.sum(), second / second.sum()
    covariance = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q))[1:, 1:] / 2
    expected = mahalanobis(p[1:], q[1:], np.linalg.inv(covariance))
    assert of_counts(first, second) == pytest.approx(expected, abs=1e-6)
    order = data.draw(st.permutations(range(len(counts))))
    assert of_counts(first[order], second[order]) == pytest.approx(expected, abs=1e-6)


def test_of_two_categories_it_is_the_known_formula() -> None:
    # Austin 2009: (p - q) / sqrt((p(1-p) + q(1-q)) / 2)
    assert of_counts(np.array([60, 40]), np.array([45, 55])) == pytest.approx(0.15 / math.sqrt((0.24 + 0.2475) / 2))


def test_without_variance_a_difference_is_infinite_and_equality_zero() -> None:
    assert of_counts(np.array([10, 0, 0]), np.array([0, 5, 5])) == math.inf
    assert of_counts(np.array([0, 9, 0]), np.array([0, 3, 0])) == 0
    assert of_numbers(np.ones(5), np.full(5, 2.0)) == math.inf
    assert of_numbers(np.ones(5), np.ones(7)) == 0
    assert math.isnan(of_counts(np.array([0, 0]), np.array([1, 2])))
    assert math.isnan(of_numbers(np.array([1.0]), np.ones(3)))


def test_chance_is_what_random_splits_show() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=400)
    shown = []
    for _ in range(600):
        order = generator.permutation(400)
        shown.append(of_numbers(values[order[:300]], values[order[300:]]))
    assert np.mean(np.array(shown) < by_chance(300, 100)) == pytest.approx(0.95, abs=0.03)
