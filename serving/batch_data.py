"""The rows of a batch: the files below a folder, or the rows of a table, some at a time and in their own order.

Stock is taken once, before any work: how many rows there are, and a digest of each part. It tells whether a part that
an interrupted run left is still one of these data, and whether an output is one of theirs.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.errors import DataError
from components.lib.progress import progress
from serving.batch_files import Files, in_order

FILE, ROW = "file", "row"
"""What a row of the output is known by: a file below --data, or the number of a row of the table."""
MOST_ROWS = 256
"""Of a part."""
LISTING = "listing.parquet"


@dataclass(frozen=True)
class Stock:
    """How many rows there are, files that are none of the kind's, and the digest of each part in order."""

    rows: int
    others: int
    digests: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of all parts."""
        return hashlib.sha256("\n".join(self.digests).encode()).hexdigest()


class Data(ABC):
    """What `--data` names."""

    key: str
    """Name of the column that a row of the output is known by."""
    folder: Path
    """Where relative paths of files start."""
    columns: Mapping[str, str]
    """Column of a request to the table's; empty for a folder."""
    kept: Sequence[pa.Field[Any]]
    """Columns of the table that the output has, too."""

    @abstractmethod
    def take_stock(self, scratch: Path) -> Stock:
        """Look at everything once.

        Args:
            scratch: a folder that stays until the output is written.

        Raises:
            DataError: they can't be read as a whole, or have no row.
        """

    @abstractmethod
    def parts(self, scratch: Path) -> Iterator[pa.Table]:
        """The parts that stock was taken of, in order: a column `file`, or the table's columns that are needed.

        Raises:
            DataError: a table has changed since.
        """


class FolderData(Data):
    """Files below a folder, one a sample, sorted by their paths."""

    key = FILE
    columns: Mapping[str, str] = {}
    kept: Sequence[pa.Field[Any]] = ()

    def __init__(self, folder: Path, files: Files) -> None:
        self.folder, self._files = folder, files

    def take_stock(self, scratch: Path) -> Stock:
        """Also leaves a listing, so that files that come later, while others are predicted, are left for next time."""
        schema, digests, rows, others = pa.schema([(FILE, pa.string())]), list[str](), 0, 0
        with (scratch / LISTING).open("wb") as file, pq.ParquetWriter(file, schema) as listing:
            for names, skipped in self._by_parts():
                others += skipped
                if names:
                    listing.write_table(pa.table({FILE: names}, schema))
                    stamps = (self._files.stamp(self.folder / name) for name in names)
                    digests.append(digest_of_part(str(self.folder.resolve()), rows, [*names, *stamps]))
                    rows += len(names)
        if not rows:
            raise DataError(
                str(self.folder),
                expected=f"{self._files.noun}, in the folder or below",
                found=f"{others} other files" if others else "an empty folder",
                todo="name the folder that holds them: --data FOLDER",
            )
        return Stock(rows, others, tuple(digests))

    def parts(self, scratch: Path) -> Iterator[pa.Table]:
        with pq.ParquetFile(scratch / LISTING) as listing:
            for index in range(listing.num_row_groups):
                yield listing.read_row_group(index)

    def _by_parts(self) -> Iterator[tuple[list[str], int]]:
        """Names of samples a part, and how many other files were among them."""
        names, others = list[str](), 0
        for name in progress(in_order(self.folder), "listing"):
            if self._files.is_one(self.folder / name):
                names.append(name)
            else:
                others += 1
            if len(names) == MOST_ROWS:
                yield names, others
                names, others = [], 0
        yield names, others


def digest_of_part(whole: str, first: int, words: Iterable[str]) -> str:
    """What tells a part from others: all of the data, the number of its first row, and words about its rows."""
    digest = hashlib.sha256(f"{whole}\n{first}\n".encode())
    for word in words:
        digest.update(f"{word}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:24]
