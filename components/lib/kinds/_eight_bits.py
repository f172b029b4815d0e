"""Grey values on the 0..255 scale, which is what networks see.

Every byte is what `reference` in the tests gives, which says the same with NumPy on the whole picture at a time. Here
the percentiles come from a histogram, since a picture has more pixels than grey values, and the arithmetic is done in
pieces that stay in the processor's cache: a third of the time, and no room but for the result.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from components.lib.errors import Unusable

WINDOW_PERCENTILES = (0.5, 99.5)
"""Grey values between these percentiles of a film of more than 8 bits fill the 0..255 scale."""
LEVELS = 1 << 16
FEW = 1 << 15
"""Values up to which sorting is quicker than a histogram."""
PIECE = 1 << 17
"""Values that are stretched at a time."""
COUNTED = 1 << 22
"""Values that are counted at a time: OpenCV counts in float32, which is exact up to four times as many."""


def eight_bits(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey values on the 0..255 scale.

    8-bit pictures stay as they are. 16-bit films use an unknown part of their range (10, 12, 14 bits), so the
    0.5th to 99.5th percentile fill the scale.

    Args:
        pixels: (H, W) or (H, W, C), uint8 or uint16.

    Raises:
        Unusable: another type, or one grey value.
    """
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    if pixels.dtype != np.uint16:
        raise Unusable(f"unreadable: grey values of type {pixels.dtype}; uint8 or uint16 are read")
    whole = np.ascontiguousarray(pixels, np.uint16).reshape(-1)
    low, high = _window(whole)
    if high <= low:
        raise Unusable("blank: one grey value")
    return _stretched(whole, low, high).reshape(pixels.shape)


def _window(values: NDArray[np.uint16]) -> tuple[float, float]:
    """`np.percentile(values, WINDOW_PERCENTILES)`, to the last bit."""
    if values.size <= FEW:
        low, high = np.percentile(values, WINDOW_PERCENTILES)
        return float(low), float(high)
    counts = np.zeros(LEVELS)
    for start in range(0, values.size, COUNTED):
        counts += cv2.calcHist([values[None, start : start + COUNTED]], [0], None, [LEVELS], [0, LEVELS]).reshape(-1)
    reached = np.cumsum(counts)
    places = (values.size - 1) * (np.array(WINDOW_PERCENTILES) / 100)
    below = np.floor(places)
    # In order of size, value number k (from 0) is the first grey value that more than k pixels don't exceed.
    first, second = np.searchsorted(reached, [below, below + 1], side="right")
    share, gap = places - below, second - first
    low, high = np.where(share < 0.5, first + gap * share, second - gap * (1 - share))  # as NumPy rounds
    return float(low), float(high)


def _stretched(values: NDArray[np.uint16], low: float, high: float) -> NDArray[np.uint8]:
    """Values (N,) between low and high to 0..255, to the nearest whole number, of two the even one."""
    offset, scale = np.float32(low), np.float32(255 / (high - low))
    result = np.empty(values.size, np.uint8)
    for start in range(0, values.size, PIECE):
        piece = values[start : start + PIECE].astype(np.float32)
        piece -= offset
        piece *= scale
        np.clip(piece, 0, 255, out=piece)
        # Rounds as np.rint does, and is quicker.
        result[start : start + PIECE] = cv2.convertScaleAbs(piece).reshape(-1)
    return result
