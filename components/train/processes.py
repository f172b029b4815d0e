"""Training on several machines or devices with JAX: every process runs the same step and feeds its share of each batch.

Weights are equal everywhere; gradients and the means of batch normalisation are taken over the whole batch, so that the
result is that of one process with the whole batch. The task file knows nothing of it; the environment says

    MEDPIPE_PROCESSES     how many processes there are, 1 where it isn't set
    MEDPIPE_PROCESS       which one this is, from 0
    MEDPIPE_COORDINATOR   host:port on which process 0 listens, the same for all

or, where none of them is set, what Kubeflow Trainer's JAX runtime sets: JAX_NUM_PROCESSES, JAX_PROCESS_ID,
JAX_COORDINATOR_ADDRESS. Only process 0 writes. All must see the data and the model's folder under the same paths.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from components.lib.digests import file_digest
from components.lib.errors import ModelError
from components.lib.output import output, partial_of
from components.train.ahead import ahead

OURS = ("MEDPIPE_PROCESSES", "MEDPIPE_PROCESS", "MEDPIPE_COORDINATOR")
KUBEFLOW = ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID", "JAX_COORDINATOR_ADDRESS")


@dataclass(frozen=True)
class Place:
    """This process among all."""

    count: int = 1
    index: int = 0
    coordinator: str = ""

    @property
    def writes(self) -> bool:
        """Whether outputs and runs are this process's to write."""
        return self.index == 0


class Batches(Protocol):
    """The batches of an epoch: inputs, targets and weights by name."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...

    def size(self, index: int) -> int:
        """How many samples are in the batch of that number."""
        ...


def place() -> Place:
    """Which process this is, as the environment says.

    Raises:
        ModelError: it contradicts itself.
    """
    names = next((some for some in (OURS, KUBEFLOW) if any(name in os.environ for name in some)), None)
    if names is None:
        return Place()
    found = {name: os.environ.get(name, "") for name in names}
    count, index, coordinator = found.values()
    several = re.fullmatch(r"[1-9]\d{0,4}", count) and re.fullmatch(r"\d{1,5}", index) and int(index) < int(count)
    if not several or (int(count) > 1 and not re.fullmatch(r"[^:\s]+:\d{1,5}|\[[^\]\s]+\]:\d{1,5}", coordinator)):
        raise ModelError(
            ", ".join(names),
            expected="the number of processes, this one's number from 0, and host:port of process 0",
            found=", ".join(f"{name}={value}" for name, value in found.items()),
            todo="set all three in every process, or unset them to train in one",
        )
    return Place(int(count), int(index), coordinator)


def require_one() -> None:
    """Under a back end that trains on one machine alone.

    Raises:
        ModelError: the environment speaks of several processes.
    """
    if place().count > 1:
        raise ModelError(
            f"{place().count} processes",
            expected="KERAS_BACKEND=jax: under TensorFlow Keras trains on one machine (keras issue 20585)",
            found="KERAS_BACKEND=tensorflow",
            todo="set KERAS_BACKEND=jax in every process, or unset the variables of several processes",
        )


class Shares(keras.distribution.DataParallel):  # type: ignore[misc]
    """Weights equal on all devices; of a batch each device gets its share, or the whole while `whole` is set."""

    def __init__(self) -> None:
        super().__init__(auto_shard_dataset=False)
        self.whole = True

    def get_data_layout(self, data_shape: tuple[int | None, ...]) -> Any:
        if not self.whole:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


@cache
def start() -> Shares | None:
    """Join the other processes and let Keras use every device; None where there is but one. Before any computation;
    once for each process.

    Raises:
        ModelError: the environment contradicts itself.
    """
    here = place()
    if here.count > 1:
        keras.distribution.initialize(here.coordinator, here.count, here.index)
    if len(keras.distribution.list_devices()) == 1:
        return None
    shares = Shares()
    keras.distribution.set_distribution(shares)
    return shares


def stop() -> None:
    """Leave the other processes, when all have come here: process 0 goes on for minutes, and they needn't wait."""
    if place().count > 1:
        import jax

        jax.distributed.shutdown()


def fit_epoch(
    training: keras.Model,
    batches: Batches,
    epoch: int,
    callbacks: list[keras.callbacks.Callback],
    threads: int | None = None,
) -> float:
    """Train once on every batch, in order; returns the mean loss over the samples.

    With several devices each batch is shared out among them. The last one, when it can't be shared out evenly, is
    computed whole by all: leaving samples out or padding would change the means of batch normalisation.

    Args:
        training: the network, compiled.
        batches: those of the epoch.
        epoch: which epoch, from 0.
        callbacks: Keras' callbacks; they may raise.
        threads: how many get batches ready ahead of their turn; None: as suits back end and machine.

    Raises:
        ModelError: no batch could be shared out evenly.
    """
    shares = keras.distribution.distribution()
    parts = [_Part(batches, range(len(batches)))]
    if isinstance(shares, Shares):
        devices = int(shares.device_mesh.devices.size)
        _require_even(batches.size(0), devices)
        whole = range(len(batches) - (batches.size(len(batches) - 1) % devices > 0))
        parts = [_Part(batches, whole, place()), _Part(batches, range(len(whole), len(batches)))]
    losses, samples = [], []
    for part in parts:
        if isinstance(shares, Shares):
            shares.whole = part.place is None
        if len(part):
            with ahead(part, threads) as ready:
                history = training.fit(ready, epochs=epoch + 1, initial_epoch=epoch, shuffle=False, verbose=0,
                                       callbacks=callbacks)  # fmt: skip
            losses.append(float(history.history["loss"][-1]))
            samples.append(part.samples)
    if isinstance(shares, Shares):
        shares.whole = True
    return losses[0] if len(losses) == 1 else float(np.average(losses, weights=samples))


def _require_even(size: int, devices: int) -> None:
    if size % devices:
        raise ModelError(
            f"train.batch_size: {size}",
            expected=f"a batch that {devices} devices can share evenly",
            found=f"{size % devices} samples left over",
            todo=f"set train.batch_size to a multiple of {devices}, at most the number of training samples",
        )


class _Part(keras.utils.PyDataset):  # type: ignore[misc]
    """Some batches of an epoch; of each the share of one process, or all of it."""

    def __init__(self, batches: Batches, numbers: range, place: Place | None = None) -> None:
        super().__init__()
        self._batches, self._numbers, self.place = batches, numbers, place
        self.samples = sum(batches.size(number) for number in self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Any:
        batch = self._batches[self._numbers[index]]
        if self.place is None or self.place.count == 1:
            return batch
        count, own = self.place.count, self.place.index
        return keras.tree.map_structure(lambda values: np.array_split(values, count)[own], batch)


def agreed(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Process 0's numbers, for all: two kinds of processor may round differently, and all must do alike."""
    if place().count == 1:
        return dict(figures)
    from jax.experimental import multihost_utils

    values = multihost_utils.broadcast_one_to_all(np.array(list(figures.values()), np.float64).view(np.uint32))
    of_0 = np.asarray(values).view(np.float64).tolist()
    return {name: type(own)(value) for (name, own), value in zip(figures.items(), of_0, strict=True)}


@contextmanager
def shared_output(out: Path, work: Mapping[str, object]) -> Iterator[Path]:
    """`lib.output.output` in process 0. The others work in a copy of what an interrupted run left there, which is
    thrown away at the end.

    Raises:
        ModelError: another process sees other files there.
    """
    if place().writes:
        with output(out, work) as partial:
            _require_alike(partial)
            yield partial
        return
    with tempfile.TemporaryDirectory() as folder:
        copy, partial = Path(folder) / "partial", partial_of(out, work)
        shutil.copytree(partial, copy) if partial.exists() else copy.mkdir()
        _require_alike(copy)
        yield copy


def _require_alike(folder: Path) -> None:
    """All wait here for each other, so that nobody copies what another one has begun to change."""
    if place().count == 1:
        return
    from jax.experimental import multihost_utils

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256("".join(f"{p.relative_to(folder)}:{file_digest(p)};" for p in files).encode()).digest()
    own = np.frombuffer(digest, np.uint32)
    if not np.array_equal(own, np.asarray(multihost_utils.broadcast_one_to_all(own))):
        raise ModelError(
            f"process {place().index} of {place().count}",
            expected="what an interrupted run left, as process 0 sees it",
            found="other files, or none",
            todo="share the folder of the model among the machines under the same path",
        )
