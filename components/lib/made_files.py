"""Files that are made from code and committed: written, or held against what the code says today."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.lib.errors import MedpipeError


def write_or_check(made: Mapping[Path, str], *, source: str, command: str, check: bool) -> None:
    """Write the texts of some files, or refuse the first file that says something else.

    Args:
        made: text by file.
        source: what the texts are made from.
        command: what makes the files anew.
        check: write nothing.

    Raises:
        MedpipeError: with `check`, a file is missing, or something else stands there.
    """
    for path, text in made.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise MedpipeError(
                path.name,
                expected=f"what is made of {source}",
                found="something else" if path.exists() else "no such file",
                todo=command,
            )
