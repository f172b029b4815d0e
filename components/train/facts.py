"""What a model card says of a training: from the task, the data and the networks, nothing of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from components.lib.model_dir import Training
from components.lib.train_settings import Train
from components.train.members import Trained
from components.train.network import every_layer
from components.train.samples import Development

OF_CONSTANTS = ("bias", "beta", "gamma", "moving")
"""How names of initialisers begin whose weights start at a constant."""
DIGITS = 6
"""Of a class weight: the last bits of a sum aren't the same everywhere."""


def training_facts(trained: Sequence[Trained], cores: Sequence[keras.Model], development: Development) -> Training:
    """How these nets were trained.

    Args:
        trained: the nets whose mean the model is, or whose mean it was taught by.
        cores: their networks.
        development: the samples.
    """
    spec, first = development.spec, trained[0]
    return Training(
        settings=_settings(spec.train),
        seeds=tuple(dict.fromkeys(each.member.seed for each in trained)),
        batch_size=first.batch_size,
        most_epochs=first.most_epochs,
        initialisers=_initialisers(cores[0]),
        class_weights=_class_weights(development) if spec.train.class_weights != "none" else {},
        augmentation={name: spec.policy(name).model_dump(mode="json") for name in spec.inputs},
        copies=int(development.all.table["parent_id"].notna().sum()) if "parent_id" in development.all.table else 0,
    )


def _settings(train: Train) -> dict[str, Any]:
    """`train:` without what is of a machine: a file of weights is one, whose digest stands in the lineage."""
    settings: dict[str, Any] = train.model_dump(mode="json", exclude={"device", "precision"})
    if settings["pretrained"]["weights"] is not None:
        settings["pretrained"]["weights"] = "file"
    return settings


def _initialisers(core: keras.Model) -> tuple[str, ...]:
    """How weights that aren't constant at first are drawn: "he normal"."""
    found = {type(each).__name__ for layer in every_layer(core) for each in _of_layer(layer)}
    return tuple(sorted(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in found))


def _of_layer(layer: keras.layers.Layer) -> Iterator[keras.initializers.Initializer]:
    """The initialisers of a layer, and of layers inside it, such as the cell of an LSTM."""
    for name, value in vars(layer).items():
        if isinstance(value, keras.layers.Layer):
            yield from _of_layer(value)
        elif isinstance(value, keras.initializers.Initializer) and not name.startswith(OF_CONSTANTS):
            yield value


def _class_weights(development: Development) -> dict[str, dict[str, float]]:
    """Per target with classes, what a training sample of each class weighs in the loss."""
    samples, found = development.all, dict[str, dict[str, float]]()
    every = samples.weights()
    for name, kind in development.spec.targets.items():
        if not kind.class_names:
            continue
        weights, known = every[name], samples.known[name]
        labels = kind.labels(samples.targets[name])  # type: ignore[attr-defined]
        found[name] = {
            label: round(float(np.mean(weights[known & (labels == place)])), DIGITS)
            for place, label in enumerate(kind.class_names)
            if (known & (labels == place)).any()
        }
    return found
