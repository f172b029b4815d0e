"""How a table of text is written: encoding, delimiter, quotes, signs in numbers, lines that are no rows."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.lib.settings import Settings, wrong

Decimal = Literal[".", ","]
Thousands = Literal[".", ",", " ", "'"]


class ColumnForm(Settings):
    """Signs in the numbers of one column, where they differ from the table's."""

    decimal: Decimal = "."
    """Decimal sign."""
    thousands: Thousands | None = None
    """Sign between thousands; a blank stands for any kind of space, an apostrophe for both kinds. Null: none."""

    @model_validator(mode="after")
    def _two_signs(self) -> ColumnForm:
        if self.thousands == self.decimal:
            raise wrong(
                "source.format.thousands", "another sign than the decimal one", f"{self.thousands!r} for both"
            )  # fmt: skip
        return self


class TableForm(ColumnForm):
    """How a table is written. Every default is the plain CSV: UTF-8, commas, decimal points, names in the first line.

    With a decimal comma, points between groups of three digits separate thousands.
    """

    encoding: str = "utf-8"
    """Python's name of the encoding; a byte order mark is ignored."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What separates two cells; a blank stands for any number of blanks and tabs."""
    quote: Annotated[str, Field(min_length=1, max_length=1)] | None = '"'
    """What encloses a cell that contains the delimiter; null: nothing does."""
    header: bool = True
    """Whether a line holds the names of the columns; else they are column_1, column_2 …"""
    skip_rows: Annotated[int, Field(ge=0)] = 0
    """Lines above the names, or above the first row: a title, `sep=;`, comments."""
    comment: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """Lines that start with it are comments; null: there are none."""
    sheet: str | None = None
    """Name of the sheet in an Excel workbook; null: the only one that holds a table."""
    columns: dict[str, ColumnForm] = Field(default_factory=dict)
    """Columns whose numbers are written differently: {ferritin: {decimal: ",", thousands: "."}}."""

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ValueError("the name of an encoding, such as utf-8, cp1252, gb18030 or shift_jis") from None
        return encoding

    def __hash__(self) -> int:
        """Pydantic's own would fail on the mapping; tables are cached by their settings."""
        return hash(self.model_dump_json())

    def of(self, column: str) -> ColumnForm:
        """Signs in the numbers of a column."""
        return self.columns.get(column, self)

    def settings(self) -> dict[str, object]:
        """What differs from the plain form, as it stands in a task file."""
        return self.model_dump(exclude_defaults=True)


PLAIN_FORM = TableForm()
