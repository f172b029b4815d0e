"""Averaged weights: batch normalisation under them, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from components.lib.train_settings import Train
from components.train.averages import averaged
from components.train.optimizer import optimizer

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


class Batches(keras.utils.PyDataset):
    """Three batches of four samples."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = np.random.default_rng(0).normal(2, 3, (3, 4, 2)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[np.ndarray]:
        return (self.inputs[index],)


def test_statistics_are_those_of_the_averaged_weights_and_the_raw_ones_come_back() -> None:
    inputs = keras.Input((2,))
    dense, normal = keras.layers.Dense(2, use_bias=False), keras.layers.BatchNormalization()
    network = keras.Model(inputs, normal(dense(inputs)))
    network.compile(optimizer(Train(ema=0.9), 3, 1), loss="mse")
    network.optimizer.build(network.trainable_variables)
    average = np.float32([[0, 1], [2, 0]])
    (kept,) = [each for each in network.optimizer.variables if each.name.endswith("kernel_average")]
    kept.assign(average)
    before = network.get_weights()
    batches = Batches()
    with averaged(network, batches):
        np.testing.assert_array_equal(dense.kernel, average)
        seen = batches.inputs @ average
        np.testing.assert_allclose(normal.moving_mean, seen.mean(axis=(0, 1)), rtol=1e-5)
        np.testing.assert_allclose(normal.moving_variance, seen.var(axis=1).mean(axis=0), rtol=1e-4)
    assert normal.momentum == 0.99
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


UNDER_JAX = """
import numpy as np, keras
from components.lib.train_settings import Train
from components.train.averages import averaged
from components.train.optimizer import optimizer
class Batches(keras.utils.PyDataset):
    def __len__(self): return 2
    def __getitem__(self, index): return np.full((4, 2), index, "float32"), np.ones((4, 1), "float32")
batches, inputs = Batches(), keras.Input((2,))
core = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.BatchNormalization()(inputs)))
training = keras.Model(inputs, core(inputs))
training.compile(optimizer(Train(ema=0.9), 2, 2), loss="mse")
training.optimizer.build(training.trainable_variables)
for epoch in range(2):
    training.fit(batches, verbose=0, shuffle=False)
    with averaged(training, batches):
        core.predict_on_batch(batches[0][0])
print(keras.backend.backend(), np.isfinite(training.get_weights()[0]).all())
"""


def test_averages_outlive_predictions_under_jax() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", UNDER_JAX]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, check=False)
    assert done.stdout.strip() == "jax True", done.stderr
