"""Kappas: against statsmodels and scikit-learn, of draws too, and where nobody differs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from components.lib.agreement import cohen, fleiss, measured


def readers(count: int, classes: int, number: int) -> np.ndarray:
    generator = np.random.default_rng()
    truth = generator.choice(classes, count, p=generator.dirichlet(np.full(classes, 2.0)))
    wrong = generator.random((count, number)) < 0.3
    return np.where(wrong, generator.integers(0, classes, (count, number)), truth[:, None])


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_they_are_those_of_scikit_learn_and_statsmodels(classes: int) -> None:
    said = readers(300, classes, 4)
    one, other = said[:, 0], said[:, 1]
    every = np.ones((1, 300))
    assert cohen(one, other, classes)(every)[0] == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    weighted = cohen_kappa_score(one, other, weights="quadratic", labels=range(classes))
    assert cohen(one, other, classes, weighted=True)(every)[0] == pytest.approx(weighted, abs=1e-12)
    expected = fleiss_kappa(aggregate_raters(said, n_cat=classes)[0])
    assert fleiss(said, classes)(every)[0] == pytest.approx(expected, abs=1e-12)


def test_a_draw_counts_each_sample_as_often_as_it_was_drawn() -> None:
    said = readers(80, 3, 3)
    weights = np.random.default_rng().integers(0, 4, (5, 80)).astype(np.float64)
    for row, found in zip(weights, cohen(said[:, 0], said[:, 1], 3)(weights), strict=True):
        repeated = np.repeat(said, row.astype(int), axis=0)
        assert found == pytest.approx(cohen_kappa_score(repeated[:, 0], repeated[:, 1]), abs=1e-12)
    for row, found in zip(weights, fleiss(said, 3)(weights), strict=True):
        repeated = np.repeat(said, row.astype(int), axis=0)
        assert found == pytest.approx(fleiss_kappa(aggregate_raters(repeated, n_cat=3)[0]), abs=1e-12)


def test_perfect_agreement_is_1_and_one_class_alone_is_no_crash() -> None:
    labels = np.arange(40) % 2
    assert cohen(labels, labels, 2)(np.ones((1, 40)))[0] == 1
    nothing = np.zeros(40, int)
    assert cohen(nothing, nothing, 2)(np.ones((1, 40)))[0] == 1
    assert fleiss(np.stack([nothing] * 3, axis=1), 2)(np.ones((1, 40)))[0] == 1


def test_intervals_draw_patients_and_need_twenty() -> None:
    said = np.repeat(readers(40, 2, 2), 10, axis=0)
    statistic = {"kappa": cohen(said[:, 0], said[:, 1], 2)}
    alone, whole = measured(statistic, 400, None)["kappa"], measured(statistic, 400, np.arange(400) // 10)["kappa"]
    assert whole.value == alone.value
    assert whole.high - whole.low > 2 * (alone.high - alone.low)
    few = measured({"kappa": cohen(said[:190, 0], said[:190, 1], 2)}, 190, np.arange(190) // 10)["kappa"]
    assert not few.known
    assert few.note.startswith("too few: 190 samples that both labelled are of 19 patients")
