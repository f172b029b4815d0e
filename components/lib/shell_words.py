"""The one way in which a name becomes a word of a command line, run or advised. Only the standard library."""

from __future__ import annotations

import shlex


def quoted(word: str) -> str:
    """A word of a command line as every shell reads it: DVC uses the user's own, and in fish a backslash counts between
    quotes."""
    return r"\\".join(shlex.quote(part) if part else "" for part in word.split("\\")) or "''"
