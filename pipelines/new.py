"""A workspace from data: looks at what is there, says what it found and why, writes the task file.

    python -m pipelines.new DATA [--name NAME] [--into DIR] [--target COLUMN] [--sheet NAME] [--yes] [--dry-run]
    python -m pipelines.new --task TASK [DATA] [--into DIR]
    python -m pipelines.new --renew DIR

DATA is a MedMNIST archive (.npz); a folder, a ZIP or a TAR of pictures, one folder a class or with an index table; a
folder of DICOM files; a table (.csv, .tsv, .txt, .xlsx, .xls, .parquet …); ECG records (WFDB) or beats as text.
All of it may lie on S3 (s3://bucket/prefix), single files on a web server (https://host/file.zip); see docs/data.md.
TASK is a name in pipelines/tasks, or a task file of your own; DATA then takes the place of its `source.path`.
The workspace (task.yaml, params.yaml, dvc.yaml, .dvc) goes to work/NAME unless --into names another place; data stay
where they are. The page inspection.html in it shows what was found, assumed and left out; with --samples also pictures
or rows, which nobody but you can read then.

Where the data leave a choice it is asked for on a terminal. Elsewhere, and with --yes, the default is taken and said.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from components.lib.errors import DataError, MedpipeError
from components.lib.places import Place, place
from components.lib.plain_path import require_usable
from components.lib.readers._foreign import require_own, special_words
from components.lib.spec import TASK_NAME, load_spec
from components.lib.tracking import CHECKOUT
from pipelines.look import Draft, Questions, look, task_text
from pipelines.look.inspection_page import NAME, write_inspection
from pipelines.look.sources import hidden_files
from pipelines.workspace import (
    create_from_task,
    make_workspace,
    require_data,
    require_same_data,
    shown,
    task_named,
    typed,
    workspace_name,
)

WRITTEN = ("task.yaml", "params.yaml", "dvc.yaml", ".gitignore", ".dvc")


def create(
    data: Place,
    workspace: Path,
    name: str,
    questions: Questions | None = None,
    *,
    samples: bool = False,
    follow_links: bool = False,
) -> list[str]:
    """Write a workspace for the data; returns sentences that say what was found and chosen.

    An existing task file is kept: it may have been edited. DataError: it was made for other data.

    Args:
        data: the raw data, which stay where they are.
        workspace: the folder to write.
        name: of the task.
        questions: asked where the data leave a choice; None: on a terminal alone.
        follow_links: read what links lead to that lie outside of the folder.
        samples: show samples of real patients on the page inspection.html, which only the user can read then.
    """
    task = workspace / "task.yaml"
    if task.exists():
        questions = Questions(target=questions.target if questions else None)  # its answers would change nothing
    require_data(data)
    if not re.fullmatch(TASK_NAME, name):
        raise DataError(
            f"--name {name}", expected="letters a-z, digits and _, the first a letter", found="another name",
            todo=f"for example --name {workspace_name(Path(name))}",
        )  # fmt: skip
    draft = _look(data, questions or Questions(ask=sys.stdin.isatty()), follow_links=follow_links)
    found = list(draft.found)
    kept = task.exists()
    if kept:
        require_same_data(task, draft.values["source"])
    else:
        require_usable(workspace.absolute(), "the path of the workspace")
        text = task_text(name, draft)
        workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        task.write_text(text, encoding="utf-8")
    make_workspace(workspace)
    spec = load_spec(task)
    found += write_inspection(workspace, draft, spec, place(spec.source.path), samples=samples)
    return [*found, f"{shown(task)} is there already and is kept"] if kept else found


def create_of_task(file: Path, workspace: Path, data: Place | None = None, *, samples: bool = False) -> list[str]:
    """As `create_from_task`, and the page inspection.html where there are data to inspect already.

    Args:
        file: the task file.
        workspace: the folder to write.
        data: the raw data; None: what the task file names.
        samples: show samples of real patients on the page, which only the user can read then.
    """
    found = create_from_task(file, workspace, data)
    spec = load_spec(workspace / "task.yaml")
    raw = place(spec.source.path, workspace)
    if spec.phantom is not None and not raw.exists():  # the first step makes them
        return found
    draft = Draft({}, list(found), {}, left_out=hidden_files(raw))
    return [*found, *write_inspection(workspace, draft, spec, raw, samples=samples)]


def main(
    data: Annotated[Any, typer.Argument(parser=place, metavar="DATA", help="A file, a folder, or a URL.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the task; else that of the data.")] = None,
    into: Annotated[Path | None, typer.Option(help="The workspace; else work/NAME.")] = None,
    task: Annotated[str | None, typer.Option(help="A name in pipelines/tasks, or a task file.")] = None,
    renew: Annotated[Path | None, typer.Option(help="Only make this workspace's dvc.yaml anew.")] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of an Excel workbook that holds the samples.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: every default is taken, and said.")] = False,
    samples: Annotated[
        bool, typer.Option("--samples", help="Show pictures or rows on inspection.html, for your eyes alone.")
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Read what links in DATA lead to, outside of it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the task file, write nothing.")] = False,
) -> None:
    """Look at DATA, and write a workspace for it in which `dvc repro` runs."""
    if renew is not None:
        make_workspace(renew)
        print(f"made anew: {shown(renew / 'dvc.yaml')}; next: cd {typed(renew)} && dvc repro")
        return
    if task is not None:
        file = task_named(task)
        workspace = into or CHECKOUT / "work" / file.stem
        for sentence in create_of_task(file, workspace, data, samples=samples):
            print(sentence)
        seen = f"; first look at {shown(workspace / NAME)}" if (workspace / NAME).exists() else ""
        print(f"wrote {shown(workspace)}{seen}")
        print(f"next: cd {typed(workspace)} && dvc repro")
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
    questions = Questions(ask=sys.stdin.isatty() and not yes, target=target, sheet=sheet)
    if dry_run:
        _show(_look(data, questions, follow_links=follow_links), workspace, name)
        return
    for sentence in create(data, workspace, name, questions, samples=samples, follow_links=follow_links):
        print(f"found: {sentence}")
    print(f"wrote {shown(workspace)}; first look at {shown(workspace / NAME)}")
    print(f"next: cd {typed(workspace)} && dvc repro")


def _look(data: Place, questions: Questions, *, follow_links: bool) -> Draft:
    """What the data are; refused where DVC or a reader would wait for ever, or would read what lies elsewhere."""
    own = require_own(data, follow_links=follow_links)
    if own.special:
        raise DataError(
            str(data), expected="regular files", found=special_words(own.special),
            todo="remove them, or move them out of the folder: dvc repro would wait for ever for what they hold",
        )  # fmt: skip
    draft = look(data, questions)
    draft.left_out |= hidden_files(data)
    if own.links_out:
        draft.values["source"]["follow_links"] = True
        draft.why["source.follow_links"] = f"{own.links_out} links lead out of the folder; what is there is read"
    return draft


def _show(draft: Draft, workspace: Path, name: str) -> None:
    """What would be written, on the screen alone; the sentences stand at the top of the task file."""
    print(task_text(name, draft))
    kept = "; its task.yaml is there already and would be kept" if (workspace / "task.yaml").exists() else ""
    print(f"nothing was written; without --dry-run: {', '.join(WRITTEN)} in {shown(workspace)}{kept}")


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
