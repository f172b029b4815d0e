"""Films for the report: the picture, and beside it what the model looked at."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FILM_WIDTH = 320
"""Pixels across one film."""
GAP = 8
OPACITY = 0.6
"""Of the strongest heat."""

Picture = NDArray[np.uint8]


def film(pixels: Picture, evidence: NDArray[np.floating] | None, strongest: float) -> bytes:
    """A film, and beside it the same film under a translucent heat map.

    Args:
        pixels: (H, W) or (H, W, 3) in RGB.
        evidence: (h, w), what each place adds to the logit; None shows the film alone.
        strongest: evidence that gets the full heat, so that several films share one scale.
    """
    height, width = pixels.shape[:2]
    size = (FILM_WIDTH, max(1, round(height * FILM_WIDTH / width)))
    smooth = cv2.INTER_AREA if width > FILM_WIDTH else cv2.INTER_CUBIC
    colour = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR if pixels.ndim == 2 else cv2.COLOR_RGB2BGR)
    plain = np.asarray(cv2.resize(colour, size, interpolation=smooth), np.uint8)
    if evidence is None:
        return _png(plain)
    gap = np.full((size[1], GAP, 3), 255, np.uint8)
    return _png(np.hstack([plain, gap, _heated(plain, evidence, strongest)]))


def _heated(plain: Picture, evidence: NDArray[np.floating], strongest: float) -> Picture:
    """Warm colours where a place speaks for the class; what speaks against it stays as it is."""
    size = (plain.shape[1], plain.shape[0])
    large = cv2.resize(np.asarray(evidence, np.float32), size, interpolation=cv2.INTER_LINEAR)
    heat = np.clip(large / max(strongest, 1e-9), 0, 1)
    colours = cv2.applyColorMap((255 * heat).round().astype(np.uint8), cv2.COLORMAP_AUTUMN)
    opacity = (OPACITY * heat)[..., None]
    return np.asarray((1 - opacity) * plain + opacity * colours).round().astype(np.uint8)


def _png(picture: Picture) -> bytes:
    return bytes(cv2.imencode(".png", picture)[1])
