"""Failures of the machine in our four parts: a full disk, no memory, a file out of reach, a locked or silent store."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from components.lib.errors import MedpipeError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


def explained(error: Exception) -> MedpipeError | None:
    """What to tell a user of an error; None for a fault of the program, which keeps its traceback."""
    if isinstance(error, MedpipeError):
        return error
    if isinstance(error, OSError):
        return full_disk(error, Path()) or _file(error)
    if isinstance(error, MemoryError | BrokenProcessPool):
        return _memory(error)
    # By name: to import MLflow takes a second, which no other command should wait for.
    if any(each.__name__ == "MlflowException" for each in type(error).__mro__) and _is_of_the_store(str(error)):
        return store_fault(str(error), os.environ.get("MLFLOW_TRACKING_URI", "MLflow store"))
    return None


def full_disk(error: OSError, out: Path) -> MedpipeError | None:
    """A failed write for want of room, with the place and what is free there; None for any other error.

    Args:
        error: what the write raised.
        out: what was being written; the error itself often names no file.
    """
    # NumPy tells of a short write in these words, without a number of the system's.
    short_write = re.search(r"\d{1,20} requested and \d{1,20} written", str(error))
    if error.errno not in FULL and not short_write:
        return None
    # Without a name it may be the output or a temporary file: the fuller disk is named.
    places = [Path(str(error.filename))] if error.filename else [out, Path(tempfile.gettempdir())]
    free, place = min((shutil.disk_usage(_existing(place)).free, place) for place in places)
    reason = os.strerror(error.errno or errno.ENOSPC)
    return MedpipeError(
        str(place),
        expected="room for what is written there",
        found=f"{reason}: {free / 1e6:.1f} MB free",
        todo="free space there (du -sh names what is large), then run the same command again: finished parts are kept",
    )


def store_fault(text: str, uri: str) -> MedpipeError:
    """What MLflow or SQLite said of a store, in four parts.

    Args:
        text: their words.
        uri: the store's address; a password in it isn't shown.
    """
    found = " ".join(text.split())[:240]
    todo = "start the server, or set MLFLOW_TRACKING_URI to one that runs"
    if "is locked" in text:
        found = "the database is locked: another program is writing to it"
        todo = "end the program that holds it (fuser FILE names it), then run the same command again"
    elif "disk is full" in text:
        found, todo = (
            "no room on its disk",
            "free space there, then run the same command again: finished parts are kept",
        )
    elif "readonly" in text or "unable to open" in text:
        todo = "make the file and its folder writable for you, or set MLFLOW_TRACKING_URI to another store"
    elif "not a database" in text or "malformed" in text:
        todo = "bring the file back from a backup, or move it away: a new store is made, and dvc repro fills it"
    elif "Connection refused" in text:
        found = "connection refused: nothing listens there"
    elif "timed out" in text:
        found = "no answer in time"
    where = f"MLflow store {re.sub(r'//[^@/]*@', '//…@', uri)}"
    return MedpipeError(where, expected="a store that answers and can be written to", found=found, todo=todo)


def _is_of_the_store(text: str) -> bool:
    """Whether an error of MLflow's speaks of a store that fails, not of what it was asked."""
    signs = ("is locked", "disk is full", "readonly database", "unable to open", "Max retries exceeded", "timed out")
    return any(sign in text for sign in signs)


def _file(error: OSError) -> MedpipeError | None:
    """A file that is missing or refused; other errors of the system, and those that name no file, are not ours."""
    if error.filename is None or error.errno not in REFUSED | MISSING:
        return None
    if error.errno in MISSING:
        expected, todo = "a file that is there", "check the path; what a step writes, dvc repro makes again"
    else:
        expected, todo = "a file or folder you may use", "change its owner or mode (ls -l shows them), or name another"
    found = error.strerror or str(error)
    return MedpipeError(str(error.filename), expected=expected, found=found, todo=todo)


def _memory(error: Exception) -> MedpipeError:
    return MedpipeError(
        "memory",
        expected="enough for this step",
        found=str(error).split("\n")[0] or "none left",
        todo="end other programs, or use fewer processors at a time: taskset -c 0 before the command",
    )


def _existing(place: Path) -> Path:
    """The place, or the nearest folder above that is there."""
    return next(each for each in (place.absolute(), *place.absolute().parents) if each.exists())
