"""The files of a folder or of an archive, alike to look at: names relative to it, and a way to read one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from components.lib.errors import Unusable
from components.lib.places import Place
from components.lib.readers._archives import open_archive
from components.lib.readers._tables import SPLIT_NAMES
from components.lib.readers.folder import is_hidden, names_below
from pipelines.look.findings import counted
from pipelines.look.forms import Held

PACKED = (".zip", ".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class Files:
    """Files below one place.

    Args:
        place: the folder or the archive.
        names: relative to it, with "/" between the parts, sorted; none that is hidden.
        read: the bytes of one of them; OSError or Unusable where it can't be read.
        tables: those of them that were read, by name.
        inside: the folder in an archive that the names are relative to; "" where that is the archive, or no archive.
    """

    place: Place
    names: tuple[str, ...]
    read: Callable[[str], bytes]
    packed: bool = False
    inside: str = ""
    tables: dict[str, Held] = field(default_factory=dict, repr=False, compare=False)

    def ending(self, *suffixes: str) -> list[str]:
        """Names with one of these ends, whatever their capitals."""
        return [name for name in self.names if name.lower().endswith(suffixes)]

    def top(self) -> list[str]:
        """Files that lie in no folder."""
        return [name for name in self.names if "/" not in name]

    def try_read(self, name: str) -> bytes:
        """The bytes of a file; none where it can't be read."""
        try:
            return self.read(name)
        except (OSError, Unusable):
            return b""

    def source(self, reader: str) -> dict[str, Any]:
        """The section `source` of a task: a reader for folders, or the one for archives in its place."""
        if not self.packed:
            return {"reader": reader, "path": str(self.place.resolve())}
        inside = {"inside": self.inside} if self.inside else {}
        return {"reader": "archive", "path": str(self.place.resolve()), **inside}

    def unwrapped(self) -> Files:
        """The files of the one folder that holds everything, where there is one and it isn't a side of a split."""
        tops = {name.partition("/")[0] for name in self.names}
        folders = {name.partition("/")[0] for name in self.names if name.count("/") >= 2}
        (top,) = tops if len(tops) == 1 else ("",)
        if not top or top not in folders or top.lower() in SPLIT_NAMES:
            return self
        return self._below(top).unwrapped()

    def _below(self, folder: str) -> Files:
        start = f"{folder}/"
        names = tuple(name.removeprefix(start) for name in self.names if name.startswith(start))
        place = self.place if self.packed else self.place / folder
        inside = f"{self.inside}/{folder}".lstrip("/") if self.packed else ""
        return Files(place, names, lambda name: self.read(start + name), self.packed, inside)


def folder_files(folder: Place) -> Files:
    """What lies in a folder and below it."""
    return Files(folder, _kept(names_below(folder)), lambda name: (folder / name).read_bytes())


def hidden_files(data: Place) -> dict[str, str]:
    """How many files of a folder nobody reads because they are hidden, or left beside others by a system; with the
    reason. Empty where there is none, and for an archive or a server.
    """
    number = 0
    if isinstance(data, Path) and data.is_dir():
        for folder, below, names in os.walk(data):
            if any(map(is_hidden, Path(folder).relative_to(data).parts)):
                number += len(names)
            else:
                number += sum(map(is_hidden, names))
            below.sort()
    why = "names that begin with a point, and what systems leave beside files (__MACOSX, Thumbs.db …), are not read"
    return {counted(number, "hidden file"): why} if number else {}


def packed_files(archive: Place) -> Files:
    """What is in a ZIP or a TAR file; nothing is unpacked to disk.

    Raises:
        DataError: it is neither, damaged, or has entries that lead outside.
    """
    packed = open_archive(archive)
    return Files(archive, _kept(packed.entries), packed.read, packed=True)


def _kept(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if not any(map(is_hidden, PurePosixPath(name).parts))))
