"""Is a sample of the kind that the network has learnt? How far its plain figures lie from those of training samples.

The distance of Mahalanobis (1936), with a covariance shrunk as by Ledoit & Wolf 2004, told by how many training samples
lie nearer. On figures of the sample and not of the network: a network may see in a stranger what it knows. Fitted in
training, read from model.json; this file needs NumPy alone, so that serving can use it.

Source: doi:10.1016/S0047-259X(03)00096-4.
"""

from __future__ import annotations

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


def whitened(summary: Floats, outside: Outside) -> Floats:
    """Summary figures (N, F) on the scale of training samples: mean 0, covariance 1; (N, F)."""
    count = len(outside.figures)
    triangle = np.zeros((count, count))
    triangle[np.tril_indices(count)] = [value for row in outside.whitening for value in row]
    standard = (np.asarray(summary, np.float64) - np.asarray(outside.mean)) / np.asarray(outside.deviation)
    return np.asarray(standard @ triangle.T, np.float64)


def distance(summary: Floats, outside: Outside) -> Floats:
    """How far samples with these figures (N, F) lie from training samples: (N,), about √F for one of them."""
    return np.asarray(np.sqrt(np.square(whitened(summary, outside)).sum(axis=1)), np.float64)


def nearer(distances: Floats, outside: Outside) -> Floats:
    """Share of training samples that lie nearer than each of these distances (N,), 0 to 1."""
    known = np.asarray(outside.distances)
    return np.asarray(np.interp(distances, known, np.linspace(0, 1, len(known))), np.float64)


def told(share: float) -> str:
    """`farther out than 99 of 100 training samples`, from what `nearer` gives."""
    if share >= 1:
        return "farther out than every training sample"
    return f"farther out than {100 * share:.0f} of 100 training samples"
