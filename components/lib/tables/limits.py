"""What a table may become when it is read, measured before it is: a small file must not fill the memory.

Parquet repeats a value, or a dictionary's entry, at no cost; gzip packs a thousand bytes into one; a line of CSV is
filled up to the longest one. A table that grows by more than `MOST_RATIO` is none that people keep.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MOST_RATIO, LARGE = 200, 100_000_000
"""A table that takes more bytes than LARGE, and 200 times those of its file, is a bomb."""
MOST_COLUMNS = 100_000
CELL = 8
"""Bytes of a cell that holds no text."""
BATCH = 1 << 16
"""Rows of a Parquet table that are measured at a time."""


class TableBombError(ValueError):
    """A table that becomes too much, in words."""


def check_parquet(source: Path | bytes, columns: list[str] | None = None) -> None:
    """Refuse a Parquet table that unpacks to more than MOST_RATIO times its size.

    Its footer says how many rows and columns there are; texts are measured as entries of their dictionary.

    Args:
        source: the file, or its content.
        columns: that will be read; None: all.

    Raises:
        TableBombError: it does.
        ArrowException, OSError: it is none.
    """
    held = len(source) if isinstance(source, bytes) else source.stat().st_size
    most = max(LARGE, MOST_RATIO * held)
    with pq.ParquetFile(pa.BufferReader(source) if isinstance(source, bytes) else source) as table:
        told = table.metadata
        if told.num_columns > MOST_COLUMNS:
            raise TableBombError(f"{told.num_columns:,} columns")
        schema = table.schema_arrow
        wanted = [name for name in schema.names if columns is None or name in columns]
        size = CELL * max(told.num_rows * len(wanted), _values(told, {*wanted}))
        leaves = {told.schema.column(number).path for number in range(told.num_columns)}
        texts = [name for name in dict.fromkeys(wanted) if name in leaves and _is_text(schema, name)]
    if size > most:
        raise TableBombError(_found(told.num_rows, len(wanted), size, held))
    if texts:
        size += _text_bytes(source, texts, most - size)
    if size > most:
        raise TableBombError(_found(told.num_rows, len(wanted), size, held))


def check_cells(rows: int, columns: int, held: int) -> None:
    """Refuse a table of text whose rows are filled up to far more cells than it has characters.

    Raises:
        TableBombError: with what it would become.
    """
    if CELL * rows * columns > max(LARGE, MOST_RATIO * held):
        raise TableBombError(_found(rows, columns, CELL * rows * columns, held))


class Unpacked(gzip.GzipFile):
    """A gzipped file that ends with an error where it unpacks to far more than it is.

    Args:
        path: of the file, or None.
        content: its bytes, where it has no path.
    """

    def __init__(self, path: Path | None, content: bytes = b"") -> None:
        super().__init__(filename=path, fileobj=None if path else io.BytesIO(content), mode="rb")
        self._most = max(LARGE, MOST_RATIO * (path.stat().st_size if path else len(content)))
        self._read = 0

    def read(self, size: int | None = -1) -> bytes:
        """As of any file."""
        return self._counted(super().read(self._most + 1 if size is None or size < 0 else size))

    def read1(self, size: int = -1) -> bytes:
        """As of any file."""
        return self._counted(super().read1(size))

    def _counted(self, piece: bytes) -> bytes:
        self._read += len(piece)
        if self._read > self._most:
            raise TableBombError(f"a file that unpacks to more than {self._most // 1_000_000} MB: it may be a bomb")
        return piece


def _values(told: pq.FileMetaData, wanted: set[str]) -> int:
    """Values of these columns and of what is inside them; a list in one cell has many."""
    places = [place for place in range(told.num_columns) if told.schema.column(place).path.split(".")[0] in wanted]
    return sum(
        told.row_group(group).column(place).num_values for group in range(told.num_row_groups) for place in places
    )


def _text_bytes(source: Path | bytes, names: list[str], most: int) -> int:
    """Bytes that columns of text take when each cell has its own; counting ends above `most`."""
    size, plain = 0, [name for name in names if "." not in name]  # else the name of a column inside another
    opened = pa.BufferReader(source) if isinstance(source, bytes) else source
    with pq.ParquetFile(opened, read_dictionary=plain, buffer_size=1 << 20) as table:
        for batch in table.iter_batches(BATCH, columns=names):
            for column in batch.columns:
                if not isinstance(column, pa.DictionaryArray):
                    size += column.nbytes
                    continue
                lengths: Any = pc.binary_length(cast(Any, column.dictionary))
                size += int(pc.sum(lengths.take(column.indices)).as_py() or 0)
            if size > most:
                return size
    return size


def _is_text(schema: pa.Schema, name: str) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary,
              pa.types.is_dictionary)  # fmt: skip
    return any(check(schema.field(place).type) for place in schema.get_all_field_indices(name) for check in checks)


def _found(rows: int, columns: int, size: int, held: int) -> str:
    return f"{rows:,} rows × {columns:,} columns, {size // 1_000_000:,} MB out of a file of {held:,} bytes: a bomb?"
