"""Every step killed with SIGKILL in the middle of its work, and run again."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from mlflow import MlflowClient
from workspaces import WATCH, Workspace, digests, step_command

from components.lib.spec import load_spec
from pipelines.steps import RAW, steps_of


@pytest.mark.parametrize(
    ("name", "kill_at"),
    [
        ("phantom", "open:index.csv:1"),
        ("ingest", "os.rename:part-00000:1"),
        ("clean", "open:dataset.json:3"),
        ("augment", "os.rename:part-00000:1"),
        ("train", "os.rename:checkpoint.npz:1"),
        ("train", "os.rename:checkpoint.npz:2"),
        ("evaluate", "open:evaluation.json:1"),
        ("register", "open:receipt.json:1"),
    ],
)
def test_a_killed_step_run_again_gives_the_same_bytes(tiny: Workspace, tmp_path: Path, name: str, kill_at: str) -> None:
    task = tiny.path / "task.yaml"
    inputs = tiny.path
    if name in ("evaluate", "register"):  # they write run.json beside the model
        inputs = tmp_path / "inputs"
        unread = () if name == "register" else ("raw", "private")
        shutil.copytree(tiny.path / "data", inputs / "data", ignore=shutil.ignore_patterns(*unread))
    if name in ("train", "evaluate", "register"):  # a store takes seconds to make: begin with a copy
        shutil.copy(tiny.path / "mlflow.db", tmp_path / "mlflow.db")
    here = Workspace(tmp_path)
    client = MlflowClient(here.store) if name == "register" else None
    if client:
        client.delete_registered_model("tiny_synthetic")
    command = step_command(name, task, inputs, tmp_path)
    killed = here.run(*command, check=False, PYTHONPATH=str(WATCH), MEDPIPE_KILL_AT=kill_at)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    step = next(step for step in steps_of(load_spec(task)) if step.name == name)
    places = ["data/raw" if place == RAW else place for place in step.outputs.values()]
    assert not (tmp_path / places[-1]).exists(), "a killed step leaves no output"

    again = here.run(*command)
    for place in places:
        assert digests(tmp_path / place) == digests(tiny.path / place), place
    assert not list(tmp_path.glob("data/.*.partial-*"))
    if name == "train":
        assert ("resuming after epoch 1" in again.stdout) == kill_at.endswith("2")
    if client:
        assert len(client.search_model_versions("name='tiny_synthetic'")) == 1
        assert "champion" in client.get_registered_model("tiny_synthetic").aliases
