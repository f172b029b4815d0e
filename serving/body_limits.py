"""What a request's body may hold, checked before MLflow parses it.

MLflow reads a body before the model sees anything of it, and some small bodies become gigabytes there: a table whose
index is longer than its rows, records that each name another column, Parquet that packs a million rows into a
kilobyte. Here a body is measured without being unpacked, then parsed once, and its rows and columns are counted.
JSON and CSV are taken. Parquet is not: nothing needs it, and its decoder makes room for whatever a file claims.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

JSON, CSV = "application/json", "text/csv"
FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
MOST_BYTES = {JSON: 64 << 20, CSV: 16 << 20}
"""Of a body. A mammogram of 20 million pixels and 16 bits is 53 MB in base64; MLflow makes several copies of a CSV."""
MOST_MEMORY = 256 << 20
"""Bytes that a body may take when it is parsed, by the figures below; MLflow's table of it takes as much again."""
MOST_DEPTH = 32
"""Brackets within brackets. A picture with colours, in a column of rows, has 7."""
MOST_DIGITS = 400
"""Of one number; the largest that JSON's readers agree on has 309."""
MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 10_000, 5_000, 1_000_000
"""Of a request. A table of more rows is for `python -m serving.batch`."""

# Bytes that CPython 3.11 takes for a list, a dictionary, a text without its characters (and as much to set it aside
# while brackets are counted), and an item with its number.
_LIST, _OBJECT, _TEXT, _ITEM = 104, 248, 224, 48
_NO_BRACKETS = bytes(each for each in range(256) if each not in b"[]{}")
_OPENING = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_DIGITS_ALIKE = bytes.maketrans(b"123456789+-.eE", b"0" * 14)


class BodyError(Exception):
    """A body that isn't taken: HTTP status and one sentence, which holds nothing of the body."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def check_body(content_type: str | None, body: bytes) -> None:
    """Refuse a body that MLflow would make too much of, or would answer with 500.

    Takes time and memory in proportion to the body's length: about as much as parsing it once.

    Args:
        content_type: the request's header, with its parameters; None: it has none.
        body: as it came, unpacked.

    Raises:
        BodyError: 415 another media type than JSON or CSV, or another character set than UTF-8; 413 too long, too many
            rows, columns or values; 400 no JSON, nested too deep, not as one of MLflow's forms, an index of another
            length than the rows, no row at all.
    """
    kind = _media_type(content_type)
    if len(body) > MOST_BYTES[kind]:
        raise BodyError(413, f"body: expected at most {MOST_BYTES[kind] >> 20} MB, found {len(body) >> 20} MB")
    if kind == CSV:
        _check_csv(body)
    else:
        _check_json(body)


def _media_type(content_type: str | None) -> str:
    told, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    if told not in MOST_BYTES:
        found = "none" if not told else "another one"
        raise BodyError(415, f"Content-Type: expected {JSON} or {CSV}, found {found}")
    if any(each and each.replace(" ", "") not in ("charset=utf-8", 'charset="utf-8"') for each in parameters):
        raise BodyError(415, "Content-Type: expected charset=utf-8 or nothing behind the media type, found more")
    return told


def _check_json(body: bytes) -> None:
    longest, values = _check_structure(body)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise BodyError(400, "body: expected JSON in UTF-8, found something else, or it is cut off") from None
    if not isinstance(document, dict):
        raise BodyError(400, f"body: expected an object with one of {', '.join(FORMS)}, found none")
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        raise BodyError(400, f"body: expected exactly one of {', '.join(FORMS)}, found {len(forms)} of them")
    (form,) = forms
    if form == "dataframe_split":
        _check_split(document[form])
    elif form == "dataframe_records":
        if not isinstance(document[form], list):
            raise BodyError(400, "dataframe_records: expected a list of rows")
        _check_table(form, *_size(document[form]))
    else:
        _check_columns(form, document[form])
        # NumPy gives every text of a column the room of the longest, 4 bytes a character.
        if 4 * longest * values > MOST_MEMORY and 4 * _room(document[form]) > MOST_MEMORY:
            raise BodyError(413, f"{form}: texts of too different lengths for so many; send them as dataframe_records")


def _check_structure(body: bytes) -> tuple[int, int]:
    """Refuse by what can be counted without parsing; returns bytes of the longest text, and the number of values."""
    if b"\0" in body or body.startswith(b"\xef\xbb\xbf"):  # no UTF-8 of JSON holds a zero; UTF-16 and UTF-32 do
        raise BodyError(400, "body: expected JSON in UTF-8 without a byte order mark, found something else")
    too_much = BodyError(413, f"body: more values than fit into {MOST_MEMORY >> 20} MB once parsed; send fewer rows")
    texts = body.count(b'"') // 2
    if _TEXT * texts > MOST_MEMORY:
        raise too_much
    # No regular expression: what is escaped is made plain, then every second piece between quotes is a text.
    pieces = body.replace(rb"\\", b"_").replace(rb"\"", b"_").split(b'"')
    bare, longest = b" ".join(pieces[::2]), max(map(len, pieces[1::2]), default=0)
    values = bare.count(b",") + bare.count(b":") + 1
    # With one character beyond ASCII a text may take four bytes for each; the body itself is such a text, too.
    memory = (2 if body.isascii() else 8) * len(body) + _TEXT * texts
    memory += _LIST * bare.count(b"[") + _OBJECT * bare.count(b"{") + _ITEM * values
    if memory > MOST_MEMORY:
        raise too_much
    if _depth(bare.translate(None, _NO_BRACKETS)) > MOST_DEPTH:
        raise BodyError(400, f"body: expected at most {MOST_DEPTH} brackets within brackets, found more")
    if b"0" * (MOST_DIGITS + 1) in bare.translate(_DIGITS_ALIKE):
        raise BodyError(400, f"body: expected numbers of at most {MOST_DIGITS} digits, found one of more")
    return longest, values


def _depth(brackets: bytes) -> int:
    """How deep brackets stand within brackets."""
    steps = np.frombuffer(brackets.translate(_OPENING), np.uint8).view(np.int8)
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def _check_split(table: Any) -> None:
    """Columns, index and data as pandas takes them."""
    if not isinstance(table, dict) or not isinstance(table.get("data"), list):
        raise BodyError(400, "dataframe_split: expected an object with a list of rows under data")
    data, columns, index = table["data"], table.get("columns"), table.get("index")
    for name, labels in (("columns", columns), ("index", index)):
        if labels is not None and not isinstance(labels, list):
            raise BodyError(400, f"dataframe_split: expected a list under {name}")
    if index is not None and len(index) != len(data):
        found = f"found {len(index)} for {len(data)} rows"
        raise BodyError(400, f"dataframe_split: expected as many labels under index as rows under data, {found}")
    rows, wide = _size(data)
    _check_table("dataframe_split", rows, max(wide, len(columns or ())))


def _check_columns(form: str, told: Any) -> None:
    """`inputs` and `instances`: columns of rows, or rows."""
    if isinstance(told, dict):
        rows = max((len(each) if isinstance(each, list | dict) else 1 for each in told.values()), default=0)
        # Objects are laid beside each other by their keys: each key of any of them is a row.
        rows = max(rows, len({key for each in told.values() if isinstance(each, dict) for key in each}))
        _check_table(form, rows, len(told))
    elif isinstance(told, list):
        _check_table(form, *(_size(told) if any(isinstance(each, dict) for each in told) else (len(told), 1)))
    else:
        raise BodyError(400, f"{form}: expected columns or rows")


def _size(rows: list[Any]) -> tuple[int, int]:
    """How many rows and columns a table of these rows has; where they name their columns, each name is one."""
    names: set[str] = set()
    for row in rows:
        if isinstance(row, dict):
            names.update(row)
    return len(rows), max(len(names), max((len(row) for row in rows if isinstance(row, list)), default=1))


def _check_table(form: str, rows: int, columns: int) -> None:
    if not rows:
        raise BodyError(400, f"{form}: no rows: send at least one row")
    if rows > MOST_ROWS:
        raise BodyError(413, f"{form}: expected at most {MOST_ROWS} rows, found {rows}; for more: serving.batch")
    if columns > MOST_COLUMNS or rows * columns > MOST_CELLS:
        raise BodyError(
            413, f"{form}: expected at most {MOST_COLUMNS} columns and {MOST_CELLS} cells, found {rows} × {columns}"
        )


def _room(told: Any) -> int:
    """Characters that NumPy would make room for, of the column that takes most."""
    return max((count * longest for count, longest in map(_texts, _columns_of(told))), default=0)


def _columns_of(told: Any) -> list[Any]:
    if isinstance(told, dict):
        return list(told.values())
    named = [row for row in told if isinstance(row, dict)]
    return [[row.get(name) for row in named] for name in {name for row in named for name in row}] or [told]


def _texts(told: Any) -> tuple[int, int]:
    """How many values a nested list holds, and the length of the longest text among them."""
    if not isinstance(told, list):
        return 1, len(told) if isinstance(told, str) else 0
    inside = [_texts(each) for each in told if isinstance(each, list)]
    longest = max((len(each) for each in told if isinstance(each, str)), default=0)
    count = len(told) - len(inside) + sum(count for count, _ in inside)
    return count, max([longest, *(most for _, most in inside)])


def _check_csv(body: bytes) -> None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise BodyError(400, "body: expected CSV in UTF-8, found something else") from None
    # Lines within quotes are counted as rows, since quotes mean nothing inside a cell: such a sum is never too low.
    count = body.count(b"\n") + body.count(b"\r") - body.count(b"\r\n")
    if count > MOST_ROWS + 1:
        raise BodyError(413, f"body: expected at most {MOST_ROWS} lines of CSV, found {count}; send the rows as JSON")
    lines = [line for line in body.replace(b"\r", b"\n").split(b"\n") if line.strip()]
    # Each row is filled up to the widest one.
    _check_table("CSV", max(0, len(lines) - 1), 1 + max((line.count(b",") for line in lines), default=0))
