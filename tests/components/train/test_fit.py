"""The training loop on a tiny network: resumed runs, early stopping, averaged weights, losses that are no number."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from films import CLASSES, task
from nets import ALIKE, both, dataset, spec, train

from components.lib.errors import DataError, ModelError
from components.train.devices import prepare
from components.train.fit import fit
from components.train.network import build_core, build_training
from components.train.samples import Samples

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
# Whatever a checkpoint must hold: averages, statistics of batch normalisation, momenta, and where the schedule is.
EVERYTHING = {
    "model": "resnet", "optimizer": "sgd", "schedule": "linear", "warmup_epochs": 1, "l1": 1e-4, "l2": 1e-3, "ema": 0.5,
    "clip_norm": 1.0, "loss": "focal", "mixup": 0.4, "batch_size": 16,
}  # fmt: skip


@pytest.mark.parametrize(("settings", "last"), [({}, 2), (EVERYTHING, 1)], ids=["default", "everything"])
def test_a_killed_run_goes_on_to_the_same_weights(
    settings: dict[str, object], last: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def die(core: keras.Model, figures: dict[str, float]) -> None:
        if figures["epoch"] == last:
            raise KeyboardInterrupt

    whole, weights = train(tmp_path / "whole", spec(**settings))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", spec(**settings), die)
    capsys.readouterr()
    resumed, again = train(tmp_path / "killed", spec(**settings))
    assert f"resuming after epoch {last}" in capsys.readouterr().out
    assert resumed == whole
    assert len(resumed.curves) == 3
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    (_, one), (_, other) = (train(tmp_path / str(seed), spec(epochs=1, seed=seed)) for seed in (1, 2))
    assert not np.array_equal(one[0], other[0])


def test_early_stopping_keeps_the_weights_of_the_chosen_epoch(tmp_path: Path) -> None:
    kept: list[list[np.ndarray]] = []
    # What is learnt on train is wrong on validation, so that validation only gets worse.
    contrary = {"train": CLASSES, "validation": CLASSES[::-1]}
    state, weights = train(
        tmp_path, spec(epochs=12, patience=2, tolerance=0.0, learning_rate=1e-4),
        lambda core, figures: kept.append(core.get_weights()), contrary,
    )  # fmt: skip
    scores = [figures["validation_score"] for figures in state.curves]
    assert state.epoch == len(kept) < 12
    assert state.epoch - 1 - state.chosen == 2
    assert scores[state.chosen] == max(scores)
    for one, other in zip(weights, kept[state.chosen], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(weights[0], kept[-1][0])


def test_of_scores_alike_the_later_epoch_is_kept(tmp_path: Path) -> None:
    state, _ = train(tmp_path, spec(tolerance=0.99, patience=1))
    assert state.chosen == 2


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        train(tmp_path, spec(learning_rate=1e30))
    assert "finite" in caught.value.expected
    assert "lower train.learning_rate" in caught.value.todo


def test_a_split_without_samples(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        Samples([dataset(tmp_path / "data", ALIKE)], "test", spec())
    assert caught.value.expected == "samples in split test"


def test_a_gpu_that_is_asked_for_and_not_there() -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is one")
    with pytest.raises(ModelError) as caught:
        prepare(spec(device="gpu").train)
    assert caught.value.where == "train.device: gpu"
    assert "train.device: cpu" in caught.value.todo


def test_averages_are_kept_and_training_goes_on_from_the_raw_weights(tmp_path: Path) -> None:
    one_step = {"batch_size": 32, "tolerance": 0.99, "schedule": "constant", "learning_rate": 0.01}
    raw: dict[float, list[list[np.ndarray]]] = {0.0: [], 0.5: []}
    kept = {}
    for ema, weights in raw.items():
        tell = partial(lambda into, core, figures: into.append(core.get_weights()), weights)
        kept[ema] = train(tmp_path / str(ema), spec(ema=ema, **one_step), tell)
    for one, other in zip(raw[0.0], raw[0.5], strict=True):
        for weight, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(weight, same)
    for index, weight in enumerate(kept[0.5][1]):
        first, second, third = (epoch[index] for epoch in raw[0.5])
        np.testing.assert_allclose(weight, 0.25 * first + 0.25 * second + 0.5 * third, atol=1e-6)
    assert kept[0.0][0].curves[-1]["validation_loss"] != kept[0.5][0].curves[-1]["validation_loss"]


def test_a_batch_that_the_task_file_names_is_no_larger_than_the_data(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        train(tmp_path, spec(batch_size=33))
    assert (caught.value.where, caught.value.found) == ("train.batch_size: 33", "32 training samples")
    assert "train.batch_size: auto" in caught.value.todo


def test_a_head_that_does_not_fit_its_target(tmp_path: Path) -> None:
    several = task(targets={"finding": {"kind": "multiclass", "classes": [*CLASSES, "other"]}})
    samples, validation = both(tmp_path, spec())
    core = build_core(several, samples.fitted)
    training = build_training(core, several, samples.fitted)
    with pytest.raises(ModelError) as caught:
        fit(training, core, samples, validation, tmp_path / "checkpoint.npz", lambda figures: None)
    assert caught.value.where == "train, the head of target finding"
    assert ("(1,)" in caught.value.expected, caught.value.found) == (True, "(3,)")
