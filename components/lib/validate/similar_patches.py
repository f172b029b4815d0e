"""Which patches of two sets are alike: most such pairs, without comparing all.

Random trees (Dasgupta & Freund 2008, doi:10.1145/1374376.1374452): each cuts the patches by medians along turned
principal components, and those of one leaf are compared by a product of matrices. What one tree parts, another may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from components.lib.parallel import each_sample
from components.lib.validate.patches import Patches
from components.lib.validate.pictures import Floats32, Rows

Wanted = Callable[[Rows, Rows], NDArray[np.bool_]]
"""Which pairs of rows of pictures, (n,) each, are asked for."""
TREES, LEAF, CUT_FROM = 4, 512, 65_536
"""Trees, patches of a leaf and scale, and patches whose medians are taken."""
MORE = 6
"""Principal components that are turned, beyond the number of cuts."""
MOST_ALIKE, BEST = 40, 4
"""Patches of a leaf that are like one, beyond which it shows what many pictures have; and those that are taken."""
LEAVES = 16
"""Leaves at a time."""


def similar(
    base: Patches, scaled: dict[float, Patches], least: float, wanted: Wanted
) -> Iterator[tuple[float, Rows, Rows, Floats32]]:
    """Patches of `base` and of each scale that correlate by `least`, of two pictures.

    Yields:
        The scale, rows (n,) of `base.rows` and of the scale's, and how alike they are; a pair may come once a tree.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    levels = min(base.values.shape[1], max(0, int(np.ceil(np.log2(max(1, len(base.rows)) / LEAF)))))
    chance = np.random.default_rng(0)
    with threadpool_limits(1):  # a thread a leaf
        for _ in range(TREES if levels else 1):
            turned = _turned(chance, base.values.shape[1], levels)
            cuts = _cuts(_along(base.values[:: max(1, len(base.values) // CUT_FROM)], turned))
            held = _leaves(base.values, turned, cuts)
            for scale, other in scaled.items():
                work = partial(_of_leaves, base, other, held, _leaves(other.values, turned, cuts), least, wanted)
                for found in each_sample(work, range(0, 2**levels, LEAVES)):
                    yield scale, *found


def _turned(chance: np.random.Generator, width: int, levels: int) -> Floats32:
    """Directions (width, levels) of the cuts: the first principal components, in which patches differ most, turned."""
    first = min(width, levels + MORE)
    made = np.zeros((width, levels), np.float32)
    made[:first] = np.linalg.qr(chance.normal(size=(first, first)))[0][:, :levels]
    return made


def _along(values: NDArray[np.float16], turned: Floats32) -> Floats32:
    """Values (P, D) along the axes of the cuts (P, levels)."""
    pieces = [values[at : at + CUT_FROM].astype(np.float32) @ turned for at in range(0, len(values), CUT_FROM)]
    return np.concatenate([np.zeros((0, turned.shape[1]), np.float32), *pieces])


def _cuts(along: Floats32) -> list[Floats32]:
    """Per level, where each of its nodes is cut: the median of what it holds."""
    node, cuts = np.zeros(len(along), np.intp), []
    for level in range(along.shape[1]):
        order = np.lexsort((along[:, level], node))
        count = np.bincount(node, minlength=2**level)
        middle = np.minimum(np.cumsum(count) - count + count // 2, len(along) - 1)
        cuts.append(along[order[middle], level])
        node = 2 * node + (along[:, level] > cuts[-1][node])
    return cuts


def _leaves(values: NDArray[np.float16], turned: Floats32, cuts: list[Floats32]) -> tuple[Rows, Rows]:
    """Places of patches in the order of their leaves, and where each leaf begins, and the last ends."""
    pieces = []
    for at in range(0, len(values), CUT_FROM):
        along = values[at : at + CUT_FROM].astype(np.float32) @ turned
        node = np.zeros(len(along), np.int32)
        for level, cut in enumerate(cuts):
            node = 2 * node + (along[:, level] > cut[node])
        pieces.append(node)
    leaf = np.concatenate([np.zeros(0, np.int32), *pieces])
    order = np.argsort(leaf, kind="stable")
    return order, np.searchsorted(leaf[order], np.arange(2 ** len(cuts) + 1))


def _of_leaves(
    base: Patches, other: Patches, held: tuple[Rows, Rows], sought: tuple[Rows, Rows], least: float, wanted: Wanted,
    start: int,
) -> tuple[Rows, Rows, Floats32]:  # fmt: skip
    """What is alike in some leaves."""
    (mine, ends), (theirs, others) = held, sought
    found: list[tuple[Rows, Rows, Floats32]] = [(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32))]
    for leaf in range(start, min(start + LEAVES, len(ends) - 1)):
        one, two = mine[ends[leaf] : ends[leaf + 1]], theirs[others[leaf] : others[leaf + 1]]
        if not len(one) or not len(two):
            continue
        alike = other.values[two].astype(np.float32) @ base.values[one].astype(np.float32).T
        here, there = base.rows[one], other.rows[two]
        own, last = (np.searchsorted(here, there, side) for side in ("left", "right"))
        for step in range(int((last - own).max())):  # those of the same picture
            of = np.flatnonzero(own + step < last)
            alike[of, own[of] + step] = -1
        number = np.count_nonzero(alike >= least, axis=1)
        left = np.flatnonzero((number > 0) & (number <= MOST_ALIKE))
        alike = alike[left]
        for _ in range(BEST):
            best = alike.argmax(axis=1)
            told = alike[np.arange(len(left)), best]
            good = told >= least
            left, alike, best, told = left[good], alike[good], best[good], told[good]
            asked = wanted(here[best], there[left])
            found.append((one[best[asked]], two[left[asked]], told[asked]))
            alike[np.arange(len(left)), best] = -1
    firsts, seconds, told = map(np.concatenate, zip(*found, strict=True))
    return firsts, seconds, told
