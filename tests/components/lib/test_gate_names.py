"""What a gate may name is what is measured, and a word too many is told with the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import FINDING, RHYTHM, SUGAR, evaluated
from films import task

from components.evaluate.findings import find
from components.lib.evaluate_settings import range_of
from components.lib.gate_names import gate_names
from components.lib.kinds import TargetKind


@pytest.mark.parametrize("kind", [FINDING, RHYTHM, SUGAR], ids=lambda kind: kind.kind)
def test_a_gate_may_name_every_figure_that_is_measured(tmp_path: Path, kind: TargetKind) -> None:
    generator = np.random.default_rng(0)
    classes = kind.class_names
    truth: list[Any] = list(generator.integers(0, len(classes), 90)) if classes else list(generator.normal(100, 20, 90))
    output: Any = np.array(truth) + generator.normal(0, 5, 90)
    if classes:
        output = np.eye(len(classes))[truth] * 0.5 + generator.dirichlet(np.ones(len(classes)), 90) * 0.5
        output = output[:, 1] if kind.units == 1 else output
        truth = [classes[k] for k in truth]
    looked = evaluated(
        tmp_path, outputs=output, truth=truth, kind=kind, patients=np.arange(90) // 2, sex=["f", "m"] * 45
    )
    assert set(find(looked, None).metrics["finding"]) <= {*gate_names(kind)}


@pytest.mark.parametrize("gate", ["worst_group_auc", "equal_opportunity_gap", "patient_recall", "set_coverage"])
def test_gates_on_the_figures_of_looks_are_taken(gate: str) -> None:
    assert task(evaluate={"gates": {f"finding.{gate}": 0.5}}).evaluate.gates == {f"finding.{gate}": 0.5}


@pytest.mark.parametrize("bound", [[0.8, 1.25], {"overlaps": [0.8, 1.25]}])
def test_a_gate_may_be_a_range(bound: Any) -> None:
    (read,) = task(evaluate={"gates": {"finding.calibration_slope": bound}}).evaluate.gates.values()
    assert range_of(read) == (0.8, 1.25)


@pytest.mark.parametrize("bound", [[1.25, 0.8], [0.8, 0.8], [0.8], {"overlap": [0.8, 1.25]}, {}, {"overlaps": 0.8}])
def test_a_range_that_is_none_is_refused_with_one_sentence(bound: Any) -> None:
    with pytest.raises(ValueError, match=r"a number, a range with its lower end first, \[0.8, 1.25\], or"):
        task(evaluate={"gates": {"finding.calibration_slope": bound}})


@pytest.mark.parametrize("name", ["calibration_slope", "calibration_in_the_large", "observed_expected"])
def test_where_too_much_is_as_bad_a_single_number_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a range, since too much is as bad as too little"):
        task(evaluate={"gates": {f"finding.{name}": 0.8}})
    assert task(evaluate={"gates": {"finding.ici": 0.1}}).evaluate.gates == {"finding.ici": 0.1}


def test_a_gate_on_nothing_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no such metric; nearest: worst_group_auc"):
        task(evaluate={"gates": {"finding.worst_grup_auc": 0.5}})
    assert "equal_opportunity_gap" not in gate_names(SUGAR)
