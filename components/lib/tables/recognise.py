"""How a table is written, found in its bytes: encoding, delimiter, quotes, title lines, names, signs in numbers.

clevercsv finds the delimiter (van den Burg, Nazabal and Sutton 2019, doi:10.1007/s10618-019-00646-y),
charset-normalizer an encoding that is no Unicode; rules for short medical tables stand beside both.
"""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import pandas as pd

from components.lib.errors import DataError
from components.lib.places import Place
from components.lib.tables import excel
from components.lib.tables.encodings import is_utf8, legacy, wide
from components.lib.tables.form import PLAIN_FORM, TableForm
from components.lib.tables.header import has_names
from components.lib.tables.numbers import signs_of, table_signs
from components.lib.tables.read import _binary, _rows, is_excel, read_text, with_form

HEAD = 1 << 18
"""Bytes by which all but the encoding and the numbers are found."""
SHOWN = 60
"""Lines that clevercsv sees."""
LONG_LINE = 4000
"""Characters of a line from which on clevercsv takes too long."""
DELIMITERS = ",;\t|"
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
SEP = re.compile(r'"?sep=(.)"?[,;\t]*\s*', re.IGNORECASE)
TITLES = 20
"""Lines above the names at most."""


@dataclass(frozen=True)
class Recognised:
    """How a table is written.

    Args:
        form: its form; numbers that stay open are left as they are written.
        found: sentences: what differs from a plain CSV.
        unclear: columns whose numbers can be read in two ways, with the form of such cells: 9.999.
        header: whether the first line holds names; None where nothing in the table says it.
        sheets: of a workbook: those that hold a table, where there are several and none was named.
    """

    form: TableForm = PLAIN_FORM
    found: tuple[str, ...] = ()
    unclear: dict[str, str] = field(default_factory=dict)
    header: bool | None = True
    sheets: tuple[str, ...] = ()


def recognise(path: Place, content: bytes | None = None, sheet: str | None = None) -> Recognised:
    """How a table is written; that of Parquet is plain.

    Args:
        path: a table; for its name and for errors alone where its content is given.
        content: its bytes.
        sheet: of a workbook.

    Raises:
        DataError: it can't be opened, is empty, or is no text.
    """
    if path.name.lower().endswith(".parquet"):
        return Recognised()
    if is_excel(path):
        layout = recognise_workbook(path, content, sheet)
        if layout.sheets:
            return layout
    else:
        layout = recognise_text(path, content)
    return with_numbers(layout, read_text(path, layout.form, content, raw=True).cells)


def recognise_text(path: Place, content: bytes | None = None) -> Recognised:
    """As `recognise`, of a text and by its beginning: nothing about numbers.

    Raises:
        DataError: it can't be opened, is empty, or is no text.
    """
    try:
        head = next(_chunks(path, content), b"")
        encoding = text_encoding(path, head, content)
        text = head.decode("utf-8-sig" if encoding == "utf-8" else encoding, "replace").lstrip("\ufeff")
    except (OSError, EOFError, zlib.error) as error:
        found = " ".join(str(error).split())[:160]
        raise DataError(str(path), expected="a table of text", found=found, todo="write it again") from None
    if "\0" in text:
        raise DataError(str(path), expected="a table of text", found="binary data", todo="name a table")
    lines = io.StringIO(text, newline=None).readlines()
    if len(head) >= HEAD and len(lines) > 1:
        lines.pop()  # which the end of the head cuts
    if not any(line.strip() for line in lines):
        raise DataError(
            str(path), expected="a table", found="an empty file", todo="write it again, or name another one"
        )
    return _layout(lines, encoding, path.name.lower())


def text_encoding(path: Place, head: bytes, content: bytes | None = None) -> str:
    """The encoding of a text: by its beginning where that says it, else by all of it."""
    return wide(head) or ("utf-8" if is_utf8(_chunks(path, content)) else legacy(_beyond_ascii(path, content)))


def with_numbers(layout: Recognised, cells: pd.DataFrame) -> Recognised:
    """What was recognised, and the signs in numbers, by all cells as they are written."""
    found = {str(name): signs_of(cells[name].unique()) for name in cells}
    signs = {name: each for name, each in found.items() if each is not None}
    whole, apart, unclear = table_signs(signs, layout.form.delimiter)
    form = with_form(
        layout.form, **whole.model_dump(), columns={name: each.model_dump() for name, each in apart.items()}
    )  # fmt: skip
    told = []
    if form.decimal != "." or form.thousands:
        example = {",": "1,5", ".": "1.5"}[form.decimal]
        between = {" ": "1 234", ".": "1.234", ",": "1,234", "'": "1'234", None: ""}[form.thousands]
        told.append("numbers are written as " + " and ".join(filter(None, [example, between])))
    told += [
        f"numbers of {name!r} have decimal {'points' if each.decimal == '.' else 'commas'}"
        + (f" and {each.thousands!r} between thousands" if each.thousands else "")
        for name, each in apart.items()
    ]
    return Recognised(form, (*layout.found, *told), unclear, layout.header)


def recognise_workbook(path: Place, content: bytes | None = None, sheet: str | None = None) -> Recognised:
    """As `recognise`, of an Excel workbook: nothing about numbers.

    Raises:
        DataError: it is none, or holds no table or no such sheet.
    """
    book = excel.Workbook(path, path.read_bytes() if content is None else content)
    tables = {sheet: book.rows(sheet)} if sheet is not None else book.tables()
    if len(tables) != 1:
        if not tables:
            raise DataError(str(path), expected="a sheet with a table", found="none", todo="name another file")
        return Recognised(sheets=tuple(tables))
    ((name, rows),) = tables.items()
    several = len(book.sheets) > 1
    skip, header, _ = _start([(at, row) for at, row in enumerate(rows)])
    form = TableForm(sheet=name if several else None, skip_rows=skip, header=header is not False)
    told = [f"sheet {name!r} of a workbook with {len(book.sheets)} sheets" if several else "an Excel workbook"]
    return Recognised(form, (*told, *_lines_told(skip, header)), header=header)


def _layout(lines: list[str], encoding: str, name: str) -> Recognised:
    sep = next((found[1] for line in lines[:1] if (found := SEP.fullmatch(line))), None)
    skip = int(sep is not None)
    while skip < len(lines) - 1 and (not lines[skip].strip() or lines[skip].startswith("#")):
        skip += 1
    rest = [line for line in lines[skip:] if not line.startswith("#")] or lines[skip:]
    delimiter, quote = (sep, '"') if sep else _delimiter(rest, name)
    plain = TableForm(delimiter=delimiter, quote=quote)
    if skip and lines[skip - 1].startswith("#") and _is_header(lines[skip - 1], rest, plain):
        skip -= 1
    rows, at = list[tuple[int, list[str]]](), skip
    reader = _rows(iter(lines[skip:]), plain)
    for row in reader:
        rows.append((at, row))
        at = skip + getattr(reader, "line_num", len(rows))
    comments = any(row and row[0].startswith("#") for _, row in rows[1:])
    used = [(at, row) for at, row in rows if not (row and row[0].startswith("#"))] if comments else []
    used = used or rows
    start, header, _ = _start(used)
    form = TableForm(
        encoding=encoding, delimiter=delimiter, quote=quote, skip_rows=start, header=header is not False,
        comment="#" if comments else None,
    )  # fmt: skip
    told = [f"separated by {NAMES.get(delimiter, repr(delimiter))}"] if delimiter != "," else []
    told += [f"encoding {encoding}"] if encoding != "utf-8" else []
    return Recognised(form, (*told, *_lines_told(start, header)), header=header)


def _lines_told(skip: int, header: bool | None) -> list[str]:
    told = [f"{skip} {'line' if skip == 1 else 'lines'} above the names are left out"] if skip else []
    return told + (["no names of columns: they are column_1, column_2 …"] if header is False else [])


def _is_header(line: str, rest: list[str], form: TableForm) -> bool:
    """Whether a line that starts like a comment holds the names."""
    head, *body = [*_rows(iter([line, *rest[:20]]), form)]
    return (
        len(head) > 1
        and bool(body)
        and len(head) == Counter(map(len, body)).most_common(1)[0][0]
        and has_names([head, *body]) is True
    )


def _start(rows: list[tuple[int, list[str]]]) -> tuple[int, bool | None, int]:
    """Line of the names, or of the first row; whether it holds names; how many rows stand above it.

    Args:
        rows: line that a row starts at, and its cells.
    """
    filled = [sum(bool(cell.strip()) for cell in row) for _, row in rows[:200]]
    typical = median([count for count in filled if count] or [0])
    for position, count in enumerate(filled[:TITLES]):
        if count > typical / 2 or typical < 2:
            body = [row for (_, row), cells in zip(rows[position:], filled[position:], strict=False) if cells]
            return rows[position][0], has_names(body) if body else None, position
    return rows[0][0], has_names([row for _, row in rows]), 0


def _delimiter(lines: list[str], name: str) -> tuple[str, str | None]:
    """What separates cells, and what encloses them."""
    shown = [line for line in (lines[-SHOWN:] if len(lines) > SHOWN else lines) if line.strip()]
    even = {each: _evenness(shown, each) for each in DELIMITERS}
    if all(len(line) < LONG_LINE for line in shown):
        found = _by_clevercsv("".join(shown))
        if found is not None and even[found.delimiter] >= 0.7:
            return found.delimiter, "'" if found.quotechar == "'" else '"'
    best = max(DELIMITERS, key=lambda each: even[each])
    if even[best] >= 0.5:
        return best, '"'
    blanks = [len(line.split()) for line in shown]
    if len(shown) > 1 and blanks and min(blanks) == max(blanks) > 1 and not name.endswith((".csv", ".csv.gz")):
        return " ", '"'
    return (best if even[best] else ","), '"'


def _evenness(lines: list[str], delimiter: str) -> float:
    """Share of the lines that have as many cells as most, empty ones at the end aside; 0 where that is one."""
    rows = [row for row in _rows(iter(lines), TableForm(delimiter=delimiter)) if any(map(str.strip, row))]
    trimmed = [max(at + 1 for at, cell in enumerate(row) if cell.strip()) for row in rows]
    return max(_share_of_usual([*map(len, rows)]), _share_of_usual(trimmed))


def _share_of_usual(widths: list[int]) -> float:
    """Share of the most frequent number of cells; 0 where that is one, or there are no rows."""
    width, count = Counter(widths).most_common(1)[0] if widths else (1, 0)
    return count / len(widths) if width > 1 else 0.0


def _by_clevercsv(text: str) -> Any:
    from clevercsv import Detector

    found = Detector().detect(text, delimiters=[*DELIMITERS])
    return found if found is not None and found.delimiter and found.delimiter in DELIMITERS else None


def _chunks(path: Place, content: bytes | None) -> Iterator[bytes]:
    """The bytes, unpacked, a piece at a time."""
    with _binary(path, content) as file:
        while chunk := file.read(HEAD):
            yield chunk


def _beyond_ascii(path: Place, content: bytes | None) -> bytes:
    """The first lines that hold more than ASCII, 20 kB of them at most."""
    held = b""
    for chunk in _chunks(path, content):
        for line in chunk.splitlines(keepends=True):
            if not line.isascii():
                held += line
        if len(held) > 20_000:
            break
    return held[: held.rfind(b"\n", 0, 20_000) + 1 or None] if len(held) > 20_000 else held
