"""Tuning, reproducing and Kubeflow's local runner, where everything that has a place has one of any sign."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from odd_places import ALL_AT_ONCE, forget_links
from workspaces import CHECKOUT

pytestmark = [pytest.mark.accept, pytest.mark.timeout(1500), pytest.mark.xdist_group("tensorflow")]
PLACE = ALL_AT_ONCE + "python3 ?a=b"


def patients(folder: Path) -> Path:
    """A folder with a table of 160 patients, its value higher in those who are ill."""
    generator = np.random.default_rng(3)
    ill = generator.random(160) < 0.4
    table = pd.DataFrame({"patient_id": [f"P{row:04d}" for row in range(160)], "age": generator.integers(20, 90, 160)})
    table["glucose"] = (generator.normal(6, 1, 160) + 3 * ill).round(1)
    table["diagnosis"] = np.where(ill, "yes", "no")
    folder.mkdir()
    table.to_csv(folder / "blut; $(touch PWNED) 'ä'.csv", index=False)
    return folder


def committed(place: Path) -> Path:
    """This checkout as it stands as the one commit of a repository there."""
    listed = ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in {*filter(None, names)}:
        if (CHECKOUT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, place / name)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "as it stands"]):
        subprocess.run(["git", "-C", str(place), *who, *words], check=True, capture_output=True)
    return place


def smaller(task: Path) -> None:
    """A training of seconds."""
    values = yaml.safe_load(task.read_text(encoding="utf-8"))
    values["train"] = {"model": "mlp", "width": 4, "epochs": 2, "batch_size": 16}
    values["tune"] = {"random": 2}
    task.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def test_tune_reproduce_and_kubeflow_run_in_any_place_and_nothing_of_its_name(tmp_path: Path) -> None:
    home = tmp_path / PLACE
    code, data, workspace = committed(home / "med pipe"), patients(home / "raw; touch PWNED;"), home / "w's"
    python = tmp_path / "an; touch PWNED; $(touch PWNED) 'environment'/bin/python"
    python.parent.parent.symlink_to(sys.prefix)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(home), "PYTHONPATH": str(code), "MLFLOW_TRACKING_URI": "",
                   "MEDPIPE_PATIENT_KEY": "0" * 32}  # fmt: skip
    environment.pop("XDG_CACHE_HOME", None)

    def run(folder: Path, *words: str) -> str:
        done = subprocess.run(
            [str(python), "-m", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    try:
        run(code, "pipelines.new", str(data), "--into", str(workspace), "--name", "blut", "--yes")
        smaller(workspace / "task.yaml")
        run(workspace, "dvc", "repro")
        digest = json.loads((workspace / "data/registered/receipt.json").read_text(encoding="utf-8"))["model_digest"]

        told = run(code, "pipelines.tune", str(workspace), "--trials", "2")
        assert "2 trials" in told
        assert (workspace / "tuning/tuning.png").is_file()

        told = run(code, "pipelines.reproduce", "blut/1", "--workspace", str(workspace), "--keep", str(home / "again"))
        assert f"reproduced: blut/1 is {digest}" in told

        outputs = home / "kubeflow's"
        told = run(code, "pipelines.kubeflow", "run-local", "--workspace", str(workspace), "--root", str(outputs))
        (registered,) = outputs.rglob("receipt.json")
        assert json.loads(registered.read_text(encoding="utf-8"))["model_digest"] == digest
        assert [*tmp_path.rglob("PWNED")] == []
    finally:
        forget_links(tmp_path)
