"""What a gate may name is what is measured, and a word too many is told with the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import FINDING, RHYTHM, SUGAR, evaluated
from films import task

from components.evaluate.findings import find
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


def test_a_gate_on_nothing_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no such metric; nearest: worst_group_auc"):
        task(evaluate={"gates": {"finding.worst_grup_auc": 0.5}})
    assert "equal_opportunity_gap" not in gate_names(SUGAR)
