"""Reasons for leaving samples out, one line a reason and not one a value.

"gaps: 12.5% of a lead is missing" and "gaps: 31.0% of a lead is missing" are one reason: what differs between them is
shown as a range of numbers, or as the first few words in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

VARIES = re.compile(
    r"'[^']*'|\"[^\"]*\"|(?<![\w.])[+-]?\d++(?:\.\d++)*+(?:,\d++(?:\.\d++)*+)*(?:e[+-]?\d++)?(?![\w.]*\w)"
)
"""What a reason may have of one sample alone: words in quotes, and numbers that are no part of a name."""
COLUMN = re.compile(r"^(?:column|input) .*?: ")
"""How a reason begins that names a column: numbers in that name stay."""
SHOWN = 3


def one_reason(reasons: Iterable[str]) -> dict[str, str]:
    """Each distinct reason to the line that stands for all of its kind.

    Args:
        reasons: as they were written for single samples.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for reason in dict.fromkeys(reasons):
        start, rest = _parts(reason)
        groups.setdefault((start, *VARIES.split(rest)), []).append(reason)
    return {reason: _together(alike) for alike in groups.values() for reason in alike}


def _parts(reason: str) -> tuple[str, str]:
    named = COLUMN.match(reason)
    return (named[0], reason[named.end() :]) if named else ("", reason)


def _together(alike: Sequence[str]) -> str:
    """One line for reasons of one kind."""
    if len(alike) == 1:
        return alike[0]
    start, rest = _parts(alike[0])
    fixed = VARIES.split(rest)
    found = zip(*(VARIES.findall(_parts(each)[1]) for each in alike), strict=True)
    varied = [_shown(list(dict.fromkeys(values))) for values in found]
    return start + "".join(text for pair in zip(fixed, [*varied, ""], strict=True) for text in pair)


def _shown(values: list[str]) -> str:
    if len(values) == 1:
        return values[0]
    numbers = {_number(value): value for value in values}
    if None not in numbers:
        ordered = sorted((number, value) for number, value in numbers.items() if number is not None)
        return f"{ordered[0][1]} to {ordered[-1][1]}"
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(values[:SHOWN]) + more


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
