"""Paths for tools that can't take every character: the folder itself, or a link to it under a plain name.

Only the standard library: `make doctor` uses it where nothing is installed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from components.lib.errors import MedpipeError

LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` splits: DVC runs what follows one as a command of its own."""
LASTING = "/var/tmp"  # nosec B108  # of a folder in it that is somebody else's nothing is taken
PLAIN = re.compile(r"[A-Za-z0-9_./ @+=:,-]*")


def path_problem(path: str) -> str | None:
    """Why a path can't be used at all, in words; None where it can.

    DVC splits a command at a line break, and no YAML file holds bytes that aren't UTF-8.
    """
    if any(sign in path for sign in LINE_BREAKS):
        return "a line break in it"
    if "\0" in path:
        return "a zero byte in it"
    if any("\ud800" <= sign <= "\udfff" for sign in path):
        return "bytes that aren't UTF-8"
    return None


def require_usable(path: Path, what: str) -> None:
    """Refuse a path that no tool below can take, before anything is written.

    Args:
        path: of a folder or a file.
        what: it is, for people.

    Raises:
        MedpipeError: it holds a line break or bytes that aren't UTF-8.
    """
    problem = path_problem(str(path))
    if problem:
        raise MedpipeError(
            what, expected="a path in one line of UTF-8", found=problem, todo="rename the folder, or use another one"
        )


def plain_path(folder: Path, unfit: str | None = None) -> Path:
    """A path that leads to the folder and has only characters that a tool can take.

    Args:
        folder: on this machine.
        unfit: characters that the tool can't take; None: all but ASCII letters, digits, blanks and `_./@+=:,-`.

    Returns:
        The folder's own absolute path where that is plain, else a link to it, which is made where it isn't there.
    """
    folder = folder.absolute()
    if _fits(folder, unfit):
        return folder
    home = next((each for each in _homes() if _fits(each, unfit)), None)
    if home is None or not _is_private(home):
        raise MedpipeError(
            str(folder), expected="a path of ASCII letters, or a private folder for a link to it",
            found="neither", todo="set XDG_CACHE_HOME to a folder of yours with such a path",
        )  # fmt: skip
    link = home / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if not (link.is_symlink() and link.readlink() == folder):
        made = home / f".{link.name}.{os.getpid()}"
        made.symlink_to(folder)
        made.replace(link)
    return link


def store_uri(home: Path) -> str:
    """The address of MLflow's SQLite store in a folder: what stands behind `?`, `#` or `%` would be read otherwise."""
    return f"sqlite:///{plain_path(home, '?#%')}/mlflow.db"


def _fits(path: Path, unfit: str | None) -> bool:
    text = str(path)
    return bool(PLAIN.fullmatch(text)) if unfit is None else not any(sign in text for sign in unfit)


def _homes() -> Iterator[Path]:
    """Where links may be, the first with a plain path is taken."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    yield Path(cache).expanduser() / "medpipe" / "links"
    yield Path(LASTING, f"medpipe-{os.getuid()}", "links")


def _is_private(home: Path) -> bool:
    """Whether a folder is this user's alone; it is made where it isn't there."""
    for each in (home.parent, home):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = home.parent.lstat()
    return told.st_uid == os.getuid() and not told.st_mode & 0o022
