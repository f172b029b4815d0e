"""Batch and epochs that follow from the data and the memory, and what is said of them."""

from __future__ import annotations

import keras
import pytest

from components.lib.errors import ModelError
from components.lib.train_settings import Train
from components.train.derive import Plan, plan

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


@pytest.fixture(scope="module")
def core() -> keras.Model:
    """A network whose layers put out 1,000 numbers for a sample."""
    inputs = keras.Input((250,))
    inner = keras.Sequential([keras.Input((250,)), keras.layers.Dense(250)])
    return keras.Model(inputs, keras.layers.Dense(250)(inner(inputs)))


@pytest.mark.parametrize(
    ("count", "memory", "size", "said"),
    [
        (452, 1e9, 32, "batch of 32: 452 samples give 15 steps an epoch\n"),
        (100_000, 1e9, 128, "batch of 128: 100000 samples give 782 steps an epoch\n"),
        (12, 1e9, 4, "batch of 4: 12 samples give 3 steps an epoch\n"),
        (452, 640_000, 16, "steps an epoch; more would take over 25% of 0.0 GB of memory\n"),
    ],
)
def test_the_batch_leaves_enough_steps_and_room(
    core: keras.Model, count: int, memory: float, size: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(Train(batch_size="auto"), count, core, int(memory)) == Plan(size, 10)
    assert capsys.readouterr().out.endswith(said)


@pytest.mark.parametrize(("count", "epochs"), [(452, 125), (20, 200), (100_000, 10)])
def test_epochs_make_about_a_thousand_steps(
    core: keras.Model, count: int, epochs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made = plan(Train(epochs="auto"), count, core)
    steps = -(-count // 64)
    assert made.epochs == epochs
    assert f"at most {epochs} epochs: of {steps} steps each, {epochs * steps:,} in all" in capsys.readouterr().out


def test_a_default_batch_of_all_the_data_is_told(core: keras.Model, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(Train(), 40, core) == Plan(64, 10)
    assert capsys.readouterr().out.startswith("batch of 40: all training samples in one step an epoch")
    with pytest.raises(ModelError, match="40 training samples"):
        plan(Train(batch_size=64), 40, core)
