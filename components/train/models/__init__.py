"""One architecture a file, in the folder of the input kind it is for. Each has one function:

    features(inputs, settings) -> feature map (N, h, w, channels) or (N, t, channels), or features (N, channels)

Pooling, head and class-activation map are the same for all and stand in components/train/network.py. A module that sets
LOCAL = False says that a place of its feature map doesn't speak of that place of the input: it gets no map.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

from components.lib.train_settings import Train

Features = Callable[[Any, Train], Any]


def architecture(kind: str, name: str) -> tuple[Features, bool]:
    """The feature extractor of that name for an input kind, and whether its feature map is local.

    The task file has checked that it is there.
    """
    module = importlib.import_module(f"{__name__}.{kind}.{name}")
    return cast(Features, module.features), getattr(module, "LOCAL", True)
