"""The output of a batch: parts that collect in a hidden folder beside it, and one Parquet file when all are there.

What an output was made from stands in its metadata under `medpipe`, so that the same work is not done twice and other
work replaces it only when asked to.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.digests import file_digest
from components.lib.errors import DataError
from components.lib.output import partial_of

KEY = "medpipe"
"""Of the file's metadata: JSON."""
GROUP_ROWS, GROUP_BYTES = 65_536, 32_000_000
"""A row group of the output is complete with so many rows, or so many bytes in memory."""


class Totals(NamedTuple):
    """What became of the rows."""

    rows: int
    unusable: int
    reason: str
    """Of the first unusable one; empty where there is none."""

    def with_errors(self, errors: pa.ChunkedArray[Any]) -> Totals:
        """With further rows, of which this is the column `error`."""
        unusable = len(errors) - errors.null_count
        first = errors.drop_null()[0].as_py() if unusable else ""
        return Totals(self.rows + len(errors), self.unusable + unusable, self.reason or first)


def digest_of(partial: Path) -> str:
    """What tells this work from other work."""
    return partial.name.rpartition("-")[2]


def place(out: Path, work: Mapping[str, object]) -> Path:
    """Where the work for an output collects: the model, the options and the code make its name."""
    own = {file.name: file_digest(file) for file in sorted(Path(__file__).parent.glob("batch*.py"))}
    return partial_of(out, {"work": work, "batch": own})


def earlier(out: Path) -> dict[str, Any]:
    """What an output was made from that is there already; nothing where there is none.

    Raises:
        DataError: what is there was written by something else.
    """
    if not out.exists():
        return {}
    try:
        metadata = pq.read_metadata(out).metadata or {}
        told: dict[str, Any] = json.loads(metadata[KEY.encode()])
        return told
    except (OSError, ValueError, KeyError, pa.ArrowException):
        raise DataError(
            str(out),
            expected="a file that isn't there yet, or an earlier output of the batch",
            found="a folder" if out.is_dir() else "another file, which would be lost",
            todo="name another file with --out, or move this one away",
        ) from None


def join(partial: Path, parts: Iterable[Path], schema: pa.Schema, facts: Mapping[str, object], out: Path) -> Totals:
    """Make one file of the parts, in order; it appears in place of `out` when it is complete.

    Args:
        partial: the folder that they collected in; it goes.
        parts: their files.
        schema: of the output.
        facts: for the metadata, beside how many rows there are.
        out: the file to write.
    """
    totals, work = Totals(0, 0, ""), partial / "whole.parquet"
    with work.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in _groups(parts):
            writer.write_table(table, row_group_size=len(table))
            totals = totals.with_errors(table["error"])
        writer.add_key_value_metadata({KEY: json.dumps({**facts, **totals._asdict()}, sort_keys=True)})
    work.replace(out)
    shutil.rmtree(partial)
    return totals


def _groups(parts: Iterable[Path]) -> Iterator[pa.Table]:
    """The parts, some together: small row groups make a file large and slow to read."""
    held, rows, size = list[pa.Table](), 0, 0
    for part in parts:
        with pq.ParquetFile(part) as file:
            held.append(file.read())
        rows, size = rows + len(held[-1]), size + held[-1].nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.concat_tables(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held)
