"""How rows of a table get worse in practice, and rows that nobody is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.lib.kinds._records import Array, Corruption, five

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Of the cells."""


def _missing(rows: Array, strength: int, generator: np.random.Generator) -> Array:
    """Cells put to missing by chance; one known cell of every row stays, since rows without any are refused."""
    altered, fields = np.array(rows), rows.dtype.names or ()
    known = np.stack([~_empty(rows[field]) for field in fields], axis=1)
    gone = generator.random(known.shape) < SHARES[strength - 1]
    gone[np.arange(len(rows)), np.argmax(known * generator.random(known.shape), axis=1)] = False
    for place, field in enumerate(fields):
        altered[field][gone[:, place]] = np.nan if rows.dtype[field].kind == "f" else ""
    return altered


def _empty(cells: Array) -> NDArray[np.bool_]:
    return np.isnan(cells) if cells.dtype.kind == "f" else np.asarray(cells == "")


MISSING = Corruption("share of the cells", five("{:.0%}", SHARES), _missing)


def mixed(rows: Array, generator: np.random.Generator) -> Array:
    """Each column shuffled by itself: possible values, but not together."""
    altered = np.array(rows)
    for field in rows.dtype.names or ():
        altered[field] = rows[field][generator.permutation(len(rows))]
    return altered
