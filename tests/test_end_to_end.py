"""The whole job on a tiny phantom: every step for real, through DVC, killed and run again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import yaml
from mlflow import MlflowClient
from workspaces import WATCH, Workspace, step_command

from pipelines.steps import STEPS


def test_every_step_leaves_its_output(tiny: Workspace) -> None:
    for step in STEPS:
        for place in step.outputs.values():
            assert any((tiny.path / place).iterdir()), place
    assert not list(tiny.path.glob("data/.*.partial-*"))


def test_nothing_is_sent_out(tiny: Workspace) -> None:
    log = tiny.path.parent / "egress.log"
    assert not log.exists(), log.read_text(encoding="utf-8")


def test_the_egress_block_blocks(tmp_path: Path, tiny: Workspace) -> None:
    log = tmp_path / "egress.log"
    (tmp_path / "probe.py").write_text("import urllib.request as u; u.urlopen('http://192.0.2.1/')", encoding="utf-8")
    path = f"{WATCH}:{tmp_path}"
    done = tiny.run("probe", check=False, PYTHONPATH=path, MEDPIPE_EGRESS_LOG=str(log))
    assert done.returncode != 0
    assert "192.0.2.1" in log.read_text(encoding="utf-8")


def test_opening_a_model_keeps_no_diary_for_its_maker(tmp_path: Path, tiny: Workspace) -> None:
    """ONNX Runtime's own telemetry is native code, which the block doesn't see; it begins with a file at home."""
    program = "import pathlib; from components.lib.model_dir import Model; Model(pathlib.Path('data/model'))"
    (tmp_path / "probe.py").write_text(program, encoding="utf-8")
    tiny.run("probe", PYTHONPATH=str(tmp_path), HOME=str(tmp_path / "home"), XDG_CACHE_HOME=str(tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_registering_again_changes_nothing(tiny: Workspace, tmp_path: Path) -> None:
    client = MlflowClient(tiny.store)
    before = client.search_model_versions("name='tiny_synthetic'")
    again = tiny.run(*step_command("register", tiny.path / "task.yaml", tiny.path, tmp_path))
    after = client.search_model_versions("name='tiny_synthetic'")
    assert "already there" in again.stdout
    assert [version.version for version in before] == [version.version for version in after] == [1]
    assert client.get_model_version_by_alias("tiny_synthetic", "champion").version == 1


def test_dvc_has_nothing_to_do_the_second_time(tiny: Workspace) -> None:
    assert "Data and pipelines are up to date" in tiny.run("dvc", "status").stdout


def test_a_value_under_train_touches_only_what_follows(tiny: Workspace, tmp_path: Path) -> None:
    copy = _copy(tiny, tmp_path)
    text = (copy.path / "task.yaml").read_text(encoding="utf-8")
    (copy.path / "task.yaml").write_text(text.replace("epochs: 3", "epochs: 4"), encoding="utf-8")
    changed = yaml.safe_load(copy.run("dvc", "status", "--json").stdout)
    assert set(changed) == {"train"}
    planned = copy.run("dvc", "repro", "--dry").stdout
    assert "Stage 'augment' didn't change" in planned
    assert "Running stage 'train'" in planned


def test_dvc_shows_metrics_and_plots(tiny: Workspace, tmp_path: Path) -> None:
    metrics = json.loads(tiny.run("dvc", "metrics", "show", "--json").stdout)
    figures = metrics[""]["data"]["data/evaluation/metrics.json"]["data"]
    assert 0 <= figures["finding"]["auc"]["low"] <= figures["finding"]["auc"]["value"] <= 1
    tiny.run("dvc", "plots", "show", "-o", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    for title in ("Training", "ROC curve", "Confusion matrix", "Reliability"):
        assert title in page


def test_the_run_says_what_was_done(tiny: Workspace) -> None:
    client = MlflowClient(tiny.store)
    (run,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["train.epochs"] == "3"
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
    assert run.data.metrics["test/finding/auc_low"] <= run.data.metrics["test/finding/auc"]
    lock = yaml.safe_load((tiny.path / "dvc.lock").read_text(encoding="utf-8"))
    used = {lock["stages"][stage]["outs"][0]["md5"] for stage in ("clean", "augment")}
    assert {tag.value for entry in run.inputs.dataset_inputs for tag in entry.tags if tag.key == "dvc_md5"} == used
    assert run.data.metrics["usage.wall_seconds"] > 0
    assert run.data.metrics["usage.cpu_seconds"] > 0
    assert run.data.metrics["usage.energy_watt_hours"] > 0
    assert len(run.data.tags["lock"]) == 64
    folders = [client.list_artifacts(run.info.run_id, folder) for folder in ("figures", "evaluation")]
    files = {file.path for folder in folders for file in folder}
    figures = {f"figures/finding_{name}.png" for name in ("roc", "precision_recall", "confusion", "reliability")}
    assert figures | {"evaluation/report.html", "figures/finding_least_sure_1.png"} <= files


def test_the_ledger_of_samples_adds_up(tiny: Workspace) -> None:
    index = pd.read_csv(tiny.path / "data/raw/index.csv")
    info = json.loads((tiny.path / "data/cleaned/dataset.json").read_text(encoding="utf-8"))
    assert sum(info["counts"].values()) == len(index)
    assert info["synthetic"] is True


def test_an_experiment_registers_without_an_alias(tiny: Workspace, tmp_path: Path) -> None:
    copy = _copy(tiny, tmp_path)
    (copy.path / ".gitignore").write_text("/data\n/mlflow.db\n/mlruns\n", encoding="utf-8")
    copy.run("dvc", "config", "--unset", "core.no_scm")
    _git(copy, "init", "-q")
    _git(copy, "add", ".")
    # DVC commits experiments, so git must know who; on a fresh machine it doesn't.
    _git(copy, "config", "user.name", "tester")
    _git(copy, "config", "user.email", "tester@example.org")
    _git(copy, "commit", "-qm", "start")
    copy.run("dvc", "exp", "run", "-S", "task.yaml:train.epochs=1")
    client = MlflowClient(copy.store)
    versions = client.search_model_versions("name='tiny_synthetic'")
    assert sorted(version.version for version in versions) == [1, 2]
    assert dict(client.get_registered_model("tiny_synthetic").aliases) == {"champion": 1}


def _copy(tiny: Workspace, tmp_path: Path) -> Workspace:
    """The tiny workspace and its store, to be changed."""
    shutil.copytree(tiny.path, tmp_path / "copy", symlinks=True)
    return Workspace(tmp_path / "copy")


def _git(workspace: Workspace, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=workspace.path, check=True, capture_output=True)
