"""Numbers of any size, for a reader."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """A number for a reader: three significant digits, whole from 100 upwards: `7.41`, `151`, `−12,300`."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}".rstrip(".")
    return (text if value else "0").replace("-", "−")


def hundredths(share: float, digits: int = 1) -> str:
    """A share of 0..1 as a number of a hundred; one that isn't whole never reads as 0 or as 100: `96.2`, `>99.9`.

    Args:
        share: the share.
        digits: behind the point.
    """
    text, least = f"{100 * share:.{digits}f}", 10.0**-digits
    if share < 1 and float(text) == 100:
        return f">{100 - least:.{digits}f}"
    return f"<{least:.{digits}f}" if share > 0 and float(text) == 0 else text


def signed(value: float) -> str:
    """A number with its sign: `+64`."""
    return f"+{number(value)}" if value > 0 else number(value)
