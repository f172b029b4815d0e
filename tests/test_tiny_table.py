"""A table and a number to predict, all the way through DVC: what is left, and what the report says."""

from __future__ import annotations

import json
import re

import pandas as pd
from mlflow import MlflowClient
from workspaces import Workspace

from pipelines.steps import PHANTOM, STEPS

CHARTS = ("predicted", "residuals", "quantiles", "errors")
COLUMNS = ["age", "bmi", "blood_pressure", "glucose", "sex"]
METRICS = ("mae", "rmse", "r2", "bias", "coverage", "interval_width")


def page(workspace: Workspace) -> str:
    return (workspace.path / "data/evaluation/report.html").read_text(encoding="utf-8")


def test_every_step_leaves_its_output(tiny_table: Workspace) -> None:
    for step in (PHANTOM, *STEPS):
        for place in step.outputs.values():
            assert any((tiny_table.path / ("data/raw" if place == "raw" else place)).iterdir()), place
    assert not list(tiny_table.path.glob("data/.*.partial-*"))


def test_dvc_has_nothing_left_to_do(tiny_table: Workspace) -> None:
    assert "Data and pipelines are up to date" in tiny_table.run("dvc", "status").stdout


def test_every_row_is_accounted_for(tiny_table: Workspace) -> None:
    rows = pd.read_csv(tiny_table.path / "data/raw/diabetes.csv")
    info = json.loads((tiny_table.path / "data/cleaned/dataset.json").read_text(encoding="utf-8"))
    assert sum(info["counts"].values()) == len(rows)
    assert info["arrays"]["record"] == {
        "shape": [],
        "dtype": "<f8,<f8,<f8,<f8,<U64",
        "kind": "table",
        "columns": COLUMNS,
    }
    assert info["synthetic"] is False


def test_metrics_are_those_of_a_number(tiny_table: Workspace) -> None:
    metrics = json.loads((tiny_table.path / "data/evaluation/metrics.json").read_text(encoding="utf-8"))
    assert {*metrics["progression"]} >= {"n", *METRICS, "worst_group_r2", "outside", "mae_under_3"}
    assert metrics["progression"]["n"] == metrics["test"]["samples"]
    mae, rmse = (metrics["progression"][name] for name in ("mae", "rmse"))
    assert 0 < mae["low"] <= mae["value"] <= mae["high"]
    assert mae["value"] <= rmse["value"]
    assert metrics["gates"] == {"passed": 1, "of": 1}


def test_every_chart_is_there_as_numbers_and_as_picture(tiny_table: Workspace) -> None:
    folder = tiny_table.path / "data/evaluation"
    for chart in CHARTS:
        assert len(pd.read_csv(folder / f"progression_{chart}.csv")), chart
        assert (folder / f"figures/progression_{chart}.png").read_bytes().startswith(b"\x89PNG"), chart


def test_dvc_shows_the_charts(tiny_table: Workspace) -> None:
    shown = tiny_table.run("dvc", "plots", "show", "--json").stdout
    for title in ("Training", "Predicted and known", "Residuals", "Calibration of quantiles"):
        assert title in shown


def test_the_report_holds_the_network_against_baselines(tiny_table: Workspace) -> None:
    report = page(tiny_table)
    assert "Network and baselines: Progression" in report
    for name in ("ridge", "gradient-boosted trees"):
        assert name in report


def test_the_report_of_real_data_calls_nothing_synthetic_and_shows_no_row(tiny_table: Workspace) -> None:
    report = page(tiny_table)
    assert "synthetic" not in report.lower()
    assert "evaluate.thumbnails" in report
    assert not list((tiny_table.path / "data/evaluation/figures").glob("progression_furthest_off*"))


def test_the_report_opens_alone(tiny_table: Workspace) -> None:
    assert not re.search(r"<script|<link|https?:|url\(", page(tiny_table))


def test_predictions_name_no_patient_and_no_class(tiny_table: Workspace) -> None:
    predictions = pd.read_parquet(tiny_table.path / "data/evaluation/predictions.parquet")
    assert "patient" not in predictions
    assert predictions[["label", "probability"]].isna().all(axis=None)
    assert {len(output) for output in predictions["output"]} == {1}


def test_the_run_holds_parameters_and_test_metrics(tiny_table: Workspace) -> None:
    client = MlflowClient(tiny_table.store)
    (run,) = client.search_runs([client.get_experiment_by_name("tiny_table").experiment_id])
    assert run.info.status == "FINISHED"
    assert (run.data.params["train.model"], run.data.params["train.width"]) == ("mlp", "8")
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
    metrics = json.loads((tiny_table.path / "data/evaluation/metrics.json").read_text(encoding="utf-8"))["progression"]
    for name in METRICS:
        assert abs(run.data.metrics[f"test/progression/{name}"] - metrics[name]["value"]) < 1e-5, name
    assert run.data.tags["synthetic"] == "false"


def test_the_first_version_is_champion_and_not_called_synthetic(tiny_table: Workspace) -> None:
    client = MlflowClient(tiny_table.store)
    assert [model.name for model in client.search_registered_models()] == ["tiny_table"]
    assert client.get_model_version_by_alias("tiny_table", "champion").version == 1
