"""Sheets of an Excel workbook (.xlsx, .xls) as rows of text."""

from __future__ import annotations

import datetime
import io
from typing import Any

from components.lib.errors import DataError
from components.lib.places import Place

SUFFIXES = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
Rows = list[list[str]]


class Workbook:
    """An opened workbook.

    Args:
        path: for errors.
        content: its bytes.

    Raises:
        DataError: it is none, damaged, or encrypted.
    """

    def __init__(self, path: Place, content: bytes) -> None:
        from python_calamine import CalamineError, CalamineWorkbook

        self._path = path
        try:
            self._book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        except (CalamineError, OSError, ValueError) as error:
            raise _unreadable(path, error) from None

    @property
    def sheets(self) -> list[str]:
        """Names of all sheets, in their order."""
        return list(self._book.sheet_names)

    def rows(self, sheet: str) -> Rows:
        """The cells of a sheet from its first row on, each as text; numbers with a decimal point.

        Raises:
            DataError: there is no such sheet, or it can't be read.
        """
        from python_calamine import CalamineError

        if sheet not in self.sheets:
            raise DataError(
                str(self._path),
                expected=f"a sheet {sheet!r}",
                found=", ".join(map(repr, self.sheets)) or "no sheet",
                todo="correct source.format.sheet in the task file, or --sheet",
            )
        try:
            cells = self._book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
        except (CalamineError, OSError, ValueError) as error:
            raise _unreadable(self._path, error) from None
        return [[_text(cell) for cell in row] for row in cells]

    def tables(self) -> dict[str, Rows]:
        """The sheets that hold a table: at least two rows of at least two cells."""
        read = {sheet: self.rows(sheet) for sheet in self.sheets}
        return {sheet: rows for sheet, rows in read.items() if sum(sum(map(bool, row)) >= 2 for row in rows) >= 2}


def _unreadable(path: Place, error: Exception) -> DataError:
    return DataError(
        str(path),
        expected="an Excel workbook (.xlsx, .xls) without a password",
        found=" ".join(str(error).split())[:160] or type(error).__name__,
        todo="save it again, or save the sheet as CSV",
    )


def _text(cell: Any) -> str:
    """A cell as a CSV would have it: 3, 3.5, TRUE, 2024-01-31."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime.datetime):
        return str(cell.date()) if cell.time() == datetime.time() else cell.isoformat(" ")
    return "" if cell is None else str(cell)
