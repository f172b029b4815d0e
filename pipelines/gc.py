"""`make gc`: what takes space and what of it can go; frees it when told to.

python -m pipelines.gc [WORKSPACE] [--yes]     default: the checkout and its workspaces in work/

Without a terminal and without --yes it only shows.

It never touches raw data, data/private, what a dvc.lock names today, runs that aren't deleted, or registered versions.
DVC and MLflow free what is theirs (`dvc gc`, `mlflow gc`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from components.lib.shell_words import quoted
from components.lib.yaml_text import read_yaml_file
from pipelines.doctor import CHECKOUT, cache_folder, disk_size, dvc_config, size_text
from pipelines.kept import Rows, mlflow_gc, on_this_machine, read_store, run_module, running

# Interrupted work that changed so lately may belong to a step on another machine, which /proc here doesn't show.
QUIET_SECONDS = 600


@dataclass(frozen=True)
class Item:
    """One row of the table."""

    what: str
    size: int
    freeable: int = 0
    """Bytes that can go."""
    note: str = ""
    """Why the rest stays, or who frees it."""
    free: Callable[[], None] | None = None
    """Frees it; None where there is nothing to free."""


def survey(root: Path) -> list[Item]:
    """What takes space in a checkout (or a workspace anywhere) and in the workspaces of its `work/`."""
    workspaces = [root, *sorted(path.parent for path in (root / "work").glob("*/dvc.yaml"))]
    items = [item for workspace in workspaces for item in _of_workspace(workspace, root, workspaces)]
    items += [
        Item(
            _name(w, root),
            disk_size(w),
            note=f"a workspace: rm -r {quoted(_name(w, root))} when you are done with it",
        )
        for w in workspaces[1:]
    ]
    return [item for item in [*items, *_mlflow()] if item.size or item.free]


def _of_workspace(workspace: Path, root: Path, workspaces: list[Path]) -> Iterator[Item]:
    at = "" if workspace == root else f"{_name(workspace, root)}/"
    busy = running(workspace)
    yield _cache(workspace, at, workspaces, busy)
    for partial in sorted((workspace / "data").rglob(".*.partial-*")):
        # A step inside interrupted work is part of it; raw and private data are nobody's to free.
        if any(".partial-" in part for part in partial.parent.parts) or _kept(partial, workspace):
            continue
        why = busy or ("written to in the last minutes" if _seconds_since_change(partial) < QUIET_SECONDS else "")
        yield _removable(partial, f"{at}{partial.relative_to(workspace)}", why)
    for page in sorted((workspace / "data").glob("*.failed.html")):
        yield _removable(page, f"{at}{page.relative_to(workspace)}", busy)


def _kept(path: Path, workspace: Path) -> bool:
    return path.relative_to(workspace / "data").parts[0] in ("raw", "private")


def _removable(path: Path, what: str, why_not: str) -> Item:
    size = disk_size(path)
    if why_not:
        return Item(what, size, note=f"kept: {why_not}")

    def free() -> None:
        # Asked again: a step may have taken the work up while the table was read.
        if path.is_dir() and _seconds_since_change(path) >= QUIET_SECONDS:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()

    return Item(what, size, size, "an interrupted step's work" if path.is_dir() else "a gate's page", free)


def _cache(workspace: Path, at: str, workspaces: list[Path], busy: str) -> Item:
    """DVC's cache of a workspace. What is nowhere else and can't be made again is kept: versions of raw data."""
    cache = cache_folder(workspace)
    what, size = f"{at}.dvc/cache", disk_size(cache)
    if not cache.is_relative_to(workspace):
        return Item(f"{cache} (DVC)", size, note="kept: others may share it; dvc gc -w -p OTHER_WORKSPACES frees it")
    if busy:
        return Item(what, size, note=f"kept: {busy}")
    # A workspace inside this one that was pointed at this cache has outputs in it, too.
    others = [w for w in workspaces if w != workspace and cache_folder(w) == cache]
    used = set().union(*(_used(w, cache) for w in [workspace, *others]))
    files = [path for path in (cache / "files" / "md5").glob("*/*") if path.is_file()]
    unused = sum(p.stat().st_size for p in files if p.parent.name + p.name.removesuffix(".dir") not in used)
    command = ["gc", "--workspace", "--force"] + (["--projects", *map(str, others)] if others else [])
    note = "of tries, older commits and experiments: dvc repro makes it again"
    if _has_raw_versions(workspace):
        if "remote" not in dvc_config(workspace).get("core", {}):
            return Item(what, size, note=f"kept, {size_text(unused)} of it in no dvc.lock: it may hold older versions "
                        "of raw data, and there is no remote; dvc remote add -d, dvc push")  # fmt: skip
        command, note = [*command, "--not-in-remote"], "at most; what the remote lacks is kept"
    if not unused:
        return Item(what, size)
    return Item(what, size, unused, note, lambda: run_module(["dvc", *command], workspace))


def _used(workspace: Path, cache: Path) -> set[str]:
    """Hashes that dvc.lock and the .dvc files name today, and what the folders among them hold."""
    used: set[str] = set()
    for file in [workspace / "dvc.lock", *_dvc_files(workspace)]:
        for digest in _digests(file):
            used.add(digest.removesuffix(".dir"))
            listing = cache / "files" / "md5" / digest[:2] / digest[2:]
            if digest.endswith(".dir") and listing.is_file():
                used.update(entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8")))
    return used


def _digests(file: Path) -> Iterator[str]:
    """The hashes of the outputs in a dvc.lock or a .dvc file."""
    document = read_yaml_file(file) if file.is_file() else {}
    for part in [document or {}, *(document or {}).get("stages", {}).values()]:
        yield from (str(out["md5"]) for out in part.get("outs", ()) if out.get("md5"))


def _dvc_files(workspace: Path) -> list[Path]:
    """The .dvc files of a workspace; its own .dvc folder, workspaces inside it and the environment are others'."""
    found = []
    for folder, names, files in os.walk(workspace):
        inside = Path(folder)
        names[:] = [n for n in names if not n.startswith(".") and not (inside / n / ".dvc").is_dir()]
        found += [inside / name for name in files if name.endswith(".dvc")]
    return found


def _has_raw_versions(workspace: Path) -> bool:
    """Whether raw data were ever put under `dvc add` here."""
    if _dvc_files(workspace):
        return True
    if not (workspace / ".git").exists():
        return False
    log = ["git", "log", "--all", "--max-count=1", "--format=%h", "--", "*.dvc"]
    done = subprocess.run(log, cwd=workspace, capture_output=True, text=True, check=False)
    return done.returncode != 0 or bool(done.stdout.strip())


def _seconds_since_change(path: Path) -> float:
    newest = max((p.lstat().st_mtime for p in [path, *path.rglob("*")]), default=0.0)
    return time.time() - newest


def _mlflow() -> Iterator[Item]:
    """Artifacts of deleted runs and of runs that led to no version; the store is read, never made."""
    store = read_store()
    if store:
        yield from _runs_by_fate(store.runs, store.models, store.blocked)


def _runs_by_fate(runs: Rows, models: Rows, blocked: bool) -> Iterator[Item]:
    sizes = {name: _artifact_size(row.place) for name, row in [*runs.items(), *models.items()]}
    deleted = [run for run, row in runs.items() if row.deleted and not row.registered]
    # A model that no version needs goes with its run, or when it was deleted itself.
    gone = [m for m, row in models.items() if not row.registered and (row.deleted or row.run in deleted)]
    size = sum(sizes[name] for name in [*deleted, *gone])
    if deleted or gone:
        what = f"MLflow: {len(deleted)} deleted runs"
        if blocked:
            note = "kept: a registered version belongs to a deleted run or experiment; restore it in make ui"
            yield Item(what, size, note=note)
        else:
            alive = [model for model in gone if not models[model].deleted]
            yield Item(what, size, size, "their records go, too", lambda: mlflow_gc(deleted, gone, alive))
    idle = [run for run, row in runs.items() if not row.deleted and not row.registered]
    yield Item(f"MLflow: {len(idle)} runs without a registered version", sum(sizes[run] for run in idle),
               note="kept: delete what you don't want in make ui, then make gc frees it")  # fmt: skip
    held = [name for name, row in [*runs.items(), *models.items()] if row.registered]
    many = sum(run in runs for run in held)
    yield Item(f"MLflow: {many} runs with a registered version", sum(sizes[name] for name in held), note="kept")


def _artifact_size(place: str) -> int:
    """Bytes at an artifact address on this machine; 0 for another's."""
    folder = on_this_machine(place)
    return disk_size(folder) if folder else 0


def _name(path: Path, root: Path) -> str:
    return os.path.relpath(path, root)


def table(items: list[Item]) -> str:
    """The items as aligned text, largest first."""
    width = max((len(item.what) for item in items), default=4)
    lines = [f"{'what':<{width}}  {'size':>9}  {'can go':>9}"]
    for item in sorted(items, key=lambda item: -item.size):
        can_go = size_text(item.freeable) if item.free else "-"
        lines.append(f"{item.what:<{width}}  {size_text(item.size):>9}  {can_go:>9}  {item.note}".rstrip())
    return "\n".join(lines)


def main(
    workspace: Annotated[Path, typer.Argument(help="Default: the checkout.")] = CHECKOUT,
    yes: Annotated[bool, typer.Option("--yes", help="Free it without asking.")] = False,
) -> None:
    """Show what takes space, and free what nothing needs after asking."""
    items = survey(workspace.resolve())
    print(table(items))
    going = [item for item in items if item.free]
    total = size_text(sum(item.freeable for item in going))
    if not going:
        print("nothing to free")
    elif yes or (sys.stdin.isatty() and typer.confirm(f"free {total}?")):
        for item in going:
            if item.free:
                item.free()
            print(f"freed: {item.what}")
    else:
        print(
            f"{total} can go; nothing was freed"
            + ("" if sys.stdin.isatty() else ": python -m pipelines.gc --yes frees it")
        )


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
