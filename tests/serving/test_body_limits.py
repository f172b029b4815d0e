"""A body is measured before MLflow parses it: small ones that become gigabytes are refused, others pass."""

from __future__ import annotations

import json
import random
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.body_limits import CSV, JSON, MOST_CELLS, MOST_COLUMNS, MOST_DEPTH, MOST_ROWS, BodyError, check_body

PARQUET = "application/vnd.apache.parquet"
LONG = "A" * 1_000_000
PLAIN = b'{"dataframe_records": [{"image": "iVBORw0KGgo="}]}'


def refused(body: bytes | Any, kind: str | None = JSON) -> tuple[int, str]:
    """Status and sentence."""
    with pytest.raises(BodyError) as found:
        check_body(kind, body if isinstance(body, bytes) else json.dumps(body).encode())
    return found.value.status, found.value.sentence


def split(**table: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": ["image"], "data": [["x"]], **table}}


TAKEN = {
    "a row": PLAIN,
    "with params": {"dataframe_records": [{"image": "x"}], "params": {"threshold": 0.3, "on_error": "row"}},
    "a table": split(),
    "a table with as many labels as rows": split(data=[["x"], ["y"]], index=["first", 2]),
    "columns": {"inputs": {"image": ["x", "y"], "image_frame": [1, None]}},
    "rows": {"instances": [{"image": "x"}, {"image": "y"}]},
    "a picture of numbers": {"inputs": {"image": [[[random.randrange(256)] * 3] * 200] * 200}},
    "quotes and backslashes in texts": {"dataframe_records": [{"größe \\\"[[[": '\\"{[' * 99, "图像": "\\"}]},
    "pictures of one length": {"inputs": {"image": [LONG] * 60}},
    "ten thousand rows": split(data=[["x"]] * MOST_ROWS),
    "a mammogram": {"dataframe_records": [{"image": LONG * 55}]},
    "numbers that nothing holds": b'{"dataframe_records": [{"image": 1e999}, {"image": NaN}]}',
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_what_callers_send_passes(name: str) -> None:
    body = TAKEN[name]
    check_body(JSON, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("kind", [JSON, "Application/JSON", f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"'])
def test_media_types_that_are_taken(kind: str) -> None:
    check_body(kind, PLAIN)


@pytest.mark.parametrize(
    "kind", [None, "", PARQUET, "text/plain", f"{JSON}; charset=latin-1", f"{JSON}; a=b", "json", ";", "application/*"]
)
def test_media_types_that_are_not(kind: str | None) -> None:
    status, told = refused(PLAIN, kind)
    assert (status, told[:14]) == (415, "Content-Type: ")


REFUSED: dict[str, tuple[Any, int, str]] = {
    "an index longer than the rows": (split(index=[0, 1, 2]), 400, "as many labels under index"),
    "an index without rows": (split(data=[], index=list(range(1000))), 400, "as many labels under index"),
    "one value for a whole table": (split(data=5, columns=[*range(2000)], index=[*range(2000)]), 400, "list of rows"),
    "columns for a whole table": (split(data={"image": "x"}, index=[*range(9)]), 400, "list of rows"),
    "an index of an object": (split(index={"a": 1}), 400, "a list under index"),
    "records that each name another column": (
        {"dataframe_records": [{f"k{i}": 1} for i in range(2000)]}, 413, "found 2000 × 2000",
    ),
    "more rows than a request may have": (split(data=[["x"]] * (MOST_ROWS + 1)), 413, "serving.batch"),
    "more columns": ({"dataframe_records": [dict.fromkeys(map(str, range(MOST_COLUMNS + 1)), 1)]}, 413, "columns"),
    "rows of lists that are wide": ({"dataframe_split": {"data": [[1] * 5001]}}, 413, "columns"),
    "columns that are objects": (
        {"inputs": {f"a{j}": {f"k{j}_{i}": 1 for i in range(30)} for j in range(400)}}, 413, "rows",
    ),
    "one long text among short ones": ({"inputs": {"b": [LONG] + ["a"] * 300}}, 413, "different lengths"),
    "the same as rows": ({"instances": [{"b": LONG}] + [{"b": "a"}] * 300}, 413, "different lengths"),
    "the same, nested": ({"inputs": {"b": [[LONG, "a"]] * 2 + [["a", "a"]] * 300}}, 413, "different lengths"),
    "millions of objects": (b'{"inputs": {"image": [' + b'{"a":1},' * 2_000_000, 413, "more values"),
    "millions of lists": (b'{"inputs": {"image": [' + b"[]," * 3_000_000, 413, "more values"),
    "millions of texts": (b'{"inputs": {"image": [' + b'"",' * 3_000_000, 413, "more values"),
    "a long text with one character of four bytes": (
        json.dumps({"inputs": {"b": LONG * 40 + "😀"}}, ensure_ascii=False).encode(), 413, "more values",
    ),
    "nested deep": (b'{"dataframe_records": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "brackets"),
    "nested a little too deep": (b'{"inputs": ' + b"[" * MOST_DEPTH + b"]" * MOST_DEPTH + b"}", 400, "brackets"),
    "a number of many digits": (b'{"inputs": [' + b"1" * 5000 + b"]}", 400, "digits"),
    "nothing": (b"", 400, "JSON"),
    "cut off": (PLAIN[:-3], 400, "JSON"),
    "no UTF-8": (b'{"inputs": "\xff"}', 400, "JSON"),
    "UTF-16": (PLAIN.decode().encode("utf-16"), 400, "UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf" + PLAIN, 400, "UTF-8"),
    "a list": (b"[]", 400, "an object"),
    "two forms": ({**split(), "inputs": {}}, 400, "exactly one"),
    "a document for language models": ({"prompt": "", "image": "x"}, 400, "exactly one"),
    "no rows": (split(data=[]), 400, "no rows"),
    "no records": ({"dataframe_records": []}, 400, "no rows"),
    "more than a body may be": (b'"' + b"a" * (65 << 20), 413, "64 MB"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_becomes_too_much_is_refused(name: str) -> None:
    body, status, sign = REFUSED[name]
    begun = perf_counter()
    told = refused(body)
    assert (told[0], sign in told[1]) == (status, True), told
    assert len(told[1]) < 250
    assert perf_counter() - begun < 5


CSVS = {
    "no row": (b"", 400, "no rows"),
    "a header alone": (b"image\n\n", 400, "no rows"),
    "too many rows": (b"a\n" + b"1\n" * 10_001, 413, "lines of CSV"),
    "rows that end in another way": (b"a\r" + b"1\r" * 10_001, 413, "lines of CSV"),
    "a wide header that each row is filled up to": (b"a," * 4000 + b"\n" + b"1\n" * 9000, 413, "× 4001"),
    "a wide row": (b"a\n" + b"1\n" * 9000 + b"," * 4000, 413, "× 4001"),
    "no UTF-8": (b"a\n\xff", 400, "UTF-8"),
    "too long": (b"a" * (17 << 20), 413, "16 MB"),
}


@pytest.mark.parametrize("name", CSVS)
def test_a_table_as_csv_is_limited_too(name: str) -> None:
    body, status, sign = CSVS[name]
    told = refused(body, CSV)
    assert (told[0], sign in told[1]) == (status, True), told


def test_a_plain_csv_passes() -> None:
    check_body(CSV, 'age,größe\r\n"61",1.8\r\n55,\r\n'.encode())


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda of: st.lists(of) | st.dictionaries(st.text(), of), max_leaves=9,
))  # fmt: skip
def test_texts_are_never_taken_for_structure(cell: Any) -> None:
    """Few values pass, whatever stands in them: cells are shallow, their numbers short."""
    check_body(JSON, json.dumps({"dataframe_records": [{"image": cell}]}).encode())


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"[", b"\\\\", b'["', b"0", b'{"a":', b",", b"]"])
def test_time_grows_with_the_length_alone(piece: bytes) -> None:
    times = []
    for count in (100_000, 400_000):
        body = b'{"inputs": "' + piece * count
        begun = perf_counter()
        for _ in range(3):
            refused(body)
        times.append(perf_counter() - begun)
    assert times[1] < 16 * times[0] + 0.1  # four times in truth; a square would be sixteen


def test_the_limit_on_cells_leaves_room_for_tables() -> None:
    columns = [f"c{number}" for number in range(100)]
    check_body(JSON, json.dumps(split(columns=columns, data=[[0.5] * 100] * (MOST_CELLS // 100))).encode())
