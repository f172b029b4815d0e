"""A table and its task through every step, in this process: TensorFlow is imported once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from workspaces import Workspace

from components.augment import augment
from components.clean import clean
from components.evaluate import evaluate
from components.ingest import ingest
from components.lib.spec import TaskSpec, load_spec
from components.register import register
from components.train.step import train


@dataclass(frozen=True)
class Done:
    """A table and what all steps made of it."""

    spec: TaskSpec
    workspace: Workspace
    table: pd.DataFrame

    @property
    def data(self) -> Path:
        return self.workspace.path / "data"

    @property
    def predicted(self) -> pd.DataFrame:
        """Test samples: what evaluate predicted, and their row of the table."""
        predicted = pd.read_parquet(self.data / "evaluation/predictions.parquet")
        return predicted.merge(pd.read_parquet(self.data / "private/sources.parquet"), on="sample_id")


def reach(folder: Path, task: dict[str, Any], table: pd.DataFrame) -> Done:
    """Every step from ingest to register, in this process."""
    (folder / "data/raw").mkdir(parents=True)
    table.to_csv(folder / "data/raw/ward.csv", index=False)
    (folder / "task.yaml").write_text(yaml.safe_dump(task, sort_keys=False, allow_unicode=True), encoding="utf-8")
    spec, data = load_spec(folder / "task.yaml"), folder / "data"
    raw, here = data / "raw", Workspace(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", here.store)
        run_steps(raw, data, spec)
    return Done(spec, here, table)


def run_steps(raw: Path, data: Path, spec: TaskSpec) -> None:
    """Every step from ingest to register, on raw data that are there, into the folder `data`."""
    ingest(raw, data / "ingested", data / "private", spec)
    clean(raw, data / "ingested", data / "private", data / "cleaned", spec)
    augment(data / "cleaned", data / "augmented", spec)
    train(data / "cleaned", data / "augmented", data / "model", spec)
    evaluate(data / "cleaned", data / "model", data / "evaluation", spec)
    register(raw, *(data / each for each in ("cleaned", "private", "model", "evaluation", "registered")), spec)
