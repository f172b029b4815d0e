"""Pairs of pictures that show the same place, shifted or cropped: proposed by small patches, decided by alignment.

Around the strongest spots of a band-pass of each picture a patch is taken and turned into bits (locality-sensitive
hashing of signs: Charikar 2002, doi:10.1145/509907.509965). Equal bits propose a pair and where one picture lies in the
other; the alignment is made finer by ECC (Evangelidis & Psarakis 2008, doi:10.1109/TPAMI.2008.113), and the pixels
that both show must correlate as those of any other near duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from components.lib.parallel import each_sample
from components.lib.validate.pictures import AT_ONCE, DETAIL, Floats32, Pictures, Rows

SPOTS, RADIUS, STEP = 8, 15, 3
"""Patches of a picture, pixels from their middle to their edge, and pixels from one value to the next."""
FINE, COARSE = 1.2, 2.4
"""Deviations of the two blurs whose difference is the band-pass."""
SCALES = (1.0, 0.9, 0.8)
"""Of the second picture: what is cropped and brought back to its size shows everything larger."""
BITS, TABLES, LEARNT_FROM = 22, 3, 20_000
MOST_ALIKE = 40
"""Patches with equal bits beyond which these bits say nothing."""
ONE, TWO, GRID = 0.97, 0.93, 4.0
"""Least correlation of a single patch, and of each of two that lie alike, to so many pixels."""
SHEAR = 0.05
_ENOUGH = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
AT_A_TIME = 65_536
ROUGHLY, OVERLAP = 0.8, 0.45
"""Least correlation before the alignment is made finer, and the share of a picture that both show."""
SAME, SAME_DETAIL = 0.985, 0.93


@dataclass(frozen=True)
class Patches:
    """The patches of N pictures at one scale, one after the other."""

    values: NDArray[np.float16]
    """(P, D) of length 1."""
    rows: Rows
    """(P,) of the picture."""
    places: Floats32
    """(P, 2) x and y in pixels of the unscaled picture."""


_AROUND = np.ones((5, 5), np.uint8)
_STEPS = np.arange(-RADIUS, RADIUS + 1, STEP)
BORDER = 8


def _pixels(pictures: Pictures, rows: Rows) -> Floats32:
    """Pictures (n, h, w), small ones enlarged so that a patch is a part of them."""
    pixels = pictures.pixels(rows, DETAIL)
    high, wide = pixels.shape[1:]
    if min(high, wide) >= DETAIL:
        return pixels
    size = (round(wide * DETAIL / min(high, wide)), round(high * DETAIL / min(high, wide)))
    return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_CUBIC) for each in pixels])


def _of_piece(pictures: Pictures, scale: float, rows: Rows) -> Patches:
    """Patches of some pictures, all of them filtered as one tall picture: a thousand small ones cost more."""
    pixels = _pixels(pictures, rows)
    if scale != 1:
        high, wide = (round(side * scale) for side in pixels.shape[1:])
        pixels = np.stack([cv2.resize(each, (wide, high), interpolation=cv2.INTER_AREA) for each in pixels])
    count, high, wide = pixels.shape
    if min(high, wide) <= 2 * RADIUS:
        return Patches(np.zeros((0, len(_STEPS) ** 2), np.float16), np.zeros(0, np.intp), np.zeros((0, 2), np.float32))
    tall = np.pad(pixels, ((0, 0), (BORDER, BORDER), (0, 0)), mode="reflect").reshape(-1, wide)
    band = cv2.GaussianBlur(tall, (0, 0), FINE) - cv2.GaussianBlur(tall, (0, 0), COARSE)
    strength = np.asarray(np.abs(band), np.float32)
    strength[strength < cv2.dilate(strength, _AROUND)] = 0
    cut = (slice(None), slice(BORDER, BORDER + high))
    smooth = np.asarray(cv2.blur(band, (STEP, STEP)), np.float32).reshape(count, high + 2 * BORDER, wide)[cut]
    inner = strength.reshape(count, high + 2 * BORDER, wide)[cut][:, RADIUS:-RADIUS, RADIUS:-RADIUS]
    flat = inner.reshape(count, -1)
    chosen = np.argpartition(-flat, min(SPOTS, flat.shape[1] - 1), axis=1)[:, :SPOTS]
    place, spot = np.nonzero(np.take_along_axis(flat, chosen, axis=1) > 1e-3)
    y, x = np.divmod(chosen[place, spot], inner.shape[2])
    y, x = y + RADIUS, x + RADIUS
    at_y, at_x = y[:, None, None] + _STEPS[:, None], x[:, None, None] + _STEPS[None, :]
    taken = smooth[place[:, None, None], at_y, at_x].reshape(len(place), len(_STEPS) ** 2)
    taken -= taken.mean(axis=1, keepdims=True)
    taken /= np.maximum(np.linalg.norm(taken, axis=1, keepdims=True), 1e-9)
    return Patches(taken.astype(np.float16), rows[place], (np.stack([x, y], axis=1) / scale).astype(np.float32))


def _patches(pictures: Pictures, scale: float) -> Patches:
    pieces = [np.arange(at, min(at + AT_ONCE, len(pictures))) for at in range(0, len(pictures), AT_ONCE)]
    found = list(each_sample(partial(_of_piece, pictures, scale), pieces))
    return Patches(*(np.concatenate([getattr(each, name) for each in found]) for name in ("values", "rows", "places")))


def displaced_pairs(pictures: Pictures) -> tuple[Rows, Rows, Floats32]:
    """Pairs of pictures of which one shows a part of the other.

    Returns:
        First and second row (n,), the first smaller, and the correlation (n,) of what both show, once aligned.
    """
    patches = {scale: _patches(pictures, scale) for scale in SCALES}
    base = patches[1.0]
    if len(base.rows) < 2:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32)
    axes = _axes(base.values)
    asked: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    for scale, other in patches.items():
        for one, two, x, y in _proposed(base, other, axes, scale):
            asked.setdefault((one, two), []).append((scale, x, y))
    found = each_sample(partial(_aligned, pictures), [(pair, tuple(ways)) for pair, ways in sorted(asked.items())])
    best: dict[tuple[int, int], float] = {}
    for (one, two), correlation in zip(sorted(asked), found, strict=True):
        pair = (min(one, two), max(one, two))
        best[pair] = max(best.get(pair, 0.0), correlation)
    kept = sorted(pair for pair, correlation in best.items() if correlation)
    rows = np.array(kept, np.intp).reshape(-1, 2)
    return rows[:, 0], rows[:, 1], np.array([best[pair] for pair in kept], np.float32)


def _proposed(base: Patches, other: Patches, axes: Floats32, scale: float) -> list[tuple[int, int, float, float]]:
    """First and second row, and where the second's corner lies in the first, for pairs that enough patches propose."""
    one, two, alike = _collisions(base, other, axes, same=scale == 1)
    first, second = base.rows[one], other.rows[two]
    offset = base.places[one] - other.places[two] * scale
    votes = np.zeros(len(one), np.intp)
    for shift in (0.0, GRID / 2):  # two grids, so that no edge of one parts what belongs together
        cells = np.floor((offset + shift) / GRID).astype(np.intp)
        keys = np.column_stack([first, second, cells])
        _, place, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        votes = np.maximum(votes, count[place.ravel()])
    chosen = (votes >= 2) & (alike >= TWO) | (alike >= ONE)
    rows, at = np.unique(np.column_stack([first[chosen], second[chosen]]), axis=0, return_index=True)
    where = offset[chosen][at]
    return [(int(a), int(b), float(x), float(y)) for (a, b), (x, y) in zip(rows, where, strict=True)]


def _collisions(
    one: Patches, other: Patches, axes: Floats32, *, same: bool
) -> tuple[Rows, Rows, Floats32]:  # fmt: skip
    """Patches of each that are alike, and how much (n,)."""
    pairs = []
    for mine, theirs in zip(_keys(one.values, axes), _keys(other.values, axes), strict=True):
        order = np.argsort(theirs, kind="stable")
        low, high = (np.searchsorted(theirs[order], mine, side) for side in ("left", "right"))
        count = np.where(high - low > MOST_ALIKE, 0, high - low)
        first = np.repeat(np.arange(len(mine)), count)
        step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        second = order[np.repeat(low, count) + step]
        differ = one.rows[first] < other.rows[second] if same else one.rows[first] != other.rows[second]
        pairs.append(first[differ] * len(other.rows) + second[differ])
    first, second = np.divmod(np.unique(np.concatenate(pairs)), max(1, len(other.rows)))
    alike = [np.zeros(0, np.float32)]
    for at in range(0, len(first), AT_A_TIME):
        left, right = (held.values[rows[at : at + AT_A_TIME]].astype(np.float32)
                        for held, rows in ((one, first), (other, second)))  # fmt: skip
        alike.append((left * right).sum(axis=1))
    told = np.concatenate(alike)
    return first[told >= TWO], second[told >= TWO], told[told >= TWO]


def _keys(values: NDArray[np.float16], axes: Floats32) -> list[NDArray[np.int64]]:
    """The bits of every patch (P,) in each table."""
    keys = []
    for table in range(TABLES):
        part = axes[:, table * BITS : (table + 1) * BITS]
        pieces = [values[at : at + AT_A_TIME].astype(np.float32) @ part > 0 for at in range(0, len(values), AT_A_TIME)]
        keys.append(np.concatenate(pieces) @ (1 << np.arange(BITS, dtype=np.int64)))
    return keys


def _axes(values: NDArray[np.float16]) -> Floats32:
    """Directions whose signs are the bits (D, BITS of each table): principal components, and these turned."""
    sample = values[:: max(1, len(values) // LEARNT_FROM)].astype(np.float64)
    sample -= sample.mean(axis=0)
    spread, axes = np.linalg.eigh(sample.T @ sample / len(sample))
    axes, spread = axes[:, ::-1][:, :BITS], np.maximum(spread[::-1][:BITS], 1e-9)
    chance = np.random.default_rng(0)
    turns = [np.linalg.qr(chance.normal(size=(BITS, BITS)))[0] for _ in range(TABLES - 1)]
    return np.concatenate([axes, *((axes / spread**0.25) @ turn for turn in turns)], axis=1).astype(np.float32)


def _aligned(pictures: Pictures, asked: tuple[tuple[int, int], tuple[tuple[float, float, float], ...]]) -> float:
    """The correlation of what both pictures show, aligned; 0 where they are two."""
    (one, two), ways = asked
    ones, others = (_pixels(pictures, np.array([row]))[0] for row in (one, two))
    for scale, x, y in ways:
        warp = np.array([[1 / scale, 0, -x / scale], [0, 1 / scale, -y / scale]], np.float32)
        if _correlated(ones, others, warp)[0] < ROUGHLY:
            continue
        try:
            everywhere = np.ones(ones.shape, np.uint8)
            finer = cv2.findTransformECC(ones, others, warp, cv2.MOTION_AFFINE, _ENOUGH, everywhere, 3)[1]
        except cv2.error:  # it doesn't converge: they aren't one
            continue
        warp = np.asarray(finer, np.float32)
        if abs(warp[0, 1]) > SHEAR or abs(warp[1, 0]) > SHEAR or abs(warp[0, 0] - warp[1, 1]) > SHEAR:
            continue
        told, fine = _correlated(ones, others, warp)
        if told >= SAME and fine >= SAME_DETAIL:
            return told
    return 0.0


def _correlated(ones: Floats32, others: Floats32, warp: Floats32) -> tuple[float, float]:
    """Correlations of what both show, and of its fine detail; 0 where that is little."""
    size, flags = ones.shape[::-1], cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(others, warp, size, flags=cv2.INTER_CUBIC | flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones_like(others), warp, size, flags=cv2.INTER_NEAREST | flags)
    seen = np.asarray(cv2.erode(inside, np.ones((7, 7), np.uint8), borderValue=0)) > 0
    if seen.mean() < OVERLAP:
        return 0.0, 0.0
    detail = [cv2.Laplacian(cv2.GaussianBlur(each, (0, 0), 1), cv2.CV_32F)[seen] for each in (ones, moved)]
    pairs = ((ones[seen], moved[seen]), detail)
    told, fine = (float(np.corrcoef(*each)[0, 1]) if min(map(np.std, each)) > 1e-6 else 0.0 for each in pairs)
    return told, fine
