"""Summary figures of a dataset's samples, a part at a time: large pictures never stand in memory together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import Dataset
from components.lib.kinds import Array, InputKind

MOST_SAMPLES = 10_000
MOST_NUMBERS = 200_000_000
"""Of all samples that are looked at: seconds on one core."""
FEWEST_SAMPLES = 500


def most(kind: InputKind) -> int:
    """How many samples of this kind are summed up at most: fewer where they are large."""
    return int(np.clip(MOST_NUMBERS // max(1, int(np.prod(kind.shape))), FEWEST_SAMPLES, MOST_SAMPLES))


def evenly(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """At most so many of these rows, evenly over their order; all where there are no more."""
    if len(rows) <= count:
        return rows
    return rows[np.arange(count) * len(rows) // count]


def summed_up(
    data: Dataset, splits: Sequence[str], name: str, kind: InputKind, fitted: Mapping[str, Any]
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Table and summary figures (n, F) of the samples of some splits; of many, some evenly over their order."""
    table = data.samples()
    chosen = evenly(np.flatnonzero(table["split"].isin(list(splits)).to_numpy()), most(kind))
    pieces, start = [np.zeros((0, len(kind.summary_words(fitted))))], 0
    for part in data.parts:
        rows = chosen[(chosen >= start) & (chosen < start + part.rows)] - start
        if len(rows):
            pieces += _summaries(kind, fitted, part.array(name), rows)
        start += part.rows
    return table.iloc[chosen].reset_index(drop=True), np.concatenate(pieces)


def _summaries(
    kind: InputKind, fitted: Mapping[str, Any], array: Array, rows: NDArray[np.intp]
) -> list[NDArray[np.float64]]:
    at_once = max(1, 16_000_000 // max(1, int(np.prod(kind.shape))))
    return [kind.summary(array[rows[at : at + at_once]], fitted) for at in range(0, len(rows), at_once)]
