"""What readers share that find samples in a table of text."""

from __future__ import annotations

import gzip
import io
import warnings
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.errors import DataError, nearest
from components.lib.kinds.table import UNKNOWN
from components.lib.places import Place
from components.lib.readers.base import ATTRIBUTES, Columns, Targets

SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def read_table(path: Place, content: bytes | None = None) -> pd.DataFrame:
    """A table as text: Parquet where its name ends in .parquet, whatever the case, else CSV.

    Args:
        path: the table; for its suffix and for errors alone where its content is given.
        content: its bytes, where it lies inside an archive.

    Raises:
        DataError: it is missing, or no table of that format.
    """
    if path.suffix.lower() != ".parquet":
        return read_csv(path, content=content)
    try:
        table = pq.read_table(_opened(path, content))
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


def read_csv(path: Place, separator: str = ",", *, content: bytes | None = None) -> pd.DataFrame:
    """A CSV table as text, nothing of it taken for unknown; one that ends in .gz is unpacked.

    Args:
        path: the table; for its suffix and for errors alone where its content is given.
        separator: what stands between two cells.
        content: its bytes, where it lies inside an archive.

    Raises:
        DataError: it is missing, no CSV, or has rows longer than its first line.
    """
    try:
        with warnings.catch_warnings():
            # Without index_col pandas takes the first column of such rows away; with it, it only warns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                _opened(path, content, unpack=True),
                sep=separator, dtype="str", encoding="utf-8-sig", keep_default_na=False, index_col=False,
            )  # fmt: skip
    except (OSError, ValueError, EOFError, zlib.error, pd.errors.ParserWarning) as error:
        raise DataError(
            str(path),
            expected="a CSV table in UTF-8, every row as long as the first line",
            found=" ".join(str(error).split())[:160],
            todo="check `source:` in the task file, and the table",
        ) from None


def header_line(path: Place, separator: str = ",", content: bytes | None = None) -> list[str]:
    """The names in a CSV's first line, from which pandas would make "age" and "age.1" of two equal ones.

    Args:
        path: the table, which can be read; for its suffix alone where its content is given.
        separator: what stands between two cells.
        content: its bytes, where it isn't on this machine's disk.
    """
    first = pd.read_csv(
        _opened(path, content, unpack=True),
        sep=separator, dtype="str", encoding="utf-8-sig", keep_default_na=False, header=None, nrows=1,
    )  # fmt: skip
    return [str(name) for name in first.iloc[0]]


def _opened(path: Place, content: bytes | None, *, unpack: bool = False) -> Path | io.BytesIO:
    """The table as pandas and Arrow take it: a file on the disk, else its content; that of a .gz unpacked, if asked."""
    if content is None:
        if isinstance(path, Path):
            return path
        content = path.read_bytes()
    return io.BytesIO(gzip.decompress(content) if unpack and path.suffix.lower() == ".gz" else content)


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
    wanted = {**needed, **{name: columns.of(name) for name in targets}}
    require_columns(rows, path, wanted.values())
    for attribute in ATTRIBUTES:
        column = getattr(columns, attribute)
        if column in rows:
            wanted[attribute] = column
    classes = {name: kind.class_names for name, kind in targets.items()}
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
