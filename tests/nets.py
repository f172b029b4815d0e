"""A tiny dataset, and a tiny network trained on it, for tests of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from films import CLASSES, SIDE, task

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.spec import TaskSpec
from components.train.devices import prepare
from components.train.fit import State, fit
from components.train.network import build_core, build_training
from components.train.samples import Samples

ALIKE = {"train": CLASSES, "validation": CLASSES}


def dataset(path: Path, classes: dict[str, tuple[str, str]], side: int = SIDE) -> Dataset:
    """Noisy ramps: those that rise to the right are of the split's second class."""
    path.mkdir(parents=True)
    generator = np.random.default_rng(0)
    ramp = np.linspace(-25, 25, side)
    rows = [(split, rising) for split, count in (("train", 32), ("validation", 16)) for rising in [0, 1] * (count // 2)]
    films = [128 + (ramp if rising else -ramp) + generator.normal(0, 40, (side, side)) for _, rising in rows]
    samples = pd.DataFrame({
        "sample_id": [f"s{i}" for i in range(len(rows))], "patient": None, "split": [split for split, _ in rows],
        "finding": [classes[split][rising] for split, rising in rows],
    })  # fmt: skip
    writer = DatasetWriter(path)
    writer.write_part(0, samples, {"image": np.stack(films).clip(0, 255).astype(np.uint8)[..., None]})
    writer.finish(
        task="chest_test", step="clean", parts=1, synthetic=True, targets={}, key_fingerprint=None, lineage={},
        arrays={"image": ArrayInfo(shape=(side, side, 1), dtype="uint8", kind="image")},
    )  # fmt: skip
    return Dataset(path)


def spec(**settings: Any) -> TaskSpec:
    """A task with a network that trains in no time."""
    tiny = {"model": "cnn", "width": 4, "batch_size": 8, "epochs": 3, "precision": "float32", "device": "cpu"}
    return task(train={**tiny, **settings})


def both(folder: Path, settings: TaskSpec, classes: dict[str, tuple[str, str]] = ALIKE) -> tuple[Samples, Samples]:
    """Samples of train and validation, from what the folder has or gets."""
    place, side = folder / "data", settings.inputs["image"].shape[0]
    data = Dataset(place) if place.exists() else dataset(place, classes, side)
    samples = Samples([data], "train", settings)
    return samples, Samples([data], "validation", settings, samples.fitted)


def train(
    folder: Path, settings: TaskSpec, on_epoch: Callable[[keras.Model, dict[str, float]], None] | None = None,
    classes: dict[str, tuple[str, str]] = ALIKE,
) -> tuple[State, list[np.ndarray]]:  # fmt: skip
    """Train, or go on with what was left in the folder; returns the state and the weights kept."""
    samples, validation = both(folder, settings, classes)
    prepare(settings.train)
    keras.utils.set_random_seed(settings.train.seed)
    core = build_core(settings, samples.fitted)
    tell = (lambda figures: on_epoch(core, figures)) if on_epoch else (lambda figures: None)
    state = fit(
        build_training(core, settings, samples.fitted), core, samples, validation, folder / "checkpoint.npz", tell
    )
    return state, core.get_weights()
