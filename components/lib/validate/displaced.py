"""Pairs of pictures that show the same place, shifted or cropped: proposed by small patches, decided by alignment.

Patches that are alike (`similar_patches`) propose a pair, and where one picture lies in the other, when two of them say
the same place. What is left of these when the reduced pictures are laid over each other is aligned by ECC (Evangelidis
& Psarakis 2008, doi:10.1109/TPAMI.2008.113), and the pixels that both show must correlate as those of any other near
duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from components.lib.parallel import each_sample
from components.lib.validate.patches import Patches, enlarged, patches
from components.lib.validate.pictures import DETAIL, Floats32, Pictures, Rows
from components.lib.validate.similar_patches import Wanted, similar

ALIKE, ONE, GRID = 0.9, 0.93, 4.0
"""Least correlation of two patches that lie alike, to so many pixels, and of one of them."""
PARTNERS, WAYS, MOST_TRIED = 8, 2, 100_000
"""Pictures that are tried for one, ways to lay them over each other, and pairs that are tried at all, at most."""
SMALL, ROUGHLY, BETTER, ROUGHLY_DETAIL, AT_ONCE = 32, 0.8, 0.975, 0.9, 4096
"""Side of the reduced pictures, their least correlation as the patches say, and once aligned; of fine detail, too."""
ROUGH_SHEAR, SHEAR, STRETCH, OVERLAP = 0.05, 0.02, 0.04, 0.4
"""How much an alignment may turn, rough and fine; how much it may widen where it narrows elsewhere, which no crop does;
and the share of a picture that both must show."""
_BRIEFLY, _ENOUGH = ((cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, *limit) for limit in ((10, 1e-3), (40, 1e-5)))
SAME, SAME_DETAIL = 0.985, 0.93


@dataclass(frozen=True)
class Proposed:
    """Where the second picture of each pair (n,) lies in the first: x = `scale`·x₂ + `x`, in pixels as patches have."""

    first: Rows
    second: Rows
    scale: Floats32
    x: Floats32
    y: Floats32
    votes: Rows
    alike: Floats32

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, chosen: NDArray[np.generic]) -> Proposed:
        return Proposed(*(each[chosen] for each in vars(self).values()))


def displaced_pairs(pictures: Pictures, wanted: Wanted) -> tuple[Rows, Rows, Floats32]:
    """Pairs of pictures of which one shows a part of the other.

    Returns:
        First and second row (n,), the first smaller, and the correlation (n,) of what both show, once aligned.
    """
    likeliest = _likeliest(_proposed(pictures, wanted))
    reduced = _Reduced(pictures)  # after the patches, which need as much memory
    proposed = reduced.overlaid(likeliest)
    asked = zip(*(vars(proposed)[name].tolist() for name in ("first", "second", "scale", "x", "y")), strict=True)
    found = each_sample(partial(_aligned, pictures, reduced), asked)
    best: dict[tuple[int, int], float] = {}
    for one, two, correlation in zip(proposed.first.tolist(), proposed.second.tolist(), found, strict=True):
        pair = (min(one, two), max(one, two))
        best[pair] = max(best.get(pair, 0.0), correlation)
    kept = sorted(pair for pair, correlation in best.items() if correlation)
    rows = np.array(kept, np.intp).reshape(-1, 2)
    return rows[:, 0], rows[:, 1], np.array([best[pair] for pair in kept], np.float32)


def _proposed(pictures: Pictures, wanted: Wanted) -> Proposed:
    """What two patches and more say, all scales together."""
    scaled = patches(pictures)
    base = scaled[1.0]
    keys: dict[float, list[NDArray[np.int64]]] = {scale: [] for scale in scaled}
    alike: dict[float, list[NDArray[np.float16]]] = {scale: [] for scale in scaled}
    for scale, one, two, correlation in similar(base, scaled, ALIKE, wanted):
        if scale == 1:  # one set with itself: each pair once
            one, two = np.minimum(one, two), np.maximum(one, two)
        keys[scale].append(one.astype(np.int64) * len(scaled[scale].rows) + two)
        alike[scale].append(correlation.astype(np.float16))
    told = []
    for scale, other in scaled.items():
        key, at = np.unique(np.concatenate([np.zeros(0, np.int64), *keys.pop(scale)]), return_index=True)
        one, two = np.divmod(key, max(1, len(other.rows)))
        correlation = np.concatenate([np.zeros(0, np.float16), *alike.pop(scale)])[at].astype(np.float32)
        told.append(_voted(base, other, one, two, correlation, scale, len(pictures)))
    return Proposed(*(np.concatenate([vars(each)[name] for each in told]) for name in vars(told[0])))


def _voted(
    base: Patches, other: Patches, one: Rows, two: Rows, alike: Floats32, scale: float, count: int
) -> Proposed:  # fmt: skip
    """Of alike patches (n,) those pictures of which two say the same place."""
    pair = base.rows[one] * count + other.rows[two]
    several = _counts(pair) >= 2
    one, two, alike, pair = one[several], two[several], alike[several], pair[several]
    offset = base.places[one] - other.places[two] * np.float32(scale)
    votes = np.zeros(len(pair), np.intp)
    for shift in (0.0, GRID / 2):  # two grids, so that no edge of one parts what belongs together
        cells = np.floor((offset + shift) / GRID).astype(np.int64) + 128
        votes = np.maximum(votes, _counts((pair * 256 + cells[:, 0]) * 256 + cells[:, 1]))
    chosen = np.flatnonzero((votes >= 2) & (alike >= ONE))
    chosen = chosen[np.lexsort((-alike[chosen], -votes[chosen], pair[chosen]))]
    chosen = chosen[np.unique(pair[chosen], return_index=True)[1]]
    first, second = np.divmod(pair[chosen], max(1, count))
    x, y = offset[chosen].T
    return Proposed(first, second, np.full(len(chosen), scale, np.float32), x, y, votes[chosen], alike[chosen])


def _counts(keys: NDArray[np.int64]) -> Rows:
    """How often each one's key is there (n,)."""
    _, place, count = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(count[place.ravel()], np.intp)


def _likeliest(proposed: Proposed) -> Proposed:
    """The ways that most patches say, of each pair; and of each picture the pairs that most say."""
    low, high = np.minimum(proposed.first, proposed.second), np.maximum(proposed.first, proposed.second)
    order = np.lexsort((-proposed.alike, -proposed.votes, high, low))
    proposed, low, high = proposed[order], low[order], high[order]
    begins = np.flatnonzero(np.diff(low, prepend=-1) | np.diff(high, prepend=-1))
    number = np.repeat(np.arange(len(begins)), np.diff([*begins, len(low)]))
    few = np.arange(len(low)) - begins[number] < WAYS if len(low) else np.zeros(0, bool)
    rank = np.full(len(begins), PARTNERS)
    for rows in (low[begins], high[begins]):
        by = np.lexsort((-proposed.alike[begins], -proposed.votes[begins], rows))
        rank[by] = np.minimum(rank[by], np.arange(len(by)) - np.searchsorted(rows[by], rows[by]))
    best = np.lexsort((-proposed.alike[begins], -proposed.votes[begins], rank))[:MOST_TRIED]
    tried = np.zeros(len(begins), bool)
    tried[best[rank[best] < PARTNERS]] = True
    return proposed[few & tried[number]]


class _Reduced:
    """All pictures reduced, (N, h, w), in which most proposals are seen to be none."""

    def __init__(self, pictures: Pictures) -> None:
        self.shape = pictures.shape(SMALL)
        self.small = pictures.reduced(SMALL).reshape(-1, *self.shape)
        # Pixels that patches have, of one of a reduced picture.
        self.factor = max(1.0, DETAIL / min(pictures.shape(DETAIL))) * pictures.shape(DETAIL)[0] / self.shape[0]

    def overlaid(self, proposed: Proposed) -> Proposed:
        """Those that correlate, laid over each other as the patches say."""
        high, wide = self.shape
        y, x = (each.ravel() for each in np.mgrid[0:high:3, 0:wide:3])
        told = [np.zeros(0, bool)]
        for at in range(0, len(proposed), AT_ONCE):
            some = proposed[np.arange(at, min(at + AT_ONCE, len(proposed)))]
            at_x, at_y = (
                some.scale[:, None] * (each.astype(np.float32) + 0.5) + (shift / self.factor)[:, None] - 0.5
                for each, shift in ((x, some.x), (y, some.y))
            )
            inside = (at_x >= 0) & (at_x <= wide - 1) & (at_y >= 0) & (at_y <= high - 1)
            ones, others = self._between(some.first, at_x, at_y), self.small[some.second[:, None], y, x]
            correlation = _correlation(ones, others.astype(np.float32), inside)
            told.append((correlation >= ROUGHLY) & (inside.mean(axis=1) >= OVERLAP))
        return proposed[np.concatenate(told)]

    def _between(self, rows: Rows, x: Floats32, y: Floats32) -> Floats32:
        """Pictures (n,) at places (n, k) between their pixels."""
        high, wide = self.shape
        left, top = np.clip(x.astype(np.intp), 0, wide - 2), np.clip(y.astype(np.intp), 0, high - 2)
        right, below = np.clip(x - left, 0, 1), np.clip(y - top, 0, 1)
        start, flat = (rows[:, None] * high + top) * wide + left, self.small.reshape(-1)
        upper, lower = (flat[at] * (1 - right) + flat[at + 1] * right for at in (start, start + wide))
        return np.asarray(upper * (1 - below) + lower * below, np.float32)

    def warp(self, one: int, two: int, warp: Floats32) -> Floats32 | None:
        """A better way (2, 3) to lay the second picture over the first, in pixels that patches have; None: no way."""
        move = np.float32((self.factor - 1) / 2)  # a pixel's middle lies elsewhere
        inward = (warp[:, 2] + warp[:, :2].sum(axis=1) * move - move) / self.factor
        ones, others = (self.small[row].astype(np.float32) for row in (one, two))
        correlation, finer = _finer(ones, others, np.column_stack([warp[:, :2], inward]), _BRIEFLY)
        if correlation < BETTER or _correlated(ones, others, finer)[1] < ROUGHLY_DETAIL:
            return None
        outward = finer[:, 2] * self.factor - finer[:, :2].sum(axis=1) * move + move
        return np.column_stack([finer[:, :2], outward]).astype(np.float32)


def _correlation(ones: Floats32, others: Floats32, inside: NDArray[np.bool_]) -> Floats32:
    """Of each row (n, k), over its places that are inside."""
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    one, two = (np.where(inside, e - (e * inside).sum(axis=1, keepdims=True) / count, 0) for e in (ones, others))
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return np.asarray((one * two).sum(axis=1) / np.maximum(length, 1e-6), np.float32)


def _finer(
    ones: Floats32, others: Floats32, warp: Floats32, until: tuple[int, int, float]
) -> tuple[float, Floats32]:  # fmt: skip
    """The correlation of two pictures once aligned, from `warp` on, and how; 0 where they can't be or one is turned."""
    try:
        everywhere = np.ones(ones.shape, np.uint8)
        start = np.asarray(warp, np.float32)
        correlation, found = cv2.findTransformECC(ones, others, start, cv2.MOTION_AFFINE, until, everywhere, 3)
    except cv2.error:  # it doesn't converge: they aren't one
        return 0.0, warp
    finer = np.asarray(found, np.float32)
    return (0.0 if max(abs(finer[0, 1]), abs(finer[1, 0])) > ROUGH_SHEAR else correlation), finer


def _aligned(pictures: Pictures, reduced: _Reduced, asked: tuple[int, int, float, float, float]) -> float:
    """The correlation of what both pictures show, aligned; 0 where they are two."""
    one, two, scale, x, y = asked
    warp = reduced.warp(one, two, np.array([[1 / scale, 0, -x / scale], [0, 1 / scale, -y / scale]], np.float32))
    if warp is None:
        return 0.0
    ones, others = (enlarged(pictures, np.array([row]))[0] for row in (one, two))
    correlation, warp = _finer(ones, others, warp, _ENOUGH)
    if not correlation or not _crop(warp):
        return 0.0
    told, fine = _correlated(ones, others, warp)
    return told if told >= SAME and fine >= SAME_DETAIL else 0.0


def _crop(warp: Floats32) -> bool:
    """Whether a shift or a crop, or the way back from one, may lay pictures so."""
    wide, high = float(warp[0, 0]), float(warp[1, 1])
    turned = max(abs(float(warp[0, 1])), abs(float(warp[1, 0]))) > SHEAR
    return not turned and (min(wide, high) >= 1 - STRETCH or max(wide, high) <= 1 + STRETCH)


def _correlated(ones: Floats32, others: Floats32, warp: Floats32) -> tuple[float, float]:
    """Correlations of what both show, and of its fine detail; 0 where that is little."""
    size, flags = ones.shape[::-1], cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(others, warp, size, flags=cv2.INTER_CUBIC | flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones_like(others), warp, size, flags=cv2.INTER_NEAREST | flags)
    edge = 2 * (min(size) // 18) + 1  # what lies there is half drawn out
    seen = np.asarray(cv2.erode(inside, np.ones((edge, edge), np.uint8), borderValue=0)) > 0
    if seen.mean() < OVERLAP:
        return 0.0, 0.0
    detail = [cv2.Laplacian(cv2.GaussianBlur(each, (0, 0), 1), cv2.CV_32F)[seen] for each in (ones, moved)]
    pairs = ((ones[seen], moved[seen]), detail)
    told, fine = (float(np.corrcoef(*each)[0, 1]) if min(map(np.std, each)) > 1e-6 else 0.0 for each in pairs)
    return told, fine
