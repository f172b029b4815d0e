"""A table with one sample a row: CSV (also gzipped), Excel or Parquet.

Columns are what the inputs of kind `table` name, one per target, and patient, split, site, sex, age where known; an
input may also be sex or age. Cells of a CSV are text; numbers of a Parquet file stay numbers. How a CSV is written
(delimiter, encoding, decimal comma, title lines …) stands in `format`. The
table may lie on S3 or a web server: it is fetched whole, by every process that reads it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import model_validator

from components.lib.errors import DataError, Unusable
from components.lib.kinds.table import Row, Table
from components.lib.places import Place, Remote
from components.lib.reader_columns import reader_columns
from components.lib.readers._tables import index_of, report_empty, require_columns
from components.lib.readers.base import ATTRIBUTES, Columns, Inputs, Load, Source, Targets
from components.lib.settings import wrong
from components.lib.tables import FORMATS, PLAIN_FORM, TableForm, check_parquet, column_names, is_table_name, read_text

FILE = "table"
"""What the index calls the file: its own name could be one that nobody should read."""

Cells = dict[str, Any]
"""Column to its cells, an Arrow array."""
_reading = threading.Lock()


class TableFile(Source):
    """A table with one sample a row: .csv, .tsv, .psv, .txt (also with .gz), Excel or .parquet."""

    reader: Literal["table"]
    file: str | None = None
    """Name of the table inside the folder at `path`; null: `path` is the table."""
    columns: Columns = Columns()
    """Column names of the attributes."""
    format: TableForm = PLAIN_FORM
    """How the table is written, where it isn't a plain CSV: commas, UTF-8, decimal points, names in the first line."""

    raw_type: ClassVar[type] = Row

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given: Any) -> Any:
        if isinstance(given, dict) and "separator" in given:
            raise wrong("source.separator", "the key source.format.delimiter", "its former name, separator")
        return given

    @model_validator(mode="after")
    def _known_suffix(self) -> TableFile:
        if not is_table_name(self.file or self.path):
            raise ValueError(f"a table that ends in {FORMATS}; for one in a folder, its name as `file`")
        return self

    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a row; also DataError for a table without rows, and a target or patient that is an input, too."""
        numbers, words = _columns(inputs)
        self._refuse_leaks({*numbers, *words}, targets)
        path = self._path(raw)
        answers = self._answers(targets)
        table, positions = self._read(path, [*numbers, *words, *answers])
        if not len(table):
            raise DataError(str(path), expected="at least one row", found="the names of the columns, and nothing below",
                            todo="check `source:` in the task file, and the table")  # fmt: skip
        for column in numbers:
            _as_number(table[column], path, column)
        attributes = (getattr(self.columns, attribute) for attribute in ATTRIBUTES)
        wanted = [*words, *answers, *(column for column in attributes if column in table.column_names)]
        text = {column: _as_text(table[column], path, column).to_pandas().astype("str") for column in wanted}
        rows = pd.DataFrame(text, index=range(len(table)))
        if self.columns.split in rows:
            rows.index += self._first - 2  # an error about a split speaks of line `index + 2`
        index = index_of(rows, path, {}, targets, self.columns).reset_index(drop=True)
        return index.assign(file=FILE, row=positions)

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads one row, the inputs' columns alone; the table itself is read once a process."""
        path, (numbers, words) = self._path(raw), _columns(inputs)
        opened: list[Cells] = []

        def load(file: str, row: int) -> Row:
            if not opened:
                with _reading:
                    seen = path.stat()
                    opened.append(_cells(self, path, (seen.st_mtime_ns, seen.st_size), numbers, words))
            try:
                return Row({column: cells[row].as_py() for column, cells in opened[0].items()})
            except IndexError:
                raise Unusable("the table has no such row any more") from None

        return load

    def place(self, file: str, row: int) -> str:
        """The row as a spreadsheet counts, the names of the columns and lines above them included."""
        return f"row {row + self._first}"

    @property
    def _parquet(self) -> bool:
        return (self.file or self.path).lower().endswith(".parquet")

    @property
    def _first(self) -> int:
        """Which row people call the first one with values."""
        return 1 if self._parquet else 1 + int(self.format.header) + self.format.skip_rows

    def _path(self, raw: Place) -> Place:
        return raw / self.file if self.file else raw

    def _answers(self, targets: Targets) -> list[str]:
        """The columns of targets, and of readers who labelled them."""
        read_by = reader_columns(self.columns.readers, targets).values()
        return list(dict.fromkeys([*map(self.columns.of, targets), *(column for _, column in read_by)]))

    def _refuse_leaks(self, columns: Collection[str], targets: Targets) -> None:
        answers = self._answers(targets)
        for name in (*answers, self.columns.patient):
            if name in columns:
                raise DataError(
                    f"inputs, column {name}",
                    expected="no column that is a target or the patient",
                    found="a target of this task" if name in answers else "the column of patients",
                    todo="take it out of the input: a network would be told the answer, or the name",
                )

    def _read(self, path: Place, needed: Collection[str], *, quiet: bool = False) -> tuple[Any, NDArray[np.intp]]:
        """The table as Arrow's, with the needed columns in it, once each, CSV as text; and the positions of its rows,
        which empty ones count in.
        """
        if not path.is_file():
            found = "a folder; name the table in it by `source.file`" if path.is_dir() else "no such file"
            raise DataError(str(path), expected="a table", found=found,
                            todo="set source.path in the task file, or make the data first")  # fmt: skip
        if self._parquet:
            table = _read_parquet(path)
            names, positions = table.column_names, np.arange(len(table))
        else:
            content = path.read_bytes() if isinstance(path, Remote) else None
            held = read_text(path, self.format, content)
            names, positions = column_names(path, self.format, content), held.cells.index.to_numpy()
            table = pa.table({name: pa.array(held.cells[name]) for name in map(str, held.cells.columns)})
            if not quiet:
                report_empty(held.empty)
        twice = sorted(name for name, count in Counter(names).items() if count > 1 and name in needed)
        if twice:
            raise DataError(f"{path}, names of columns", expected="every column that the task names, once",
                            found=f"{', '.join(twice)} twice", todo="rename one of them")  # fmt: skip
        if len(names) == 1 and len(needed) > 1:
            raise DataError(str(path), expected=f"columns, with {self.format.delimiter!r} between them",
                            found="one column", todo="set source.format.delimiter in the task file")  # fmt: skip
        require_columns(pd.DataFrame(columns=names), path, needed)
        return table, positions

    @property
    def beside(self) -> str | None:
        return self.file


def _columns(inputs: Inputs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of numbers and of categories that the task's tables name."""
    tables = [kind for kind in inputs.values() if isinstance(kind, Table)]
    numbers = dict.fromkeys(column for table in tables for column in table.numbers)
    return tuple(numbers), tuple(dict.fromkeys(column for table in tables for column in table.categories))


@lru_cache(maxsize=1)
def _cells(
    source: TableFile, path: Place, seen: tuple[int, int], numbers: tuple[str, ...], words: tuple[str, ...]
) -> Cells:
    """The inputs' cells, as a row of them is cleaned; `seen` tells a changed file from one that was read."""
    table, positions = source._read(path, [*numbers, *words], quiet=True)
    if len(positions) and positions[-1] >= len(positions):  # empty rows keep their place
        places = np.full(positions[-1] + 1, -1)
        places[positions] = np.arange(len(positions))
        table = table.take(pa.array(places, mask=places < 0))
    return {
        **{column: _as_number(table[column], path, column).combine_chunks() for column in numbers},
        **{column: _as_text(table[column], path, column).combine_chunks() for column in words},
    }


def _read_parquet(path: Place) -> Any:
    try:
        opened = path.read_bytes() if isinstance(path, Remote) else path
        check_parquet(opened)
        return pq.read_table(pa.BufferReader(opened) if isinstance(opened, bytes) else opened)
    except (OSError, ValueError) as error:
        found = " ".join(str(error).split())[:160]
        todo = "check `source:` in the task file, and the table"
        raise DataError(str(path), expected="a Parquet table", found=found, todo=todo) from None


def _as_number(cells: Any, path: Place, column: str) -> Any:
    """Numbers as float64, true as 1; text as it is."""
    kind = _plain(cells.type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return cells.cast(kind)
    if pa.types.is_decimal(kind) or (pa.types.is_primitive(kind) and not pa.types.is_temporal(kind)):
        return cells.cast(kind).cast(pa.float64(), safe=False)
    if pa.types.is_null(kind):
        return cells.cast(pa.float64())
    raise _refused(path, column, "numbers, or text", cells)


def _as_text(cells: Any, path: Place, column: str) -> Any:
    """Text; 1.0 becomes 1, a date 2020-12-31."""
    kind = _plain(cells.type)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise _refused(path, column, "text, numbers or dates", cells)
    return cells.cast(kind).cast(pa.large_string())


def _plain(kind: Any) -> Any:
    """The type of the values of a column that keeps each only once."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _refused(path: Place, column: str, expected: str, cells: Any) -> DataError:
    return DataError(
        f"{path}, column {column}",
        expected=expected,
        found=f"values of type {cells.type}",
        todo="write the column as numbers or text, or leave it out of the task",
    )
