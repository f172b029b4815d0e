"""The look by patient: what a patient's answer and truth are, and when there is nothing to say."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluations import FINDING, RHYTHM, SUGAR, TARGET, evaluated
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, mean_absolute_error, recall_score, roc_auc_score

from components.evaluate.by_patient import part
from components.evaluate.card import CardFacts, card
from components.evaluate.gates import judge
from components.lib.gate_names import gate_names
from components.lib.patient_figures import Rule

Case = dict[str, Any]


def films(n: int = 300) -> tuple[Case, NDArray[np.bool_]]:
    """Three films a patient, the finding in one of them at most; and which patients have it."""
    generator = np.random.default_rng()
    ill, patients = generator.random(n // 3) < 0.4, np.arange(n) // 3
    shows = ill[patients] & (np.arange(n) % 3 == generator.integers(0, 3, n // 3)[patients])
    probability = np.clip(generator.normal(0.2 + 0.5 * shows, 0.15), 0.01, 0.99)
    names = [f"Müller; {who} (α)" for who in patients]
    truth = np.where(shows, "pneumonia", "normal").tolist()
    order = generator.permutation(n)
    case = {"outputs": probability[order], "truth": [truth[row] for row in order],
            "patients": [names[row] for row in order]}  # fmt: skip
    return case, np.array([ill[patients[row]] for row in order])


@pytest.mark.parametrize("rule", [None, "max", "mean", "noisy_or"])
def test_a_patients_answer_follows_the_rule_with_its_own_threshold(tmp_path: Path, rule: Rule | None) -> None:
    case, _ = films()
    kind = FINDING.model_copy(update={"by_patient": rule})
    given = evaluated(tmp_path, kind=kind, **case)
    found, fitted = part(given).metrics[TARGET], given.results[0].fitted.patients
    assert fitted is not None
    table = pd.DataFrame({"who": case["patients"], "p": given.results[0].output[:, 0].astype(np.float64),
                          "ill": np.array(case["truth"]) == "pneumonia"})  # fmt: skip
    by = table.groupby("who")
    answer = {"max": by["p"].max(), "mean": by["p"].mean(), "noisy_or": 1 - by["p"].apply(lambda p: np.prod(1 - p))}
    ill, score = by["ill"].any(), answer[rule or "max"]
    logit = np.log(score / (1 - score))
    score = 1 / (1 + np.exp(-(fitted.scaling["slope"] * logit + fitted.scaling["intercept"])))
    called = score >= fitted.decision["threshold"]
    assert found["patient_auc"].value == pytest.approx(roc_auc_score(ill, score), abs=1e-9)
    assert found["patient_brier"].value == pytest.approx(brier_score_loss(ill, score), abs=1e-9)
    assert found["patient_recall"].value == pytest.approx(recall_score(ill, called), abs=1e-9)
    assert found["patient_recall"].n == ill.sum()
    assert set(found) < set(gate_names(FINDING))
    text = " ".join(re.sub(r"<[^>]+>", " ", str(block)) for block in part(given).sections[0].blocks)
    text = " ".join(unescape(text).split())
    assert "300 samples of 100 patients" in text
    assert "positive when any of the samples is" in text
    assert f"{'mean' if rule == 'mean' else 'noisy-or' if rule == 'noisy_or' else 'highest probability'}" in text
    assert "fitted on 100 patients of validation" in text
    assert f"TP {(called & ill).sum()} FP {(called & ~ill).sum()}" in text
    assert any("by_patient" in each for each in given.assumed) == (rule is None)


def test_a_model_without_figures_of_patients_says_that_its_threshold_is_a_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(FINDING), "fit_patients", lambda *_: None)
    case, ill = films()
    given = evaluated(tmp_path, **case)
    found = part(given)
    told = str(found.sections[0].blocks[0])
    assert "those of single samples, which don&#39;t fit" in told
    assert found.metrics[TARGET]["patient_recall"].n == ill.sum() // 3


def test_patients_with_several_classes_are_left_out_and_counted(tmp_path: Path) -> None:
    truth = [RHYTHM.classes[i // 2 % 3] for i in range(120)]
    truth[0], truth[2] = RHYTHM.classes[1], RHYTHM.classes[2]  # now two patients have two classes each
    outputs = np.random.default_rng(0).dirichlet([1, 1, 1], 120)
    looked = part(evaluated(tmp_path, kind=RHYTHM, outputs=outputs, truth=truth, patients=[i // 2 for i in range(120)]))
    assert looked.metrics[TARGET]["patient_accuracy"].n == 58
    assert "Left out: 2 patients whose samples differ in class." in str(looked.sections[0].blocks[0])


def test_of_numbers_both_are_means(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(150, 40, 90)
    predicted = known + generator.normal(0, 20, 90)
    whose = [f"p{i % 30}" for i in range(90)]
    given = evaluated(tmp_path, kind=SUGAR, outputs=predicted, truth=known.tolist(), patients=whose)
    expected = mean_absolute_error(known.reshape(3, 30).mean(axis=0), predicted.reshape(3, 30).mean(axis=0))
    assert part(given).metrics[TARGET]["patient_mae"].value == pytest.approx(expected, rel=1e-4)


def test_samples_of_unknown_truth_and_unknown_patients(tmp_path: Path) -> None:
    truth = ["normal", "pneumonia", None] * 40
    patients = [None if i % 5 == 0 else f"p{i // 6}" for i in range(120)]
    looked = part(evaluated(tmp_path, outputs=np.linspace(0.1, 0.9, 120), truth=truth, patients=patients))
    known = [i for i in range(120) if truth[i]]
    count = len({f"own{i}" if patients[i] is None else patients[i] for i in known})
    assert looked.metrics[TARGET]["patient_accuracy"].n == count


@pytest.mark.parametrize("patients", [None, [f"p{i}" for i in range(60)], [None] * 59 + ["p1"]])
def test_without_repeats_there_is_no_section(tmp_path: Path, patients: list[str | None] | None) -> None:
    truth = ["normal", "pneumonia"] * 30
    looked = part(evaluated(tmp_path, outputs=np.linspace(0.1, 0.9, 60), truth=truth, patients=patients))
    assert (looked.sections, looked.metrics) == ((), {})


def test_few_patients_are_told_as_patients_and_pass_no_gate(tmp_path: Path) -> None:
    truth = ["normal", "normal", "pneumonia", "pneumonia"] * 15
    patients = [f"p{i // 4}{i % 4 // 2}" for i in range(60)]
    looked = part(evaluated(tmp_path, outputs=np.linspace(0.1, 0.9, 60), truth=truth, patients=patients))
    (gate,) = judge(looked.metrics, {f"{TARGET}.patient_auc": 0.1}, {TARGET: FINDING})
    assert not gate.passed
    assert gate.text.endswith("can't be judged: too few: 15 patients labelled pneumonia, at least 20 needed")


def test_the_card_says_by_which_rule_patients_are_judged(tmp_path: Path) -> None:
    case, _ = films()
    given = evaluated(tmp_path, **case)
    facts = CardFacts((), (), part(given).metrics)
    assert "A patient's answer is the highest probability among the samples, with a calibration" in card(given, facts)
    assert "A patient's answer" not in card(given, CardFacts((), ()))
