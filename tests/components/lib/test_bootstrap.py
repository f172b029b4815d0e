"""Bootstrap of whole patients: what is drawn, what a patient counts, and when there are too few."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from components.lib import bootstrap as module
from components.lib.bootstrap import Design, bootstrap
from components.lib.class_metrics import Area, Share, measured
from components.lib.resampling import Statistic, average_precision, ratio
from components.lib.statistics import score_interval

Floats = NDArray[np.float64]


def mean_of(values: Floats) -> dict[str, Statistic]:
    return {"mean": ratio(values, np.ones(len(values)))}


def watched(rows: list[Floats]) -> Statistic:
    """Keeps the weights it is asked for."""

    def statistic(weights: Floats) -> Floats:
        rows.append(weights)
        return weights.sum(axis=1)

    return statistic


def test_a_sample_three_times_says_no_more_than_once() -> None:
    values, strata = np.random.default_rng(0).normal(size=40), np.arange(40) % 2
    once = bootstrap(mean_of(values), Design.of(strata, None))["mean"]
    design = Design.of(np.repeat(strata, 3), np.repeat(np.arange(40) + 100, 3))
    thrice = bootstrap(mean_of(np.repeat(values, 3)), design)["mean"]
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((once.value, once.low, once.high), abs=1e-12)
    assert (once.method, thrice.method) == ("BCa bootstrap", "BCa bootstrap, whole patients drawn")
    naive = bootstrap(mean_of(np.repeat(values, 3)), Design.of(np.repeat(strata, 3), None))["mean"]
    assert naive.high - naive.low < 0.7 * (thrice.high - thrice.low)


def test_patients_are_drawn_whole_and_within_their_rarest_class() -> None:
    rows: list[Floats] = []
    strata = np.array([0] * 60 + [0, 1] * 10)
    patients = np.concatenate([np.repeat(np.arange(30), 2), np.repeat(np.arange(30, 40), 2)])
    bootstrap({"watched": watched(rows)}, Design.of(strata, patients))
    drawn = np.concatenate(rows)[:1000]
    np.testing.assert_array_equal(drawn[:, ::2], drawn[:, 1::2])
    assert set(drawn[:, ::2][:, :30].sum(axis=1)) == {30}
    assert set(drawn[:, ::2][:, 30:].sum(axis=1)) == {10}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Floats] = []
    monkeypatch.setattr(module, "WEIGHTS_AT_ONCE", 5000)
    values = np.random.default_rng(0).normal(size=100)
    design = Design.of(np.zeros(100, np.intp), np.arange(100) // 2)
    found = bootstrap({"watched": watched(rows), **mean_of(values)}, design)["mean"]
    assert max(each.size for each in rows) <= 5000
    monkeypatch.undo()
    assert (found.low, found.high) == pytest.approx(
        (lambda again: (again.low, again.high))(bootstrap(mean_of(values), design)["mean"])
    )


def test_equal_seeds_give_equal_intervals() -> None:
    design = Design.of(np.zeros(50, np.intp), np.arange(50) // 2)
    values = np.random.default_rng(0).normal(size=50)
    assert bootstrap(mean_of(values), design) == bootstrap(mean_of(values), design)
    assert bootstrap(mean_of(values), design) != bootstrap(mean_of(values), design, seed=1)


def test_of_normal_values_the_interval_is_students() -> None:
    """Not the normal one, which is too narrow for twenty."""
    widths = []
    for seed in range(40):
        values = np.random.default_rng(seed).normal(size=20)
        found = bootstrap(mean_of(values), Design.of(np.zeros(20, np.intp), None))["mean"]
        widths.append((found.high - found.low) / (values.std(ddof=1) / np.sqrt(20)))
    assert np.mean(widths) == pytest.approx(2 * 2.093, rel=0.06)


@pytest.mark.parametrize(
    ("samples", "patients", "note"),
    [
        (20, 20, ""),
        (19, 19, "too few: 19 samples labelled ill, at least 20 needed"),
        (1, 1, "too few: 1 sample labelled ill, at least 20 needed"),
        (0, 0, "too few: no sample labelled ill, at least 20 needed"),
        (40, 20, ""),
        (40, 19, "too few: 40 samples labelled ill are of 19 patients, at least 20 needed"),
        (20, 1, "too few: 20 samples labelled ill are of 1 patient, at least 20 needed"),
    ],
)
def test_too_few_counts_samples_and_patients(samples: int, patients: int, note: str) -> None:
    ill = np.arange(100) < samples
    whose = np.where(ill, np.arange(100) % max(patients, 1), np.arange(100) + 100)
    assert Design.of(ill.astype(np.intp), whose).too_few(ill, "labelled ill") == note


def test_nobody_repeating_is_as_no_patients() -> None:
    assert Design.of(np.zeros(5, np.intp), np.array([9, 3, 4, 1, 2])).patients is None


def test_where_every_draw_is_alike_the_interval_has_a_width() -> None:
    positive, patients = np.arange(80) % 4 < 2, np.arange(80) // 2
    design = Design.of(positive.astype(np.intp), patients)
    score = positive * 0.8 + 0.1
    found = measured(
        {"recall": Share(positive, positive), "auc": Area(np.stack([1 - score, score], 1), positive.astype(np.intp))},
        {"average_precision": average_precision(score, positive)},
        design,
        shares=["average_precision"],
    )
    assert {name: each.value for name, each in found.items()} == {"recall": 1, "auc": 1, "average_precision": 1}
    assert found["recall"].low == found["average_precision"].low == score_interval(1, 20)[0] < 0.9
    assert 0.8 < found["auc"].low < 0.95
    assert found["recall"].method == "Wilson, by patient"
    assert found["recall"].n == 40


def test_average_precision_is_on_the_logit_scale_and_inside() -> None:
    generator = np.random.default_rng(0)
    positive = np.arange(60) % 2 == 0
    score = generator.normal(3 * positive, 1)
    (found,) = bootstrap(
        {"ap": average_precision(score, positive)}, Design.of(positive.astype(np.intp), None), logit=["ap"]
    ).values()
    assert found.method == "bootstrap, logit scale"
    assert 0 < found.low < found.value < found.high < 1
