"""Reads a workbook in a process of its own: a sheet with one cell in its last corner is 17 thousand million cells to
the library that reads it, and no file says so beforehand. Run as a script it is that process.

    python _workbook.py names|sheet|all [SHEET] < WORKBOOK      prints JSON
"""

from __future__ import annotations

import datetime
import io
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

MOST_MEMORY = 2 << 30
"""Bytes by which the process may grow: some ten million cells."""
LONGEST = 120
"""Seconds."""


def read_workbook(content: bytes, what: str, sheet: str = "") -> Any:
    """What is asked of a workbook.

    Args:
        content: its bytes.
        what: `names` of the sheets, the rows of a `sheet`, or of `all` of them by name.
        sheet: which one.

    Raises:
        ValueError: it is none, damaged, encrypted, or takes too much memory or time.
    """
    words = [sys.executable, "-P", "-W", "ignore", str(Path(__file__)), what, sheet]
    try:
        done = subprocess.run(words, input=content, capture_output=True, check=False, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise ValueError(f"a workbook that takes more than {LONGEST} s to read") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:  # the library ends the process where there is no more memory
        raise ValueError(
            f"a workbook that takes more than {MOST_MEMORY >> 30} GB to read: save the sheet as CSV"
        ) from None
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["found"]


def _asked(content: bytes, what: str, sheet: str) -> Any:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    if what == "names":
        return list(book.sheet_names)
    return _rows(book, sheet) if what == "sheet" else {name: _rows(book, name) for name in book.sheet_names}


def _rows(book: Any, sheet: str) -> list[list[str]]:
    cells = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    return [[_text(cell) for cell in row] for row in cells]


def _text(cell: Any) -> str:
    """A cell as a CSV would have it: 3, 3.5, TRUE, 2024-01-31."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime.datetime):
        return str(cell.date()) if cell.time() == datetime.time() else cell.isoformat(" ")
    return "" if cell is None else str(cell)


def _main(what: str, sheet: str) -> None:
    held = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    allowed = held + MOST_MEMORY if most == resource.RLIM_INFINITY else min(held + MOST_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, most))
    try:
        answer = {"found": _asked(sys.stdin.buffer.read(), what, sheet)}
    except Exception as error:  # the parent says it
        answer = {"error": " ".join(str(error).split())[:160] or type(error).__name__}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])
