"""Tiny tasks in workspaces of their own, and running commands there as a user would."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from components.lib.spec import load_spec
from pipelines.steps import steps_of
from pipelines.workspace import make_workspace

CHECKOUT = Path(__file__).parents[1]
WATCH = CHECKOUT / "tests" / "watch"

# Of the test split 20 patients and more: gates judge no figure of fewer.
TINY_TASK = """
task: tiny
phantom: {kind: chest, patients: 64, prevalence: 0.5, seed: 3}
source: {reader: folder, path: data/raw, index: index.csv, synthetic: true, public_key: true}
inputs: {image: {kind: image, size: [32, 32], channels: 1}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
split: {validation: 0.25, test: 0.45}
clean: null
augment: {offline: {balance: 1.0}}
train: {model: cnn, width: 4, epochs: 3, batch_size: 16}
evaluate: {gates: {finding.accuracy: 0.1}}
register: null
"""

TINY_TABLE = """
task: tiny_table
phantom: {kind: diabetes}
source: {reader: table, path: data/raw, file: diabetes.csv, public_key: true}
inputs:
  record:
    kind: table
    numbers: [age, bmi, blood_pressure, glucose]
    categories: {sex: ["1", "2"]}
    ranges: {age: [18, 110]}
targets: {progression: {kind: regression, unit: points}}
split: {validation: 0.25, test: 0.25}
clean: null
augment: null
train: {model: mlp, width: 8, epochs: 3, batch_size: 16, learning_rate: 0.01}
evaluate: {gates: {progression.r2: -1.0}}
register: null
"""

# Of its 147 training beats three are left for the last batch: with so few, oneDNN wrote past its memory in the gradient
# of a convolution by 1 with a stride, and training died.
TINY_ECG = """
task: tiny_ecg
phantom: {kind: ecg, patients: 46, seconds: 10, fibrillation: 0.4}
source:
  reader: wfdb
  path: data/raw
  index: index.csv
  before: 1.0
  after: 1.0
  labels: {normal: [N], atrial_fibrillation: ["(AFIB"], supraventricular: [A], ventricular: [V]}
  synthetic: true
  public_key: true
inputs: {ecg: {kind: signal, seconds: 2.0, rate: 100, leads: [II, V1], centred: true}}
targets: {rhythm: {kind: multiclass, classes: [normal, atrial_fibrillation, supraventricular, ventricular]}}
split: {validation: 0.2, test: 0.5, seed: 27}   # every class in every split
clean: null
augment: null
train: {model: resnet, width: 4, epochs: 2, batch_size: 16}
evaluate: {gates: {rhythm.accuracy: 0.01}}
register: null
"""


@dataclass(frozen=True)
class Workspace:
    """A workspace, and the MLflow store beside its data that its steps write to."""

    path: Path

    @property
    def store(self) -> str:
        """Its own MLflow store."""
        return f"sqlite:///{self.path}/mlflow.db"

    def run(
        self, *command: str, check: bool = True, limit: float | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the workspace, as a user would; within so many seconds."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": self.store, **environment}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=self.path, env=variables, capture_output=True, text=True, check=False,
            timeout=limit,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done


def make_tiny(path: Path, task: str = TINY_TASK) -> Workspace:
    """A fresh workspace of a tiny task, with a store of its own."""
    path.mkdir(parents=True)
    (path / "task.yaml").write_text(task, encoding="utf-8")
    make_workspace(path)
    return Workspace(path)


def made_once(folder: Path, make: Callable[[], None], tries: int = 2) -> None:
    """Have a folder made by one of several processes, the others wait; what fails is made afresh, then given up.

    A workspace names its own place in its files, so that it can't be made elsewhere and moved.
    """
    with FileLock(f"{folder}.lock"):
        failed, done = folder.with_name(f"{folder.name}.failed"), folder / "done"
        while not done.exists():
            said = failed.read_text(encoding="utf-8").split("\0") if failed.exists() else []
            if len(said) >= tries:
                raise RuntimeError(f"{folder.name} was tried {len(said)} times, at first: {said[0]}")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                make()
            except (Exception, pytest.fail.Exception) as error:
                failed.write_text("\0".join([*said, str(error)[-4000:]]), encoding="utf-8")
            else:
                done.touch()


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder and its SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def step_command(name: str, task: Path, inputs: Path, outputs: Path) -> list[str]:
    """A step's command line, without `python -m`: its inputs from one workspace and its outputs to another."""
    step = next(step for step in steps_of(load_spec(task)) if step.name == name)
    homes = {parameter: inputs if parameter in step.inputs else outputs for parameter in step.paths("raw")}
    paths = {parameter: str(homes[parameter] / path) for parameter, path in step.paths("data/raw").items()}
    return [f"components.{name}", "--task", str(task), *(w for p, path in paths.items() for w in (f"--{p}", path))]
