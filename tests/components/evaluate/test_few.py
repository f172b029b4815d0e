"""What a reader and a gate are told where test says little: five positives, one class, labels by chance, patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluations import FINDING, RHYTHM, SUGAR, TARGET, evaluated

from components.evaluate.gates import judge
from components.evaluate.part import Evaluated
from components.evaluate.results import patients
from components.lib.kinds import TargetKind


def gate(given: Evaluated, *, kind: TargetKind = FINDING, **bounds: float) -> tuple[bool, str]:
    """Whether the one gate, or the default one on discrimination, holds, and what is said of it."""
    found = {result.target: result.metrics for result in given.results}
    judged, *_ = judge(found, {f"{TARGET}.{name}": bound for name, bound in bounds.items()}, {TARGET: kind})
    return judged.passed, judged.text


def with_positives(folder: Path, count: int, **more: object) -> Evaluated:
    """A perfect network on a hundred samples."""
    ill = np.arange(100) < count
    truth = np.where(ill, "pneumonia", "normal").tolist()
    return evaluated(folder, outputs=0.1 + 0.8 * ill, truth=truth, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["auc", "recall", "f1", "average_precision", "precision", "brier", "ece"])
def test_five_positives_are_too_few_for_any_gate(tmp_path: Path, metric: str) -> None:
    given = with_positives(tmp_path, 5)
    assert not given.results[0].metrics[metric].trusted
    passed, text = gate(given, **{metric: 0.0 if metric not in ("brier", "ece") else 1.0})
    assert not passed
    assert text.endswith("can't be judged: too few: 5 samples labelled pneumonia, at least 20 needed")


def test_of_five_positives_the_normals_and_the_whole_can_be_judged(tmp_path: Path) -> None:
    given = with_positives(tmp_path, 5)
    assert gate(given, specificity=0.9)[0]
    assert gate(given, accuracy=0.9)[0]
    assert gate(with_positives(tmp_path / "enough", 20), recall=0.8)[0]


def test_a_small_test_split_judges_nothing(tmp_path: Path) -> None:
    given = evaluated(tmp_path, outputs=[0.1, 0.9] * 9, truth=["normal", "pneumonia"] * 9)
    passed, text = gate(given, accuracy=0.1)
    assert not passed
    assert "too few: 18 samples in all" in text


def test_many_samples_of_few_patients_are_too_few(tmp_path: Path) -> None:
    given = with_positives(tmp_path, 50, patients=[f"p{i % 10}" for i in range(100)])
    passed, text = gate(given, auc=0.1)
    assert not passed
    assert "too few: 50 samples labelled pneumonia are of 10 patients" in text


def test_labels_by_chance_fail_the_default_gate(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    truth = generator.choice(["normal", "pneumonia"], 300).tolist()
    given = evaluated(tmp_path, outputs=generator.random(300), truth=truth)
    found = given.results[0].metrics["auc"]
    assert found.low < 0.5 < found.high
    passed, text = gate(given)
    assert not passed
    assert "above 0.5 required" in text


@pytest.mark.parametrize("name", ["normal", "pneumonia"])
def test_one_class_gives_no_auc_and_no_crash(tmp_path: Path, name: str) -> None:
    given = evaluated(tmp_path, outputs=np.linspace(0.1, 0.9, 40), truth=[name] * 40)
    found = given.results[0].metrics
    assert found["auc"].note == "only one class among the samples"
    assert found["accuracy"].trusted
    assert not gate(given)[0]


def test_no_truth_at_all_is_no_crash(tmp_path: Path) -> None:
    for kind, outputs in ((FINDING, np.full(5, 0.4)), (RHYTHM, np.full((5, 3), 1 / 3)), (SUGAR, np.full(5, 150.0))):
        given = evaluated(tmp_path / kind.kind, kind=kind, outputs=outputs, truth=[None] * 5)  # type: ignore[attr-defined]
        found = given.results[0].metrics
        assert {each.note for each in found.values()} == {"no sample to count"}
        assert not gate(given, kind=kind)[0]


def test_intervals_count_patients_where_they_repeat(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    probability = np.repeat(generator.random(60), 4)
    truth = np.where(np.repeat(generator.random(60) < probability[::4], 4), "pneumonia", "normal").tolist()
    alone = evaluated(tmp_path / "a", outputs=probability, truth=truth).results[0].metrics
    alike = evaluated(tmp_path / "b", outputs=probability, truth=truth, patients=[i // 4 for i in range(240)])
    for name, each in alike.results[0].metrics.items():
        assert each.value == alone[name].value
        assert each.high - each.low > alone[name].high - alone[name].low, name
        assert "patient" in each.method, name
        assert "patient" not in alone[name].method, name


def test_unknown_patients_are_patients_of_their_own(tmp_path: Path) -> None:
    given = evaluated(tmp_path, outputs=[0.2] * 6, truth=["normal"] * 6, patients=["a", None, "b", "a", None, "c"])
    numbers = given.results[0].patients
    assert numbers is not None
    assert numbers[0] == numbers[3]
    assert len(set(numbers.tolist())) == 5
    assert patients(given.samples.drop(columns="patient")) is None
    assert patients(given.samples.assign(patient=None)) is None
