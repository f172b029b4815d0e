"""Is a sample of the kind that the network has learnt? How far its plain figures lie from those of training samples.

The distance of Mahalanobis (1936), with a covariance shrunk as by Ledoit & Wolf 2004, told by how many training samples
lie nearer. On figures of the sample and not of the network: a network may see in a stranger what it knows. Fitted in
training, read from model.json; this file needs NumPy alone, so that serving can use it.

Source: doi:10.1016/S0047-259X(03)00096-4.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from components.lib.settings import Settings

Floats = NDArray[np.float64]

LEAST_DEVIATION = 0.01
"""Of a figure: what varies less in training counts as if it varied so much."""
FAR = 0.99
"""The mark: a sample beyond that share of training samples is told of."""


class Outside(Settings):
    """How the summary figures of training samples lie; plain numbers, as they stand in model.json."""

    figures: tuple[str, ...]
    """Names of the figures, in order."""
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    whitening: tuple[tuple[float, ...], ...]
    """Lower triangle, row i with i + 1 values: standardised figures times it have the covariance 1."""
    distances: tuple[float, ...]
    """Of training samples, each by a fit that didn't see it: 201 quantiles from the least to the largest."""
    samples: int
    """Training samples that this rests on."""

    @property
    def mark(self) -> float:
        """The distance that 99 of 100 training samples lie within."""
        return float(np.interp(FAR, np.linspace(0, 1, len(self.distances)), self.distances))


class Ruler:
    """The same figures as arrays, made once: building them costs more than measuring one sample by them."""

    def __init__(self, outside: Outside) -> None:
        count = len(outside.figures)
        self._mean, self._deviation = np.asarray(outside.mean), np.asarray(outside.deviation)
        self._triangle = np.zeros((count, count))
        self._triangle[np.tril_indices(count)] = [value for row in outside.whitening for value in row]
        self._distances = np.asarray(outside.distances)
        self._shares = np.linspace(0, 1, len(outside.distances))
        self.mark = outside.mark

    def whitened(self, summary: Floats) -> Floats:
        """Summary figures (N, F) on the scale of training samples: mean 0, covariance 1; (N, F)."""
        standard = (np.asarray(summary, np.float64) - self._mean) / self._deviation
        return np.asarray(standard @ self._triangle.T, np.float64)

    def distance(self, summary: Floats) -> Floats:
        """How far samples with these figures (N, F) lie from training samples: (N,), about √F for one of them."""
        return np.asarray(np.sqrt(np.square(self.whitened(summary)).sum(axis=1)), np.float64)

    def nearer(self, distances: Floats) -> Floats:
        """Share of training samples that lie nearer than each of these distances (N,), 0 to 1."""
        return np.asarray(np.interp(distances, self._distances, self._shares), np.float64)


def distance(summary: Floats, outside: Outside) -> Floats:
    """`Ruler.distance`, of figures that are asked once."""
    return Ruler(outside).distance(summary)


def nearer(distances: Floats, outside: Outside) -> Floats:
    """`Ruler.nearer`, of figures that are asked once."""
    return Ruler(outside).nearer(distances)


def told(share: float) -> str:
    """`farther out than 99 of 100 training samples`, from what `nearer` gives."""
    if share >= 1:
        return "farther out than every training sample"
    # Rounded down: 99.7 of 100 aren't all of them.
    return f"farther out than {math.floor(100 * share + 1e-9)} of 100 training samples"
