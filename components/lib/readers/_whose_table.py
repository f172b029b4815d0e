"""A table of whose the files are, beside folders that say their class: it names patients, and no class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

import pandas as pd

from components.lib.errors import DataError
from components.lib.places import Place
from components.lib.readers._paths import Names
from components.lib.readers._tables import index_of, rows_told, told_by
from components.lib.readers.base import Columns


def with_patients(
    table: pd.DataFrame, rows: pd.DataFrame, path: Place, columns: Columns, everything: Iterable[str],
    root: Place | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The index of class folders, attributes from a table where it has a column for them; null for files without a row.

    Args:
        table: the index; `file` is relative to the folder.
        rows: the table of patients, as text.
        path: of the table of patients, for errors.
        columns: what its columns are called; `path` and `patient` must be there.
        everything: all relative paths, to find files that are spelt otherwise.
        root: the folder, for absolute paths; None: there is none.

    Raises:
        DataError: a column is missing, or two rows about one file differ.
    """
    needed = {"file": str(getattr(columns, "path", "path")), "patient": columns.patient or "patient"}
    listed = index_of(rows, path, needed, {}, columns)
    spelt = [PurePosixPath(file).as_posix() if file else "" for file in listed["file"].fillna("")]
    listed["file"] = Names(everything, root).resolve(spelt).files
    told = [name for name in told_by(rows, columns) if name in listed]
    told += [] if "patient" in told else ["patient"]
    listed = listed[["file", *told]].drop_duplicates()
    twice = listed.index[listed["file"].duplicated(keep=False) & listed["file"].isin(table["file"])]
    if len(twice):
        raise DataError(
            str(path),
            expected="one patient for each file",
            found=f"{len(twice)} rows about a file of which another row says something else: {rows_told(twice)}",
            todo="keep one row a file",
        )
    lost = int((~listed["file"].isin(table["file"])).sum())
    if lost:
        print(f"rows of the table of patients that name no picture here: {lost:,} of {len(listed):,}")
    found = listed.set_index("file").reindex(table["file"]).set_index(table.index)
    return table.assign(**{name: found[name] for name in told})
