"""Batch and epochs that `train:` leaves to the data and the memory, each with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.lib.errors import ModelError
from components.lib.train_settings import Train
from components.train.network import every_layer

SIZES = (128, 64, 32, 16, 8, 4)
LEAST_STEPS = 10
"""An epoch of fewer steps takes a net no further than its first guesses."""
STEPS = 1000
FEWEST, MOST = 10, 200
# What a layer puts out and its gradient, each of 4 bytes.
BYTES_PER_OUTPUT = 8
SHARE_OF_MEMORY = 0.25


@dataclass(frozen=True)
class Plan:
    """How long training is, and in which steps."""

    batch_size: int
    epochs: int


def plan(settings: Train, count: int, core: keras.Model, memory: int | None = None) -> Plan:
    """Batch size and epochs, and the reason on the terminal where the task file leaves them open.

    Args:
        settings: those of `train:`.
        count: training samples.
        core: the network.
        memory: bytes of the machine or its container; asked of the system when left out. Not what is free at the
            moment: the same data give the same training on the same machine.

    Raises:
        ModelError: the task file names a batch larger than the data.
    """
    size = settings.batch_size
    if size == "auto":
        size = _batch(count, outputs(core), _memory() if memory is None else memory)
    elif size > count:
        _refuse_or_tell(settings, size, count)
    steps = -(-count // size)
    epochs = settings.epochs
    if epochs == "auto":
        least = max(FEWEST, settings.frozen_epochs + settings.warmup_epochs + 1)
        epochs = int(np.clip(round(STEPS / steps), least, max(MOST, least)))
        print(f"at most {epochs} epochs: of {steps} steps each, {epochs * steps:,} in all")
    return Plan(size, epochs)


def _batch(count: int, outputs: int, memory: int) -> int:
    """The largest size that leaves enough steps and room."""
    room = int(SHARE_OF_MEMORY * memory) // (BYTES_PER_OUTPUT * outputs)
    enough = next((size for size in SIZES if -(-count // size) >= LEAST_STEPS), SIZES[-1])
    size = next((each for each in SIZES if each <= min(enough, room)), SIZES[-1])
    why = f"{count} samples give {-(-count // size)} steps an epoch"
    held = f"; more would take over {SHARE_OF_MEMORY:.0%} of {memory / 1e9:.1f} GB of memory" if size < enough else ""
    print(f"batch of {size}: {why}{held}")
    return size


def _refuse_or_tell(settings: Train, size: int, count: int) -> None:
    """A size that somebody wrote is a mistake to be told of; the default one is not theirs to mend."""
    if "batch_size" in settings.model_fields_set:
        raise ModelError(
            f"train.batch_size: {size}",
            expected="no more than there are training samples",
            found=f"{count} training samples",
            todo=f"set train.batch_size: auto, or at most {count}",
        )
    print(f"batch of {count}: all training samples in one step an epoch; train.batch_size: auto makes more steps")


def outputs(core: keras.Model) -> int:
    """Numbers that the layers of a network put out for one sample."""
    tensors = [tensor for layer in every_layer(core) for tensor in keras.tree.flatten(layer.output)]
    return sum(int(np.prod(tensor.shape[1:])) for tensor in tensors)


def limited(count: int) -> int:
    """So many bytes of memory, or what the container may take where that is less."""
    most = Path("/sys/fs/cgroup/memory.max")
    limit = most.read_text(encoding="utf-8").strip() if most.is_file() else "max"
    return min(count, int(limit)) if limit.isdigit() else count


def _memory() -> int:
    """Bytes of memory of the machine, or of the container."""
    return limited(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
