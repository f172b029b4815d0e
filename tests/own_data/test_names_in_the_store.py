"""Columns, classes and sites of any name are parameters and metrics that MLflow takes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name

from components.lib.tracking import mlflow_name


@given(st.text(min_size=1, max_size=300))
@example("inputs.row.unknown.Creatinine (µmol/l)")
@example("finding.recall.<30")
@example("a//b")
@example("../a")
@example(".")
@example("/a")
def test_any_name(name: str) -> None:
    _validate_param_name(mlflow_name(name))
    _validate_metric_name(mlflow_name(name))


def test_plain_names_stay_and_others_are_kept_apart() -> None:
    assert mlflow_name("finding.auc") == "finding.auc"
    assert mlflow_name("smaller/int8/latency_ms") == "smaller/int8/latency_ms"
    assert len({mlflow_name(name) for name in ("finding.<30", "finding.>30", "finding._30")}) == 3
