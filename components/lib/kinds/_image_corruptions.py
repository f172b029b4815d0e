"""How pictures get worse in practice, at five strengths; and pictures of other kinds than those a network knows.

After Hendrycks & Dietterich 2019, arXiv:1903.12261; lengths are shares of the shorter side, so that pictures of any
size get worse alike.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from components.lib.kinds._records import Array, Corruption, five

Picture = NDArray[np.uint8]

NOISE = (10, 15, 20, 30, 45)
"""Standard deviation, grey values of 255."""
BLUR = (0.01, 0.015, 0.02, 0.03, 0.04)
"""Standard deviation of the Gaussian, of the shorter side."""
CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
"""Of the differences from the mean that stays."""
ROTATION = (3, 6, 10, 15, 25)
"""Degrees."""
JPEG = (80, 50, 25, 15, 8)
"""Quality, of 100."""
RIM = 3
"""Pixels around a hidden place that it is filled from."""
PIECES = 7
"""Pieces across and down that a shuffled picture is cut into."""


def _noise(cleaned: Array, strength: int, generator: np.random.Generator) -> Array:
    """Gaussian noise, the same in all channels of a pixel, as detectors of grey films have it."""
    noise = generator.standard_normal((*cleaned.shape[:3], 1), dtype=np.float32)
    return _to_bytes(cleaned + NOISE[strength - 1] * noise)


def _blur(cleaned: Array, strength: int, generator: np.random.Generator) -> Array:
    sigma = BLUR[strength - 1] * min(cleaned.shape[1:3])
    return _each(cleaned, lambda picture: cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))


def _contrast(cleaned: Array, strength: int, generator: np.random.Generator) -> Array:
    mean = cleaned.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float32)
    return _to_bytes((cleaned - mean) * np.float32(CONTRAST[strength - 1]) + mean)


def _rotation(cleaned: Array, strength: int, generator: np.random.Generator) -> Array:
    """To one side or the other, by chance; what comes in at the corners is the picture mirrored at its edge."""
    height, width = cleaned.shape[1:3]
    turned = np.empty_like(cleaned)
    for row, side in enumerate(generator.choice([-1, 1], len(cleaned))):
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), side * ROTATION[strength - 1], 1)
        moved = cv2.warpAffine(cleaned[row], matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        turned[row] = moved.reshape(cleaned.shape[1:])
    return turned


def _jpeg(cleaned: Array, strength: int, generator: np.random.Generator) -> Array:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG[strength - 1]]
    # OpenCV takes colours for blue first; JPEG weighs them by it.
    order = slice(None, None, -1)

    def packed(picture: Picture) -> Array:
        content = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., order]), quality)[1]
        return np.asarray(cv2.imdecode(content, cv2.IMREAD_UNCHANGED)).reshape(picture.shape)[..., order]

    return _each(cleaned, packed)


CORRUPTIONS: Mapping[str, Corruption] = {
    "noise": Corruption("standard deviation, in grey values of 255", five("{}", NOISE), _noise),
    "blur": Corruption("standard deviation, of the shorter side", five("{:.1%}", BLUR), _blur),
    "low contrast": Corruption("contrast that is left", five("{:.0%}", CONTRAST), _contrast),
    "rotation": Corruption("degrees", five("{}", ROTATION), _rotation),
    "JPEG": Corruption("quality, of 100", five("{}", JPEG), _jpeg),
}


def strangers(cleaned: Array, generator: np.random.Generator) -> dict[str, Array]:
    """Pictures of other kinds, (N, H, W, C) uint8 each: made from nothing, or from these pictures."""
    count, height, width, channels = cleaned.shape
    values = generator.integers(0, 256, cleaned.shape, np.uint8)
    level = generator.integers(40, 216, (count, 1, 1, 1))
    squares = np.repeat(np.repeat(generator.integers(2, 6, (count, 1, 1, 1)), height, 1), width, 2)
    rows, columns = np.arange(height)[:, None, None], np.arange(width)[:, None]
    board = (PIECES * squares * rows // (5 * height) + PIECES * squares * columns // (5 * width)) % 2
    slope = _slope(height, width, generator.uniform(0, 2 * np.pi, (count, 1, 1, 1)))
    return {
        "noise": values,
        "one grey, almost": _to_bytes(level + 3 * generator.standard_normal(cleaned.shape, dtype=np.float32)),
        "a slope of grey": _to_bytes(np.broadcast_to(slope, cleaned.shape)),
        "a chessboard": np.broadcast_to((255 * board).astype(np.uint8), cleaned.shape).copy(),
        "text": np.stack([_text(height, width, channels, generator) for _ in range(count)]),
        "negatives": 255 - cleaned,
        "upside down": np.ascontiguousarray(cleaned[:, ::-1]),
        "on their side": np.stack([_quarter(picture) for picture in cleaned]),
        "in shuffled pieces": np.stack([_shuffled(picture, generator) for picture in cleaned]),
    }


def hide(picture: Picture, places: NDArray[np.bool_]) -> Picture:
    """A copy of one picture (H, W, C) with these places (H, W) hidden: what is around them goes on inside.

    On phantoms, filling with the picture's mean put as much of the map on the planted opacities, but missed some of
    them wholly: a grey square on a dark lung is an opacity itself.

    Source: Telea 2004, doi:10.1080/10867651.2004.10487596.
    """
    filled = cv2.inpaint(picture, places.astype(np.uint8), RIM, cv2.INPAINT_TELEA)
    return np.asarray(filled, np.uint8).reshape(picture.shape)


def _slope(height: int, width: int, angle: Array) -> Array:
    rows, columns = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[:, None]
    return 127.5 + 90 * (np.sin(angle) * rows + np.cos(angle) * columns)


def _text(height: int, width: int, channels: int, generator: np.random.Generator) -> Picture:
    """Black lines of random letters on white, as on a page that was scanned by mistake."""
    page = np.full((height, width), 255, np.uint8)
    step = max(5, height // 8)
    letters = list(string.ascii_letters)
    for base in range(step, height + 1, step):
        line = "".join(generator.choice(letters, 24))
        cv2.putText(page, line, (1, base - 1), cv2.FONT_HERSHEY_SIMPLEX, step / 34, (0,), 1, cv2.LINE_AA)
    return np.repeat(page[..., None], channels, axis=2)


def _quarter(picture: Picture) -> Picture:
    """Turned by 90 degrees, and brought to the old height and width."""
    height, width, channels = picture.shape
    turned = np.ascontiguousarray(np.rot90(picture))
    if height != width:
        turned = np.asarray(cv2.resize(turned, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return turned.reshape(height, width, channels)


def _shuffled(picture: Picture, generator: np.random.Generator) -> Picture:
    """Cut into 7 × 7 pieces that are laid anew; what is left over at the lower and right edge stays."""
    copy, (high, wide) = picture.copy(), (side // PIECES for side in picture.shape[:2])
    cut = picture[: PIECES * high, : PIECES * wide].reshape(PIECES, high, PIECES, wide, -1).swapaxes(1, 2)
    pieces = cut.reshape(PIECES * PIECES, high, wide, -1)[generator.permutation(PIECES * PIECES)]
    laid = pieces.reshape(PIECES, PIECES, high, wide, -1).swapaxes(1, 2)
    copy[: PIECES * high, : PIECES * wide] = laid.reshape(PIECES * high, PIECES * wide, -1)
    return copy


def _each(cleaned: Array, change: Callable[[Picture], Array]) -> Array:
    """One picture after the other; OpenCV drops the channel of grey ones."""
    return np.stack([np.asarray(change(picture)).reshape(picture.shape) for picture in cleaned])


def _to_bytes(values: Array) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
