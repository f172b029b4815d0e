"""Electrocardiograms, all the way through DVC: what is left, what MLflow knows, what the report says."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from workspaces import Workspace

from components.lib.dataset import Dataset
from pipelines.steps import PHANTOM, STEPS

CHARTS = ("roc", "precision_recall", "confusion", "reliability")
CLASSES = ("normal", "atrial_fibrillation", "supraventricular", "ventricular")


def page(workspace: Workspace) -> str:
    return (workspace.path / "data/evaluation/report.html").read_text(encoding="utf-8")


def test_every_step_leaves_its_output(tiny_ecg: Workspace) -> None:
    for step in (PHANTOM, *STEPS):
        for place in step.outputs.values():
            assert any((tiny_ecg.path / ("data/raw" if place == "raw" else place)).iterdir()), place
    assert not list(tiny_ecg.path.glob("data/.*.partial-*"))


def test_nothing_is_sent_out(tiny_ecg: Workspace) -> None:
    log = tiny_ecg.path.parent / "egress.log"
    assert not log.exists(), log.read_text(encoding="utf-8")


def test_dvc_has_nothing_left_to_do(tiny_ecg: Workspace) -> None:
    assert "Data and pipelines are up to date" in tiny_ecg.run("dvc", "status").stdout


def test_a_beat_is_a_window_in_millivolts(tiny_ecg: Workspace) -> None:
    data = Dataset(tiny_ecg.path / "data/cleaned")
    for split in ("train", "validation", "test"):
        samples, arrays = data.select(split, ["ecg"])
        assert arrays["ecg"].shape == (len(samples), 200, 2)
        assert arrays["ecg"].dtype == np.float32
        assert {*samples["rhythm"]} == {*CLASSES}
        assert samples["ecg_rate"].eq(250).all()
    assert data.info.synthetic


def test_no_patient_stands_on_two_sides(tiny_ecg: Workspace) -> None:
    samples = Dataset(tiny_ecg.path / "data/cleaned").samples()
    assert samples.groupby("patient")["split"].nunique().eq(1).all()


def test_metrics_are_those_of_classes(tiny_ecg: Workspace) -> None:
    metrics = json.loads((tiny_ecg.path / "data/evaluation/metrics.json").read_text(encoding="utf-8"))
    found = metrics["rhythm"]
    assert {"accuracy", "f1", "auc", *(f"f1_{name}" for name in CLASSES), *(f"recall_{n}" for n in CLASSES)} <= {*found}
    assert 0 <= found["f1"]["low"] <= found["f1"]["value"] <= found["f1"]["high"] <= 1
    assert abs(np.mean([found[f"f1_{name}"]["value"] for name in CLASSES]) - found["f1"]["value"]) < 1e-5


def test_every_chart_is_there_as_numbers_and_as_picture(tiny_ecg: Workspace) -> None:
    folder = tiny_ecg.path / "data/evaluation"
    for chart in CHARTS:
        assert len(pd.read_csv(folder / f"rhythm_{chart}.csv")), chart
        assert (folder / f"figures/rhythm_{chart}.png").read_bytes().startswith(b"\x89PNG"), chart


def test_the_report_says_synthetic_and_shows_traces(tiny_ecg: Workspace) -> None:
    report = page(tiny_ecg)
    assert "Synthetic data" in report
    assert "Traces: Rhythm" in report
    assert "bold lines at .2 s and .5 mV" in report
    assert "Network and baselines" not in report  # a trace has no columns


def test_the_report_opens_alone(tiny_ecg: Workspace) -> None:
    assert not re.search(r"<script|<link|https?:|url\(", page(tiny_ecg))


def test_the_run_holds_parameters_and_test_metrics(tiny_ecg: Workspace) -> None:
    client = MlflowClient(tiny_ecg.store)
    (run,) = client.search_runs([client.get_experiment_by_name("tiny_ecg").experiment_id])
    assert run.info.status == "FINISHED"
    assert (run.data.params["train.model"], run.data.params["train.width"]) == ("resnet", "4")
    metrics = json.loads((tiny_ecg.path / "data/evaluation/metrics.json").read_text(encoding="utf-8"))["rhythm"]
    for name in ("accuracy", "f1", "f1_ventricular", "recall_ventricular"):
        assert abs(run.data.metrics[f"test/rhythm/{name}"] - metrics[name]["value"]) < 1e-5, name
    assert run.data.tags["synthetic"] == "true"


def test_the_first_version_is_champion_and_called_synthetic(tiny_ecg: Workspace) -> None:
    client = MlflowClient(tiny_ecg.store)
    assert [model.name for model in client.search_registered_models()] == ["tiny_ecg_synthetic"]
    assert client.get_model_version_by_alias("tiny_ecg_synthetic", "champion").version == 1
