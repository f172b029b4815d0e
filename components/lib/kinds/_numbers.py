"""Raw values of a column that should hold numbers: read strictly, and told what is wrong with them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAMED_AT_MOST = 5


def problem(values: pd.Series, minimum: float | None, maximum: float | None) -> str | None:
    """Values that are no finite number, or outside the range, with their count and the first rows.

    Text that is no number isn't repeated: it may name somebody. The series' index says where a value stands, as text;
    otherwise rows count from 1.
    """
    numbers, known = read(values)
    strange, infinite = known & np.isnan(numbers), known & np.isinf(numbers)
    least, most = -math.inf if minimum is None else minimum, math.inf if maximum is None else maximum
    outside = np.isfinite(numbers) & ((numbers < least) | (numbers > most))
    found = []
    if strange.any():
        commas = values[strange].astype(str).str.fullmatch(r"\s*[+-]?\d+,\d+\s*").any()
        hint = "; write decimals with a point" if commas else ""
        found.append(f"{_counted(strange, 'no number', 'no numbers')}: {_rows(values, strange)}{hint}")
    if infinite.any():
        found.append(f"{_counted(infinite, 'infinite', 'infinite')}: {_rows(values, infinite)}")
    if outside.any():
        ends = (("at least", minimum), ("at most", maximum))
        word = "outside the range " + ", ".join(f"{word} {end:g}" for word, end in ends if end is not None)
        found.append(f"{_counted(outside, word, word)}: {_rows(values, outside, numbers)}")
    return "; ".join(found) or None


def read(values: pd.Series) -> tuple[Floats, NDArray[np.bool_]]:
    """Values as float64 (N,), NaN where they are no number; and which are known (N,)."""
    known = values.notna().to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=math.nan), known
    plain = values.astype(object).where(known, None)
    # pandas reads True as 1; a yes or no is no measurement.
    plain = plain.map(lambda value: "no number" if isinstance(value, bool | np.bool_) else value)
    return pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=math.nan), known


def _counted(which: NDArray[np.bool_], one: str, several: str) -> str:
    count = int(which.sum())
    return f"1 value is {one}" if count == 1 else f"{count} values are {several}"


def _rows(values: pd.Series, which: NDArray[np.bool_], numbers: Floats | None = None) -> str:
    """Where the first of them stand, and their numbers where they are any."""
    places = np.flatnonzero(which)
    index = values.index.to_numpy()
    named = [index[i] if isinstance(index[i], str) and index[i] else f"row {i + 1}" for i in places[:NAMED_AT_MOST]]
    told = [f"{at}" + ("" if numbers is None else f" ({numbers[i]:g})") for at, i in zip(named, places, strict=False)]
    more = f" and {len(places) - NAMED_AT_MOST} more" if len(places) > NAMED_AT_MOST else ""
    return ", ".join(told) + more
