"""What readers share that find samples in a table of text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.errors import DataError, nearest
from components.lib.kinds.table import UNKNOWN
from components.lib.places import Place
from components.lib.reader_columns import reader_columns
from components.lib.readers.base import ATTRIBUTES, Columns, Targets
from components.lib.tables import PLAIN_FORM, TableForm, check_parquet, read_text

_counts: ContextVar[list[int] | None] = ContextVar("counts of empty rows", default=None)
SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip

NAMED_AT_MOST = 5
"""Rows of a table that an error names."""


def rows_told(rows: pd.Index) -> str:
    """`rows 3, 8 below the names of the columns`, of rows counted from 0; of many the first alone."""
    more = ", …" if len(rows) > NAMED_AT_MOST else ""
    return f"rows {', '.join(str(row + 1) for row in rows[:NAMED_AT_MOST])}{more} below the names of the columns"


def read_table(path: Place, content: bytes | None = None, form: TableForm = PLAIN_FORM) -> pd.DataFrame:
    """A table as text, wholly empty rows left out and reported.

    Args:
        path: the table; Parquet where its name ends in .parquet, whatever the case; for its suffix and for errors alone
            where its content is given.
        content: its bytes, where it lies inside an archive.
        form: how a table of text is written.

    Raises:
        DataError: it is missing, or no table of that form.
    """
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, content)
    held = read_text(path, form, content)
    report_empty(held.empty)
    return held.cells.reset_index(drop=True)


def report_empty(rows: int) -> None:
    """Say how many empty rows of a table were left out, if any: to whoever counts them, else on the screen."""
    counts = _counts.get()
    if counts is not None:
        counts.append(rows)
    else:
        for line in empty_lines([rows]):
            print(line)


def empty_lines(counts: Collection[int]) -> list[str]:
    """For the receipt: how many empty rows were left out; nothing where none was."""
    return [f"empty rows of the table left out: {sum(counts):,}"] if sum(counts) else []


@contextmanager
def counting_empty() -> Iterator[list[int]]:
    """The empty rows of each table that a reader reads inside, in place of words on the screen."""
    counts: list[int] = []
    token = _counts.set(counts)
    try:
        yield counts
    finally:
        _counts.reset(token)


def _read_parquet(path: Place, content: bytes | None) -> pd.DataFrame:
    try:
        opened = _opened(path, content)
        check_parquet(opened)
        table = pq.read_table(opened if isinstance(opened, Path) else pa.BufferReader(opened))
        # A null becomes the empty word, which a CSV has in its place.
        text = {name: table[name].cast(pa.string()).to_pandas() for name in table.column_names}
        return pd.DataFrame({name: column.fillna("").astype("str") for name, column in text.items()})
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DataError(
            str(path),
            expected="a Parquet table of words and numbers, every column once",
            found=" ".join(str(error).split())[:160],
            todo="check `source:` in the task file, and the table",
        ) from None


def _opened(path: Place, content: bytes | None) -> Path | bytes:
    """The table as Arrow takes it: a file on the disk, else its content."""
    if content is None and isinstance(path, Path):
        return path
    return path.read_bytes() if content is None else content


def known_text(values: pd.Series, classes: Collection[str] = ()) -> pd.Series:
    """Text without the blanks around it; null for the words that mean "unknown", unless one is the name of a class."""
    text = values.str.strip()
    return text.mask(text.str.lower().isin(UNKNOWN) & ~text.isin(list(classes)))


def index_of(
    rows: pd.DataFrame, path: Place, needed: Mapping[str, str], targets: Targets, columns: Columns
) -> pd.DataFrame:
    """The index of a table: the needed columns and the targets under their names, attributes where they are there.

    Args:
        rows: the table, as text.
        path: of the table, for errors.
        needed: name in the index to the column that must be there.
        targets: of the task.
        columns: where attributes and targets stand.

    Raises:
        DataError: a column is missing, or a split is none of train, validation and test.
    """
    read_by = reader_columns(columns.readers, targets)
    wanted = {**needed, **{name: columns.of(name) for name in targets}}
    wanted |= {name: column for name, (_, column) in read_by.items()}
    require_columns(rows, path, wanted.values())
    for attribute in ATTRIBUTES:
        column = getattr(columns, attribute)
        if column in rows:
            wanted[attribute] = column
    classes = {name: kind.class_names for name, kind in targets.items()}
    classes |= {name: classes[target] for name, (target, _) in read_by.items()}
    table = pd.DataFrame({name: known_text(rows[column], classes.get(name, ())) for name, column in wanted.items()})
    table["split"] = split_names(table.get("split"), path, len(table))
    return with_attributes(table)


def told_by(rows: pd.DataFrame, columns: Columns) -> tuple[str, ...]:
    """The attributes that a table has a column for."""
    return tuple(name for name in ATTRIBUTES if getattr(columns, name) in rows)


def require_columns(rows: pd.DataFrame, path: Place, wanted: Collection[str]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        DataError: with the columns there are, and the nearest. Where none is known the first line may be a patient's
            row: it is not repeated.
    """
    there = [str(name) for name in rows.columns]
    header = {*map(str.lower, there)} & {*map(str.lower, wanted), *ATTRIBUTES}
    for column in wanted:
        if column not in rows:
            raise DataError(
                f"{path}, first line",
                expected=f"a column {column!r}",
                found=f"{', '.join(there)}{nearest(column, there)}"
                if header or nearest(column, there)
                else f"{len(there)} columns, none of them known; is the first line the names of the columns?",
                todo="rename the column, or name it in `source.columns`, `inputs` or `targets` of the task file",
            )


def with_attributes(table: pd.DataFrame) -> pd.DataFrame:
    """Every attribute as a column, null where unknown."""
    return table.assign(**{column: None for column in ATTRIBUTES if column not in table})


def split_names(column: pd.Series | None, path: Place, rows: int) -> pd.Series:
    """train, validation or test for every row; null where unknown.

    Raises:
        DataError: a word that is none of them; it names the line.
    """
    if column is None:
        return pd.Series([None] * rows, dtype="object")
    known = column.str.lower().map(SPLIT_NAMES)
    bad = column[known.isna() & column.notna()]
    if len(bad):
        raise DataError(
            f"{path}, line {bad.index[0] + 2}",
            expected="train, validation or test in the split column",
            found=str(bad.iloc[0])[:40],
            todo="correct the value",
        )
    return known
