"""A table read by its form: text without empty rows and empty columns at the end, numbers with decimal points."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from components.lib.errors import DataError
from components.lib.places import Place
from components.lib.tables import excel
from components.lib.tables.form import PLAIN_FORM, TableForm
from components.lib.tables.limits import Unpacked, check_cells
from components.lib.tables.numbers import plain_table

TEXT = (".csv", ".tsv", ".psv", ".txt")
SUFFIXES = (*TEXT, *(f"{suffix}.gz" for suffix in TEXT), *excel.SUFFIXES, ".parquet")
"""Endings of the names of tables."""
FORMATS = ".csv, .tsv, .psv, .txt (also with .gz), .xlsx, .xls, .ods or .parquet"
SAMPLED = 200
"""Rows by which the number of columns is found: some may have empty cells beyond the last name."""
WRONG = (OSError, ValueError, EOFError, zlib.error, csv.Error, pd.errors.ParserWarning)
csv.field_size_limit(1 << 24)


@dataclass(frozen=True)
class TableText:
    """A table as text.

    Args:
        cells: text, "" where a cell is empty; the index is the row's position, empty ones counted.
        empty: rows without a single value, which are left out.
        first: number of the line of row 0, as a spreadsheet counts.
        start: position of the first of these rows in the table.
        rows: how many there are, empty ones counted.
    """

    cells: pd.DataFrame
    empty: int
    first: int
    start: int = 0
    rows: int = 0


def is_table_name(name: str) -> bool:
    """Whether a file's name ends like that of a table."""
    return name.lower().endswith(SUFFIXES)


def is_excel(path: Place) -> bool:
    """Whether a table is a workbook, by its name."""
    return path.name.lower().endswith(excel.SUFFIXES)


def read_text(
    path: Place, form: TableForm = PLAIN_FORM, content: bytes | None = None, *, raw: bool = False
) -> TableText:
    """A table, nothing of it taken for unknown.

    Args:
        path: the table: CSV, also gzipped, or a workbook; for its suffix and for errors alone where its content is
            given.
        form: how it is written.
        content: its bytes, where it lies inside an archive.
        raw: numbers stay as they are written.

    Raises:
        DataError: it is missing, of another form, or has a row longer than the names, other than by empty cells.
    """
    (held,) = [*read_chunks(path, form, content, raw=raw)]
    return held


def read_chunks(
    path: Place,
    form: TableForm = PLAIN_FORM,
    content: bytes | None = None,
    rows: int | None = None,
    *,
    raw: bool = False,
) -> Iterator[TableText]:
    """As `read_text`, at most so many rows at a time; None: all at once."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            names, chunks = _opened_chunks(path, form, content, rows)
            for chunk in chunks:
                yield _finished(path, form, names, chunk, raw=raw)
    except WRONG as error:
        raise _unreadable(path, form, error) from None


def column_names(path: Place, form: TableForm = PLAIN_FORM, content: bytes | None = None) -> list[str]:
    """The names of the columns as they are written, two equal ones too; nameless ones at the end left out.

    Raises:
        DataError: the table is missing, empty or of another form.
    """
    try:
        if is_excel(path):
            return _names(form, _sheet(path, form, content))[0]
        with _text(path, form, content) as file:
            return _names(form, _head(file, form))[0]
    except WRONG as error:
        raise _unreadable(path, form, error) from None


def _opened_chunks(
    path: Place, form: TableForm, content: bytes | None, rows: int | None
) -> tuple[tuple[list[str], int], Iterator[pd.DataFrame]]:
    """Names and how many columns have one, and the rows, header left out, columns numbered."""
    if is_excel(path):
        cells = _sheet(path, form, content)
        names, width = _names(form, cells)
        body = [row + [""] * (width - len(row)) for row in cells[int(form.header) :]]
        table = pd.DataFrame(body, columns=range(width), dtype="str")
        step = rows or max(1, len(table))
        return (names, width), (table.iloc[at : at + step] for at in range(0, max(1, len(table)), step))
    with _text(path, form, content) as file:
        names, width = _names(form, _head(file, form))
    return (names, width), _parsed(path, form, content, width, rows)


def _parsed(path: Place, form: TableForm, content: bytes | None, width: int, rows: int | None) -> Iterator[Any]:
    _require_room(path, content, width)
    with _text(path, form, content) as file:
        if form.header:
            _header_row(file, form)
        given: dict[str, Any] = {
            "sep": r"\s+" if form.delimiter == " " else form.delimiter,
            "header": None, "names": range(width), "index_col": False, "dtype": "str", "na_filter": False,
            "skip_blank_lines": False, "skipinitialspace": form.delimiter != " ", "quotechar": form.quote or '"',
            "quoting": csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        }  # fmt: skip
        try:
            if rows is None:
                yield pd.read_csv(file, **given)
            else:
                with pd.read_csv(file, chunksize=rows, **given) as chunks:
                    yield from chunks
        except pd.errors.EmptyDataError:
            yield pd.DataFrame(columns=range(width), dtype="str")


def _finished(
    path: Place, form: TableForm, columns: tuple[list[str], int], table: pd.DataFrame, *, raw: bool
) -> TableText:  # fmt: skip
    names, _ = columns
    first = form.skip_rows + int(form.header) + 1
    table = table.astype("str").fillna("")
    longer = (table.iloc[:, len(names) :] != "").any(axis=1)
    if table.shape[1] > len(names) and longer.any():
        at = int(longer.to_numpy().argmax())
        line, filled = int(table.index[at]) + first, table.iloc[at].to_numpy() != ""
        raise DataError(
            f"{path}, line {line}",
            expected=f"at most {len(names)} cells, as many as the columns have names",
            found=f"{int(filled.nonzero()[0][-1]) + 1}",
            todo="correct the line, or check `source.format` in the task file: delimiter, quote, skip_rows",
        )
    table = table.iloc[:, : len(names)].set_axis(_apart(names), axis=1)
    empty = pd.Series(True, index=table.index)
    for column in table:
        empty &= table[column].str.strip() == ""
        if not empty.any():
            break
    start, rows = int(table.index[0]) if len(table) else 0, len(table)
    table = table[~empty]
    return TableText(table if raw else plain_table(table, form), rows - len(table), first, start, rows)


def _names(form: TableForm, head: list[list[str]]) -> tuple[list[str], int]:
    """Names of the columns, and how many cells the longest of the first rows has."""
    width = max(map(len, head), default=0)
    if not head or not width:
        raise ValueError("the table is empty")
    if not form.header:
        used = max(at + 1 for row in head for at, cell in enumerate(row) if cell.strip() or at == 0)
        return [f"column_{position}" for position in range(1, used + 1)], width
    names = [name.strip().lstrip("\ufeff") for name in head[0]]
    named = max((at + 1 for at, name in enumerate(names) if name), default=0)
    filled = max((at + 1 for row in head[1:] for at, cell in enumerate(row[: len(names)]) if cell.strip()), default=0)
    count = max(named, filled)
    return [name or f"Unnamed: {position}" for position, name in enumerate(names[:count])], width


def _apart(names: list[str]) -> list[str]:
    """Names of which no two are equal: "age" and "age.1"."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        number = seen[name] = seen.get(name, -1) + 1
        found.append(f"{name}.{number}" if number else name)
    return found


def _head(file: TextIO, form: TableForm) -> list[list[str]]:
    """The first rows, the names among them, as cells."""
    return [*islice(_rows(file, form), SAMPLED)]


def _rows(lines: Iterator[str] | TextIO, form: TableForm) -> Iterator[list[str]]:
    if form.delimiter == " ":
        return (re.split(r"\s+", line.strip()) for line in lines)
    settings: dict[str, Any] = {"quoting": csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE}
    return csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote, skipinitialspace=True, **settings)


def _header_row(file: TextIO, form: TableForm) -> None:
    """Read past the row of names, which may be several lines."""
    next(_rows(iter(file.readline, ""), form), None)


@contextmanager
def _text(path: Place, form: TableForm, content: bytes | None) -> Iterator[TextIO]:
    """The table as lines, those above the names left out, comments empty."""
    encoding = "utf-8-sig" if form.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else form.encoding
    with _binary(path, content) as binary, io.TextIOWrapper(binary, encoding=encoding, newline="") as file:
        for _ in range(form.skip_rows):
            file.readline()
        if form.comment is None:
            yield file
        else:
            sign = form.comment
            yield io.StringIO("".join("\n" if line.startswith(sign) else line for line in file), newline="")


def _binary(path: Place, content: bytes | None) -> Any:
    packed = path.name.lower().endswith(".gz")
    if content is None and isinstance(path, Path):
        return Unpacked(path) if packed else path.open("rb")
    content = path.read_bytes() if content is None else content
    return Unpacked(None, content) if packed else io.BytesIO(content)


def _require_room(path: Place, content: bytes | None, width: int) -> None:
    """Refuse a table whose lines are filled up to far more cells than it has characters, or that is a gzip bomb."""
    if width <= SAMPLED and not path.name.lower().endswith(".gz"):
        return
    rows = held = 0
    with _binary(path, content) as file:
        while piece := file.read(1 << 20):
            rows, held = rows + piece.count(b"\n") + piece.count(b"\r"), held + len(piece)
    check_cells(rows + 1, width, held)


def _sheet(path: Place, form: TableForm, content: bytes | None) -> list[list[str]]:
    """The rows of the one sheet that holds a table, or of the named one, from the names on."""
    book = excel.Workbook(path, path.read_bytes() if content is None else content)
    if form.sheet is not None:
        rows = book.rows(form.sheet)
    else:
        tables = book.tables()
        if len(tables) != 1:
            raise DataError(
                str(path),
                expected="one sheet that holds a table",
                found=f"{len(tables)} of {len(book.sheets)} sheets: {', '.join(map(repr, tables or book.sheets))}",
                todo="name the sheet: source.format.sheet in the task file, or --sheet",
            )
        (rows,) = tables.values()
    return rows[form.skip_rows :]


def _unreadable(path: Place, form: TableForm, error: Exception) -> DataError:
    found = " ".join(str(error).split())[:160]
    if isinstance(error, UnicodeDecodeError):
        found = f"bytes that are no {form.encoding}"
    elif told := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", found):
        line = int(told[2]) + form.skip_rows + int(form.header)
        found = f"line {line} with {told[3]} cells, the lines before it with {told[1]} at most"
    text = f"a CSV table in {form.encoding.upper()}, every row as long as the first line"
    return DataError(
        str(path),
        expected="an Excel workbook" if is_excel(path) else text,
        found=found,
        todo="check `source:` in the task file, `format` above all, and the table",
    )


def with_form(form: TableForm, **changes: Any) -> TableForm:
    """A form with other settings, checked."""
    return TableForm.model_validate(form.model_dump() | changes)


__all__ = ["TableText", "column_names", "is_excel", "read_chunks", "read_text", "replace", "with_form"]
