"""The one writer of CSV: no cell is a formula to a spreadsheet or a tag on a page of DVC's; numbers stay numbers.

A text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP advises ("CSV injection").
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from components.lib.visible import visible

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*([eE][+-]?\d+)?\s?%?")
_FORMULA = re.compile(r"'*\s*[=+\-@|\uff1d\uff0b\uff0d\uff20]")
"""How a formula begins; with apostrophes before it, so that no two texts become one."""

_LATER = re.compile(r'(;[\s"]*)(?=[=+\-@|\uff1d\uff0b\uff0d\uff20])')
"""A formula behind what splits cells where a comma is the decimal sign."""

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
"""How a tag begins. DVC writes the cells of a plot into a script of its page, which `</script>` would end."""


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table; equal tables give equal bytes.

    Args:
        frame: numbers as they are, missing values as empty cells, all else as text.
        path: the file to write.
    """
    written = frame.set_axis([cell(name) for name in frame.columns], axis=1)
    for place, kind in enumerate(frame.dtypes):
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)):
            written.isetitem(place, [cell(value) for value in frame.iloc[:, place].astype("object")])
    written.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def cell(value: Any) -> Any:
    """A value as it stands in a cell: text that a spreadsheet takes for text, in one line; numbers as they are."""
    if not isinstance(value, str):
        return value
    seen = _LATER.sub(r"\1'", visible(value, keep=""))
    seen = _TAG.sub(r"\\x3c", seen)
    return f"'{seen}" if _FORMULA.match(seen) and not _NUMBER.fullmatch(seen) else seen
