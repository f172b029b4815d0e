"""Which of many unit vectors correlate strongly: all pairs, exactly, without comparing all of them.

Vectors are cut into groups of neighbours, as a k-d tree does (Bentley 1975, doi:10.1145/361002.361007), along their
first principal components. Of two groups whose boxes lie further apart than the vectors of a close pair can, no pair
is looked at; the rest is products of matrices. Chest films, which resemble each other, leave about a third.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.lib.parallel import each_sample

Floats32 = NDArray[np.float32]
Rows = NDArray[np.intp]

GROUP, TILE = 256, 16
"""Vectors of a group at most, and groups a side that are looked at together."""
COMPONENTS, LEARNT_FROM = 6, 4096
"""Principal components, of so many vectors."""
ROUNDED, APART = 2e-4, 1e-3
"""What half precision may take from a correlation, and add to the distance of two vectors."""


def close_pairs(
    vectors: NDArray[np.float16], least: float, ends: tuple[int, ...] = ()
) -> Iterator[tuple[Rows, Rows]]:  # fmt: skip
    """All pairs that correlate by `least` and more (by a hair less, too: the vectors are rounded), tile by tile.

    Args:
        vectors: rows (N, D) of length 1; or 0, which are close to none.
        least: above 0, at most 1.
        ends: where pieces of the vectors begin, but for the first, of which each may have its signs turned: pairs that
            correlate so in the way in which every piece fits best. None: as they are.

    Yields:
        First and second row of each pair, (n,) each; the first is smaller.
    """
    if len(vectors) < 2:
        return
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    places = _places(np.abs(vectors) if ends else vectors)  # which lie no further apart than turned ones
    pieces = tuple(slice(*each) for each in pairwise((0, *ends, vectors.shape[1]))) if ends else ()
    groups = _groups(places, np.arange(len(vectors)))
    near = _near(places, groups, float(np.sqrt(2 - 2 * (least - ROUNDED))) + APART)
    starts = range(0, len(groups), TILE)
    tiles = [(start, other) for start in starts for other in starts if other >= start]
    # A thread a tile: products as small as these cost more when each of them is shared out.
    with threadpool_limits(1):
        for found in each_sample(partial(_of_tile, vectors, pieces, groups, near, least - ROUNDED), tiles):
            if len(found):
                found.sort(axis=1)
                yield found[:, 0], found[:, 1]


def _places(vectors: NDArray[np.float16]) -> Floats32:
    """The first principal components (N, COMPONENTS); a shorter vector's distances are no longer than its own."""
    step = max(1, len(vectors) // LEARNT_FROM)
    sample = vectors[::step].astype(np.float64)
    sample -= sample.mean(axis=0)
    chosen = np.linalg.eigh(sample.T @ sample)[1][:, : -COMPONENTS - 1 : -1].astype(np.float32)
    pieces = range(0, len(vectors), LEARNT_FROM)
    return np.concatenate([vectors[at : at + LEARNT_FROM].astype(np.float32) @ chosen for at in pieces])


def _groups(places: Floats32, rows: Rows) -> list[Rows]:
    """Rows in groups of neighbours: halved along the axis on which they spread most, until they are few."""
    if len(rows) <= GROUP:
        return [rows]
    inside = places[rows]
    order = np.argsort(inside[:, np.ptp(inside, axis=0).argmax()], kind="stable")
    half = len(rows) // 2
    return [*_groups(places, rows[order[:half]]), *_groups(places, rows[order[half:]])]


def _near(places: Floats32, groups: list[Rows], furthest: float) -> NDArray[np.bool_]:
    """Of each two groups (G, G), whether their boxes come as near as this."""
    low, high = (np.stack([function(places[rows], axis=0) for rows in groups]) for function in (np.min, np.max))
    squares = np.zeros((len(groups), len(groups)), np.float32)
    for axis in range(places.shape[1]):
        gap = low[:, None, axis] - high[None, :, axis]
        squares += np.maximum(0, np.maximum(gap, gap.T)) ** 2
    return np.asarray(squares <= furthest**2)


def _of_tile(
    vectors: NDArray[np.float16], pieces: tuple[slice, ...], groups: list[Rows], near: NDArray[np.bool_], least: float,
    tile: tuple[int, int],
) -> Rows:  # fmt: skip
    """Pairs (n, 2) between `TILE` groups from one on and `TILE` from another one on."""
    start, other = tile
    found = [np.zeros((0, 2), np.intp)]
    if not near[start : start + TILE, other : other + TILE].any():
        return found[0]
    seconds = range(other, min(other + TILE, len(groups)))
    held = {second: vectors[groups[second]].astype(np.float32) for second in seconds}
    for first in range(start, min(start + TILE, len(groups))):
        chosen = [second for second in seconds if second >= first and near[first, second]]
        if not chosen:
            continue
        mine, theirs = groups[first], np.concatenate([groups[second] for second in chosen])
        ones, others = vectors[mine].astype(np.float32), np.concatenate([held[second] for second in chosen])
        close = (_fitting_best(ones, others, pieces) if pieces else ones @ others.T) >= least
        one, two = np.divmod(np.flatnonzero(close), len(theirs))
        new = (two > one) | (chosen[0] != first) | (two >= len(mine))  # a group with itself: each pair once
        found.append(np.column_stack([mine[one[new]], theirs[two[new]]]))
    return np.concatenate(found)


def _fitting_best(ones: Floats32, others: Floats32, pieces: tuple[slice, ...]) -> Floats32:
    """Correlations (n, m) when each piece is turned as it fits best."""
    best = np.zeros((len(ones), len(others)), np.float32)
    product = np.empty_like(best)
    for piece in pieces:
        np.matmul(ones[:, piece], others[:, piece].T, out=product)
        np.abs(product, out=product)
        best += product
    return best
