"""Sheets of an Excel workbook (.xlsx, .xls) as rows of text."""

from __future__ import annotations

from typing import Any

from components.lib.errors import DataError
from components.lib.places import Place
from components.lib.tables._workbook import read_workbook

SUFFIXES = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
Rows = list[list[str]]


class Workbook:
    """An opened workbook.

    Args:
        path: for errors.
        content: its bytes.

    Raises:
        DataError: it is none, damaged, or encrypted, or takes too much to read.
    """

    def __init__(self, path: Place, content: bytes) -> None:
        self._path, self._content = path, content
        self.sheets: list[str] = self._asked("names")
        """Names of all sheets, in their order."""

    def rows(self, sheet: str) -> Rows:
        """The cells of a sheet from its first row on, each as text; numbers with a decimal point.

        Raises:
            DataError: there is no such sheet, or it can't be read.
        """
        if sheet not in self.sheets:
            raise DataError(
                str(self._path),
                expected=f"a sheet {sheet!r}",
                found=", ".join(map(repr, self.sheets)) or "no sheet",
                todo="correct source.format.sheet in the task file, or --sheet",
            )
        rows: Rows = self._asked("sheet", sheet)
        return rows

    def tables(self) -> dict[str, Rows]:
        """The sheets that hold a table: at least two rows of at least two cells."""
        read: dict[str, Rows] = self._asked("all")
        return {sheet: rows for sheet, rows in read.items() if sum(sum(map(bool, row)) >= 2 for row in rows) >= 2}

    def _asked(self, what: str, sheet: str = "") -> Any:
        try:
            return read_workbook(self._content, what, sheet)
        except (OSError, ValueError) as error:
            raise _unreadable(self._path, error) from None


def _unreadable(path: Place, error: Exception) -> DataError:
    return DataError(
        str(path),
        expected="an Excel workbook (.xlsx, .xls) without a password",
        found=" ".join(str(error).split())[:160] or type(error).__name__,
        todo="save it again, or save the sheet as CSV",
    )
