"""A folder of PNG, JPEG, TIFF or BMP files: with an index CSV beside them, or one folder per class.

    index.csv                       columns path, one per target; patient, split, site, sex, age where known
    <class>/<file>                  without an index; the folder's name is the class
    <split>/<class>/<file>          the same with given splits (train, val, validation, test, training, testing)

Subfolders below a class are read too. Files are named relative to the folder, with "/" between the parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from components.lib.errors import DataError
from components.lib.readers._tables import SPLIT_NAMES, index_of, read_csv, with_attributes
from components.lib.readers.base import Columns, Inputs, Load, Source, Targets

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


class FolderColumns(Columns):
    """Names of the columns of an index table; targets are found under their own names."""

    path: str = "path"
    """Path of the file, relative to the table."""


class Folder(Source):
    """A folder of PNG, JPEG, TIFF or BMP files: with an index CSV beside them, or one folder per class."""

    reader: Literal["folder"]
    index: str | None = None
    """CSV beside the images; null: class folders."""
    columns: FolderColumns = FolderColumns()
    """Column names of the index."""

    raw_type: ClassVar[type] = bytes

    def samples(self, raw: Path, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a file, sorted by path; also DataError for a path that leaves the folder."""
        if not raw.is_dir():
            raise DataError(
                str(raw),
                expected="a folder of pictures",
                found="a file" if raw.exists() else "no such folder",
                todo="set source.path in the task file, or make the data first",
            )
        table = self._from_csv(raw, targets) if self.index else _from_folders(raw, list(targets))
        if table.empty:
            raise DataError(
                str(raw),
                expected="at least one PNG, JPEG, TIFF or BMP file",
                found="none",
                todo="check source.path and source.index in the task file",
            )
        return table.assign(row=0).sort_values("file", kind="stable", ignore_index=True)

    def opener(self, raw: Path, inputs: Inputs) -> Load:
        """Reads one file's bytes."""

        def load(file: str, row: int) -> bytes:
            return (raw / file).read_bytes()

        return load

    def _from_csv(self, raw: Path, targets: Targets) -> pd.DataFrame:
        path = raw / str(self.index)
        table = index_of(read_csv(path), path, {"file": self.columns.path}, targets, self.columns)
        escaping = [f for f in table["file"].fillna("") if not f or Path(f).is_absolute() or ".." in Path(f).parts]
        if escaping:
            raise DataError(
                str(path),
                expected="paths relative to the folder, inside it",
                found=f"{len(escaping)} empty or leading outside",
                todo="correct the path column",
            )
        return table


def pictures(folder: Path) -> list[Path]:
    """Picture files below a folder, sorted; not `._name`, which a Mac leaves beside each file it packs."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in found if p.is_file())


def _from_folders(raw: Path, targets: list[str]) -> pd.DataFrame:
    if len(targets) != 1:
        raise DataError(
            "targets",
            expected="one target: folders name one class",
            found=", ".join(targets),
            todo="write an index CSV with a column for each target",
        )
    files = [p.relative_to(raw) for p in pictures(raw)]
    records = []
    for file in files:
        parts = file.parts[:-1]
        split = SPLIT_NAMES.get(parts[0].lower()) if parts else None
        below = parts[1:] if split else parts
        records.append({"file": file.as_posix(), "split": split, targets[0]: below[0] if below else None})
    return with_attributes(pd.DataFrame(records, columns=["file", "split", targets[0]]))
