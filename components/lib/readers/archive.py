"""A .zip, .tar or .tar.gz of what the folder reader reads: an index table inside, or one folder per class.

Nothing is unpacked to a disk; each picture is read out of the archive when it is asked for. An archive with an entry
that leads outside, is a link, a device, encrypted, a bomb or of a name that stands there twice is refused as a whole.
A .tar.gz has to be looked through by every process that reads it, at some 200 MB a second; a .zip or .tar hasn't.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

import pandas as pd
from pydantic import field_validator

from components.lib.errors import DataError, Unusable
from components.lib.readers._archives import open_archive
from components.lib.readers._tables import read_table
from components.lib.readers.base import Inputs, Load, Source, Targets
from components.lib.readers.folder import FolderColumns, from_index, from_names, leads_outside


class PackedFolder(Source):
    """A .zip, .tar or .tar.gz of PNG, JPEG, TIFF, BMP or DICOM files: with an index table, or one folder per class."""

    reader: Literal["archive"]
    inside: str | None = None
    """Folder inside the archive that holds the index or the folders of classes; null: the archive itself."""
    index: str | None = None
    """Table inside the archive, .csv or .parquet; null: class folders."""
    columns: FolderColumns = FolderColumns()
    """Column names of the index."""

    raw_type: ClassVar[type] = bytes

    @field_validator("inside")
    @classmethod
    def _stays_inside(cls, inside: str | None) -> str | None:
        if inside is not None and leads_outside(inside):
            raise ValueError("a relative path of a folder inside the archive")
        return inside

    def samples(self, raw: Path, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a file, sorted by path; files are named relative to `inside`."""
        archive = open_archive(raw)
        start = self._start
        names = {name.removeprefix(start) for name in archive.entries if name.startswith(start)}
        if not names and start:
            tops = sorted({PurePosixPath(name).parts[0] for name in archive.entries if "/" in name})
            raise DataError(
                f"{raw}, source.inside",
                expected="a folder inside the archive",
                found=f"none of that name; at the top {f'is {tops[0]}' if len(tops) == 1 else f'are {len(tops)}'}",
                todo="correct source.inside in the task file",
            )
        if not self.index:
            return from_names(names, raw, targets)
        path = raw / f"{start}{self.index}"  # for its suffix, and for errors
        if self.index not in names:
            raise DataError(
                str(path),
                expected="the index inside the archive",
                found="no such file in it",
                todo="correct source.index or source.inside in the task file",
            )
        try:
            rows = read_table(path, archive.read(f"{start}{self.index}"))
        except Unusable as reason:
            raise DataError(
                str(path), expected="an index that can be read", found=str(reason), todo="pack it anew"
            ) from None
        return from_index(rows, path, self.columns, targets, names.__contains__, lambda: sorted(names))

    def opener(self, raw: Path, inputs: Inputs) -> Load:
        """Reads one file's bytes out of the archive; also Unusable for one that is damaged."""
        archive, start = open_archive(raw), self._start

        def load(file: str, row: int) -> bytes:
            return archive.read(f"{start}{file}")

        return load

    @property
    def _start(self) -> str:
        """What the names of the files begin with that count."""
        return f"{PurePosixPath(self.inside).as_posix()}/" if self.inside else ""
