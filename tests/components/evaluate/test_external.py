"""External validation: a registered version on another hospital's cleaned data, and what is refused."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from workspaces import TINY_TASK, Workspace, digests

from components.clean import clean
from components.evaluate.external import cleaned, external, opened
from components.ingest import ingest
from components.lib.errors import DataError, ModelError
from components.lib.spec import load_spec
from components.phantom.step import phantom
from pipelines.steps import dvc_yaml
from pipelines.traces import in_workspace, mark

NAME = "tiny_synthetic"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of another hospital, cleaned."""
    task = TINY_TASK.replace("task: tiny", "task: elsewhere").replace("seed: 3", "seed: 11").replace("40", "20")
    workspace = tmp_path_factory.mktemp("other") / "hospital"
    workspace.mkdir()
    (workspace / "task.yaml").write_text(task, encoding="utf-8")
    spec, data = load_spec(workspace / "task.yaml"), workspace / "data"
    (workspace / "params.yaml").write_text("task: task.yaml\n", encoding="utf-8")
    (workspace / "dvc.yaml").write_text(dvc_yaml("task.yaml", spec, absolute=True), encoding="utf-8")
    phantom(data / "raw", spec)
    ingest(data / "raw", data / "ingested", data / "private", spec)
    clean(data / "raw", data / "ingested", data / "private", data / "cleaned", spec)
    return workspace


@pytest.fixture
def store(tiny: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    shutil.copy(tiny.path / "mlflow.db", tmp_path)
    own = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    return MlflowClient(own)


def test_a_registered_version_is_judged_on_all_samples_of_another_hospital(
    elsewhere: Path, store: MlflowClient, tmp_path: Path
) -> None:
    store.set_registered_model_alias(NAME, "under_review", "1")
    before = store.get_registered_model(NAME).aliases
    network, name = opened(f"models:/{NAME}@under_review", tmp_path / "fetched")
    assert name == f"{NAME}/1"
    out = external(network, name, elsewhere)
    assert out == elsewhere / "data" / "evaluation-external" / f"{NAME}-1"
    spec, dataset = cleaned(elsewhere)
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"]["samples"] == sum(dataset.info.rows)
    assert metrics["finding"]["n"] == dataset.samples()["finding"].notna().sum()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Elsewhere: external validation</h1>" in page
    assert "nothing was fitted here" in page
    assert "hat plain figures explain" not in page  # the surrogate learns, and there is nothing to learn from
    card = (out / "model_card.md").read_text(encoding="utf-8")
    assert card.startswith(f"# Model card: {NAME}/1, judged on data of another source: elsewhere")
    assert not (out / "evaluation.json").exists()
    assert digests(external(network, name, elsewhere / "task.yaml", tmp_path / "two")) == digests(out)

    folders = in_workspace(elsewhere, elsewhere / "data" / "raw")
    mark(folders, dataset.samples()["patient"].iloc[0])
    assert [each.held for each in folders if each.name == "data/evaluation-external"] == [True]
    assert store.get_registered_model(NAME).aliases == before
    experiment = store.get_experiment_by_name("tiny").experiment_id
    runs = store.search_runs([experiment], f"tags.external_data = '{dataset.info.digest}'")
    assert len(runs) == 1  # the repeat is in the run of the first
    assert runs[0].data.tags["mlflow.runName"] == f"external: {spec.task}"
    assert not [key for key in runs[0].data.metrics if key.startswith("test/")]
    own = store.get_run(store.get_model_version(NAME, "1").run_id).data
    assert not [key for key in own.metrics if key.startswith("external/")]


def test_of_the_data_it_learnt_from_only_the_test_split_is_judged(
    tiny: Workspace, store: MlflowClient, tmp_path: Path
) -> None:
    network, name = opened(f"models:/{NAME}/1", tmp_path / "fetched")
    with pytest.raises(DataError, match="--split test"):
        external(network, name, tiny.path, tmp_path / "out")
    out = external(network, name, tiny.path / "data" / "cleaned", tmp_path / "out", split="test")
    told = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    own = json.loads((tiny.path / "data/evaluation/metrics.json").read_text(encoding="utf-8"))
    assert told["finding"]["auc"] == own["finding"]["auc"]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("models:/tiny_synthetc@champion", "none among tiny_synthetic; nearest: tiny_synthetic"),
        (f"models:/{NAME}@best", "aliases: "),
        (f"models:/{NAME}/9", "versions 1"),
        (f"models:/{NAME}", "neither"),
    ],
)
def test_a_version_that_is_not_there_is_told_with_what_is(
    store: MlflowClient, tmp_path: Path, address: str, found: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(found)):
        opened(address, tmp_path / "fetched")


def test_a_version_that_was_changed_is_refused(tiny: Workspace, store: MlflowClient, tmp_path: Path) -> None:
    store.set_model_version_tag(NAME, "1", "model_digest", "0" * 64)
    with pytest.raises(ModelError, match="digest 000000000000"):
        opened(f"models:/{NAME}/1", tmp_path / "fetched")


def test_data_of_other_inputs_are_refused_by_name(tiny: Workspace, elsewhere: Path, tmp_path: Path) -> None:
    network, name = opened(str(tiny.path / "data/model"), tmp_path)
    other = tmp_path / "task.yaml"
    other.write_text((elsewhere / "task.yaml").read_text().replace("[32, 32]", "[48, 48]"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"others: inputs\.image"):
        external(network, name, elsewhere / "data" / "cleaned", tmp_path / "out", task=other)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (".", "a folder without a workspace"),
        ("nowhere", "no such folder"),
        ("hospital/data/ingested", "name the cleaned data: --data"),
        ("fresh", "cd .*fresh && dvc repro clean"),
    ],
)
def test_what_is_no_cleaned_dataset_is_told_with_the_command(elsewhere: Path, place: str, told: str) -> None:
    fresh = elsewhere.parent / "fresh"
    fresh.mkdir(exist_ok=True)
    for name in ("params.yaml", "dvc.yaml", "task.yaml"):
        shutil.copy(elsewhere / name, fresh)
    with pytest.raises(DataError, match=told):
        cleaned(elsewhere.parent / place)


def test_another_folder_is_not_replaced(tiny: Workspace, elsewhere: Path, tmp_path: Path) -> None:
    network, name = opened(str(tiny.path / "data/model"), tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="would be lost"):
        external(network, name, elsewhere, tmp_path / "mine")


def test_both_commands_at_once_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--model", "models:/x@champion", "--data", "elsewhere", "--dataset=data/cleaned"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("components.evaluate", run_name="__main__")
    assert ended.value.code == 1
    assert "found:    both" in capsys.readouterr().err
