"""Results in counts, and abstentions as indeterminate results."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluations import FINDING, RHYTHM, evaluated
from statsmodels.stats.proportion import proportion_confint

from components.evaluate.counts import AGAINST, AS_CALLED, WITHOUT, Answers, in_words, tables
from components.lib.conformal import abstained, members

SETS = {"threshold": 0.5, "coverage": 0.9, "set_0": 0.3, "set_1": 0.4, "samples_0": 100.0, "samples_1": 100.0}


def text(blocks: list[Any]) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", "".join(map(str, blocks)))).split())


def drawn(folder: Path, share: float, n: int = 900, patients: list[str] | None = None) -> tuple[Answers, pd.DataFrame]:
    """Answers at random, and the same as a table that is counted by pandas."""
    generator = np.random.default_rng()
    positive = np.arange(n) < round(share * n)
    output = 1 / (1 + np.exp(-generator.normal(np.where(positive, 1.2, -1.2), 1.3)))
    truth = np.array(FINDING.classes, object)[positive.astype(int)].tolist()
    given = evaluated(folder, outputs=output, truth=truth, decision=SETS, patients=patients)
    served = given.results[0].output[:, 0]
    table = pd.DataFrame({"label": positive, "called": served >= 0.5, "open": (served >= 0.4) & (served <= 0.7)})
    return Answers.of(given.results[0], FINDING), table


@pytest.mark.parametrize("share", [0.02, 0.4])
def test_cells_and_sums_are_those_of_a_plain_count(tmp_path: Path, share: float) -> None:
    answers, table = drawn(tmp_path, share)
    cells = pd.crosstab(table["called"], table["label"])
    tp, fp, fn, tn = (int(cells.loc[called, label]) for called, label in
                      ((True, True), (True, False), (False, True), (False, False)))  # fmt: skip
    told = text(tables(answers))
    assert f"Called pneumonia TP {tp} FP {fp} {tp + fp} Called normal FN {fn} TN {tn} {fn + tn} Sum" in told
    assert f"Sum {round(share * 900)} {900 - round(share * 900)} 900" in told
    left = table[table["open"]]
    of_yes, of_no = int(left["label"].sum()), int((~left["label"]).sum())
    assert f"Indeterminate: the model abstains {of_yes} {of_no} {len(left)}" in told
    assert f"Called pneumonia: {tp} labelled so (TP), {fp} labelled normal (FP)." in in_words(answers)[0]


def test_sensitivity_and_specificity_with_and_without_indeterminate_results_are_statsmodels(tmp_path: Path) -> None:
    answers, table = drawn(tmp_path, 0.3)
    rates = answers.rates(1)
    yes, no, answered = table["label"], ~table["label"], ~table["open"]
    of = {
        AS_CALLED: ((table["called"] & yes, yes), (~table["called"] & no, no)),
        WITHOUT: (
            (table["called"] & yes & answered, yes & answered),
            (~table["called"] & no & answered, no & answered),
        ),
        AGAINST: ((table["called"] & yes & answered, yes), (~table["called"] & no & answered, no)),
    }
    for how, pairs in of.items():
        for found, (hits, among) in zip(rates[how], pairs, strict=True):
            expected = (hits.sum() / among.sum(), *proportion_confint(hits.sum(), among.sum(), method="wilson"))
            assert (found.value, found.low, found.high) == pytest.approx(expected, abs=1e-9)
    assert rates[AGAINST][0].value < min(rates[WITHOUT][0].value, rates[AS_CALLED][0].value)


def test_patients_with_several_samples_widen_the_intervals(tmp_path: Path) -> None:
    whose = [f"Ärzt; {i // 6}" for i in range(900)]
    together, _ = drawn(tmp_path / "together", 0.3, patients=whose)
    assert "by patient" in together.rates(1)[AGAINST][0].method


def test_without_sets_nothing_is_indeterminate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(FINDING), "fit_decision", lambda *_: {"threshold": 0.5})
    given = evaluated(tmp_path, outputs=[0.2, 0.8, 0.6], truth=["normal", "pneumonia", "normal"])
    answers = Answers.of(given.results[0], FINDING)
    assert "ndeterminate" not in text(tables(answers)) + " ".join(in_words(answers))


def test_several_classes_are_counted_each_against_the_rest(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    label = generator.integers(0, 3, 300)
    logits = generator.normal(1.2 * np.eye(3)[label], 1)
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    given = evaluated(tmp_path, outputs=outputs, truth=[RHYTHM.classes[k] for k in label], kind=RHYTHM)
    (result,), told = given.results, ""
    answers, called = Answers.of(result, RHYTHM), RHYTHM.called(result.output, result.fitted.decision)
    told = text(tables(answers))
    for k, name in enumerate(RHYTHM.classes):
        tp, fp = ((called == k) & (label == k)).sum(), ((called == k) & (label != k)).sum()
        fn, tn = ((called != k) & (label == k)).sum(), ((called != k) & (label != k)).sum()
        assert f"{name} {tp} {fp} {fn} {tn}" in told
        row = " ".join(str(((called == k) & (label == j)).sum()) for j in range(3))
        assert f"Called {name} {row} {(called == k).sum()}" in told
    least = np.array([result.fitted.decision[f"set_{k}"] for k in range(3)])
    left = abstained(members(result.output.astype(float), least), called)
    assert f"Indeterminate, since the model abstains: {left.sum()} of 300." in in_words(answers)
