"""Attacks by files and bodies that claim more than they hold, each read in a process of its own that is measured."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.attacks import Attack
from benchmarks.attacks.corpus import FORMATS, damaged
from benchmarks.attacks.reading import MEGABYTES, SECONDS, Told, read_apart, read_each

CORPUS = 300
"""Damaged files of a format; the acceptance tests read 20,000."""
BOUND = f"refused in {SECONDS:g} s and {MEGABYTES} MB"
LYING_PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXf////0lEQVR4duaE5g==")


def attacks(folder: Path) -> Iterator[Attack]:
    """Every attack of this group."""
    for name, (kind, make) in FILES.items():
        yield Attack.tried(name, BOUND, lambda kind=kind, make=make: _refused(kind, make()))
    for name, make in BODIES.items():
        yield Attack.tried(f"body: {name}", BOUND, lambda make=make: _refused("body", make()))
    for name in FORMATS:
        bound = f"each read or refused, in {SECONDS:g} s and {MEGABYTES} MB"
        yield Attack.tried(f"{CORPUS} damaged files: {name}", bound, lambda name=name: _survived(name))


def _refused(kind: str, content: bytes) -> tuple[str, bool]:
    told = read_apart(kind, [content])
    return f"{len(content):,} bytes {_words(told)}", told.held and told.refused == 1


def _survived(name: str) -> tuple[str, bool]:
    told = read_each(damaged(name, CORPUS))
    return _words(told), told.held and told.read + told.refused == CORPUS


def _words(told: Told) -> str:
    became = told.broken[0] if told.broken else f"{told.refused} refused, {told.read} read"
    return f"{became}; the slowest {told.seconds:.2f} s, {max(0.0, told.megabytes):.0f} MB more"


def _scans() -> bytes:
    """A progressive JPEG of 9 million pixels that repeats its last scan ten thousand times."""
    import cv2

    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 50]
    raw = cv2.imencode(".jpg", np.full((3000, 3000), 9, np.uint8), options)[1].tobytes()
    return raw[:-2] + raw[raw.rindex(b"\xff\xda") : -2] * 10_000 + b"\xff\xd9"


def _elements() -> bytes:
    """A DICOM file of two million empty elements."""
    raw = FORMATS["DICOM"][1]()[0]
    at = raw.index(b"\x28\x00\x02\x00")
    return raw[:at] + b"\x09\x00\x01\x10LO\0\0" * 2_000_000 + raw[at:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _large() -> bytes:
    """A PNG of 900 million pixels in half a megabyte."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(500 << 20))
    return LYING_PNG[:8] + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def _parquet(rows: int, text: str) -> bytes:
    """A table of one column that repeats a text."""
    file = io.BytesIO()
    piece = pa.table({"image": pa.DictionaryArray.from_arrays(np.zeros(1 << 17, np.int32), pa.array([text]))})
    with pq.ParquetWriter(file, piece.schema, compression="zstd") as writer:
        for first in range(0, rows, len(piece)):
            writer.write_table(piece.slice(0, min(len(piece), rows - first)))
    return file.getvalue()


def _zeros() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, train_images=np.zeros((600, 1000, 1000), np.uint8))
    return file.getvalue()


def _lying_array() -> bytes:
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9000000000, 9, 9), }"
    return _zipped(
        "train_images.npy", b"\x93NUMPY\x01\0" + struct.pack("<H", 118) + head.ljust(117) + b"\n" + bytes(99)
    )


def _corner() -> bytes:
    """A workbook with a cell in its last corner."""
    file = io.BytesIO()
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_excel(file, index=False)
    content = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            held = old.read(name)
            if name.endswith("sheet1.xml"):
                held = held.replace(
                    b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>5</v></c></row></sheetData>'
                )
            new.writestr(name, held)
    return content.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "PNG: a chunk of 2 GB": ("image", lambda: LYING_PNG),
    "PNG: 900 million pixels": ("image", _large),
    "JPEG: 10,000 scans": ("image", _scans),
    "DICOM: 2 million elements": ("image", _elements),
    "WFDB: a line of 30,000 digits": ("packed", lambda: _zipped("r.hea", b"1" * 30_000)),
    "WFDB: a line of 8 million digits": ("packed", lambda: _zipped("r.hea", b"1" * 8_000_000)),
    "WFDB: a header that states 10¹² values": ("signal", lambda: b"r1 1 100 999999999999\nr1.dat 16\n\0\n" + bytes(99)),
    "Parquet: 20 million rows of one word": ("parquet", lambda: _parquet(20_000_000, "x")),
    "Parquet: 100,000 rows of one long text": ("parquet", lambda: _parquet(100_000, "long text " * 100_000)),
    "CSV: 300 MB packed by gzip": ("gzipped", lambda: gzip.compress(b"a,b\n" + b"1,2\n" * (75 << 20), 9)),
    "CSV: 20,000 columns over a million short rows": (
        "csv", lambda: b",".join(b"c%d" % number for number in range(20_000)) + b"\n" + b"1\n" * 1_000_000,
    ),
    "workbook: a cell in the last corner": ("workbook", _corner),
    "NPZ: a header that states 729 GB": ("archive", _lying_array),
    "NPZ: 600 MB of zeros": ("archive", _zeros),
}  # fmt: skip
BODIES: dict[str, Callable[[], bytes]] = {
    "an index of 200,000 labels for one row": lambda: b"json\n" + json.dumps(
        {"dataframe_split": {"columns": ["image"], "data": [["x"]], "index": list(range(200_000))}}
    ).encode(),
    "one value for 2,000 columns and 20,000 labels": lambda: b"json\n" + json.dumps(
        {"dataframe_split": {"columns": list(range(2000)), "data": 5, "index": list(range(20_000))}}
    ).encode(),
    "9,000 records that each name another column": lambda: b"json\n" + json.dumps(
        {"dataframe_records": [{f"k{number}": 1} for number in range(9000)]}
    ).encode(),
    "a text of 1 MB among 400 of one letter": lambda: b"json\n" + json.dumps(
        {"inputs": {"b": ["A" * 1_000_000] + ["a"] * 400}}
    ).encode(),
    "two million objects": lambda: b'json\n{"inputs": {"image": [' + b",".join([b'{"a":1}'] * 2_000_000) + b"]}}",
    "nested 100,000 deep": lambda: b'json\n{"dataframe_records": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "CSV, 4,000 columns over 9,000 short rows": lambda: b"csv\n" + b"a," * 4000 + b"\n" + b"1\n" * 9000,
    "Parquet, 20 million rows": lambda: b"parquet\n" + _parquet(20_000_000, "x"),
}  # fmt: skip
