"""Training samples, read from memory-mapped parts; and which of them a net learns from, and is judged on."""

from __future__ import annotations

import copy
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


@dataclass(frozen=True)
class Choice:
    """Which samples: those of some splits, and of these one fold alone or all but one."""

    splits: tuple[str, ...]
    fold: int | None = None
    """The one fold that is taken; None: whatever the fold."""
    without: int | None = None
    """The one fold that is left out."""

    def rows(self, table: pd.DataFrame) -> NDArray[np.intp]:
        """Positions of the chosen rows of a dataset's table."""
        chosen = table["split"].isin(self.splits)
        if self.fold is not None:
            chosen &= (table["fold"] == self.fold).fillna(False)
        if self.without is not None:
            chosen &= (table["fold"] != self.without).fillna(False)
        return np.flatnonzero(chosen.to_numpy(bool))

    def __str__(self) -> str:
        of = f"{'split' if len(self.splits) == 1 else 'splits'} {' and '.join(self.splits)}"
        if self.fold is not None:
            return f"fold {self.fold} of {of}"
        return of if self.without is None else f"{of} outside fold {self.without}"


class Samples:
    """Chosen samples of one or more datasets, behind one index.

    Args:
        datasets: the cleaned one first; copies that augment added behind it.
        choice: which samples; the name of a split stands for all of it.
        spec: the task.
        fitted: what the training samples taught; None where these are the training samples: then they teach it.

    Raises:
        DataError: there is none.
    """

    def __init__(
        self, datasets: list[Dataset], choice: Choice | str, spec: TaskSpec, fitted: Fitted | None = None
    ) -> None:
        choice = Choice((choice,)) if isinstance(choice, str) else choice
        self.spec = spec
        self._parts = [part for dataset in datasets for part in dataset.parts]
        rows = [choice.rows(part.samples) for part in self._parts]
        self._part_of = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        self._row_of = np.concatenate([np.empty(0, np.int64), *rows]).astype(np.int64)
        if not len(self._row_of):
            raise DataError(
                str(datasets[0].path),
                expected=f"samples in {choice}",
                found="none",
                todo="check split.validation and split.test, or add data"
                if choice.fold is None
                else "lower split.folds and train.folds, or add data",
            )
        self._arrays = {name: [part.array(name) for part in self._parts] for name in spec.inputs}
        tables = [part.samples.iloc[r] for part, r in zip(self._parts, rows, strict=True)]
        self.table = pd.concat(tables, ignore_index=True)
        encoded = {name: kind.encode(self.table[name]) for name, kind in spec.targets.items()}
        self.targets = {name: values for name, (values, _) in encoded.items()}
        self.known = {name: known for name, (_, known) in encoded.items()}
        self.own = self._part_of < len(datasets[0].parts)
        """Which samples are no copies (N,)."""
        self.fitted = fitted or self._fit(len(datasets[0].parts))
        scaling = self.fitted.targets
        self.loss_targets = {n: kind.to_loss(self.targets[n], scaling[n]) for n, kind in spec.targets.items()}

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def numbers(self) -> int:
        """How many numbers the inputs of one sample have."""
        return sum(int(np.prod(kind.shape)) for kind in self.spec.inputs.values())

    def under(self, spec: TaskSpec) -> Samples:
        """The same samples for a task that differs in `train:` alone: another seed, a trial's settings."""
        other = copy.copy(self)
        other.spec = spec
        return other

    def inputs(self, rows: NDArray[np.integer[Any]] | slice) -> dict[str, Array]:
        """The named rows as the network's float32 inputs."""
        parts, positions = self._part_of[rows], self._row_of[rows]
        result = {}
        for name, kind in self.spec.inputs.items():
            result[name] = kind.to_network(self._cleaned(name, parts, positions), self.fitted.inputs[name])
        return result

    def _cleaned(self, name: str, parts: NDArray[np.integer[Any]], positions: NDArray[np.integer[Any]]) -> Array:
        """The rows at these positions of these parts, as clean wrote them."""
        kind, arrays = self.spec.inputs[name], self._arrays[name]
        own = np.unique(parts)
        if len(own) == 1:
            return np.asarray(arrays[own[0]][positions])  # one copy, not two: pictures are large
        cleaned = np.empty((len(parts), *kind.shape), kind.dtype)
        for part in own:
            chosen = np.flatnonzero(parts == part)
            cleaned[chosen] = arrays[part][positions[chosen]]
        return cleaned

    def _fit(self, parts: int) -> Fitted:
        """Scales and categories of these samples; of those in the first parts alone, since copies would count twice."""
        targets = {
            name: kind.fit(self.targets[name][self.own & self.known[name]]) for name, kind in self.spec.targets.items()
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


def weight_offsets(learnt: Samples) -> dict[str, dict[str, float]]:
    """By target, what undoes the class weights that a net was trained with on these samples."""
    weights = learnt.weights()
    return {
        name: kind.weight_offsets(learnt.targets[name], weights[name], learnt.own)
        for name, kind in learnt.spec.targets.items()
    }


class Development:
    """The samples a model is developed on: all but test.

    Without folds nets learn from train and are judged on validation. With them train and validation are one, and a net
    learns from all folds but the one it is judged on. Copies that augment added are learnt from, never judged on; one
    stands in its parent's fold.

    Args:
        cleaned: the dataset.
        copies: what augment added.
        spec: the task.

    Raises:
        DataError: a split or fold is empty or has no known target, the dataset's folds are not those of
            `train.folds`, or it was cleaned with other inputs, or with their columns in another order.
    """

    def __init__(self, cleaned: Dataset, copies: Dataset, spec: TaskSpec) -> None:
        self.spec, self.folds = spec, spec.train.folds
        self.cleaned, self._datasets = cleaned, [cleaned, copies]
        for dataset in self._datasets:
            dataset.require(spec.inputs)
        self.splits = ("train", "validation") if self.folds else ("train",)
        """Those that are learnt from."""
        if self.folds:
            _require_folds(cleaned, self.folds)
        self.all = Samples(self._datasets, Choice(self.splits), spec)
        """What is learnt from; of it everything is fitted that all nets share: scales, categories."""
        for fold in range(self.folds) if self.folds else (None,):
            _require_known(self.judged(fold), fold)  # told before any training
        if spec.train.distil and self.folds:
            _require_known(self.judged(None), None)

    def learnt(self, fold: int | None) -> Samples:
        """What a net learns from that is judged on this fold; None: the train split."""
        if fold is None:
            return self.all
        return Samples(self._datasets, Choice(self.splits, without=fold), self.spec, self.all.fitted)

    def taught(self) -> Samples:
        """What a student learns from: train alone, also with folds, so that it can be judged on validation."""
        return Samples(self._datasets, Choice(("train",)), self.spec, self.all.fitted) if self.folds else self.all

    def judged(self, fold: int | None) -> Samples:
        """What a net is judged on: this fold; None: the validation split."""
        choice = Choice(("validation",)) if fold is None else Choice(self.splits, fold=fold)
        return Samples([self.cleaned], choice, self.spec, self.all.fitted)


def _require_known(judged: Samples, fold: int | None) -> None:
    for target, known in judged.known.items():
        if not known.any():
            where = "validation" if fold is None else f"fold {fold}"
            raise DataError(
                f"target {target}, {where}",
                expected=f"samples whose {target} is known",
                found=f"none of {len(judged)}",
                todo="label more samples, or give validation a larger share"
                if fold is None
                else "label more samples, or lower split.folds and train.folds",
            )


def _require_folds(cleaned: Dataset, folds: int) -> None:
    table = cleaned.samples()
    found = sorted(table["fold"].dropna().unique().tolist()) if "fold" in table else []
    if not found or found[-1] >= folds:
        raise DataError(
            str(cleaned.path),
            expected=f"samples in the {folds} folds of train.folds, in a column fold",
            found=f"folds up to {found[-1]}" if found else "no folds",
            todo=f"set split.folds: {folds} and run ingest again: dvc repro",
        )
