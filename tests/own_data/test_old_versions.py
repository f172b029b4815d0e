"""Registered versions that confuse columns by their own code: doctor, serve and batch say so by name."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from workspaces import Workspace

from components.lib.errors import ModelError
from components.lib.model_dir import model_digest
from pipelines import doctor
from pipelines.old_versions import confused, old_versions
from pipelines.serve import require_right
from serving.batch import _model

COLUMNS = ["ward", "sex", "admission", "zone"]


def model(columns: list[str], form: int = 2, kind: str = "table") -> dict[str, Any]:
    """A model.json as it was written then, keys sorted."""
    return {"format": form, "inputs": {"record": {"kind": kind, "categories": dict.fromkeys(sorted(columns))}}}


def task(columns: list[str]) -> dict[str, Any]:
    return {"inputs": {"record": {"kind": "table", "categories": dict.fromkeys(columns)}}}


@pytest.mark.parametrize("seed", range(12))
def test_columns_that_were_not_in_order_are_confused(seed: int) -> None:
    draw = random.Random(seed)
    columns = draw.sample(COLUMNS, draw.randint(2, 4))
    in_order = columns == sorted(columns)
    assert bool(confused(model(columns), task(columns))) is not in_order
    assert confused(model(columns), task(sorted(columns))) == ""
    assert confused(model(columns, form=3), task(columns)) == ""
    assert "may take" in confused(model(columns), None)
    assert confused(model(columns[:1]), None) == ""
    assert confused(model(columns, kind="image"), None) == ""


@pytest.fixture
def store(tiny: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A registry with the old champion of `stays`, a good version of it, and a version of films."""
    shutil.copy(tiny.path / "mlflow.db", tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = MlflowClient(uri)
    client.create_registered_model("stays")
    experiment = client.create_experiment("stays", artifact_location=str(tmp_path / "runs"))
    for number, columns in enumerate((["ward", "sex"], ["sex", "ward"]), 1):
        run = client.create_run(experiment).info.run_id
        client.log_text(run, json.dumps(task(columns)), "task.json")
        folder = tmp_path / f"version{number}" / "artifacts" / "model"
        folder.mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps(model(columns)))
        (folder / "model.onnx").write_bytes(b"a graph")
        tags = {"model_digest": model_digest(folder)}
        client.create_model_version("stays", str(tmp_path / f"version{number}"), run, tags=tags)
    client.set_registered_model_alias("stays", "champion", "1")
    return client


def test_doctor_names_them_and_fails(store: MlflowClient, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as opened:
        (found,) = old_versions(opened)
    assert (found.name, found.version, found.aliases) == ("stays", "1", ("champion",))
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.doctor"], cwd=doctor.CHECKOUT, env=dict(os.environ), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "stays version 1, champion" in done.stdout
    assert "takes the category columns of record for one another (ward, sex)" in done.stdout
    after = done.stdout.partition("answers wrongly: don't use it")[2]
    assert "dvc repro --force train" in after
    assert "set_registered_model_alias('stays', 'champion', 'NEW')" in after


def test_doctor_names_versions_whose_files_cannot_be_checked(store: MlflowClient) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.doctor"], cwd=doctor.CHECKOUT, env=dict(os.environ), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    told = next(line for line in done.stdout.splitlines() if "stays, older versions" in line)
    assert "no manifest in 1, 2: whether their files were changed can't be told" in told


def test_serve_and_batch_refuse_them_by_name(store: MlflowClient, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"models:/stays/1(.|\n)*takes the category columns") as caught:
        require_right("stays", "1", "champion")
    assert "dvc repro --force train" in caught.value.todo
    require_right("stays", "2", "challenger")
    require_right("tiny_synthetic", "1", "champion")
    with pytest.raises(ModelError, match="models:/stays/1") as caught:
        _model("models:/stays@champion", tmp_path / "fetched")
    assert "dvc repro --force train" in caught.value.todo
