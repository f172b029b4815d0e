"""Which two pictures are one when one of them is mirrored, turned upside down or inverted: without trying each of them.

In the cosine transform (Ahmed, Natarajan & Rao 1974, doi:10.1109/T-C.1974.223784) a mirrored picture differs in the
signs of its odd coefficients, an inverted one in all signs. Coefficients without their signs lie no further apart than
the pictures in the way in which they fit best, so that a search among these misses no pair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from components.lib.validate.pictures import Floats32, Rows

KINDS = (
    "as it is", "mirrored left to right", "mirrored top to bottom", "turned upside down",
    "inverted", "inverted, left to right", "inverted, top to bottom", "inverted, upside down",
)  # fmt: skip
"""How the second picture of a pair shows the first."""
_UP, _LEFT, _BOTH = 2, 1, 3
AT_ONCE = 65_536


def transform(vectors: NDArray[np.float16], shape: tuple[int, int]) -> NDArray[np.float16]:
    """Cosine transforms (N, h·w) of standardised pictures (N, h·w), of length 1 as these; in groups, see `ends`."""
    high, wide = (dct(np.eye(side), axis=0, norm="ortho") for side in shape)
    both = np.kron(high, wide).T.astype(np.float32)[:, np.argsort(_groups(shape), kind="stable")]
    made = np.empty_like(vectors)
    for at in range(0, len(vectors), AT_ONCE):
        made[at : at + AT_ONCE] = vectors[at : at + AT_ONCE].astype(np.float32) @ both
    return made


def ends(shape: tuple[int, int]) -> tuple[int, ...]:
    """Where the groups of coefficients begin that a mirror turns alike, but for the first."""
    counts = np.bincount(_groups(shape), minlength=4)
    return tuple(dict.fromkeys(np.cumsum(counts)[:-1].tolist()))


def _groups(shape: tuple[int, int]) -> NDArray[np.intp]:
    """Of each coefficient (h·w,): 1 in odd columns, which left and right turn; 2 in odd rows, which up and down do."""
    row, column = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    return np.asarray(2 * (row % 2) + column % 2, np.intp)


def correlations(transforms: NDArray[np.float16], shape: tuple[int, int], first: Rows, second: Rows) -> Floats32:
    """Of each pair (n,) in each of `KINDS` (n, 8)."""
    signs = np.array([[(-1) ** bin(group & kind).count("1") for kind in (0, _LEFT, _UP, _BOTH)] for group in range(4)])
    sums = np.concatenate([signs, -signs], axis=1)[np.sort(_groups(shape))].astype(np.float32)
    pieces: list[Floats32] = [np.zeros((0, len(KINDS)), np.float32)]
    for at in range(0, len(first), AT_ONCE):
        one, two = (transforms[rows[at : at + AT_ONCE]].astype(np.float32) for rows in (first, second))
        pieces.append(np.asarray((one * two) @ sums, np.float32))
    return np.concatenate(pieces)


def as_kind(pictures: Floats32, shape: tuple[int, int], kind: int) -> Floats32:
    """Standardised pictures (n, h·w) as the kind shows them."""
    grid = pictures.reshape(len(pictures), *shape)
    grid = grid[:, ::-1] if kind & _UP else grid
    grid = grid[:, :, ::-1] if kind & _LEFT else grid
    turned = np.ascontiguousarray(grid).reshape(pictures.shape)
    return -turned if kind >= 4 else turned
