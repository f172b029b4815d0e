"""Runs, logged models and registered versions in MLflow's store: which there are, and deleting them for good."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import ViewType

from components.lib.errors import MedpipeError
from components.lib.tracking import client
from pipelines.doctor import store_file, store_uri
from pipelines.kept import mlflow_gc, on_this_machine, read_store
from pipelines.traces import Folder

CHAMPION = "champion"


def is_server() -> bool:
    """Whether a tracking server keeps the store: then its records and artifacts are freed there alone."""
    return store_uri().startswith(("http://", "https://"))


def in_store() -> list[Folder]:
    """Every run, logged model and registered version, deleted ones too; of a server, those that aren't."""
    file = store_file()
    if file is not None and not file.is_file():
        return []
    store = client()
    experiments = {e.experiment_id: e.name for e in store.search_experiments(view_type=ViewType.ALL)}
    found = [*_runs(store, experiments), *_versions(store)]
    kept = read_store()
    if kept:
        found += [_below("model", name, row.place, {row.run}) for name, row in kept.models.items()]
    return found


def _runs(store: MlflowClient, experiments: dict[str, str]) -> Iterator[Folder]:
    token: str | None = ""
    while token is not None:
        page = store.search_runs([*experiments], run_view_type=ViewType.ALL, max_results=1000, page_token=token or None)
        for run in page:
            tags = run.data.tags
            digests = {value for name, value in tags.items() if name.startswith("data.") and name.endswith(".digest")}
            run_folder = _below("run", run.info.run_id, run.info.artifact_uri, digests, run.info.start_time)
            run_folder.note = experiments[run.info.experiment_id]
            yield run_folder
        token = page.token or None


def _versions(store: MlflowClient) -> Iterator[Folder]:
    token: str | None = ""
    while token is not None:
        page = store.search_model_versions(max_results=1000, page_token=token or None)
        for version in page:
            tags = version.tags
            digests = {tags[name] for name in ("model_digest", "dataset_digest") if name in tags}
            # Searching leaves the aliases out.
            aliases = store.get_model_version(version.name, version.version).aliases
            yield Folder(
                "version", f"{version.name} version {version.version}", {}, digests=digests | {version.run_id or ""},
                date=_day(version.creation_timestamp), note=", ".join(aliases),
            )  # fmt: skip
        token = page.token or None


def _below(kind: str, name: str, address: str, digests: set[str], moment: int | None = None) -> Folder:
    place = on_this_machine(address)
    files = {p.relative_to(place).as_posix(): p for p in sorted(place.rglob("*"))} if place and place.is_dir() else {}
    return Folder(kind, name, files, place, digests=digests, also=name, date=_day(moment) if moment else "")


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")


def require_free() -> None:
    """Refuse a store in which `mlflow gc` would take what others registered.

    Raises:
        MedpipeError: a registered version belongs to a deleted run or experiment.
    """
    kept = read_store()
    if kept and kept.blocked:
        raise MedpipeError(
            "MLflow's store", expected="registered versions whose runs are there",
            found="one that belongs to a deleted run or experiment: freeing what is deleted would take it along",
            todo="restore that run or experiment in make ui, or delete the version, then try again",
        )  # fmt: skip


def delete(going: list[Folder]) -> None:
    """Delete versions, models and runs, and free their records and artifacts where the store is no server."""
    names = {kind: [each.name for each in going if each.kind == kind] for kind in ("version", "model", "run")}
    if not any(names.values()):
        return
    require_free()
    store = client()
    for words in names["version"]:
        name, version = words.rsplit(" version ", 1)
        for tag in store.get_model_version(name, version).tags:
            store.delete_model_version_tag(name, version, tag)  # the store would keep them
        store.delete_model_version(name, version)
    for run in names["run"]:
        if store.get_run(run).info.lifecycle_stage == "active":
            store.delete_run(run)
    kept = read_store()
    if kept:
        mlflow_gc(names["run"], names["model"], [m for m in names["model"] if not kept.models[m].deleted])
        _compact()
    elif not is_server():
        mlflow_gc(names["run"], names["model"], [])


def _compact() -> None:
    """Write SQLite's file anew: deleted rows stay in its free pages until then."""
    file = store_file()
    if file is not None:
        with closing(sqlite3.connect(Path(file), timeout=5)) as store:
            store.execute("VACUUM")
