"""The look by patient: what a patient's answer and truth are, and when there is nothing to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluations import FINDING, RHYTHM, SUGAR, TARGET, evaluated
from sklearn.metrics import mean_absolute_error, roc_auc_score

from components.evaluate.by_patient import part
from components.evaluate.gates import judge
from components.lib.gate_names import gate_names


def test_a_patient_is_positive_when_any_sample_is_and_answers_with_the_mean(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    patients, ill = np.arange(120) // 3, generator.random(120) < 0.3
    probability = np.clip(generator.normal(0.3 + 0.4 * ill, 0.2), 0.01, 0.99)
    given = evaluated(
        tmp_path, outputs=probability, truth=np.where(ill, "pneumonia", "normal").tolist(), patients=patients.tolist()
    )
    found = part(given).metrics[TARGET]
    mean = given.results[0].output[:, 0].astype(np.float64).reshape(-1, 3).mean(axis=1)
    truth = ill.reshape(-1, 3).any(axis=1)
    assert found["patient_auc"].value == pytest.approx(roc_auc_score(truth, mean), abs=1e-9)
    assert found["patient_recall"].n == truth.sum()
    assert set(found) < set(gate_names(FINDING))
    text = " ".join(str(block) for block in part(given).sections[0].blocks)
    assert "120 samples of 40 patients" in text
    assert "positive when any of the samples is" in text
    assert "0.6" in text or "0.7" in text or "0.8" in text or "0.9" in text


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
