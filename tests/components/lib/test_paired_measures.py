"""Two models on the same samples, measure by measure: against definitions, simulations and, where it is there, pROC."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from scipy.stats import norm
from sklearn.metrics import brier_score_loss, recall_score, roc_auc_score

from components.lib.class_metrics import Area
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.regression import LEVELS, Regression
from components.lib.paired import Difference, differences, paired_area_error

KIND = Binary(kind="binary", classes=("ohne; $(x)", "mit"))
THREE = Multiclass(kind="multiclass", classes=("a", "b", "c"))
NUMBER = Regression(kind="regression", unit="mg/dl")
AT = {"threshold": 0.5}


def area(score: Any, positive: Any) -> Area:
    return Area(np.stack([1 - score, score], axis=1), np.asarray(positive, np.intp))


def two_models(seed: int, n: int, *, noise: tuple[float, float] = (0.6, 0.6)) -> tuple[Any, Any, Any]:
    """Truth (N,), two in five positive, and two models' probabilities (N,): much that makes a sample hard is shared."""
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < 0.4
    shared = 1.4 * (positive - 0.5) + 0.8 * generator.normal(size=n)
    one, other = (expit(shared + each * generator.normal(size=n)) for each in noise)
    return positive, one, other


def compared(positive: Any, one: Any, other: Any, patients: Any = None) -> dict[str, Difference]:
    encoded = np.asarray(positive, np.float32)[:, None]
    first, second = (KIND.paired_measures(each[:, None], encoded, AT, AT) for each in (one, other))
    return differences(first, second, patients)


def test_values_are_those_of_scikit_learn() -> None:
    positive, one, other = two_models(1, 300)
    found = compared(positive, one, other)
    for place, score in enumerate((one, other)):
        called, odds = score >= 0.5, 1.0
        worth = (called & positive).mean() - odds * (called & ~positive).mean()
        expected = {
            "auc": roc_auc_score(positive, score), "brier": brier_score_loss(positive, score),
            "sensitivity": recall_score(positive, called), "specificity": recall_score(~positive, ~called),
            "net_benefit": worth,
        }  # fmt: skip
        for name, value in expected.items():
            assert found[name].values[place] == pytest.approx(value, abs=1e-12), name


def test_a_false_alarm_costs_the_odds_of_the_threshold_in_use() -> None:
    positive, _, other = two_models(2, 200)
    encoded = np.asarray(positive, np.float32)[:, None]
    measures = KIND.paired_measures(other[:, None], encoded, {"threshold": 0.3}, {"threshold": 0.2})
    called = other >= 0.3
    worth = (called & positive).mean() - 0.25 * (called & ~positive).mean()
    assert measures["net_benefit"].statistic(np.ones((1, 200)))[0] == pytest.approx(worth)


@pytest.mark.parametrize("ties", [False, True])
def test_error_of_two_areas_is_that_of_all_pairs(ties: bool) -> None:
    positive, one, other = two_models(3, 80)
    if ties:
        one, other = np.round(one, 1), np.round(other, 1)
    components = []
    for score in (one, other):
        pairs = (score[positive][:, None] > score[~positive]) + 0.5 * (score[positive][:, None] == score[~positive])
        components.append((pairs.mean(axis=1), pairs.mean(axis=0)))
    # DeLong et al. 1988, equations 4 to 6, pair by pair.
    of_positives, of_negatives = (np.cov(components[0][side], components[1][side]) for side in (0, 1))
    covariance = of_positives / positive.sum() + of_negatives / (~positive).sum()
    expected = math.sqrt(np.array([-1, 1]) @ covariance @ np.array([-1, 1]))
    assert paired_area_error(area(one, positive), area(other, positive)) == pytest.approx(expected, rel=1e-9)


def test_error_of_two_areas_is_what_changing_the_models_at_random_shows() -> None:
    """Under the hypothesis of equal models their answers to a sample may be exchanged: 800 random exchanges."""
    positive, one, other = two_models(4, 400)
    generator = np.random.default_rng(0)
    ranks = [pd.Series(score).rank().to_numpy() / 400 for score in (one, other)]
    drawn = []
    for _ in range(800):
        swap = generator.random(400) < 0.5
        first, second = np.where(swap, ranks[1], ranks[0]), np.where(swap, ranks[0], ranks[1])
        drawn.append(np.subtract(*((each[positive][:, None] > each[~positive]).mean() for each in (second, first))))
    error = paired_area_error(area(ranks[0], positive), area(ranks[1], positive))
    assert np.std(drawn) == pytest.approx(error, rel=0.1)


def test_several_samples_of_a_patient_are_no_more_than_one_where_they_are_alike() -> None:
    positive, one, other = two_models(5, 150)
    single = compared(positive, one, other)
    whose = np.repeat(np.arange(150), 4)
    copied = compared(np.repeat(positive, 4), np.repeat(one, 4), np.repeat(other, 4), whose)
    for name, each in single.items():
        assert copied[name].value == pytest.approx(each.value, abs=1e-4)
        assert copied[name].error == pytest.approx(each.error, rel=0.15), name
    assert copied["auc"].method == "DeLong, paired, by patient"
    assert copied["brier"].method == "paired bootstrap, whole patients drawn"


def test_all_measures_are_of_the_same_draws_and_always_the_same() -> None:
    positive, one, other = two_models(6, 100)
    assert [each.error for each in compared(positive, one, other).values()] == [
        each.error for each in compared(positive, one, other).values()
    ]


def test_intervals_hold_the_true_difference() -> None:
    """The expected difference of two models of unequal noise, from a large sample; 40 test sets of 120."""
    noise, many = (0.3, 0.9), 100_000
    positive, *models = two_models(99, many, noise=noise)
    encoded = np.asarray(positive, np.float32)[:, None]
    measures = [KIND.paired_measures(each[:, None], encoded, AT, AT) for each in models]
    value = [{name: each.statistic(np.ones((1, many)))[0] for name, each in of.items()} for of in measures]
    truth = {name: value[1][name] - value[0][name] for name in value[0]}
    held = dict.fromkeys(truth, 0)
    for seed in range(40):
        for name, each in compared(*two_models(seed, 120, noise=noise)).items():
            low, high = each.interval()
            held[name] += low <= truth[name] <= high
    # Of 40 intervals that hold the truth with a chance of .95, fewer than 34 do so once in 300 times.
    assert min(held.values()) >= 34, held


def test_few_samples_all_alike_leave_a_doubt() -> None:
    positive = np.arange(48) % 2 == 1
    one, other = np.where(positive, 0.9, 0.1), np.where(positive, 0.8, 0.2)
    found = compared(positive, one, other)
    for name in ("auc", "sensitivity", "specificity"):
        low, high = found[name].interval()
        assert found[name].value == 0
        # Rule of three: of 24 alike, 1 in 8 may differ.
        assert -0.3 < low < -0.05 < 0.05 < high < 0.3, name


def test_fewer_than_twenty_of_a_class_are_not_judged() -> None:
    positive, one, other = two_models(7, 200)
    few = np.flatnonzero(positive)[:19].tolist() + np.flatnonzero(~positive).tolist()
    found = compared(positive[few], one[few], other[few])
    assert found["sensitivity"].note == "too few: 19 samples labelled mit, at least 20 needed"
    assert not found["specificity"].note
    assert KIND.paired_measures(one[:, None], np.ones((200, 1)), AT, AT) == {}


def test_of_several_classes_the_means() -> None:
    generator = np.random.default_rng(8)
    label = generator.permutation(np.arange(240) % 3)
    columns = [softmax(1.5 * np.eye(3)[label] + generator.normal(size=(240, 3)), axis=1) for _ in range(2)]
    found = differences(*(THREE.paired_measures(each, np.eye(3)[label], {}, {}) for each in columns), None)
    assert list(found) == ["auc", "sensitivity", "specificity", "brier", "calibration"]
    areas = [roc_auc_score(label, each, multi_class="ovr") for each in columns]
    recalls = [recall_score(label, each.argmax(axis=1), average="macro") for each in columns]
    assert found["auc"].values == pytest.approx(areas)
    assert found["sensitivity"].values == pytest.approx(recalls)
    drawn = []
    for _ in range(150):
        rows = generator.integers(0, 240, 240)
        drawn.append(np.subtract(*(roc_auc_score(label[rows], each[rows], multi_class="ovr") for each in columns)))
    assert found["auc"].error == pytest.approx(np.std(drawn), rel=0.3)


def test_of_numbers_errors_and_the_interval_that_is_served() -> None:
    generator = np.random.default_rng(9)
    known = 100 + 20 * generator.normal(size=300)
    sharp, dull = (known + scale * generator.normal(size=300) for scale in (5, 15))
    decision = {f"q{level:02d}": 0.0 for level in LEVELS} | {"low": -8.0, "high": 8.0, "coverage": 0.9}
    wide = decision | {"low": -60.0, "high": 60.0}
    measures = [NUMBER.paired_measures(each[:, None], known[:, None], decision, decision) for each in (dull, sharp)]
    found = differences(*measures, None)
    assert list(found) == ["mae", "r2", "interval"]
    assert found["mae"].values == pytest.approx([np.abs(each - known).mean() for each in (dull, sharp)])
    assert all(each.gain_interval()[0] > 0 for each in found.values())
    # A wider interval that misses nobody has a worse score: it says less.
    wider = NUMBER.paired_measures(sharp[:, None], known[:, None], wide, decision)
    assert differences(measures[1], wider, None)["interval"].gain < 0
    constant = np.full((5, 1), 3.0)
    assert NUMBER.paired_measures(constant, constant, decision, decision) == {}


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R isn't installed")
def test_paired_areas_agree_with_proc(tmp_path: Path) -> None:
    positive, one, other = two_models(10, 250, noise=(0.3, 0.9))
    frame = pd.DataFrame({"y": positive.astype(int), "one": one, "other": other})
    frame.to_csv(tmp_path / "data.csv", index=False)
    program = (
        'if (!requireNamespace("pROC", quietly = TRUE)) quit(status = 9); suppressMessages(library(pROC)); '
        f'd <- read.csv("{tmp_path}/data.csv"); a <- roc(d$y, d$one, quiet = TRUE, direction = "<"); '
        'b <- roc(d$y, d$other, quiet = TRUE, direction = "<"); t <- roc.test(a, b, method = "delong", paired = TRUE); '
        'cat(sprintf("[%.12f, %.12f, %.12f]", auc(a), auc(b), t$p.value))'
    )
    done = subprocess.run(["Rscript", "-e", program], capture_output=True, text=True, check=False)
    if done.returncode == 9:
        pytest.skip("pROC isn't installed")
    first, second, p = json.loads(done.stdout)
    found = compared(positive, one, other)["auc"]
    assert found.values == pytest.approx([first, second], abs=1e-9)
    assert 2 * norm.sf(abs(found.value) / found.error) == pytest.approx(p, abs=1e-7)
