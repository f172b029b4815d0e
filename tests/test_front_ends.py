"""DVC, MLflow Projects and the Kubeflow graph run the same steps, and get the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import CHECKOUT, Workspace, digests

from components.lib.dataset import Dataset
from components.lib.model_dir import model_digest
from pipelines.steps import STEPS

DATASETS = ("ingested", "cleaned", "augmented")


def outcome(places: dict[str, Path]) -> dict[str, object]:
    """Digests of every dataset and of the model, and the test metrics."""
    digests: dict[str, object] = {name: Dataset(places[name]).info.digest for name in DATASETS}
    metrics = json.loads((places["evaluation"] / "metrics.json").read_text(encoding="utf-8"))
    return digests | {"model": model_digest(places["model"]), "metrics": metrics}


def below(data: Path) -> dict[str, Path]:
    return {name: data / name for name in (*DATASETS, "model", "evaluation")}


def mlflow_run(workspace: Workspace, entry: str, *parameters: str, check: bool = True):
    words = [word for parameter in parameters for word in ("-P", parameter)]
    return workspace.run("mlflow", "run", str(CHECKOUT), "-e", entry, "--env-manager", "local", *words, check=check)


def test_mlflow_runs_all_steps_to_the_same_bytes(tiny: Workspace, tmp_path: Path) -> None:
    task, raw, data = tiny.path / "task.yaml", tmp_path / "raw", tmp_path / "data"
    mlflow_run(Workspace(tmp_path), "main", f"task={task}", f"raw={raw}", f"data={data}")
    assert digests(raw) == digests(tiny.path / "data/raw")
    for step in STEPS:
        for place in step.outputs.values():
            assert digests(tmp_path / place) == digests(tiny.path / place), place


def test_the_kubeflow_graph_runs_to_the_same_bytes(tiny: Workspace, tmp_path: Path) -> None:
    command = ["pipelines.kubeflow", "run-local", "--task", f"{tiny.path}/task.yaml", "--root", str(tmp_path / "run")]
    printed = Workspace(tmp_path).run(*command).stdout
    places = dict(line.split(maxsplit=1) for line in printed.splitlines()[-8:])
    assert outcome({name: tmp_path / place for name, place in places.items()}) == outcome(below(tiny.path / "data"))


def test_mlflow_runs_one_step(tiny: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "augmented"
    mlflow_run(tiny, "augment", f"task={tiny.path}/task.yaml", f"dataset={tiny.path}/data/cleaned", f"out={out}")
    assert Dataset(out).info.digest == Dataset(tiny.path / "data/augmented").info.digest


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [("bogus=2", "No such option: --bogus"), ("dataset=nowhere", "nowhere")],
)
def test_a_wrong_parameter_is_named(tiny: Workspace, parameter: str, sentence: str) -> None:
    given = {"task": f"{tiny.path}/task.yaml", "dataset": f"{tiny.path}/data/cleaned", "out": "data/nothing"}
    given |= dict([parameter.split("=")])
    done = mlflow_run(tiny, "augment", *(f"{name}={value}" for name, value in given.items()), check=False)
    assert done.returncode != 0
    assert sentence in done.stderr
