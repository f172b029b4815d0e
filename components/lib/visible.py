"""Text as people may safely see it: what can't be seen, breaks a line or turns the direction is its number.

Only the standard library: errors use it where nothing is installed.
"""

from __future__ import annotations

import unicodedata
from typing import TypeVar

Text = TypeVar("Text", bound=str)
JOINERS = "\u200c\u200d"
"""Letters' own in some scripts."""


def is_odd(sign: str) -> bool:
    """Whether a character breaks a line, can't be seen, or isn't one; joiners are letters' own in some scripts."""
    return sign not in JOINERS and unicodedata.category(sign) in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def visible(text: Text, keep: str = "\n\t") -> Text:
    """The text with every odd character as its number, `\\x1b`.

    Args:
        text: any.
        keep: odd characters that stay: by default those that set out lines.
    """
    odd = {ord(sign): _number(sign) for sign in {*text} if sign not in keep and is_odd(sign)}
    return type(text)(text.translate(odd)) if odd else text


def _number(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
