"""`make tune TASK=name`: look for better settings, on train and validation alone.

    python -m pipelines.tune [WORKSPACE] [--trials N]
    python -m pipelines.tune --task NAME [DATA] [--trials N]

Tries settings of `tune.space` (docs/task-file.md) by Optuna's TPE, and ends early what does worse than the median.
The study is a SQLite file in the workspace: interrupted, the same command goes on. Every trial is a run in MLflow,
nested in one run of the study. What is found is a change to review, tuning/task.diff; the task file stays as it is,
and the test split is never read.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import optuna
import pandas as pd
import typer

from components.lib.csv_file import write_csv
from components.lib.errors import MedpipeError
from components.lib.quiet import quiet_import
from components.lib.shell_words import quoted
from components.lib.spec import TaskSpec
from components.lib.tracking import training_run
from pipelines.demo import workspace_for
from pipelines.serve import task_file, workspace_spec
from pipelines.space import edited, rounded, space_of
from pipelines.study import OWN, open_study, own_trial, unfinished

FOLDER = Path("tuning")


def main(
    place: Annotated[Path | None, typer.Argument(help="The workspace; with --task the data.")] = None,
    task: Annotated[str | None, typer.Option(help="A name in pipelines/tasks, or a task file.")] = None,
    trials: Annotated[int | None, typer.Option(min=2, help="Trainings in all; else tune.trials.")] = None,
) -> None:
    """Look for better settings of a task."""
    os.chdir(workspace_for(place, task) if task else place or Path())
    spec = workspace_spec()
    space = space_of(spec)
    print("==> dvc repro augment", flush=True)
    if subprocess.run([sys.executable, "-m", "dvc", "repro", "augment"], check=False).returncode:
        raise MedpipeError(
            "dvc repro augment", expected="the data to train on", found="a failure, see above",
            todo="mend what it names and run the same command again",
        )  # fmt: skip
    with quiet_import():
        from pipelines.trials import Trials
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    running = Trials(spec, space, FOLDER)
    study = open_study(running.name, running.own, spec.tune, FOLDER)
    with training_run(spec, running.folder / "run.json") as run:
        run.set_tags({"tuning": running.name})
        for _ in range(unfinished(study, trials or spec.tune.trials)):
            running.one(study, run)
        figures = _write(study, spec)
        for file in figures:
            run.log_file(file, "tuning")
        run.log_metrics({"score": study.best_value})
    _tell(study)


def _write(study: optuna.Study, spec: TaskSpec) -> list[Path]:
    """The trials as a table, the figure, and the best settings as a change to the task file."""
    table = FOLDER / "trials.csv"
    write_csv(_table(study), table)
    figure = FOLDER / "tuning.png"
    _draw(study, figure)
    change = FOLDER / "task.diff"
    file = task_file()
    before = file.read_text(encoding="utf-8")
    best = study.best_trial
    after = before if OWN in best.user_attrs else edited(before, rounded(best.params))
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{file.name}", f"b/{file.name}"
    )
    change.write_text("".join(lines), encoding="utf-8")
    return [table, figure, change]


def _table(study: optuna.Study) -> pd.DataFrame:
    rows = [
        {
            "trial": each.number + 1, "state": each.state.name.lower(), "validation_score": each.value,
            "epochs": len(each.intermediate_values), **rounded(each.params),
        }
        for each in study.trials if each.state.is_finished()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _draw(study: optuna.Study, file: Path) -> None:
    """Score of every trial, the best so far, and the score against each setting."""
    mpl.use("Agg")
    from matplotlib.figure import Figure

    found = [each for each in study.trials if each.value is not None]
    keys = sorted(found[0].params)
    columns = 3
    rows = -(-(len(keys) + 1) // columns)
    canvas = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    places = canvas.subplots(rows, columns, squeeze=False).ravel()
    numbers, scores = [each.number + 1 for each in found], [each.value for each in found]
    best = pd.Series(scores).cummax()
    places[0].scatter(numbers, scores, s=18, color="#4477aa")
    places[0].step(numbers, best, where="post", color="#228833", label="best so far")
    places[0].axhline(own_trial(study).value, color="#aa3377", linestyle=":", label="the task's own settings")
    places[0].set(xlabel="trial", ylabel="validation score")
    places[0].legend(fontsize=8)
    for place, key in zip(places[1:], keys, strict=False):
        values = [each.params[key] for each in found]
        names = [str(value) for value in values] if isinstance(values[0], str | bool) else values
        place.scatter(names, scores, s=18, color="#4477aa")
        if isinstance(values[0], float) and min(values) > 0 and max(values) / min(values) > 20:
            place.set_xscale("log")
        place.set(xlabel=key, ylabel="validation score")
    for place in places[len(keys) + 1 :]:
        place.set_axis_off()
    canvas.savefig(file, dpi=100, metadata={"Software": None})


def _tell(study: optuna.Study) -> None:
    own, best = own_trial(study), study.best_trial
    states = [each.state for each in study.trials]
    early = states.count(optuna.trial.TrialState.PRUNED)
    print(f"{len(_table(study))} trials, {early} ended early; figure: {FOLDER / 'tuning.png'}")
    if best.number == own.number:
        print(f"the task's own settings did best: validation score {own.value:.4f}")
        return
    print(f"best: trial {best.number + 1}, validation score {best.value:.4f}; the task's own settings {own.value:.4f}")
    print((FOLDER / "task.diff").read_text(encoding="utf-8"))
    print(
        "One training each, and the best of many is partly luck: before you believe it, train both with"
        "\n`train.seeds: 3` and compare."
        f"\nTo take it: patch {quoted(str(task_file()))} < {FOLDER / 'task.diff'}, then dvc repro"
    )


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
