"""The SQLite file of MLflow's store: made whole by one of several first runs; and whether it can be written to."""

from __future__ import annotations

import glob
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from components.lib.faults import store_fault

ARTIFACTS = "_MLFLOW_SERVER_ARTIFACT_ROOT"
"""What MLflow's own server sets for its workers."""
LOCK_SECONDS = 5
TABLES_SECONDS = 300
"""For so long a first run waits for another one that makes the tables."""
MAKE = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_experiments(max_results=1)"


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for a server, or a store in memory."""
    name = uri.removeprefix("sqlite:///").partition("?")[0]
    return Path(name) if uri.startswith("sqlite:///") and name not in ("", ":memory:") else None


def keep_private(uri: str) -> None:
    """Take rights on a SQLite store and on its files from other users; a group that was given some keeps them."""
    file = sqlite_file(uri)
    if file is None or not file.exists():
        return
    artifacts = file.parent / "mlruns"
    artifacts.mkdir(mode=0o700, exist_ok=True)
    for each in (file, artifacts, file.with_name(f"{file.name}.lock")):
        with suppress(FileNotFoundError, PermissionError):  # another user's store stays as that user wants it
            mode = stat.S_IMODE(each.stat().st_mode)
            if mode & 0o007:
                each.chmod(mode & 0o770)


def make_tables(uri: str) -> None:
    """Make a SQLite store that isn't there yet; a server's, and one that is there, stay as they are.

    It is made beside its place and moved there whole: MLflow makes its tables one by one, and whoever came meanwhile,
    or after a kill, would find half of them.

    Raises:
        MedpipeError: MLflow can't make it, or another run has been making it for minutes.
    """
    file = sqlite_file(uri)
    if file is None or _is_made(file):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{file}.lock", timeout=TABLES_SECONDS):
            if not _is_made(file):
                _make(file, uri)
    except Timeout:
        raise store_fault(f"{file.name}.lock is locked: another run is making the tables", uri) from None


def _make(file: Path, uri: str) -> None:
    for left in file.parent.glob(f"{glob.escape(file.name)}.part-*"):  # of a run that was killed
        left.unlink()
    part = file.with_name(f"{file.name}.part-{os.getpid()}")
    # A process of its own: MLflow keeps open every store that it has seen.
    command = [sys.executable, "-c", MAKE, f"sqlite:///{part}"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    # As a URL: MLflow writes where its first experiment keeps files into SQL as text. By default that is the current
    # folder: an apostrophe in its name ends the text, and what follows a colon is filled in.
    environment[ARTIFACTS] = (file.parent.resolve() / "mlruns").as_uri()
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, umask=0o077)
    if made.returncode:
        part.unlink(missing_ok=True)
        said = (made.stderr or made.stdout).strip().splitlines() or ["MLflow printed nothing"]
        raise store_fault(said[-1], uri)
    part.replace(file)


def _is_made(file: Path) -> bool:
    """Whether there is a database; an empty file is none."""
    return file.is_file() and file.stat().st_size > 0


def require_unlocked(uri: str) -> None:
    """Take the write lock of a SQLite store and let go of it: MLflow would find a locked one only after minutes."""
    file = sqlite_file(uri)
    if file is not None and file.is_file():
        with closing(sqlite3.connect(file, timeout=LOCK_SECONDS)) as store:
            store.execute("BEGIN IMMEDIATE")
            store.rollback()
