"""One architecture a file, in the folder of the input kind it is for. Each has one function:

    features(inputs, settings) -> feature map (N, h, w, channels) or (N, t, channels), or features (N, channels)

Pooling, head and class-activation map are the same for all and stand in components/train/network.py. A module may also
have

    LOCAL = False   a place of its feature map doesn't speak of that place of the input: its graph gets no map; of
                    pictures one is made by hiding places (`lib.occlusion`)
    LEAST = 8       the shortest side, or number of steps in time, that it takes
    sources(settings)                digests of files that go into its weights, by name
    load(core, settings)             put learnt weights into a new network; called once, before training
    freeze(core, settings, frozen)   say which of its weights are trained; called before the first epoch and when
                                     `train.frozen_epochs` are over
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import keras

from components.lib.errors import ModelError
from components.lib.train_settings import Train

Features = Callable[[Any, Train], Any]


def architecture(kind: str, name: str) -> tuple[Features, bool]:
    """The feature extractor of that name for an input kind, and whether its feature map is local.

    The task file has checked that it is there. The extractor raises a ModelError for inputs smaller than it takes.
    """
    module = _module(kind, name)

    def features(inputs: Any, settings: Train) -> Any:
        _refuse_small(kind, name, module, tuple(inputs.shape[1:-1]))
        return module.features(inputs, settings)

    return cast(Features, features), getattr(module, "LOCAL", True)


def sources(kind: str, name: str, settings: Train) -> dict[str, str]:
    """Digests of the files that go into the weights, beside the data, by name.

    Raises:
        ModelError: one isn't there.
    """
    module = _module(kind, name)
    return dict(module.sources(settings)) if hasattr(module, "sources") else {}


def load(core: keras.Model, kind: str, name: str, settings: Train) -> None:
    """Put learnt weights into a new network, where the architecture has some.

    Raises:
        ModelError: they can't be had, or don't fit.
    """
    module = _module(kind, name)
    if hasattr(module, "load"):
        module.load(core, settings)


def freeze(core: keras.Model, kind: str, name: str, settings: Train, *, frozen: bool) -> None:
    """Say which weights are trained, where the architecture starts with learnt ones."""
    module = _module(kind, name)
    if hasattr(module, "freeze"):
        module.freeze(core, settings, frozen=frozen)


def _module(kind: str, name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{kind}.{name}")


def _refuse_small(kind: str, name: str, module: ModuleType, size: tuple[int, ...]) -> None:
    least = getattr(module, "LEAST", 1)
    if size and min(size) < least:
        key, unit = ("size", "pixels") if len(size) == 2 else ("seconds or rate", "steps")
        raise ModelError(
            f"train.model: {name}",
            expected=f"at least {' × '.join([str(least)] * len(size))} {unit}: its strides leave nothing of less",
            found=f"{' × '.join(map(str, size))} {unit}",
            todo=f"raise the {key} of the input of kind {kind} in the task file, or choose another train.model",
        )
