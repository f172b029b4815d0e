"""A champion, a retraining of one epoch, and `promote: auto`: the whole job, by `dvc repro`."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from workspaces import TINY_TASK, Workspace, digests, make_tiny

pytestmark = [pytest.mark.accept, pytest.mark.timeout(1500)]
NAME = "tiny_synthetic"
TITLE = "Compared with the champion"
TASK = (
    TINY_TASK.replace("patients: 64", "patients: 400")
    .replace("width: 4, epochs: 3", "width: 8, epochs: 15")
    .replace("register: null", "register: {promote: auto, golden_cases: 5}")
    .replace(
        "evaluate: {gates: {finding.accuracy: 0.1}}", "evaluate: {gates: {finding.accuracy: 0.1}, thumbnails: false}"
    )
)


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """The workspace after a retraining of one epoch, and what that printed."""
    workspace = make_tiny(tmp_path_factory.mktemp("promotion") / "workspace", TASK)
    workspace.run("dvc", "repro")
    assert not (workspace.path / "data/comparison.html").exists()
    change(workspace, "epochs: 15", "epochs: 1")
    return workspace, workspace.run("dvc", "repro").stdout


def change(workspace: Workspace, old: str, new: str) -> None:
    text = (workspace.path / "task.yaml").read_text(encoding="utf-8")
    assert old in text
    (workspace.path / "task.yaml").write_text(text.replace(old, new), encoding="utf-8")


def client(workspace: Workspace) -> MlflowClient:
    return MlflowClient(workspace.store)


def aliases(workspace: Workspace) -> dict[str, str]:
    found = client(workspace).get_registered_model(NAME).aliases
    return {alias: str(version) for alias, version in found.items()}


def kept(workspace: Workspace, version: str, folder: Path) -> dict[str, Any]:
    """comparison.json of a version's run."""
    run_id = client(workspace).get_model_version(NAME, version).run_id
    return json.loads(Path(client(workspace).download_artifacts(run_id, "comparison/comparison.json", str(folder)))
                      .read_text(encoding="utf-8"))  # fmt: skip


def test_the_champion_stays_and_the_reason_is_printed(retrained: tuple[Workspace, str]) -> None:
    workspace, printed = retrained
    assert aliases(workspace) == {"champion": "1", "challenger": "2"}
    assert re.search(r"compared with version 1 on (\d+) of \1 test samples: The challenger is inferior", printed)
    assert "challenger of version 1; not promoted: The challenger is inferior to version 1 in" in printed


def test_the_table_stands_wherever_somebody_may_decide(retrained: tuple[Workspace, str], tmp_path: Path) -> None:
    workspace, _ = retrained
    version = client(workspace).get_model_version(NAME, "2")
    rows = kept(workspace, "2", tmp_path)["rows"]
    assert [row["name"] for row in rows][:6] == [
        "auc", "sensitivity", "specificity", "net_benefit", "brier", "calibration",
    ]  # fmt: skip
    run = client(workspace).get_run(version.run_id)
    report = Path(client(workspace).download_artifacts(version.run_id, "evaluation/report.html", str(tmp_path)))
    mlflow.set_tracking_uri(workspace.store)
    place = str(
        mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{NAME}/2", dst_path=str(tmp_path / "version"))
    )
    texts = {
        "report": html.unescape(report.read_text(encoding="utf-8")),
        "page": html.unescape((workspace.path / "data/comparison.html").read_text(encoding="utf-8")),
        "description": version.description,
        "card": (Path(place) / "artifacts/model_card.md").read_text(encoding="utf-8"),
    }
    for where, text in texts.items():
        assert TITLE in text, where
        assert all(row["title"] in text and row["verdict"] in text for row in rows), where
    assert version.tags["comparison"] == "inferior"
    for row in rows:
        assert version.tags[f"comparison.finding.{row['name']}"].endswith(row["verdict"])
        assert run.data.metrics[f"comparison/finding/{row['name']}/difference"] == pytest.approx(row["difference"])


def test_no_output_of_dvc_depends_on_what_the_store_holds(retrained: tuple[Workspace, str], tmp_path: Path) -> None:
    workspace, _ = retrained
    shutil.copytree(workspace.path, tmp_path / "copy", symlinks=True)
    copy = Workspace(tmp_path / "copy")
    (copy.path / "mlflow.db").unlink()
    before = digests(copy.path / "data/registered")
    copy.run("dvc", "repro", "-f", "-s", "register")
    assert digests(copy.path / "data/registered") == before
    assert aliases(copy) == {"champion": "1"}
    assert not (copy.path / "data/comparison.html").exists()
    assert "Data and pipelines are up to date" in copy.run("dvc", "status").stdout


def test_a_person_may_decide_otherwise_and_go_back_in_one_command(retrained: tuple[Workspace, str]) -> None:
    workspace, _ = retrained
    command = "from components.lib.tracking import client; client().set_registered_model_alias({!r}, 'champion', {!r})"
    page = (workspace.path / "data/comparison.html").read_bytes()
    for version in ("2", "1"):
        workspace.run("timeit", "-n1", "-r1", command.format(NAME, version))
        assert aliases(workspace)["champion"] == version
        again = workspace.run("dvc", "repro", "-f", "-s", "register").stdout
        assert "already there (challenger of version 1; not promoted" in again
        assert aliases(workspace)["champion"] == version
        assert (workspace.path / "data/comparison.html").read_bytes() == page
    assert TITLE in client(workspace).get_model_version(NAME, "2").description


def test_manual_shows_the_same_table(retrained: tuple[Workspace, str], tmp_path: Path) -> None:
    workspace, _ = retrained
    shutil.copytree(workspace.path, tmp_path / "copy", symlinks=True)
    copy = Workspace(tmp_path / "copy")
    change(copy, "promote: auto", "promote: manual")
    change(copy, "epochs: 1,", "epochs: 2,")
    printed = copy.run("dvc", "repro").stdout
    assert re.search(r"registered: tiny_synthetic version 3, challenger of version 1\n", printed)
    assert [row["name"] for row in kept(copy, "3", tmp_path)["rows"]] == [
        row["name"] for row in kept(workspace, "2", tmp_path)["rows"]
    ]
