"""Workspaces: a folder with a task file, params.yaml, dvc.yaml and .dvc, in which `dvc repro` runs."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.lib.errors import DataError, MedpipeError, nearest
from components.lib.places import Place, Remote, is_remote, place
from components.lib.plain_path import plain_path, require_usable
from components.lib.shell_words import quoted
from components.lib.spec import TaskSpec, load_spec
from components.lib.tracking import CHECKOUT
from components.lib.yaml_text import file_text, one_line, parsed_yaml, read_yaml, read_yaml_file
from pipelines.doctor import dvc_config
from pipelines.steps import dvc_yaml, stages_of, unescaped

TASKS = CHECKOUT / "pipelines" / "tasks"
SECTIONS = ("split", "clean", "augment", "train", "evaluate", "register")
"""Sections that a task file may leave out. DVC wants each of them to be there, if only as null."""


def workspace_name(data: Place) -> str:
    """A task name from a file or folder name: ASCII, and another one for every name in another script."""
    name = unicodedata.normalize("NFC", data.resolve().stem)
    letters = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(sign for sign in letters if not unicodedata.combining(sign))
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not words or any(sign.isalnum() and not sign.isascii() for sign in plain):
        words = f"{words}_{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:8]}".strip("_")
    return words if words[:1].isalpha() else f"task_{words}"


def task_named(task: str) -> Path:
    """The task file of that name in pipelines/tasks, or at that path.

    Raises:
        DataError: neither is there.
    """
    file = Path(task)
    if file.suffix in (".yaml", ".yml"):
        return file
    known = sorted(path.stem for path in TASKS.glob("*.yaml"))
    if task not in known:
        raise DataError(
            f"task {task}",
            expected=f"one of {', '.join(known)}, or the path of a task file",
            found=f"no such task{nearest(task, known)}",
            todo="ls pipelines/tasks; docs/new-task.md says how to write one",
        )
    return TASKS / f"{task}.yaml"


def create_from_task(file: Path, workspace: Path, data: Place | None = None) -> list[str]:
    """Write a workspace for a task file; returns sentences that say what was done.

    Args:
        file: the task file. Its text is copied as it is, but for the `source.path` of data that no phantom makes.
        workspace: the folder to write.
        data: the raw data; None: what the task file names.

    An existing task file in the workspace is kept: it may have been edited.

    Raises:
        SpecError: the task file is wrong.
        DataError: the raw data are not there.
    """
    spec = load_spec(file)
    task = workspace / "task.yaml"
    if task.exists():
        _require_same_task(task, file, spec, data)
        found = [f"{shown(task)} is there already and is kept"]
    else:
        require_usable(workspace.absolute(), "the path of the workspace")
        text = file_text(file)
        if not spec.phantom:
            text = with_path(text, str(require_data(_raw_data(file, spec, data))))
        text = with_sections(text)
        workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        task.write_text(text, encoding="utf-8")
        found = [f"task {spec.task}, from {shown(file)}", f"data: {load_spec(task).source.path}"]
    make_workspace(workspace)
    return found


def require_data(data: Place) -> Place:
    """The raw data's own place, links resolved.

    Raises:
        MedpipeError: a path that can't be used: it holds a line break.
    """
    resolved = data.resolve()
    if isinstance(resolved, Path):
        require_usable(resolved, "the path of the raw data")
    return resolved


def require_same_data(task: Path, source: Mapping[str, Any]) -> None:
    """Refuse a workspace that was made for other data: the first ones would be trained.

    Args:
        task: the task file of the workspace.
        source: `source` of the task that the data would get.

    Raises:
        DataError: it names another path, or another file there.
    """
    kept = load_spec(task).source
    at = place(kept.path, task.parent).resolve()
    other = getattr(kept, "file", None)
    file = source.get("file", other)
    if (at, other) == (place(str(source["path"])).resolve(), file):
        return
    here, there = (f"{path}{f', {name}' if name else ''}" for path, name in ((source["path"], file), (at, other)))
    raise DataError(
        shown(task),
        expected=f"a workspace for {here}",
        found=f"one that was made for {there}, which would be trained instead",
        todo="choose another name: python -m pipelines.new DATA --name NAME, or make demo DATA=PATH NAME=NAME; "
        "or, where the same data were moved, change source.path in that file",
    )


def _require_same_task(task: Path, file: Path, spec: TaskSpec, data: Place | None) -> None:
    """Refuse a workspace of another task, or of the same one for other data."""
    kept = load_spec(task)
    if kept.task != spec.task:
        raise DataError(
            shown(task),
            expected=f"the task {spec.task}, from {shown(file)}",
            found=f"the task {kept.task}, which would be trained instead",
            todo=f"name another workspace: python -m pipelines.new --task {typed(file)} --into DIR",
        )
    if spec.phantom or kept.phantom:
        return
    if data is None:
        try:
            data = _raw_data(file, spec, None)
        except DataError:  # they are where the workspace says
            return
    require_same_data(task, {"path": str(data.resolve())})


def with_path(text: str, path: str) -> str:
    """A task file's text with another `source.path`; everything else, comments too, stays as it is."""
    top: Any = parsed_yaml(text)
    source = next(value for key, value in top.value if key.value == "source")
    node = next(value for key, value in source.value if key.value == "path")
    return text[: node.start_mark.index] + one_line(path) + text[node.end_mark.index :]


def with_sections(text: str) -> str:
    """A task file's text with every section that it leaves out as null, which means its defaults."""
    there = read_yaml(text)
    absent = [section for section in SECTIONS if section not in there]
    if not absent:
        return text
    return (
        text.rstrip("\n")
        + "\n\n# The defaults; DVC wants each section to be there.\n"
        + "".join(f"{section}: null\n" for section in absent)
    )


def _raw_data(file: Path, spec: TaskSpec, data: Place | None) -> Place:
    """Where the raw data of a task file are: where the user says, or beside the file, or below the checkout."""
    if data is None and is_remote(spec.source.path):
        data = place(spec.source.path)
    if isinstance(data, Remote):  # the first step asks the server
        return data
    places = [data] if data else [file.parent / spec.source.path, CHECKOUT / spec.source.path]
    for each in places:
        if each.exists():
            return each
    raise DataError(
        str(data or spec.source.path),
        expected=f"the raw data of the task {spec.task}",
        found="no such file or folder",
        todo=f"name them by path: {_again(file)}",
    )


def _again(file: Path) -> str:
    """The command that takes the data by path."""
    return (
        f"make demo TASK={file.stem} DATA=PATH"
        if file.parent == TASKS
        else f"python -m pipelines.new --task {quoted(str(file))} DATA"
    )


def make_workspace(workspace: Path) -> None:
    """Write what a folder with a task.yaml needs to be a workspace: params.yaml, dvc.yaml, .gitignore, .dvc.

    Raises:
        MedpipeError: the path of the workspace or of this checkout holds a line break.
    """
    require_usable(workspace.absolute(), "the path of the workspace")
    require_usable(CHECKOUT, "the path of this checkout of medpipe")
    spec = load_spec(workspace / "task.yaml")
    (workspace / "params.yaml").write_text("# The task this workspace runs.\ntask: task.yaml\n", encoding="utf-8")
    (workspace / "dvc.yaml").write_text(dvc_yaml("task.yaml", spec, absolute=True), encoding="utf-8")
    # DVC itself ignores outputs only in a repository of its own; data/private must never come into git.
    ignored = workspace / ".gitignore"
    lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.exists() else []
    absent = [line for line in ("/data/", "/tuning/", "/.dvc/private/", "/inspection.html") if line not in lines]
    if absent:
        ignored.write_text("\n".join([*lines, *absent]) + "\n", encoding="utf-8")
    if not (workspace / ".dvc").exists():
        dvc("init", "--no-scm", "--quiet", cwd=workspace)
        (workspace / ".dvc").chmod(0o700)
        dvc("config", "core.analytics", "false", cwd=workspace)
        dvc("config", "core.check_update", "false", cwd=workspace)
    keep_private(workspace)
    keep_printable(workspace)


def keep_private(workspace: Path) -> None:
    """Take from other users what DVC remembers of files, its cache and what steps write; a group keeps its rights.

    By default everybody on the machine can read the names of raw files in DVC's memory.
    """
    folder, data = workspace.resolve() / ".dvc", workspace.resolve() / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    for each in (folder, data):
        each.chmod(stat.S_IMODE(each.stat().st_mode) & 0o770)
    memory = folder / "private"
    memory.mkdir(mode=0o700, exist_ok=True)
    memory.chmod(0o700)
    known = dvc_config(workspace).get("core", {}).get("site_cache_dir")
    if not known or not Path(known).is_dir():  # a workspace that was moved names the old place
        dvc("config", "--local", "core.site_cache_dir", str(plain_path(folder) / "private"), cwd=workspace)


def keep_printable(workspace: Path) -> None:
    """Give DVC's cache a path without braces: DVC takes those in it for places to fill in, and fails."""
    folder = workspace.resolve() / ".dvc"
    if {"{", "}"} & {*str(folder)} and "dir" not in dvc_config(workspace).get("cache", {}):
        dvc("config", "--local", "cache.dir", str(plain_path(folder) / "cache"), cwd=workspace)


def require_fresh(workspace: Path, spec: TaskSpec) -> None:
    """Refuse a workspace whose dvc.yaml was made by another version of medpipe: DVC would run commands that are gone.

    Files of the code that are new don't count, nor do stages of the user's own.

    Raises:
        MedpipeError: a stage is missing, its command differs, or it names code that is not there.
    """
    file = workspace / "dvc.yaml"
    made = read_yaml_file(file) if file.is_file() else None
    stages: dict[str, Any] = (made or {}).get("stages") or {}
    problems = []
    for name, stage in stages_of(spec).items():
        there = stages.get(name, {})
        code = [path for path in there.get("deps", []) if path.endswith(".py")]
        lost = [Path(path).name for path in code if not (workspace / unescaped(path)).exists()]
        if there.get("cmd") != stage["cmd"]:
            problems.append(f"stage {name}: {there.get('cmd', 'none')}")
        elif lost:
            problems.append(f"stage {name} names code that is gone: {', '.join(lost[:5])}")
    if problems:
        renew = "steps" if workspace == CHECKOUT else f"new --renew {quoted(str(workspace))}"
        raise MedpipeError(
            str(file),
            expected="the stages of this version of medpipe",
            found="; ".join(problems),
            todo=f"python -m pipelines.{renew}; the task file stays, and dvc repro runs what has changed",
        )


def dvc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run DVC in a folder.

    Raises:
        MedpipeError: it fails; with what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise MedpipeError(
            f"dvc {' '.join(arguments)}",
            expected="a DVC repository",
            found=done.stderr.strip()[:200],
            todo=f"run it in {cwd} and mend what it names",
        )
    return done


def typed(path: Path) -> str:
    """A path as a word of a command line."""
    return quoted(shown(path))


def shown(path: Path) -> str:
    """A path as the user would write it, from where the command was started."""
    return os.path.relpath(path)
