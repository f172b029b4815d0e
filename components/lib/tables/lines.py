"""Lines of numbers, one signal a line and a label at one of its ends: how they are written, found in their bytes."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import model_validator

from components.lib.places import Place
from components.lib.settings import wrong
from components.lib.tables.encodings import wide
from components.lib.tables.form import TableForm
from components.lib.tables.recognise import HEAD, SHOWN, text_encoding

DELIMITERS = ("\t", ";", "|", ",", " ")
GAPS = frozenset({"", "na", "n/a", "null", "none", "nan", "?"})
"""Values that are missing, in small letters."""
MOST_GAPS = 0.2
"""Share of a line up to which values may be missing."""
Ends = Literal["first", "last"]


class LineForm(TableForm):
    """How lines of numbers are written. Every default is the plain CSV without a line of names."""

    header: bool = False
    """Whether a line of names stands above the lines."""

    @model_validator(mode="after")
    def _lines(self) -> LineForm:
        if len("1".encode(self.encoding)) != 1:
            raise wrong("source.format.encoding", "one in which a digit is one byte, such as utf-8", self.encoding)
        if self.sheet is not None or self.columns or self.thousands:
            raise wrong("source.format", "lines of text", "a sheet, columns or signs between thousands")
        return self

    def cells(self, line: str) -> list[str]:
        """The cells of a line, without the blanks and quotes around them."""
        cells = line.split() if self.delimiter == " " else line.strip(" \r\n").split(self.delimiter)
        return [cell.strip().strip("\"'") for cell in cells]

    def number(self, cell: str) -> float | None:
        """A number, NaN for a gap, None for what is neither."""
        try:
            return float(cell.replace(",", ".") if self.decimal == "," else cell)
        except ValueError:
            return math.nan if cell.strip().lower() in GAPS else None


def recognise_lines(path: Place, least: int) -> LineForm | None:
    """How lines of numbers are written; None where the first lines are something else.

    Args:
        path: a text.
        least: numbers that each line must have.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if wide(head) not in (None, "utf-8") or b"\0" in head:
        return None
    encoding = text_encoding(path, head)
    lines = head.decode("utf-8-sig" if encoding == "utf-8" else encoding, "replace").splitlines()
    if len(head) >= HEAD and len(lines) > 1:
        lines.pop()  # which the end of the head cuts
    comment = "#" if any(line.startswith("#") for line in lines) else None
    lines = [line for line in lines if line.strip() and not line.startswith("#")][:SHOWN]
    for delimiter in DELIMITERS:
        for decimal in (".", ","):
            if delimiter == decimal or (decimal == "," and not any("," in line for line in lines)):
                continue
            form = LineForm(delimiter=delimiter, decimal=decimal, encoding=encoding, comment=comment)
            if _fits(form, lines, least):
                return form
    return None


def _fits(form: LineForm, lines: list[str], least: int) -> bool:
    """Whether all lines have equally many cells, numbers but for the label at one end, and few gaps."""
    held = [form.cells(line) for line in lines]
    if not held or len({*map(len, held)}) > 1 or len(held[0]) <= least:
        return False
    if held[0] == [str(position) for position in range(len(held[0]))]:
        return False  # the numbers of the columns, as pandas writes them above a table
    numbers = [[form.number(cell) for cell in cells] for cells in held]
    inner = [line[1:-1] for line in numbers]
    if any(number is None for line in inner for number in line):
        return False
    if any(line[0] is None for line in numbers) and any(line[-1] is None for line in numbers):
        return False
    return all(sum(math.isnan(number or 0) for number in line) <= MOST_GAPS * len(line) for line in inner)
