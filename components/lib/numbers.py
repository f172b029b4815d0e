"""Numbers of any size, for a reader."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """A number for a reader: three significant digits, whole from 100 upwards: `7.41`, `151`, `−12,300`."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}".rstrip(".")
    return (text if value else "0").replace("-", "−")


def signed(value: float) -> str:
    """A number with its sign: `+64`."""
    return f"+{number(value)}" if value > 0 else number(value)
