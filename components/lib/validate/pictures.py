"""The cleaned pictures of a dataset, brought to one size, without padding, so that they can be compared."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from components.lib.dataset import Dataset
from components.lib.kinds import InputKind
from components.lib.kinds.base import Array

Floats32 = NDArray[np.float32]
Rows = NDArray[np.intp]

DETAIL = 64
"""Pixels a side at which two pictures are compared, at most."""
AT_ONCE = 1024


class Pictures:
    """The cleaned pictures of one input, as standardised rows of pixels."""

    def __init__(self, dataset: Dataset, name: str, kind: InputKind) -> None:
        self.kind, self._open = kind, [partial(part.array, name) for part in dataset.parts]
        self._arrays = [read() for read in self._open]
        self._starts = np.cumsum([0, *map(len, self._arrays)])
        train = ((part.samples["split"] == "train").to_numpy() for part in dataset.parts)
        self._fitted = kind.fit(array[rows] for array, rows in zip(self._arrays, train, strict=True))

    def __len__(self) -> int:
        return int(self._starts[-1])

    def shape(self, side: int) -> tuple[int, int]:
        """Height and width of the pictures at this side."""
        return min(side, self.kind.shape[0]), min(side, self.kind.shape[1])

    def pixels(self, rows: Rows, side: int) -> Floats32:
        """Pictures (n, h, w) without padding, of at most `side` pixels a side, colours averaged; rows ascending."""
        made = np.zeros((len(rows), *self.shape(side)), np.float32)
        for start, end, array in zip(self._starts[:-1], self._starts[1:], self._arrays, strict=True):
            first, last = np.searchsorted(rows, [start, end])
            for at in range(first, last, AT_ONCE):
                chosen = rows[at : min(at + AT_ONCE, last)] - start
                made[at : at + len(chosen)] = self._bare(array[chosen], side)
        return made

    def _bare(self, cleaned: Array, side: int) -> Floats32:
        size = self.shape(side)
        # Correlations don't change when 0 to 255 stays 0 to 255.
        pixels = cleaned if cleaned.dtype == np.uint8 else self.kind.to_network(cleaned, self._fitted)
        return _bare(pixels, size)

    def reduced(self, side: int) -> NDArray[np.float16]:
        """All of them, standardised, in half precision: one after the other, and no file stays mapped in memory."""
        made = np.empty((len(self), min(side, self.kind.shape[0]) * min(side, self.kind.shape[1])), np.float16)
        for start, read in zip(self._starts, self._open, strict=False):
            array = read()
            for at in range(0, len(array), AT_ONCE):
                found = self._bare(array[at : at + AT_ONCE], side)
                made[start + at : start + at + len(found)] = _standardised(found)
        return made

    def standardised(self, rows: Rows, side: int) -> Floats32:
        """The same as rows (n, h·w) whose products are correlations; a blank picture correlates with none."""
        return _standardised(self.pixels(rows, side))

    def detail(self, rows: Rows) -> Floats32:
        """Likewise for what is fine in them: the Laplacian of the slightly blurred picture."""
        pictures = self.pixels(rows, DETAIL)
        for place, one in enumerate(pictures):
            pictures[place] = cv2.Laplacian(cv2.GaussianBlur(one, (0, 0), 1), cv2.CV_32F)
        return _standardised(pictures)


def _bare(pictures: Array, size: tuple[int, int]) -> Floats32:
    """Pictures (n, h, w, c) as grey ones of another size, without the rows and columns of nothing around them."""
    grey = pictures[..., 0] if pictures.shape[3] == 1 else pictures.mean(axis=3, dtype=np.float32)
    (top, bottom), (left, right) = (_ends(grey.max(axis=axis) > 0) for axis in (2, 1))
    made = np.empty((len(grey), *size), np.float32)
    for place, one in enumerate(grey):
        inner = one[top[place] : bottom[place], left[place] : right[place]]
        if inner.shape != size:  # as float, since a resize of whole numbers would round
            inner = cv2.resize(np.asarray(inner, np.float32), size[::-1], interpolation=cv2.INTER_AREA)
        made[place] = inner
    return made


def _ends(filled: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Per row of (n, length) the first place that is filled and the one after the last; all of a row with none."""
    first, last = filled.argmax(axis=1), filled.shape[1] - filled[:, ::-1].argmax(axis=1)
    return first, last


def _standardised(pictures: Floats32) -> Floats32:
    flat = pictures.reshape(len(pictures), pictures.shape[1] * pictures.shape[2])
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    made: Floats32 = np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-6)
    return made


def is_picture(kind: InputKind) -> bool:
    """Whether a sample is height, width, colours."""
    return len(kind.shape) == 3 and kind.shape[2] <= 4
