"""Averaged weights (`train.ema`): they are what is validated and kept, while training goes on from the raw ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from components.train.network import every_layer

# Batches over which the statistics of batch normalisation are taken.
BATCHES = 32


@contextmanager
def averaged(training: keras.Model, batches: keras.utils.PyDataset) -> Iterator[None]:
    """The network with its averaged weights while the block runs, and with the raw ones after it.

    The running statistics of batch normalisation were taken under the raw weights; they are taken anew, as means over
    batches under the averaged ones (Izmailov et al. 2018, arXiv:1803.05407, section 3.2).

    Args:
        training: the network; its optimizer keeps the averages, where `train.ema` asks for them.
        batches: those of the epoch.
    """
    if not training.optimizer.use_ema:
        yield
        return
    raw = training.get_weights()
    for variable, average in zip(training.trainable_variables, _averages(training), strict=True):
        # A copy: JAX gives the memory of weights away while it computes, and the averages would be gone with it.
        variable.assign(keras.ops.copy(average))
    _take_statistics(training, batches)
    try:
        yield
    finally:
        training.set_weights(raw)


def _averages(training: keras.Model) -> list[Any]:
    """The optimizer's averages, in the order of the variables that are trained."""
    return [variable for variable in training.optimizer.variables if variable.name.endswith("_average")]


def _take_statistics(training: keras.Model, batches: keras.utils.PyDataset) -> None:
    layers = [layer for layer in normalisations(training) if layer.trainable]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for number in range(min(len(batches), BATCHES)):
        for layer in layers:
            layer.momentum = number / (number + 1)  # so that all batches count alike
        training(batches[number][0], training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def normalisations(model: keras.Model) -> list[Any]:
    """The batch normalisations of a network and of networks in it."""
    return [each for each in every_layer(model) if isinstance(each, keras.layers.BatchNormalization)]
