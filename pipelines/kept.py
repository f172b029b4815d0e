"""What `gc` and `forget` both ask of a workspace and of MLflow's store: what runs there, what is kept, and free it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from components.lib.errors import MedpipeError
from pipelines.doctor import CHECKOUT, store_file, store_uri


@dataclass(frozen=True)
class Row:
    """A run or a logged model in MLflow's store."""

    deleted: bool
    registered: bool
    """A registered version needs it."""
    place: str
    """Where its artifacts are."""
    run: str
    """The run it belongs to."""


Rows = dict[str, Row]


@dataclass(frozen=True)
class Store:
    """Runs and logged models by id, deleted ones too."""

    runs: Rows
    models: Rows
    blocked: bool
    """`mlflow gc` would take something that a registered version needs."""


def read_store() -> Store | None:
    """What MLflow's SQLite store holds; it is read, never made. None where there is none, or a server.

    Raises:
        MedpipeError: it is of another MLflow.
    """
    file = store_file()
    if file is None or not file.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=5)) as store:
            runs, models = _runs(store), _logged_models(store)
            # What is left out of a call of `mlflow gc` means "all that is deleted": then nothing registered may be.
            blocked = _in_deleted_experiments(store) or any(
                row.deleted and row.registered for row in [*runs.values(), *models.values()]
            )
    except sqlite3.Error as error:
        raise MedpipeError(
            str(file),
            expected="a store of the MLflow that is locked here",
            found=str(error),
            todo=f"mlflow db upgrade sqlite:///{file}",
        ) from None
    return Store(runs, models, blocked)


def _runs(store: sqlite3.Connection) -> Rows:
    rows = store.execute(
        "select run_uuid, lifecycle_stage = 'deleted', artifact_uri,"
        " exists (select 1 from model_versions v where v.run_id = r.run_uuid) from runs r"
    )
    return {run: Row(bool(deleted), bool(registered), place, run) for run, deleted, place, registered in rows}


def _logged_models(store: sqlite3.Connection) -> Rows:
    rows = store.execute(
        "select model_id, lifecycle_stage = 'deleted', artifact_location, source_run_id,"
        " exists (select 1 from model_versions v where v.source like '%' || m.model_id || '%') from logged_models m"
    )
    return {m: Row(bool(deleted), bool(registered), place, run) for m, deleted, place, run, registered in rows}


def _in_deleted_experiments(store: sqlite3.Connection) -> bool:
    """Whether a registered version's experiment was deleted: `mlflow gc` would take all of its runs, asked or not."""
    ((count,),) = store.execute(
        "select count(*) from model_versions v join runs r on r.run_uuid = v.run_id"
        " join experiments e on e.experiment_id = r.experiment_id where e.lifecycle_stage = 'deleted'"
    )
    return bool(count)


def on_this_machine(place: str) -> Path | None:
    """The folder of an artifact address; None for another machine's."""
    if "://" not in place and not place.startswith("file:"):
        return Path(place)
    parts = urlsplit(place)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def mlflow_gc(runs: list[str], models: list[str], alive: list[str]) -> None:
    """Free runs and models that are deleted; `alive` are those models that weren't yet."""
    from components.lib.tracking import client

    for model in alive:
        client().delete_logged_model(model)
    uri = store_uri()
    command = ["mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri]
    for option, names in (("--run-ids", runs), ("--logged-model-ids", models)):
        command += [option, ",".join(names)] if names else []
    run_module(command, CHECKOUT)


def run_module(command: list[str], folder: Path) -> None:
    """Run `python -m` with this command in a folder.

    Raises:
        MedpipeError: it fails; with the last line it printed.
    """
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing printed"]
        raise MedpipeError(
            " ".join(command[:2]), expected="to free what nothing needs", found=said[-1][:300],
            todo="end what runs in the workspace and try the same command again",
        )  # fmt: skip


def running(workspace: Path) -> str:
    """Says which step or DVC command runs in a workspace, as `kept: …` words it; empty when none does."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:
            continue
        step = next((w for w in words if w.startswith("components.") and w != "components.lib.pseudonyms"), "")
        tool = "dvc" if any(Path(w).name == "dvc" for w in words[:4]) else ""
        if not (step or tool) or int(process.name) == os.getpid():
            continue
        try:
            place = (process / "cwd").readlink()
        except FileNotFoundError:
            continue
        except OSError:
            return f"{step or tool} of another user is running (process {process.name})"
        if any(
            (place / word).resolve().is_relative_to(workspace.resolve()) for word in ["", *words] if "\n" not in word
        ):
            return f"{step or tool} is running (process {process.name})"
    return ""
