"""Small patches of pictures, where something stands out: what two pictures of one place share, wherever each was cut.

A spot is a corner (Harris & Stephens 1988, doi:10.5244/C.2.23) in a difference of two Gaussians, since edges are alike
everywhere; the patch is what that band-pass shows around it, written in the principal components of patches. A cropped
picture that was brought back to its size shows everything larger, so that patches are taken in several sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from components.lib.parallel import each_sample
from components.lib.validate.pictures import AT_ONCE, DETAIL, Floats32, Pictures, Rows

SPOTS, RADIUS, STEP = 12, 12, 3
"""Patches of a picture, pixels from their middle to their edge, and pixels from one value to the next."""
FINE, COARSE = 1.6, 3.2
"""Deviations of the two blurs whose difference is the band-pass."""
SCALES = (1.0, 0.93, 0.86, 0.79)
"""Of the second picture, whose patches are taken larger by as much; what lies between two is near enough to one."""
COMPONENTS, LEARNT_FROM = 32, 2048
"""Principal components of a patch, and pictures that they are of."""
_BORDER, _WEAKEST = 12, 1e-9
_AROUND = np.ones((5, 5), np.uint8)
_STEPS = np.arange(-RADIUS, RADIUS + 1, STEP)


@dataclass(frozen=True)
class Patches:
    """P patches of the pictures, taken for one scale, in the order of the pictures."""

    values: NDArray[np.float16]
    """(P, `COMPONENTS`) of length 1: their products are correlations."""
    rows: Rows
    """(P,) of the picture."""
    places: Floats32
    """(P, 2) x and y of the middle, in pixels of the picture."""


def enlarged(pictures: Pictures, rows: Rows) -> Floats32:
    """Pictures (n, h, w), small ones enlarged so that a patch is a part of them."""
    pixels = pictures.pixels(rows, DETAIL)
    high, wide = pixels.shape[1:]
    if min(high, wide) >= DETAIL:
        return pixels
    size = (round(wide * DETAIL / min(high, wide)), round(high * DETAIL / min(high, wide)))
    return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_CUBIC) for each in pixels])


def patches(pictures: Pictures) -> dict[float, Patches]:
    """The patches of all pictures, per scale; none where pictures are too narrow to hold one."""
    step = max(1, len(pictures) // LEARNT_FROM)
    sample = np.concatenate([values for values, _, _ in _of_piece(pictures, (1.0,), np.arange(0, len(pictures), step))])
    axes = np.linalg.eigh((sample.T @ sample).astype(np.float64))[1][:, ::-1][:, :COMPONENTS].astype(np.float32)
    pieces = [np.arange(at, min(at + AT_ONCE, len(pictures))) for at in range(0, len(pictures), AT_ONCE)]
    found: dict[float, list[tuple[NDArray[np.float16], Rows, Floats32]]] = {scale: [] for scale in SCALES}
    for piece in each_sample(partial(_projected, pictures, axes), pieces):
        for scale, told in zip(SCALES, piece, strict=True):
            found[scale].append(told)
    return {scale: Patches(*map(np.concatenate, zip(*told, strict=True))) for scale, told in found.items()}


def _projected(
    pictures: Pictures, axes: Floats32, rows: Rows
) -> list[tuple[NDArray[np.float16], Rows, Floats32]]:  # fmt: skip
    told = []
    for values, of, places in _of_piece(pictures, SCALES, rows):
        told.append((_unit(values @ axes).astype(np.float16), of, places))
    return told


def _of_piece(
    pictures: Pictures, scales: tuple[float, ...], rows: Rows
) -> Iterator[tuple[Floats32, Rows, Floats32]]:  # fmt: skip
    """Values (p, D), rows and places of the patches of some pictures, scale by scale."""
    pixels = enlarged(pictures, rows)
    count, high, wide = pixels.shape
    if min(high, wide) <= 2 * RADIUS:
        none = np.zeros(0, np.intp)
        for _ in scales:
            yield np.zeros((0, len(_STEPS) ** 2), np.float32), none, np.zeros((0, 2), np.float32)
        return
    # All of them filtered as one tall picture: many small ones cost more.
    tall = np.pad(pixels, ((0, 0), (_BORDER, _BORDER), (0, 0)), mode="reflect").reshape(-1, wide)
    band = cv2.GaussianBlur(tall, (0, 0), FINE) - cv2.GaussianBlur(tall, (0, 0), COARSE)
    strength = np.asarray(cv2.cornerHarris(band, 7, 3, 0.06), np.float32)
    strength[strength < cv2.dilate(strength, _AROUND)] = 0
    whole = (count, high + 2 * _BORDER, wide)
    smooth = np.asarray(cv2.blur(band, (STEP, STEP)), np.float32).reshape(whole)
    inner = slice(_BORDER + RADIUS, _BORDER + high - RADIUS)
    flat = strength.reshape(whole)[:, inner, RADIUS:-RADIUS].reshape(count, -1)
    chosen = np.argpartition(-flat, min(SPOTS, flat.shape[1] - 1), axis=1)[:, :SPOTS]
    place, spot = np.nonzero(np.take_along_axis(flat, chosen, axis=1) > _WEAKEST)
    y, x = np.divmod(chosen[place, spot], wide - 2 * RADIUS)
    y, x = y + RADIUS, x + RADIUS
    for scale in scales:
        steps = np.rint(_STEPS / scale).astype(np.intp)
        fits = (np.minimum(x, y) >= steps[-1]) & (x < wide - steps[-1]) & (y < high - steps[-1])
        of, at_x, at_y = place[fits], x[fits], y[fits]
        taken = smooth[
            of[:, None, None], _BORDER + at_y[:, None, None] + steps[:, None], at_x[:, None, None] + steps[None, :]
        ].reshape(len(of), len(_STEPS) ** 2)
        middles = np.column_stack([at_x, at_y]).astype(np.float32)
        yield _unit(taken - taken.mean(axis=1, keepdims=True)), rows[of], middles


def _unit(values: Floats32) -> Floats32:
    made: Floats32 = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return made
