"""A registered version is trained again from what it was made from, and is the same model."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from workspaces import CHECKOUT, TINY_TABLE, Workspace

from components.lib.errors import MedpipeError
from components.lib.provenance import NOT_RECORDED, machine, task_document
from components.lib.spec import load_spec
from pipelines.reproduce import made_from


def git(place: Path, *words: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(place), *who, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """This checkout as it stands, uncommitted changes too, as a commit of a clone."""
    place = tmp_path_factory.mktemp("clone") / "medpipe"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(place)], check=True)
    listed = subprocess.run(
        ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--modified", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, place / name)
        else:
            (place / name).unlink()
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--allow-empty", "-m", "as it stands")
    return place


@pytest.fixture(scope="module")
def trained(clone: Path, tmp_path_factory) -> Workspace:
    """A tiny task, trained and registered by the clone's code."""
    path = tmp_path_factory.mktemp("reproduce") / "workspace"
    file = path.parent / "tiny_table.yaml"
    file.write_text(TINY_TABLE, encoding="utf-8")
    workspace = Workspace(path)
    run(clone, path.parent, "pipelines.new", "--task", str(file), "--into", str(path))
    done = run(clone, path, "dvc", "repro", "--quiet", store=workspace.store)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace


def run(clone: Path, folder: Path, *command: str, store: str = "") -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, "PYTHONPATH": str(clone)} | (
        {"MLFLOW_TRACKING_URI": store} if store else {}
    )
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def reproduce(clone: Path, trained: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    return run(clone, trained.path.parent, "pipelines.reproduce", *words, store=trained.store)


@pytest.mark.accept
def test_a_version_is_the_same_model_again(clone: Path, trained: Workspace):
    before = sorted(path for path in trained.path.rglob("*"))
    done = reproduce(clone, trained, "tiny_table/1", "--workspace", str(trained.path))
    assert done.returncode == 0, done.stdout + done.stderr
    receipt = json.loads((trained.path / "data/registered/receipt.json").read_text())
    assert f"reproduced: tiny_table/1 is {receipt['model_digest']}" in done.stdout
    assert sorted(path for path in trained.path.rglob("*")) == before
    trees = subprocess.run(["git", "-C", str(clone), "worktree", "list"], capture_output=True, text=True, check=True)
    assert len(trees.stdout.splitlines()) == 1


@pytest.mark.accept
def test_another_task_gives_another_model_and_it_is_said(clone: Path, trained: Workspace, tmp_path: Path):
    store = MlflowClient(trained.store)
    version = store.get_model_version("tiny_table", "1")
    task = json.loads(Path(store.download_artifacts(version.run_id, "task.json", str(tmp_path))).read_text())
    honest = json.dumps(task)
    task["train"]["seed"] = 7
    store.log_text(version.run_id, json.dumps(task), "task.json")
    try:
        done = reproduce(clone, trained, "tiny_table/1", "--workspace", str(trained.path))
    finally:
        store.log_text(version.run_id, honest, "task.json")
    assert done.returncode == 1
    assert "model digest" in done.stderr
    assert "reproduced" not in done.stdout


@pytest.mark.accept
def test_data_that_are_nowhere_are_told(clone: Path, trained: Workspace, tmp_path: Path):
    from pipelines.workspace import dvc

    dvc("init", "--no-scm", "--quiet", cwd=tmp_path)
    done = reproduce(clone, trained, "tiny_table/1", "--workspace", str(tmp_path))
    assert done.returncode == 1
    assert "neither has them" in done.stderr


@pytest.mark.accept
def test_a_version_that_is_not_there_is_told_with_those_that_are(trained: Workspace):
    with pytest.raises(MedpipeError, match="tiny_table/1"):
        made_from(MlflowClient(trained.store), "tiny_table/7")


@pytest.mark.accept
def test_code_that_was_not_committed_cannot_be_checked_out(trained: Workspace):
    store = MlflowClient(trained.store)
    run_id = store.get_model_version("tiny_table", "1").run_id
    store.set_tag(run_id, "git_changed", "true")
    try:
        with pytest.raises(MedpipeError, match="committed code"):
            made_from(store, "tiny_table/1")
    finally:
        store.set_tag(run_id, "git_changed", "false")


def test_the_recorded_task_is_a_task_file_without_the_place_of_the_data(tmp_path: Path):
    file = tmp_path / "task.yaml"
    file.write_text(TINY_TABLE.replace("data/raw", "/wards/smith"), encoding="utf-8")
    spec = load_spec(file)
    (tmp_path / "again.yaml").write_text(task_document(spec), encoding="utf-8")
    again = load_spec(tmp_path / "again.yaml")
    assert "smith" not in task_document(spec)
    assert again.source.path == NOT_RECORDED
    assert again.train == spec.train
    assert again.inputs == spec.inputs


def test_the_machine_is_named_by_processor_and_cores():
    assert int(machine()["machine.cores"]) >= 1
    assert machine()["machine.processor"]
