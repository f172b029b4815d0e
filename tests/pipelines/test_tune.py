"""`make tune`: trials that are killed go on, runs are nested, and what was found is a change that can be applied."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pandas as pd
import pytest
from mlflow import MlflowClient
from workspaces import TINY_TABLE, Workspace, digests, make_tiny

from components.lib.spec import load_spec

TRIALS = 7
TASK = TINY_TABLE.replace("register: null", "tune: {random: 3}\nregister: null").replace("epochs: 3", "epochs: 6")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose tuning was killed in a trial, and then run again to the end."""
    workspace = make_tiny(tmp_path_factory.mktemp("tune") / "workspace", TASK)
    kill_after(workspace, trials=2)
    workspace.run("pipelines.tune", "--trials", str(TRIALS))
    return workspace


def kill_after(workspace: Workspace, trials: int) -> None:
    """Run the tuning, and kill it without warning once so many trials have ended."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": workspace.store, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "pipelines.tune", "--trials", str(TRIALS)]
    with subprocess.Popen(command, cwd=workspace.path, env=variables, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert any(line.startswith(f"trial {trials}:") for line in run.stdout), "it ended before it could be killed"
        time.sleep(0.2)
        run.send_signal(signal.SIGKILL)


def study(workspace: Workspace) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=f"sqlite:///{workspace.path}/tuning/studies.db")


def test_a_killed_search_goes_on_and_ends_with_as_many_trials(tuned: Workspace):
    states = [trial.state.name for trial in study(tuned).trials]
    assert states.count("COMPLETE") + states.count("PRUNED") == TRIALS
    assert states.count("FAIL") <= 1
    table = pd.read_csv(tuned.path / "tuning" / "trials.csv")
    assert len(table[table["state"] != "fail"]) == TRIALS


def test_the_first_trial_has_the_tasks_own_settings(tuned: Workspace):
    first, spec = study(tuned).trials[0], load_spec(tuned.path / "task.yaml")
    assert first.params["train.learning_rate"] == spec.train.learning_rate
    assert first.params["train.dropout_rate"] == spec.train.dropout_rate


def test_every_trial_is_a_run_nested_in_the_studys(tuned: Workspace):
    store = MlflowClient(tuned.store)
    runs = store.search_runs([each.experiment_id for each in store.search_experiments()])
    (parent,) = [run for run in runs if "tuning" in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    told = [run for run in children if "trial" in run.data.tags]
    assert len(told) >= TRIALS
    best = max(run.data.metrics["score"] for run in told if "score" in run.data.metrics)
    assert parent.data.metrics["score"] == pytest.approx(study(tuned).best_value)
    assert best == pytest.approx(study(tuned).best_value)
    assert {each.path for each in store.list_artifacts(parent.info.run_id, "tuning")} >= {"tuning/tuning.png"}


def test_what_was_found_is_a_change_that_patch_applies(tuned: Workspace, tmp_path: Path):
    change = tuned.path / "tuning" / "task.diff"
    best = study(tuned).best_trial
    if best.user_attrs.get("own"):
        assert change.read_text(encoding="utf-8") == ""
        return
    copy = tmp_path / "task.yaml"
    copy.write_bytes((tuned.path / "task.yaml").read_bytes())
    subprocess.run(["git", "apply", str(change)], cwd=tmp_path, check=True)
    changed = load_spec(copy).train
    assert changed.learning_rate == float(f"{best.params['train.learning_rate']:.3g}")


def test_neither_the_task_nor_the_data_were_touched_and_no_model_was_made(tuned: Workspace):
    assert (tuned.path / "task.yaml").read_text(encoding="utf-8") == TASK
    assert not (tuned.path / "data" / "model").exists()


def test_a_third_run_has_nothing_left_to_do(tuned: Workspace):
    before = digests(tuned.path / "tuning")
    done = tuned.run("pipelines.tune", "--trials", str(TRIALS))
    assert "trial 1:" not in done.stdout
    after = digests(tuned.path / "tuning")
    assert {name: value for name, value in after.items() if name.endswith((".csv", ".diff", ".npz"))} == {
        name: value for name, value in before.items() if name.endswith((".csv", ".diff", ".npz"))
    }
