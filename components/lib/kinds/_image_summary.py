"""Plain figures of pictures: how light they are and where, and how fine what they show is.

All that simple image statistics know of a film: histogram, regions, symmetry, and the energy of grey-value differences
at three scales, whose ratio is the slope of the power spectrum (Field 1987, doi:10.1364/JOSAA.4.002379).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REGIONS = ("upper left", "upper middle", "upper right", "middle left", "", "middle right", "lower left",
           "lower middle", "lower right")  # fmt: skip
"""Of the picture as it is seen, row by row; the centre is what the others are not."""
GREY: Mapping[str, tuple[str, str]] = {
    "mean": ("lighter on the whole", "darker on the whole"),
    "spread": ("more contrast", "less contrast"),
    "dark": ("a lighter darkest twentieth", "a darker darkest twentieth"),
    "middle": ("a lighter median", "a darker median"),
    "light": ("a lighter lightest twentieth", "a darker lightest twentieth"),
    "entropy": ("more different grey values", "fewer different grey values"),
    "black": ("more black", "less black"),
    "white": ("more white", "less white"),
    **{each.replace(" ", "_"): (f"lighter at the {each}", f"darker at the {each}") for each in REGIONS if each},
    "symmetry": ("left and right more alike", "left and right less alike"),
    "fine": ("stronger detail from pixel to pixel", "weaker detail from pixel to pixel"),
    "medium": ("stronger detail over a sixteenth of the picture", "weaker detail over a sixteenth of the picture"),
    "coarse": ("stronger detail over an eighth of the picture", "weaker detail over an eighth of the picture"),
    "direction": ("more upright than level edges", "more level than upright edges"),
    "edges": ("more edges", "fewer edges"),
    "roughness": ("grainier", "smoother"),
}
"""Name of each figure, in order, to what more and what less of it mean."""
COLOUR: Mapping[str, tuple[str, str]] = {
    "saturation": ("more colourful", "less colourful"),
    "red": ("redder", "less red"),
    "blue": ("bluer", "less blue"),
}
MOST_NUMBERS = 4_000_000
"""Pixels that are worked on at a time."""
BLACK, WHITE = 5, 250
"""Grey values up to which a pixel counts as black, and from which on as white."""
EDGE = 0.1
"""Difference between neighbours, as a share of the grey scale, that is an edge."""
LEAST_ENERGY = 1e-4
"""Mean square differences below this are noise of the eighth bit."""
# Rec. 601, as OpenCV and the clean step have it.
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
LEVELS = np.arange(256) / 255


def words(channels: int) -> Mapping[str, tuple[str, str]]:
    """The figures' names, in order, and what more and less of each mean."""
    return GREY if channels == 1 else {**GREY, **COLOUR}


def summary(cleaned: NDArray[np.uint8]) -> Floats:
    """Figures (N, len(words)) of pictures (N, H, W, C) uint8, each by its picture alone; shares of 1, or log10."""
    at_once = max(1, MOST_NUMBERS // max(1, math.prod(cleaned.shape[1:])))
    if 0 < len(cleaned) <= at_once:
        return _summary(np.asarray(cleaned))
    starts = range(0, len(cleaned), at_once)
    pieces = [_summary(np.asarray(cleaned[start : start + at_once])) for start in starts]
    return np.concatenate([np.zeros((0, len(words(cleaned.shape[3])))), *pieces])


def _summary(pictures: NDArray[np.uint8]) -> Floats:
    colour = pictures.shape[3] == 3
    grey = np.rint(pictures @ LUMINANCE).astype(np.uint8) if colour else pictures[..., 0]
    scaled = grey.astype(np.float32) / np.float32(255)
    small = _reduced(scaled, 16)
    columns = {**_histogram(grey), **_regions(scaled), "symmetry": _symmetry(small), **_texture(scaled, small)}
    if colour:
        columns |= _colours(pictures)
    # One request is one picture, and a server has no time for np.stack of many arrays of one number.
    figures = np.empty((len(pictures), len(columns)))
    for place, name in enumerate(words(pictures.shape[3])):
        figures[:, place] = columns[name]
    return figures


def _histogram(grey: NDArray[np.uint8]) -> dict[str, Any]:
    """All that the grey values tell, wherever they stand."""
    count, pixels = len(grey), grey[0].size
    cells = grey.reshape(count, -1) + 256 * np.arange(count, dtype=np.int64)[:, None]
    counts = np.bincount(cells.ravel(), minlength=256 * count).reshape(count, 256)
    shares = counts / pixels
    mean = shares @ LEVELS
    reached = np.cumsum(counts, axis=1) / pixels
    dark, middle, light = ((reached < share).sum(axis=1) / 255 for share in (0.05, 0.5, 0.95))
    coarse = shares.reshape(count, 32, 8).sum(axis=2)
    entropy = -(coarse * np.log2(np.where(coarse > 0, coarse, 1))).sum(axis=1) / 5
    return {
        "mean": mean, "spread": np.sqrt(np.maximum(shares @ LEVELS**2 - mean**2, 0)),
        "dark": dark, "middle": middle, "light": light, "entropy": entropy,
        # Of the root, small shares count: a marker is one.
        "black": np.sqrt(reached[:, BLACK]), "white": np.sqrt(1 - reached[:, WHITE - 1]),
    }  # fmt: skip


def _regions(scaled: NDArray[np.float32]) -> dict[str, Any]:
    """How much lighter each region at the border is than the whole."""
    means = _reduced(scaled, 3).reshape(len(scaled), -1)
    above = means - _mean(scaled)[:, None]
    return {name.replace(" ", "_"): above[:, place] for place, name in enumerate(REGIONS) if name}


def _symmetry(small: Floats) -> Floats:
    """Correlation of a picture with its mirror image; 0 where it has one grey value."""
    centred = small - _mean(small)[:, None, None]
    energy = (centred**2).sum(axis=(1, 2))
    alike = (centred * centred[:, :, ::-1]).sum(axis=(1, 2))
    return np.asarray(np.divide(alike, energy, out=np.zeros_like(alike), where=energy > 1e-9), np.float64)


def _texture(scaled: NDArray[np.float32], small: Floats) -> dict[str, Any]:
    across, down = _across(scaled), _down(scaled)
    energies = [_energy(across), _energy(down)]
    strong = (np.abs(across[:, :-1]) > EDGE) | (np.abs(down[:, :, :-1]) > EDGE)
    bent = across[:, 1:-1, 1:] - across[:, 1:-1, :-1] + down[:, 1:, 1:-1] - down[:, :-1, 1:-1]
    return {
        "fine": _log(sum(energies)), "medium": _log(_differences(small)),
        "coarse": _log(_differences(_reduced(scaled, 8))), "direction": _log(energies[0]) - _log(energies[1]),
        "edges": np.sqrt(_mean(strong)),
        "roughness": _log(_energy(bent)),
    }  # fmt: skip


def _differences(small: Floats) -> Floats:
    """Energy of the differences between neighbouring places."""
    return _energy(_across(small)) + _energy(_down(small))


def _across(values: NDArray[Any]) -> NDArray[Any]:
    """From each place to its right neighbour; np.diff, without its questions."""
    return np.asarray(values[:, :, 1:] - values[:, :, :-1])


def _down(values: NDArray[Any]) -> NDArray[Any]:
    """From each place to the one below."""
    return np.asarray(values[:, 1:] - values[:, :-1])


def _energy(values: NDArray[np.floating]) -> Floats:
    return _mean(np.square(values))


def _mean(values: NDArray[Any]) -> Floats:
    """Of each picture; values.mean(axis=(1, 2), dtype=np.float64), without its questions."""
    total = np.add.reduce(values, axis=(1, 2), dtype=np.float64)
    return np.asarray(total / (values.shape[1] * values.shape[2]), np.float64)


def _log(energy: Any) -> Floats:
    return np.asarray(np.log10(energy + LEAST_ENERGY), np.float64)


def _colours(pictures: NDArray[np.uint8]) -> dict[str, Any]:
    """How far the three colours lie apart, and which one leads."""
    red, green, blue = (pictures[..., place].mean(axis=(1, 2), dtype=np.float64) / 255 for place in range(3))
    apart = pictures.max(axis=3).astype(np.float32) - pictures.min(axis=3)
    return {"saturation": apart.mean(axis=(1, 2), dtype=np.float64) / 255, "red": red - green, "blue": blue - green}


def _reduced(scaled: NDArray[np.float32], places: int) -> Floats:
    """Means over so many places across and down, or over every pixel where there are fewer: (N, h, w)."""
    values: NDArray[Any] = scaled
    for axis in (1, 2):
        edges, widths = _cut(scaled.shape[axis], places)
        sums = np.add.reduceat(values, edges, axis=axis, dtype=np.float64)
        values = sums / (widths[:, None] if axis == 1 else widths)
    return np.asarray(values, np.float64)


@cache
def _cut(side: int, places: int) -> tuple[NDArray[np.intp], Floats]:
    """Where the places begin along a side, and how wide they are, pixels. Sides are few: those of the kind's size."""
    edges = np.arange(min(places, side)) * side // min(places, side)
    return edges, np.diff(np.append(edges, side)).astype(np.float64)
