"""One epoch of training samples, as batches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from components.lib.kinds import Array
from components.train.mixup import mixup
from components.train.samples import Samples

Batch = tuple[dict[str, Array], dict[str, Array], dict[str, Array]]


class EpochBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """One epoch, shuffled and mixed by seed, epoch and batch alone, so that a resumed run sees what the first would
    have seen.

    Args:
        samples: training samples.
        epoch: which epoch, from 0.
        size: samples a batch.
    """

    def __init__(self, samples: Samples, epoch: int, size: int) -> None:
        super().__init__()
        settings = samples.spec.train
        self._samples = samples
        self._weights = samples.weights()
        self._size = size
        self._mixup, self._seed = settings.mixup, (settings.seed, epoch)
        self._order = np.random.Generator(np.random.PCG64(self._seed)).permutation(len(samples))

    def __len__(self) -> int:
        return -(-len(self._order) // self._size)

    def size(self, index: int) -> int:
        """How many samples are in the batch of that number."""
        return len(self._rows(index))

    def sample_ids(self, index: int) -> list[str]:
        """Which samples are in the batch of that number."""
        return [str(name) for name in self._samples.table["sample_id"].iloc[self._rows(index)]]

    def __getitem__(self, index: int) -> Batch:
        rows = self._rows(index)
        inputs = self._samples.inputs(rows)
        targets = {name: values[rows] for name, values in self._samples.loss_targets.items()}
        weights = {name: values[rows] for name, values in self._weights.items()}
        if self._mixup:
            # From 1, since to NumPy the seed of batch 0 would be that of the order.
            return mixup(inputs, targets, weights, self._mixup, (*self._seed, index + 1))
        return inputs, targets, weights

    def _rows(self, index: int) -> NDArray[np.integer[Any]]:
        return self._order[index * self._size : (index + 1) * self._size]
