"""Tables beside files: which one names them, and why another one doesn't."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from components.lib.errors import DataError
from components.lib.places import Place
from components.lib.readers._paths import Names, common_form
from components.lib.readers.folder import is_picture
from components.lib.tables import is_table_name
from pipelines.look import names
from pipelines.look.choices import MOST_CLASSES
from pipelines.look.findings import Questions, counted, refused
from pipelines.look.forms import hold
from pipelines.look.refusals import boxes, is_boxes
from pipelines.look.sources import Files

ENOUGH = 0.9
"""Share of a column's values from which on it names files."""
HALF = 0.5
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
        if is_table_name(name):
            table = read_beside(files, name, questions)
            column = path_column(table, files) if table is not None else None
            if table is not None and column is not None:
                found.append((name, as_they_lie(table, column, files), column))
    if len(found) > 1:
        larger = max(found, key=lambda each: (each[0] == "index.csv", len(each[1])))[0]
        options = [name for name, _, _ in found]
        chosen = questions.choose("Which table describes the pictures?", options, larger, "the largest, or index.csv")
        found = [each for each in found if each[0] == chosen]
    return found[0] if found else None


def read_beside(files: Files, name: str, questions: Questions | None = None) -> pd.DataFrame | None:
    """A table as text; None where it is none, unless it is called index. How it is written stays in `files.tables`."""
    try:
        if name not in files.tables:
            files.tables[name] = hold(files.place / name, questions or Questions(), files.read(name))
        return files.tables[name].text
    except DataError:
        if PurePosixPath(name).stem == "index":
            raise
        return None


def path_column(table: pd.DataFrame, files: Files) -> str | None:
    """The column whose values name files, however they are spelt; by content, a fitting name first."""
    known = names_of(files)
    best: tuple[float, float, bool, str] | None = None
    for column in table.columns:
        values = table[column].str.strip()
        values = values[values != ""].iloc[:TRIED]
        if not len(values):
            continue
        called, exact = names.plain(column) in names.FILE, float(values.isin(known.there).mean())
        share = exact if exact >= ENOUGH or not _may_name(str(column), values) else _share(known, values)
        if share >= ENOUGH or (called and share > 0):
            best = max(best or (0.0, 0.0, False, ""), (share, exact, called, str(column)))
    return best[3] if best else None


def names_of(files: Files) -> Names:
    """The files, to be found by other spellings of their paths, as the readers find them."""
    return Names(files.names, None if files.packed else files.place)


def as_they_lie(table: pd.DataFrame, column: str, files: Files) -> pd.DataFrame:
    """The table, the paths of a column as those of the files that they mean; those that mean none stay as they are."""
    values = table[column].str.strip()
    return table.assign(**{column: pd.Series(names_of(files).resolve(values.tolist()).files, table.index, dtype="str")})


def _may_name(column: str, values: pd.Series) -> bool:
    """Whether a column may name files in another spelling: by its name, with a value of its own in nearly every row."""
    plain = names.plain(column)
    if plain in names.FILE:
        return True
    paths = bool(values.str.contains(r"[/\\]|\.[A-Za-z]{2,5}$", regex=True).mean() >= ENOUGH)
    known_as = plain not in names.PATIENT and bool({*plain.split("_")} & (names.ID_WORDS | names.FILE))
    return (paths or known_as) and values.nunique() >= ENOUGH * len(values)


def _share(known: Names, values: pd.Series) -> float:
    return sum(known.resolve(values.tolist()).found) / len(values)


def refuse_unusable(files: Files) -> None:
    """Refuse index tables that can't be used as they are, where pictures lie beside them.

    Raises:
        DataError: an index.csv without a column of paths; a table of boxes, or one that names files in another way.
    """
    for name in files.top():
        if not is_table_name(name):
            continue
        table = read_beside(files, name)
        if table is None or not any(is_picture(each) for each in files.names):
            continue
        column = max(table.columns, key=lambda each: _named(table[each], files), default=None)
        if column is None or _named(table[column], files) < HALF:
            continue
        if is_boxes(table):
            raise boxes(
                files.place, f"{counted(table[column].nunique(), 'picture')} and a table of {len(table):,} boxes"
            )
        values = table[column].str.strip()
        told = names_of(files).resolve(values.tolist())
        lost = len(values) - sum(told.found)
        why = (
            f"{lost:,} of {len(values):,} rows of column {column!r} name no file here ({common_form(values.tolist())})"
        )
        if told.ambiguous:
            why = (
                f"{told.ambiguous:,} of {len(values):,} rows of column {column!r} could mean several files, which have "
                "one name in several folders"
            )
        raise refused(
            files.place / name,
            expected="a path for each picture, relative to the table",
            found=why,
            todo="write the whole path into the column, with folder and extension: images/0001.png",
        )


def _named(column: Any, files: Files) -> float:
    """The share of values that name a picture by the last part of its path, with or without extension."""
    bare = {PurePosixPath(name).name.casefold() for name in files.names if is_picture(name)}
    bare |= {PurePosixPath(name).stem.casefold() for name in files.names if is_picture(name)}
    values = column.str.strip().iloc[:TRIED]
    last = values.map(lambda text: PurePosixPath(text.replace("\\", "/")).name.casefold())
    return float((last.isin(bare) & (values != "")).mean()) if len(values) and values.nunique() > MOST_CLASSES else 0.0


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
