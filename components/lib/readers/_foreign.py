"""What lies in a folder of data and is no data of its own: links that lead out of it, pipes, sockets and devices."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from components.lib.errors import DataError
from components.lib.places import Place, Remote
from components.lib.readers.folder import is_hidden

KINDS = {
    stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device",
}  # fmt: skip


@dataclass
class Foreign:
    """Counts of one folder; what is hidden in it doesn't count."""

    links_out: int = 0
    """Links to files or folders that are there and lie outside."""
    special: Counter[str] = field(default_factory=Counter)
    """Files that aren't regular ones, by kind."""


def foreign(folder: Path) -> Foreign:
    """Look through a folder, without opening a file; a folder that can't be listed is left to the reader."""
    found, root = Foreign(), os.path.realpath(folder)
    below = [root]
    while below:
        try:
            with os.scandir(below.pop()) as entries:
                for entry in entries:
                    if not is_hidden(entry.name):
                        _count(entry, root, found, below)
        except OSError:
            continue
    return found


def _count(entry: os.DirEntry[str], root: str, found: Foreign, below: list[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        below.append(entry.path)
        return
    if entry.is_file(follow_symlinks=False):
        return
    try:
        mode = entry.stat().st_mode
    except OSError:  # a link to nothing, or to itself: whoever reads it says so
        return
    if entry.is_symlink() and os.path.commonpath([root, os.path.realpath(entry.path)]) != root:
        found.links_out += 1
    elif kind := KINDS.get(stat.S_IFMT(mode)):
        found.special[kind] += 1


def special_words(special: Counter[str]) -> str:
    """`1 named pipe, 2 sockets`."""
    return ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in sorted(special.items()))


def require_regular(path: Path) -> None:
    """Refuse a pipe, a socket or a device in place of a file or a folder: to read from it might wait for ever.

    Raises:
        DataError: with what it is.
    """
    try:
        kind = KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except OSError:  # it isn't there, or can't be reached: whoever reads it says so
        return
    if kind:
        raise DataError(
            str(path), expected="a regular file or a folder", found=f"a {kind}",
            todo="write its content to a file, and name that",
        )  # fmt: skip


def require_own(raw: Place, *, follow_links: bool, files: tuple[str, ...] = ()) -> Foreign:
    """Refuse raw data that lead elsewhere.

    Args:
        raw: the raw data; what lies on a server has no links.
        follow_links: links that lead out of the folder may be read.
        files: of tables in it that are read as a whole.

    Raises:
        DataError: links lead out of the folder, or it or one of the tables is no regular file.
    """
    if isinstance(raw, Remote):
        return Foreign()
    for path in (raw, *(raw / name for name in files)):
        require_regular(path)
    found = foreign(raw) if raw.is_dir() else Foreign()
    if found.links_out and not follow_links:
        raise _links_out(raw, found.links_out)
    return found


def require_hidden_own(raw: Place, names: Iterable[str]) -> None:
    """Refuse hidden files that an index names and that lie elsewhere: `require_own` doesn't look at what is hidden.

    Args:
        raw: the raw data.
        names: of the samples' files, relative to the folder.

    Raises:
        DataError: links lead out of the folder.
    """
    if isinstance(raw, Remote) or not raw.is_dir():
        return
    hidden = [name for name in {*names} if any(map(is_hidden, name.split("/")))]
    if outside := sum(not is_inside(raw, name) for name in hidden):
        raise _links_out(raw, outside)


def is_inside(folder: Path, name: str) -> bool:
    """Whether a file lies in a folder, wherever links lead; one that isn't there does."""
    root = os.path.realpath(folder)
    try:
        return os.path.commonpath([root, os.path.realpath(f"{root}/{name}")]) == root
    except ValueError:  # a zero byte in the name: whoever reads it says so
        return True


def _links_out(raw: Path, count: int) -> DataError:
    return DataError(
        str(raw),
        expected="files of this folder alone",
        found=f"{count} links to files or folders outside of it: what they lead to can change unnoticed",
        todo="copy the files into the folder; or allow the links: source.follow_links: true in the task file, "
        "--follow-links for pipelines.new and serving.batch",
    )
