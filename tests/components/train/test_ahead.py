"""Batches got ready ahead: the same ones in the same order, few at a time, and no thread left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from films import task
from ramps import TINY, ramps

from components.train.ahead import ahead
from components.train.epochs import EpochBatches
from components.train.samples import Samples

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


class Numbers(keras.utils.PyDataset):
    """Batches that are their own numbers, and what was asked for."""

    def __init__(self, count: int, broken: int = -1) -> None:
        super().__init__()
        self._count, self._broken = count, broken
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        self.asked.append(index)
        if index == self._broken:
            raise OSError(f"batch {index}")
        return index


def running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


@pytest.mark.parametrize("threads", [1, 4])
def test_the_batches_are_those_got_one_by_one(threads: int, tmp_path: Path) -> None:
    data = [ramps(tmp_path / "data", {"train": 20})]
    batches = EpochBatches(Samples(data, "train", task(train={**TINY, "mixup": 0.4})), 1, 3)
    with ahead(batches, threads) as ready:
        found = [ready[number] for number in range(len(ready))]
        assert running()
    assert not running()
    assert len(found) == 7
    for number, batch in enumerate(found):
        for one, other in zip(keras.tree.flatten(batch), keras.tree.flatten(batches[number]), strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_no_more_batches_wait_than_there_are_threads(threads: int) -> None:
    numbers = Numbers(20)
    with ahead(numbers, threads) as ready:
        for number in range(10):
            assert ready[number] == number
            assert len(numbers.asked) <= number + 1 + threads
    assert sorted(numbers.asked) == list(range(len(numbers.asked)))


def test_an_error_in_a_thread_comes_up_at_its_batch() -> None:
    with ahead(Numbers(6, broken=3), 2) as ready:
        assert [ready[number] for number in range(3)] == [0, 1, 2]
        with pytest.raises(OSError, match="batch 3"):
            ready[3]
    assert not running()


def test_an_error_in_training_leaves_no_thread() -> None:
    numbers = Numbers(100)

    def interrupted() -> None:
        with ahead(numbers, 3) as ready:
            assert ready[0] == 0
            assert running()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not running()
    assert len(numbers.asked) <= 4


def test_tensorflow_gets_the_same_batches_and_tunes_nothing(tmp_path: Path) -> None:
    """Tuning makes the end of an epoch wait for a thread that sleeps, for seconds."""
    data = [ramps(tmp_path / "data", {"train": 20})]
    batches = EpochBatches(Samples(data, "train", task(train={**TINY, "mixup": 0.4})), 1, 3)
    with ahead(batches) as ready:
        assert not ready.options().autotune.enabled
        assert len(ready) == 7
        for number, found in enumerate(ready.as_numpy_iterator()):
            for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(batches[number]), strict=True):
                np.testing.assert_array_equal(one, other, strict=True)
    assert number == 6


UNDER_JAX = """
import sys, threading, keras, numpy as np
from pathlib import Path
sys.path.insert(0, "tests")
from films import task
from ramps import TINY, ramps
from components.lib.errors import ModelError
from components.train.epochs import EpochBatches
from components.train.fit import Watch
from components.train.processes import fit_epoch
from components.train.samples import Samples
from components.lib.progress import progress

batches = EpochBatches(Samples([ramps(Path(sys.argv[1]), {"train": 20})], "train", task(train=TINY)), 0, 8)
inputs = keras.Input(batches[0][0]["image"].shape[1:], name="image")
network = keras.Model({"image": inputs}, {"finding": keras.layers.Dense(1)(keras.layers.Flatten()(inputs))})
raw = network.get_weights()
def train(threads, rate):
    network.compile(keras.optimizers.SGD(rate), loss={"finding": "mse"})
    network.set_weights(raw)
    with progress(range(3), "training") as bar:
        loss = fit_epoch(network, batches, 0, [Watch(bar, batches, 0)], threads)
    return [np.float64(loss).tobytes(), *[each.tobytes() for each in network.get_weights()]]
print(train(0, 0.01) == train(2, 0.01))
try:
    train(2, 1e38)
except ModelError as error:
    print(error.where)
print([each.name for each in threading.enumerate() if each.name.startswith("batches")])
"""


def test_under_jax_threads_change_nothing_and_end_with_a_loss_that_is_no_number(tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", UNDER_JAX, str(tmp_path / "data")]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, check=False)
    assert done.stdout.splitlines() == ["True", "train, epoch 1, step 2 of 3", "[]"], done.stderr
