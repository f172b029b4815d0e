"""No interval of a perfect, a constant or a hopeless model is a point, and heavy tails are named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from components.evaluate.contrasts import sensitivity_gap
from components.evaluate.gates import judge
from components.lib.bootstrap import Design
from components.lib.error_intervals import mean_square
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.regression import LEVELS, Regression
from components.lib.regression_metrics import error_metrics
from components.lib.statistics import Estimate

BINARY = Binary(kind="binary", classes=("normal", "pneumonia"))
CLASSES = Multiclass(kind="multiclass", classes=("a", "b", "c"))
NUMBER = Regression(kind="regression")
DECISION = {f"q{level:02d}": 0.0 for level in LEVELS} | {"low": -5.0, "high": 5.0, "coverage": 0.9}
N = 120
WHOSE = {"alone": None, "repeats": np.arange(N) // 3}


def points(found: Mapping[str, Estimate]) -> list[str]:
    """Figures whose interval has no width; a calibration error of 1 can be no larger, and is as sure as it gets."""
    flat = [name for name, each in found.items() if each.known and not each.low < each.high]
    return [name for name in flat if name != "ece" or found[name].value < 1]


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("model", ["perfect", "sure", "constant", "undecided", "never", "hopeless"])
def test_figures_of_two_classes_have_a_width(model: str, whose: str) -> None:
    positive = np.random.default_rng(0).permutation(np.arange(N) % 4 == 0)
    score = {
        "perfect": positive * 1.0, "constant": np.full(N, 0.25), "undecided": np.full(N, 0.5), "never": np.zeros(N),
        "hopeless": 1.0 - positive, "sure": np.where(positive, 0.97, 0.03).astype(np.float32).astype(np.float64),
    }[model]  # fmt: skip
    found = BINARY.metrics(score[:, None], positive[:, None] * 1.0, {"threshold": 0.5}, WHOSE[whose])
    assert points(found) == []
    assert found["brier"].high - found["brier"].low > 1e-3
    assert all(each.low <= each.value <= each.high for each in found.values() if each.known)


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("model", ["perfect", "constant", "hopeless"])
def test_figures_of_several_classes_have_a_width(model: str, whose: str) -> None:
    label = np.random.default_rng(1).permutation(np.arange(N) % 3)
    truth = np.eye(3)[label]
    answers = {"perfect": truth, "constant": np.full((N, 3), 1 / 3), "hopeless": np.eye(3)[(label + 1) % 3]}[model]
    found = CLASSES.metrics(answers, truth, {}, WHOSE[whose])
    assert points(found) == []


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("off", [0.0, 5.0])
def test_equal_errors_of_a_number_have_no_interval_and_say_so(off: float, whose: str) -> None:
    known = np.random.default_rng(2).normal(100, 10, N).round(2)
    found = NUMBER.metrics((known + off)[:, None], known[:, None], DECISION, WHOSE[whose])
    for name in ("mae", "rmse", "bias", *(["r2"] if off == 0 else [])):
        assert not found[name].bounded
        assert "every error is the same" in found[name].note
        assert str(found[name]).endswith("(no interval)")
    (gate,) = judge({"sugar": found}, {"sugar.mae": 10}, {"sugar": NUMBER})
    assert not gate.passed


def test_two_models_that_answer_alike_are_not_said_to_be_the_same() -> None:
    positive = np.arange(N) % 4 == 0
    score = np.random.default_rng(3).random(N)[:, None]
    found = BINARY.difference(score, score, positive[:, None] * 1.0)
    assert found.low < 0 == found.value < found.high < 0.3
    known = np.arange(N, dtype=float)[:, None]
    assert not NUMBER.difference(known + 1, known - 1, known).bounded


def test_groups_in_which_all_is_found_may_differ() -> None:
    groups = {"F": np.ones(25, bool), "M": np.ones(80, bool)}
    found = sensitivity_gap(groups, {name: np.arange(len(each)) for name, each in groups.items()})
    assert found.low == found.value == 0
    assert found.high == pytest.approx(1 - 25 / (25 + 1.96**2), abs=1e-3)


def errors(seed: int, n: int, largest: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    known, error = generator.normal(100, 30, n), generator.normal(0, 10, n)
    error[0] = largest or error[0]
    return known + error, known


@pytest.mark.parametrize("repeats", [False, True])
def test_heavy_tails_are_named_and_no_gate_rests_on_them(repeats: bool) -> None:
    whose = np.arange(100) // 2 if repeats else None
    predicted, known = errors(0, 100, largest=120.0)
    found = error_metrics(predicted, known, np.ones(100, bool), whose)
    for name in ("rmse", "r2"):
        assert found[name].note.startswith("heavy tails: the errors have a kurtosis of")
        assert not found[name].trusted
    assert found["mae"].trusted
    predicted, known = errors(1, 100)
    assert all(each.trusted for each in error_metrics(predicted, known, np.ones(100, bool), whose).values())


def test_few_large_errors_among_very_many_do_no_harm() -> None:
    predicted, known = errors(2, 20_000, largest=150.0)
    assert error_metrics(predicted, known, np.ones(20_000, bool))["rmse"].trusted


def test_the_root_mean_square_is_no_narrower_than_the_exact_interval_of_normal_errors() -> None:
    """Chi-square's, which knows that errors are normal; the end towards larger errors allows for more."""
    error = np.random.default_rng(4).normal(0, 10, 60)
    low, high = mean_square(error, Design.of(np.zeros(60, np.intp), None))
    exact = (error**2).sum() / chi2.ppf([0.975, 0.025], 60)
    assert low == pytest.approx(exact[0], rel=0.12)
    assert exact[1] < high < 2 * exact[1]
