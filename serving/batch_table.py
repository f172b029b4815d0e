"""What `--data` names, opened for a model; and the rows of a table: CSV in any form, Excel or Parquet.

The columns are those of a serving request. Where samples of the model's kind lie in files, a cell may also name one,
relative to the table's folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.digests import file_digest
from components.lib.errors import DataError, nearest
from components.lib.model_dir import ModelInfo
from components.lib.progress import progress
from components.lib.readers._foreign import require_own
from components.lib.tables import (
    FORMATS,
    Recognised,
    TableForm,
    check_parquet,
    column_names,
    is_table_name,
    read_chunks,
    recognise,
)
from serving.batch_data import MOST_ROWS, ROW, Data, FolderData, Stock, digest_of_part
from serving.batch_files import Files, files_of

MOST_PLAIN_ROWS = 1024
"""Of a part, where a sample has no dimensions: such rows take next to no time."""
MOST_BYTES = 8_000_000
"""Of the cells in a part: some parts wait in memory for each processor."""
FIRST_ROWS = 32
"""By which the size of a table's rows is judged."""
LONGEST_PATH = 4096
"""Characters; no system takes more."""


def opened(
    path: Path, info: ModelInfo, *, column: str | None, keep: Sequence[str], form: TableForm | None = None,
    follow_links: bool = False,
) -> Data:  # fmt: skip
    """What a path names, ready to be read for a model.

    Args:
        path: a folder, or a table (.csv, .txt, .xlsx, .parquet …).
        info: of the model.
        column: of the table, the one that holds the input, where it isn't called like it.
        keep: columns of the table that the output shall have, too.
        form: how the table is written; None: it is recognised.
        follow_links: read what links in a folder lead to, outside of it.

    Raises:
        DataError: there is nothing, links lead out of it, the model takes no files, or the table lacks a column.
    """
    require_own(path, follow_links=follow_links)
    if path.is_dir():
        return FolderData(path, _one_of_files(path, info))
    if not path.is_file() or not is_table_name(path.name):
        raise DataError(
            str(path),
            expected=f"a folder, or a table that ends in {FORMATS}",
            found="another file" if path.exists() else "no such file or folder",
            todo="name what holds the samples: --data FOLDER or --data TABLE",
        )
    return TableData(path, info, column, keep, form)


class TableData(Data):
    """Rows of a table: columns of a serving request, or a column of paths relative to the table's folder."""

    key = ROW

    def __init__(
        self, path: Path, info: ModelInfo, column: str | None, keep: Sequence[str], form: TableForm | None = None
    ) -> None:
        self.folder, self._path, self._empty = path.parent, path, 0
        self._csv = not path.name.lower().endswith(".parquet")
        self._read_first = self._stamp()
        known = Recognised(form) if form else recognise(path) if self._csv else Recognised()
        self._form = _usable(known, path, info)
        for sentence in known.found:
            print(f"table: {sentence}")
        schema = self._schema()
        self.names: tuple[str, ...] = tuple(schema.names)
        self.columns = _needed(info, column, schema.names)
        _require_columns(path, schema.names, [*self.columns.values(), *keep])
        self.kept = [schema.field(name) for name in keep]
        self._wanted = list(dict.fromkeys([*self.columns.values(), *keep]))
        self._files = next((files for kind in info.inputs.values() if (files := files_of(kind))), None)
        plain = all(kind.shape == () for kind in info.inputs.values())
        self._rows = self._rows_of_a_part(MOST_PLAIN_ROWS if plain else MOST_ROWS)

    def with_columns(self, names: Sequence[str]) -> TableData:
        """The same rows with more columns in `parts`."""
        wider = copy(self)
        wider._wanted = list(dict.fromkeys([*self._wanted, *names]))
        return wider

    def take_stock(self, scratch: Path) -> Stock:
        """Reads the table once, so that what is wrong with it is told before the work and not after hours."""
        whole, digests, rows = file_digest(self._path), list[str](), 0
        for table in progress(self.parts(scratch), "reading"):
            digests.append(digest_of_part(whole, rows, [str(len(table)), *self._stamps(table)]))
            rows += len(table)
        if not rows:
            raise DataError(
                str(self._path), expected="at least one row", found="none", todo="name a table with rows: --data TABLE"
            )
        if self._empty:
            print(f"table: empty rows at its end left out: {self._empty:,}")
        return Stock(rows, 0, tuple(digests))

    def parts(self, scratch: Path) -> Iterator[pa.Table]:
        for table in self._tables(self._rows):
            if self._stamp() != self._read_first:
                raise DataError(
                    str(self._path),
                    expected="a table that stays as it is while its rows are predicted",
                    found="a change since the start",
                    todo="run the same command again when nobody writes to it",
                )
            yield table

    def _stamps(self, table: pa.Table) -> Iterator[str]:
        """Of the files that cells name."""
        for column in self.columns.values() if self._files else ():
            for cell in table[column].to_pylist():
                if isinstance(cell, str) and self._files and (path := named_file(cell, self.folder, self._files)):
                    yield self._files.stamp(path)

    def _stamp(self) -> tuple[int, int]:
        told = self._path.stat()
        return told.st_size, told.st_mtime_ns

    def _rows_of_a_part(self, most: int) -> int:
        first = next(self._tables(FIRST_ROWS), None)
        return most if first is None else max(1, min(most, MOST_BYTES * len(first) // max(1, first.nbytes)))

    def _schema(self) -> pa.Schema:
        """Names and types of all columns; those of a CSV are text."""
        try:
            if not self._csv:
                check_parquet(self._path)
                return pq.read_schema(self._path)
        except (OSError, ValueError, EOFError, pa.ArrowException) as error:
            raise self._unreadable(error) from None
        return pa.schema([(name, pa.string()) for name in column_names(self._path, self._form)])

    def _tables(self, rows: int) -> Iterator[pa.Table]:
        """The wanted columns, at most so many rows at a time."""
        try:
            yield from self._of_csv(rows) if self._csv else self._of_parquet(rows)
        except (OSError, ValueError, EOFError, pa.ArrowException) as error:
            raise self._unreadable(error) from None

    def _of_csv(self, rows: int) -> Iterator[pa.Table]:
        pending = 0  # empty rows between others keep their place; those at the end are left out
        for chunk in read_chunks(self._path, self._form, rows=rows):
            if not len(chunk.cells):
                pending += chunk.rows
                continue
            last = int(chunk.cells.index[-1])
            cells = chunk.cells.reindex(range(chunk.start - pending, last + 1), fill_value="")
            yield pa.table({name: pa.array(cells[name], pa.string()) for name in self._wanted})
            pending = chunk.start + chunk.rows - 1 - last
        self._empty = pending

    def _of_parquet(self, rows: int) -> Iterator[pa.Table]:
        with pq.ParquetFile(self._path, buffer_size=1 << 20) as table:
            for batch in table.iter_batches(rows, columns=self._wanted):
                yield pa.Table.from_batches([batch])

    def _unreadable(self, error: Exception) -> DataError:
        found, form = " ".join(str(error).split())[:160], "a table" if self._csv else "a Parquet table"
        return DataError(str(self._path), expected=form, found=found, todo="write the table again, and run again")


def _usable(known: Recognised, path: Path, info: ModelInfo) -> TableForm:
    """The form of a table, where everything the model needs of it can be read in one way.

    Raises:
        DataError: several sheets with tables, no names of columns, or numbers that can be read in two ways.
    """
    if known.sheets:
        raise DataError(
            str(path), expected="one sheet with a table",
            found=f"{len(known.sheets)}: {', '.join(map(repr, known.sheets))}",
            todo="name one of them: --format 'sheet: NAME'",
        )  # fmt: skip
    open_ = [name for name in known.unclear if name in asked(info)]
    if open_:
        raise DataError(
            f"{path}, column {open_[0]}", expected="numbers that can be read in one way",
            found=f"numbers such as {known.unclear[open_[0]]}",
            todo="say how the table is written, as source.format of a task file does: "
            f"--format '{{columns: {{{open_[0]}: {{decimal: \",\", thousands: \".\"}}}}}}'",
        )  # fmt: skip
    return known.form


def named_file(cell: str, folder: Path, files: Files) -> Path | None:
    """The path that a cell of a table names; None where it holds the sample itself, as a request does.

    Base64 has no point in it, so a text with one is a path, whether there is such a file or not.
    """
    if not cell.strip() or len(cell) > LONGEST_PATH or cell.lstrip().startswith(("data:", "[", "{")):
        return None
    path = folder / cell
    return path if "." in cell or files.there(path) else None


def _one_of_files(path: Path, info: ModelInfo) -> Files:
    """How the model's one input lies in files.

    Raises:
        DataError: it doesn't, or the model has several.
    """
    found = [files_of(kind) for kind in info.inputs.values()]
    if len(found) == 1 and found[0]:
        return found[0]
    columns = ", ".join(_needed(info, None, ()))
    raise DataError(
        str(path),
        expected=f"a table (.csv, .csv.gz, .parquet) with the columns {columns}",
        found="a folder",
        todo="name the table: --data TABLE",
    )


def asked(info: ModelInfo) -> dict[str, bool]:
    """Columns of a request for the model, and whether each must be there."""
    return {each.name: each.required for name, kind in info.inputs.items() for each in kind.request_columns(name)}


def _needed(info: ModelInfo, column: str | None, there: Sequence[str]) -> dict[str, str]:
    """Column of a request to the table's; of those that needn't be there, the ones that are."""
    return {
        name: column or name if required else name
        for name, required in asked(info).items() if required or name in there
    }  # fmt: skip


def _require_columns(path: Path, there: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse a table without a column, or with two of its name."""
    for column in wanted:
        if there.count(column) == 1:
            continue
        # Where no name is known, the first line may be a patient's row: it is not repeated.
        close = nearest(column, there)
        known = close or {*there} & {*wanted}
        raise DataError(
            f"{path}, names of its columns",
            expected=f"one column {column!r}",
            found="several" if column in there
            else f"{', '.join(there)}{close}" if known
            else f"{len(there)} columns, none of them known; does it have a line with names?",
            todo="rename the column in the table; the column of paths or of signals may also be named: --column NAME",
        )  # fmt: skip
