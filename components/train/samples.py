"""Training samples, read from memory-mapped parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.kinds import Array
from components.lib.spec import TaskSpec


@dataclass(frozen=True)
class Fitted:
    """What was learnt from training samples before the network: by input and by target, plain values."""

    inputs: Mapping[str, dict[str, Any]]
    targets: Mapping[str, dict[str, float]]


class Samples:
    """The samples of one split from one or more datasets, behind one index.

    Args:
        datasets: the cleaned one first; copies that augment added behind it.
        split: train, validation or test.
        spec: the task.
        fitted: what the training samples taught; None where these are the training samples: then they teach it.

    Raises:
        DataError: there is none.
    """

    def __init__(self, datasets: list[Dataset], split: str, spec: TaskSpec, fitted: Fitted | None = None) -> None:
        self.spec = spec
        self._parts = [part for dataset in datasets for part in dataset.parts]
        rows = [np.flatnonzero((part.samples["split"] == split).to_numpy()) for part in self._parts]
        self._part_of = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        self._row_of = np.concatenate([np.empty(0, np.int64), *rows]).astype(np.int64)
        if not len(self._row_of):
            raise DataError(
                str(datasets[0].path),
                expected=f"samples in split {split}",
                found="none",
                todo="check split.validation and split.test, or add data",
            )
        self._arrays = {name: [part.array(name) for part in self._parts] for name in spec.inputs}
        tables = [part.samples.iloc[r] for part, r in zip(self._parts, rows, strict=True)]
        self.table = pd.concat(tables, ignore_index=True)
        encoded = {name: kind.encode(self.table[name]) for name, kind in spec.targets.items()}
        self.targets = {name: values for name, (values, _) in encoded.items()}
        self.known = {name: known for name, (_, known) in encoded.items()}
        self.fitted = fitted or self._fit(len(datasets[0].parts))
        scaling = self.fitted.targets
        self.loss_targets = {n: kind.to_loss(self.targets[n], scaling[n]) for n, kind in spec.targets.items()}

    def __len__(self) -> int:
        return len(self._row_of)

    def inputs(self, rows: NDArray[np.integer[Any]] | slice) -> dict[str, Array]:
        """The named rows as the network's float32 inputs."""
        parts, positions = self._part_of[rows], self._row_of[rows]
        result = {}
        for name, kind in self.spec.inputs.items():
            cleaned = np.empty((len(parts), *kind.shape), kind.dtype)
            for part in np.unique(parts):
                chosen = parts == part
                cleaned[chosen] = self._arrays[name][part][positions[chosen]]
            result[name] = kind.to_network(cleaned, self.fitted.inputs[name])
        return result

    def _fit(self, parts: int) -> Fitted:
        """Scales and categories of these samples; of those in the first parts alone, since copies would count twice."""
        own = self._part_of < parts
        targets = {
            name: kind.fit(self.targets[name][own & self.known[name]]) for name, kind in self.spec.targets.items()
        }
        inputs = {name: kind.fit(self._pieces(name, parts)) for name, kind in self.spec.inputs.items()}
        return Fitted(inputs, targets)

    def _pieces(self, name: str, parts: int) -> Iterator[Array]:
        for part in range(parts):
            yield self._arrays[name][part][self._row_of[self._part_of == part]]

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Weight of every sample in the loss of every target; 0 where the target is unknown."""
        result = {}
        for name, kind in self.spec.targets.items():
            balanced = kind.sample_weights(self.targets[name], self.known[name])
            plain = self.known[name].astype(np.float32)
            result[name] = balanced if self.spec.train.class_weights == "balanced" else plain
        return result
