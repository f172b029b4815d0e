"""Mixup: training on mixtures of two samples of a batch (Zhang et al. 2018, arXiv:1710.09412)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.lib.kinds import Array

Named = Mapping[str, Array]


def mixup(
    inputs: Named, targets: Named, weights: Named, alpha: float, seed: tuple[int, ...]
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Mix every sample with another of its batch, all by one share a from Beta(alpha, alpha), as the authors do.

    A mixture should cost a · w₁ · loss(y₁) + (1 - a) · w₂ · loss(y₂). So its weight is w = a · w₁ + (1 - a) · w₂, and
    its target the mean of y₁ and y₂ in proportion to the two terms. Cross-entropy (smoothed or not) is linear in the
    target, and squared error differs by what no network can change: for both it is the same training. For the focal
    loss and Huber's it is near it. Class weights therefore count each sample by its own class; an unknown target has
    weight 0, so the known one of the two is the target, by its share alone; where both are unknown the weight is 0.
    Every target of a task is mixed by the same share and partner, each with its own weights.

    Args:
        inputs: by name, (n, …), float32.
        targets: by name, (n, units), as the losses take them.
        weights: by name of the target, (n,), at least 0.
        alpha: above 0; 1 draws every share alike, small values leave most batches nearly as they are.
        seed: numbers that the draw follows from: those of the run, the epoch and the batch.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    share = float(generator.beta(alpha, alpha))
    partner = generator.permutation(len(next(iter(inputs.values()))))
    mixed = {name: _mean(values, values[partner], share) for name, values in inputs.items()}
    aims, sums = {}, {}
    for name, own in weights.items():
        first, second = share * own, (1 - share) * own[partner]
        sums[name] = (first + second).astype(np.float32)
        part = np.divide(first, sums[name], out=np.ones_like(own), where=sums[name] > 0)
        aims[name] = _mean(targets[name], targets[name][partner], part)
    return mixed, aims, sums


def _mean(one: Array, other: Array, share: float | NDArray[np.float32]) -> Array:
    """share · one + (1 - share) · other; one share, or one for each sample."""
    part = np.reshape(share, (-1,) + (1,) * (one.ndim - 1)).astype(np.float32)
    return (part * one + (1 - part) * other).astype(np.float32)
