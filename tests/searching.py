"""Everything that was written, byte by byte, and what is packed in it, for tests that look for traces."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def written(root: Path, besides: Collection[Path] = ()) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder but what lies below `besides`: its bytes, its path and what is packed in it."""
    for path in sorted(root.rglob("*")):
        if any(path.is_relative_to(each) for each in besides):
            continue
        name = str(path.relative_to(root)).encode()
        if path.is_file():
            content = path.read_bytes()
            yield path, b"\n".join([name, content, *unpacked(content)])
        else:
            yield path, name


def unpacked(content: bytes) -> Iterator[bytes]:
    """What is compressed in a file: cells and metadata of Parquet, gzip, and the texts of a PNG."""
    if content[:4] == b"PAR1":
        table = pq.read_table(pa.BufferReader(content))
        for name, column in zip(table.column_names, table.columns, strict=True):
            yield "\n".join([name, *(str(value) for value in column.to_pylist())]).encode()
    elif content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:8] == b"\x89PNG\r\n\x1a\n" and b"zTXt" in content:
        start = content.index(b"zTXt")
        yield zlib.decompress(content[content.index(b"\0", start) + 2 :])
