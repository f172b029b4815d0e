"""A workspace from data: looks at what is there, says what it found, writes the task file.

    python -m pipelines.new DATA [--name NAME] [--into DIR]
    python -m pipelines.new --task TASK [DATA] [--into DIR]
    python -m pipelines.new --renew DIR

DATA is a MedMNIST archive (.npz) or a folder of pictures: class folders, or an index.csv with a `path` column.
TASK is a name in pipelines/tasks, or a task file of your own; DATA then takes the place of its `source.path`.
The workspace (task.yaml, params.yaml, dvc.yaml, .dvc) goes to work/NAME unless --into names another place; data stay
where they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from components.lib.errors import MedpipeError
from components.lib.tracking import CHECKOUT
from pipelines.look import look
from pipelines.workspace import create_from_task, make_workspace, shown, task_named, with_sections, workspace_name


def create(data: Path, workspace: Path, name: str) -> list[str]:
    """Write a workspace for the data; returns sentences that say what was found and chosen.

    An existing task file is kept: it may have been edited.
    """
    values, found = look(data)
    workspace.mkdir(parents=True, exist_ok=True)
    task = workspace / "task.yaml"
    if task.exists():
        found.append(f"{shown(task)} is there already and is kept")
    else:
        task.write_text(_task_text(name, values, found), encoding="utf-8")
    make_workspace(workspace)
    return found


def _task_text(name: str, values: dict[str, Any], found: list[str]) -> str:
    comments = "".join(f"#   {sentence}\n" for sentence in found)
    body = yaml.safe_dump({"task": name, **values}, sort_keys=False, width=110, allow_unicode=True)
    return with_sections(
        f"# Found in the data:\n{comments}# Run it: dvc repro. All keys: python -m components.lib.spec --schema\n{body}"
    )


def main(
    data: Annotated[Path | None, typer.Argument()] = None,
    name: str | None = None,
    into: Path | None = None,
    task: Annotated[str | None, typer.Option(help="A name in pipelines/tasks, or a task file.")] = None,
    renew: Annotated[Path | None, typer.Option(help="Only make this workspace's dvc.yaml anew.")] = None,
) -> None:
    """Look at DATA, and write a workspace for it in which `dvc repro` runs."""
    if renew is not None:
        make_workspace(renew)
        print(f"made anew: {shown(renew / 'dvc.yaml')}; next: cd {shown(renew)} && dvc repro")
        return
    if task is not None:
        file = task_named(task)
        workspace = into or CHECKOUT / "work" / file.stem
        for sentence in create_from_task(file, workspace, data):
            print(sentence)
        print(f"wrote {shown(workspace)}; next: cd {shown(workspace)} && dvc repro")
        return
    if data is None:
        raise MedpipeError(
            "python -m pipelines.new",
            expected="DATA, --task TASK, or --renew WORKSPACE",
            found="neither",
            todo="name the data by path: python -m pipelines.new PATH",
        )
    name = name or workspace_name(data)
    workspace = into or CHECKOUT / "work" / name
    for sentence in create(data, workspace, name):
        print(f"found: {sentence}")
    print(f"wrote {shown(workspace)}; next: cd {shown(workspace)} && dvc repro")


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
