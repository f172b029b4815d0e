"""Tables beside files: which one names them, and why another one doesn't."""

from __future__ import annotations

from pathlib import PurePosixPath

import pandas as pd

from components.lib.errors import DataError
from components.lib.places import Place
from components.lib.readers._tables import read_table
from components.lib.readers.folder import is_picture
from pipelines.look import names
from pipelines.look.findings import Questions, counted, refused
from pipelines.look.refusals import boxes, is_boxes
from pipelines.look.sources import Files

TRIED = 300
"""Values that are looked up among the files."""


def find_index(files: Files, questions: Questions, only: str | None = None) -> tuple[str, pd.DataFrame, str] | None:
    """The table whose column names the files beside it: its name, its cells as text, and that column.

    Args:
        files: the table among them.
        questions: asked which one, where several do.
        only: the table that the user named.
    """
    found = []
    for name in [only] if only else files.top():
        if name.lower().endswith((".csv", ".parquet")):
            table = read_beside(files, name)
            column = path_column(table, files) if table is not None else None
            if table is not None and column is not None:
                found.append((name, table, column))
    if len(found) > 1:
        larger = max(found, key=lambda each: (each[0] == "index.csv", len(each[1])))[0]
        options = [name for name, _, _ in found]
        chosen = questions.choose("Which table describes the pictures?", options, larger, "the largest, or index.csv")
        found = [each for each in found if each[0] == chosen]
    return found[0] if found else None


def read_beside(files: Files, name: str) -> pd.DataFrame | None:
    """A table as text; None where it is none, unless it is called index."""
    try:
        return read_table(files.place / name, files.read(name))
    except DataError:
        if PurePosixPath(name).stem == "index":
            raise
        return None


def path_column(table: pd.DataFrame, files: Files) -> str | None:
    """The column whose values name files, relative to the table; by content, a fitting name first."""
    there = {*files.names}
    best: tuple[float, bool, str] | None = None
    for column in table.columns:
        values = table[column].str.strip()
        values = values[values != ""].iloc[:TRIED]
        share = float(values.isin(there).mean()) if len(values) else 0.0
        called = names.plain(column) in names.FILE
        if share >= 0.9 or (called and share > 0):
            best = max(best or (0.0, False, ""), (share, called, str(column)))
    return best[2] if best else None


def named_elsewhere(table: pd.DataFrame, files: Files) -> str | None:
    """A column that names the pictures, but not from where the table lies: without their folder, or their extension."""
    bare = {PurePosixPath(name).name for name in files.names if is_picture(name)}
    stems = {PurePosixPath(name).stem for name in files.names if is_picture(name)}
    for column in table.columns:
        values = table[column].str.strip().iloc[:TRIED]
        last = values.map(lambda text: PurePosixPath(text.replace("\\", "/")).name)
        if len(values) and max(last.isin(bare).mean(), values.isin(stems).mean()) >= 0.9:
            return str(column)
    return None


def refuse_unusable(files: Files) -> None:
    """Refuse index tables that can't be used as they are, where pictures lie beside them.

    Raises:
        DataError: an index.csv without a column of paths; a table of boxes, or one that names files in another way.
    """
    for name in files.top():
        if not name.lower().endswith((".csv", ".parquet")):
            continue
        table = read_beside(files, name)
        if table is None or not any(is_picture(each) for each in files.names):
            continue
        if column := named_elsewhere(table, files):
            if is_boxes(table):
                raise boxes(
                    files.place, f"{counted(table[column].nunique(), 'picture')} and a table of {len(table):,} boxes"
                )
            raise refused(
                files.place / name,
                expected="paths relative to the table, with folder and extension",
                found=f"column {column!r} names the pictures without one of them",
                todo="write the whole path into the column: images/0001.png",
            )


def refuse_without_paths(place: Place, table: pd.DataFrame) -> DataError:
    """The error for an index.csv no column of which names files."""
    called = next((c for c in table.columns if names.plain(c) in names.FILE), None)
    if called is None:
        return refused(
            place / "index.csv",
            expected="a column of paths, such as 'path'",
            found=", ".join(map(str, table.columns)),
            todo="add a column with each file's path, relative to index.csv",
        )
    return refused(
        place,
        expected="pictures that can be read",
        found=f"none of the files that column {called!r} of index.csv names",
        todo="check the paths in index.csv: they are relative to it",
    )
