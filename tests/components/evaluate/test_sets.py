"""Prediction sets, abstention and intervals in the report: promises held against what came true."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import FINDING, RHYTHM, SUGAR, evaluated
from statsmodels.stats.proportion import proportion_confint

from components.evaluate import figures
from components.evaluate.figures import draw
from components.evaluate.part import Part
from components.evaluate.set_values import in_words
from components.evaluate.sets import part
from components.lib.page import page

SETS = {"threshold": 0.5, "coverage": 0.9, "set_0": 0.7, "set_1": 0.7, "samples_0": 100.0, "samples_1": 100.0}


@pytest.fixture(autouse=True)
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DOTS_PER_INCH", 40)


def text(found: Part) -> str:
    """The sections as a reader sees them, cells apart."""
    html = re.sub(r"<style>.*?</style>", "", page("t", "s", found.sections), flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def look(folder: Path, **case: Any) -> Part:
    return part(evaluated(folder, **case))


def films(right: int, unsure: int, wrong: int) -> dict[str, Any]:
    """So many films of each class that are sure and right, in the band, and sure and wrong."""
    of_normal = [0.1] * right + [0.45] * unsure + [0.9] * wrong
    return {
        "outputs": np.array([*of_normal, *(1 - np.array(of_normal))]),
        "truth": [name for name in FINDING.classes for _ in of_normal],
    }


def test_what_is_counted_by_hand_is_told(tmp_path: Path) -> None:
    found = look(tmp_path, **films(35, 4, 1), decision=SETS)
    told = text(found)
    assert (
        "below 0.300 pneumonia is ruled out, from 0.700 upwards pneumonia is called and not ruled out; in between the "
        "model abstains." in told
    )
    assert "It abstains on 10 (5 to 19) of 100 test samples." in told
    assert "Of 100 that it answers, 97 (90 to 99) are called right, against 98 (91 to 99) of 100 among all" in told
    assert "empty set" in told, "the eight in the band have one"
    figures = found.metrics["finding"]
    assert (figures["set_coverage"].value, figures["abstained"].value) == pytest.approx((70 / 80, 8 / 80))
    assert (figures["set_coverage"].better, figures["abstained"].better) == ("higher", "lower")
    assert found.warnings == (), "70 of 80 is no proof against 90%"
    table = found.charts["finding_prediction_sets"].table
    assert table.drop(columns=["class", "count"]).sum(axis=1).tolist() == pytest.approx([1, 1])
    assert table["answered_right"].tolist() == pytest.approx([35 / 40] * 2)
    assert draw(found.charts["finding_prediction_sets"]).startswith(b"\x89PNG")


def by_set(ruled_out: tuple[int, int], both: tuple[int, int], not_ruled_out: tuple[int, int]) -> dict[str, Any]:
    """So many films without and with the finding, by what is left in their set where both classes are in from .3."""
    groups = [(0.1, ruled_out), (0.5, both), (0.9, not_ruled_out)]
    rows = [(p, name) for p, pair in groups for name, n in zip(FINDING.classes, pair, strict=True) for _ in range(n)]
    return {"outputs": np.array([p for p, _ in rows]), "truth": [name for _, name in rows]}


def test_at_two_percent_a_set_says_no_more_than_its_numbers(tmp_path: Path) -> None:
    """198 films with pneumonia alone in their set, 25 of which have it: nobody is sure of that."""
    generator = np.random.default_rng()
    missed = int(generator.integers(0, 5))
    case = by_set((1160, missed), (137, 5 - missed), (173, 25))
    order = generator.permutation(len(case["truth"]))
    case = {"outputs": case["outputs"][order], "truth": [case["truth"][row] for row in order]}
    given = evaluated(tmp_path, **case, decision={**SETS, "set_0": 0.3, "set_1": 0.3})
    told = text(part(given))
    assert "sure of" not in told
    low, high = proportion_confint(25, 198, method="wilson")
    assert (
        f"pneumonia alone pneumonia not ruled out 198 13.2% (11.6 to 15.0) 12.6% ({100 * low:.1f} to {100 * high:.1f})"
        in told
    )
    assert "for 198 samples: 12.6%" in told
    low, high = proportion_confint(1160, 1160 + missed, method="wilson")
    upper = "100.0" if high == 1 else f"{100 * high:.1f}" if high < 0.9995 else ">99.9"
    assert f"normal alone pneumonia ruled out {1160 + missed}" in told
    assert f"({100 * low:.1f} to {upper}) of them are labelled normal (NPV of the set), and {missed} of the 30" in told
    assert "where 2.0% of all are pneumonia" in told
    (sentence,) = in_words(given.results[0], FINDING)
    assert "12.6%" in sentence, "the card says the same"


def test_a_broken_promise_is_a_warning(tmp_path: Path) -> None:
    (warning,) = look(tmp_path, **films(60, 0, 40), decision=SETS).warnings
    assert "Finding: prediction sets hold the truth less often than the 90 of 100" in warning
    assert "60 (53 to 67) of 100 samples in all" in warning
    assert "samples labelled pneumonia" in warning


def test_a_promise_for_one_class_alone_may_be_broken(tmp_path: Path) -> None:
    case = films(95, 0, 5)
    case["outputs"][100:130] = 0.1
    (warning,) = look(tmp_path, **case, decision=SETS).warnings
    assert "labelled pneumonia" in warning
    assert "labelled normal" not in warning


def test_overlapping_classes_leave_both_in_the_set(tmp_path: Path) -> None:
    told = text(look(tmp_path, **films(30, 10, 0), decision={**SETS, "set_0": 0.3, "set_1": 0.3}))
    assert re.search(r"both undecided 20 25\.0%", told)
    assert "below 0.300" in told
    assert "empty set" not in told


def test_too_small_a_validation_is_told(tmp_path: Path) -> None:
    told = text(look(tmp_path, **films(30, 2, 1), decision={**SETS, "set_0": 0.0, "set_1": 0.0, "samples_1": 4.0}))
    assert "Validation had too few samples for such a promise: the model abstains on every sample." in told
    assert "never ruled out" in told
    one = text(look(tmp_path / "one", **films(30, 2, 1), decision={**SETS, "set_1": 0.0, "samples_1": 4.0}))
    assert "validation had too few samples to rule pneumonia out" in one


def test_a_rare_class_shares_its_promise(tmp_path: Path) -> None:
    told = text(look(tmp_path, **films(30, 2, 1), decision={**SETS, "samples_1": 12.0}))
    assert "90%, of all rare classes together" in told


def test_several_classes_are_told_by_the_size_of_their_sets(tmp_path: Path) -> None:
    label = np.arange(120) % 3
    logits = np.random.default_rng(1).normal(1.5 * np.eye(3)[label], 1)
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = look(tmp_path, outputs=outputs, truth=[RHYTHM.classes[k] for k in label], kind=RHYTHM)
    assert found.metrics["finding"]["set_coverage"].value >= 0.9, "fitted on these very samples"
    assert re.search(r"one class \d+ .* 2 classes \d+ ", text(found))
    (warning,) = found.warnings  # no promise is broken, but many samples are left to people
    assert warning.startswith("Finding: the model abstains on 52 (43 to 60) of 100 test samples")


def test_a_model_of_before_and_one_without_sets_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(FINDING), "fit_decision", lambda *_: {"threshold": 0.4})
    found = look(tmp_path, **films(10, 0, 0))
    assert "This model has no prediction sets" in text(found)
    assert "no prediction sets" in found.metrics["finding"]["set_coverage"].note


def test_unknown_truths_are_a_sentence(tmp_path: Path) -> None:
    found = look(tmp_path, outputs=[0.2, 0.8], truth=[None, None], decision=SETS)
    assert "The truth of no test sample is known" in text(found)
    assert not found.metrics["finding"]["abstained"].known


def test_few_samples_carry_no_gate(tmp_path: Path) -> None:
    figures = look(tmp_path, **films(4, 1, 0), decision=SETS).metrics["finding"]
    assert all("too few" in each.note for each in figures.values())


def test_one_class_is_no_crash(tmp_path: Path) -> None:
    found = look(tmp_path, outputs=np.linspace(0.1, 0.4, 30), truth=["normal"] * 30, decision=SETS)
    assert re.search(r"Labelled pneumonia 0 –", text(found))


def test_an_interval_that_is_too_narrow_is_a_warning_and_its_third_is_named(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    truth = np.linspace(80, 200, 300)
    predicted = truth + generator.normal(0, np.where(truth > 160, 40, 4))
    decision = {"low": -10.0, "high": 10.0, "coverage": 0.9}
    found = look(tmp_path, outputs=predicted, truth=truth.tolist(), kind=SUGAR, decision=decision)
    (warning,) = found.warnings
    assert "It is too narrow" in warning
    assert re.search("beyond chance, in the .*highest third of predictions", text(found))
    assert not found.metrics


def test_an_interval_that_holds_is_told_without_a_warning(tmp_path: Path) -> None:
    truth = np.linspace(80, 200, 120)
    predicted = truth + np.random.default_rng(4).normal(0, 5, 120)
    found = look(tmp_path, outputs=predicted, truth=truth.tolist(), kind=SUGAR)
    assert not found.warnings
    assert re.search(r"All \S+ to \S+ 120 9\d\.\d%", text(found))
    few = look(tmp_path / "few", outputs=predicted[:5], truth=truth[:5].tolist(), kind=SUGAR)
    assert "Too few: the truth of 5 test samples is known" in text(few)
