"""MLflow's store: two first runs at once, a run that was killed, and folders of any name."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock
from films import task
from odd_places import forget_links

from components.lib import store_file, tracking
from components.lib.errors import MedpipeError
from components.lib.plain_path import plain_path, store_uri
from pipelines.kept import on_this_machine, read_store

FIRST = """
from components.lib.cli import run
def main():
    from components.lib.tracking import client
    client().create_experiment("__NAME__")
run(main)
"""
MAKE = "import sqlite3, sys; sqlite3.connect(sys.argv[1].removeprefix('sqlite:///')).execute('create table t (x)')"


def first_run(uri: str, name: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    command = [sys.executable, "-c", FIRST.replace("__NAME__", name)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.accept
def test_of_several_first_runs_one_makes_the_tables_and_the_others_wait(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    runs = [first_run(uri, name) for name in "abc"]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        names = {name for (name,) in store.execute("select name from experiments")}
    assert names == {"a", "b", "c", "Default"}
    assert sorted(path.name for path in tmp_path.glob("mlflow.db*")) in (["mlflow.db"], ["mlflow.db", "mlflow.db.lock"])


def test_what_a_killed_first_run_left_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "MAKE", MAKE)
    (tmp_path / "mlflow.db.part-17").write_bytes(b"half")
    (tmp_path / "mlflow.db").touch()
    store_file.make_tables(f"sqlite:///{tmp_path}/mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes().startswith(b"SQLite format 3")
    assert not [*tmp_path.glob("*.part-*")]


def test_a_store_that_is_there_and_a_server_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "MAKE", "raise SystemExit('called')")
    (tmp_path / "mlflow.db").write_bytes(b"theirs")
    for uri in (f"sqlite:///{tmp_path}/mlflow.db", "http://127.0.0.1:1", "postgresql://host/x", "sqlite:///:memory:"):
        store_file.make_tables(uri)
    assert (tmp_path / "mlflow.db").read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_store_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "MAKE", f"{MAKE}; raise SystemExit('no such migration')")
    with pytest.raises(MedpipeError, match="no such migration"):
        store_file.make_tables(f"sqlite:///{tmp_path}/mlflow.db")
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_who_waits_in_vain_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "TABLES_SECONDS", 0.1)
    with FileLock(tmp_path / "mlflow.db.lock"), pytest.raises(MedpipeError, match="locked"):
        store_file.make_tables(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A fresh store's bytes; it was made in folders whose names would end a text in SQL."""
    folder = tmp_path_factory.mktemp("store") / 'it\'s "a":b; %(x)s'
    (folder / "w's :x").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "w's :x")
        store_file.make_tables(f"sqlite:///{plain_path(folder)}/mlflow.db")
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        told = store.execute("select name, artifact_location from experiments").fetchall()
    assert told == [("Default", (folder / "mlruns/0").as_uri())]
    forget_links(folder)
    return (folder / "mlflow.db").read_bytes()


@pytest.mark.parametrize("name", ["my work", "a?b=c", "n#1", "100%41", "für 胸部", "${HOME} 'x' {0}"])
def test_a_checkout_of_any_name_has_its_store_and_its_artifacts_in_it(
    tmp_path: Path, name: str, made: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home = tmp_path / name
    home.mkdir()
    (home / "mlflow.db").write_bytes(made)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri(home))
    run = tracking.new_run(task())
    run.log_file(Path(__file__), "sub")
    (listed,) = run.store.list_artifacts(run.id, "sub")
    assert listed.path == f"sub/{Path(__file__).name}"
    kept = read_store()
    assert kept is not None
    folder = on_this_machine(kept.runs[run.id].place)
    assert folder is not None
    assert (folder / "sub" / Path(__file__).name).is_file()
    assert folder.resolve().is_relative_to(home / "mlruns")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == [name]
