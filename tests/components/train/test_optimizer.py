"""Learning rates by step, penalties on kernels, clipped gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.lib.train_settings import Train
from components.train.optimizer import optimizer, penalise

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


def rates(steps: int = 5, epochs: int = 4, **settings: object) -> list[float]:
    """The learning rate of every step."""
    made = optimizer(Train.model_validate({"learning_rate": 1.0, **settings}), steps, epochs)
    found = []
    for step in range(steps * epochs):
        made.iterations.assign(step)
        found.append(float(made.learning_rate))
    return found


@pytest.mark.parametrize(
    ("schedule", "middle", "last"),
    [("cosine", 0.5, 0.0), ("linear", 0.5, 0.0), ("exponential", 0.1, 0.01), ("constant", 1.0, 1.0)],
)
def test_the_rate_falls_as_the_schedule_says(schedule: str, middle: float, last: float) -> None:
    found = rates(schedule=schedule)
    assert found[0] == 1
    assert found[10] == pytest.approx(middle)
    assert found[-1] == pytest.approx(last, abs=0.06)
    assert sorted(found, reverse=True) == found


def test_a_rate_that_warms_up_reaches_its_peak_and_falls_over_what_is_left() -> None:
    found = rates(warmup_epochs=2, schedule="linear")
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10, rtol=1e-6)
    np.testing.assert_allclose(found[10:], 1 - np.arange(10) / 10, atol=1e-6)


def test_kernels_alone_are_penalised() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), keras.layers.BatchNormalization()])
    network.set_weights([np.float32([[3], [-2]]), np.float32([100]), *[np.float32([100])] * 4])
    assert network.losses == []
    penalise(network, Train(l1=0.1, l2=0.01))
    assert float(sum(network.losses)) == pytest.approx(0.1 * 5 + 0.01 * 13)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_decay_pulls_kernels_and_leaves_biases(name: str) -> None:
    made = optimizer(Train(optimizer=name, schedule="constant", learning_rate=0.1), 1, 1)
    kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
    made.build([kernel, bias])
    made.apply([keras.ops.zeros(1), keras.ops.zeros(1)])
    left = 1.0 if name == "adam" else 1 - 0.1 * 1e-4
    assert (float(kernel[0]), float(bias[0])) == (pytest.approx(left, abs=1e-7), 1.0)


def test_a_long_gradient_is_cut_over_all_weights_together() -> None:
    settings = {"optimizer": "sgd", "schedule": "constant", "learning_rate": 1.0, "weight_decay": 0.0, "clip_norm": 1.0}
    made = optimizer(Train.model_validate(settings), 1, 1)
    first, second = keras.Variable([0.0], name="a"), keras.Variable([0.0], name="b")
    made.build([first, second])
    made.apply([keras.ops.array([30.0]), keras.ops.array([40.0])])
    # Nesterov's momentum of .9 takes the first step 1.9 times as far.
    np.testing.assert_allclose([float(first[0]), float(second[0])], [-0.6 * 1.9, -0.8 * 1.9], rtol=1e-5)
