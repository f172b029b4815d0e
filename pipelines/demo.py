"""`make demo`: the main job from data to an answer of the served model.

python -m pipelines.demo                       the checkout's own task, on synthetic films
python -m pipelines.demo DATA                  a MedMNIST archive or a folder of pictures, in a workspace under work/
python -m pipelines.demo --task NAME [DATA]    a task of pipelines/tasks, or a task file, in a workspace under work/
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from components.lib.dataset import Dataset
from components.lib.errors import MedpipeError
from components.lib.numbers import number
from components.lib.places import Place, place
from components.lib.plain_path import require_usable
from components.lib.server import ask, serve
from components.lib.shell_words import quoted
from components.lib.spec import TaskSpec
from components.lib.tracking import CHECKOUT
from pipelines.new import create, create_of_task
from pipelines.serve import ensure_registered, task_file, workspace_spec
from pipelines.workspace import keep_printable, keep_private, task_named, workspace_name


def main(
    data: Annotated[Any, typer.Argument(parser=place, metavar="DATA")] = None,
    task: Annotated[str | None, typer.Option(help="A name in pipelines/tasks, or a task file.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the workspace in work/; else that of the data.")] = None,
) -> None:
    """Run the pipeline, on DATA or on what the task names, serve the model, and ask it about one sample."""
    workspace = workspace_for(data, task, name)
    os.chdir(workspace)
    _say(f"dvc repro, in {_shown(workspace)}")
    if subprocess.run([sys.executable, "-m", "dvc", "repro"], check=False).returncode:
        raise MedpipeError(
            "dvc repro",
            expected="every step to succeed",
            found="one failed, see above",
            todo="mend what it names and run the same command again: finished steps are kept",
        )
    spec = workspace_spec()
    name, version = ensure_registered(spec)
    request, known = _one_sample(spec)
    _say(f"mlflow models serve -m models:/{name}/{version}")
    with serve(f"models:/{name}/{version}") as url:
        (answer,) = ask(url, {column: [value] for column, value in request.items()})
    _tell(answer, known, name, workspace, spec)


def workspace_for(data: Place | None, task: str | None, name: str | None = None) -> Path:
    """The checkout, or a workspace under work/ that is made now.

    Args:
        data: the raw data; None: what the task names.
        task: a name in pipelines/tasks, or a task file; None: what the data say.
        name: of the workspace; None: that of the task or of the data.
    """
    if task is not None:
        file = task_named(task)
        workspace = CHECKOUT / "work" / (name or file.stem)
        found = create_of_task(file, workspace, data)
    elif data is not None:
        name = name or workspace_name(data)
        workspace = CHECKOUT / "work" / name
        found = create(data, workspace, name)
    else:
        require_usable(CHECKOUT, "the path of this checkout of medpipe")
        keep_private(CHECKOUT)
        keep_printable(CHECKOUT)
        return CHECKOUT
    for sentence in found:
        _say(sentence)
    return workspace


def _one_sample(spec: TaskSpec) -> tuple[dict[str, Any], dict[str, str]]:
    """The first test sample as a caller would send it, and what is known about it."""
    samples = Dataset(Path("data/cleaned")).samples()
    known = samples[[*spec.targets]].notna().any(axis=1)
    row = samples[(samples["split"] == "test") & known].iloc[0]
    sources = pd.read_parquet("data/private/sources.parquet").set_index("sample_id").loc[row["sample_id"]]
    raw = spec.source.opener(place(spec.source.path), spec.inputs)(sources["file"], int(sources["row"]))
    request = {
        column: value for name, kind in spec.inputs.items() for column, value in kind.to_request(name, raw).items()
    }
    return request, {name: _figure(row[name]) for name in spec.targets if pd.notna(row[name])}


def _tell(answer: dict[str, Any], known: dict[str, str], name: str, workspace: Path, spec: TaskSpec) -> None:
    noun = next(iter(spec.inputs.values())).noun
    figures = {column: value for column, value in answer.items() if column != "model_version"}
    wide = max(map(len, (*figures, *known, "where to look"))) + 2
    lines = [f"  {column:<{wide}}{_figure(value) or 'none'}" for column, value in figures.items()]
    lines += [
        f"  {'known: ' + target if len(known) > 1 else 'known to be':<{wide}}{truth}" for target, truth in known.items()
    ]
    print(f"""
One of the {noun} of the test split, asked of the served model:
{chr(10).join(lines)}
  {"model":<{wide}}{name}, version {answer["model_version"]}

Where to look next:
  report         {_shown(workspace / "data/evaluation/report.html")}
  runs           make ui
  serve          make serve{"" if workspace == CHECKOUT else f" WORKSPACE={quoted(_shown(workspace))}"}
  task file      {_shown(workspace / task_file())}""")


def _figure(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _say(text: str) -> None:
    print(f"==> {text}", flush=True)


def _shown(path: Path) -> str:
    """A path from the checkout, where the user is."""
    return os.path.relpath(path, CHECKOUT)


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
