"""The training loop on a tiny network: resumed runs, early stopping, losses that are no number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from films import CLASSES, SIDE, task

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.errors import DataError, ModelError
from components.lib.spec import TaskSpec
from components.train.devices import prepare
from components.train.fit import State, fit
from components.train.network import build_core, build_training
from components.train.samples import Samples

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
ALIKE = {"train": CLASSES, "validation": CLASSES}


def dataset(path: Path, classes: dict[str, tuple[str, str]]) -> Dataset:
    """Noisy ramps: those that rise to the right are of the split's second class."""
    path.mkdir(parents=True)
    generator = np.random.default_rng(0)
    ramp = np.linspace(-25, 25, SIDE)
    rows = [(split, rising) for split, count in (("train", 32), ("validation", 16)) for rising in [0, 1] * (count // 2)]
    films = [128 + (ramp if rising else -ramp) + generator.normal(0, 40, (SIDE, SIDE)) for _, rising in rows]
    samples = pd.DataFrame({
        "sample_id": [f"s{i}" for i in range(len(rows))], "patient": None, "split": [split for split, _ in rows],
        "finding": [classes[split][rising] for split, rising in rows],
    })  # fmt: skip
    writer = DatasetWriter(path)
    writer.write_part(0, samples, {"image": np.stack(films).clip(0, 255).astype(np.uint8)[..., None]})
    writer.finish(
        task="chest_test", step="clean", parts=1, synthetic=True, targets={}, key_fingerprint=None, lineage={},
        arrays={"image": ArrayInfo(shape=(SIDE, SIDE, 1), dtype="uint8", kind="image")},
    )  # fmt: skip
    return Dataset(path)


def spec(**settings: Any) -> TaskSpec:
    tiny = {"model": "cnn", "width": 4, "batch_size": 8, "epochs": 3, "precision": "float32", "device": "cpu"}
    return task(train={**tiny, **settings})


def train(
    folder: Path, settings: TaskSpec, on_epoch: Callable[[keras.Model, dict[str, float]], None] | None = None,
    classes: dict[str, tuple[str, str]] = ALIKE,
) -> tuple[State, list[np.ndarray]]:  # fmt: skip
    """Train, or go on with what was left in the folder; returns the state and the weights kept."""
    data = Dataset(folder / "data") if (folder / "data").exists() else dataset(folder / "data", classes)
    samples = Samples([data], "train", settings)
    validation = Samples([data], "validation", settings, samples.fitted)
    prepare(settings.train)
    keras.utils.set_random_seed(settings.train.seed)
    core = build_core(settings, samples.fitted)
    tell = (lambda figures: on_epoch(core, figures)) if on_epoch else (lambda figures: None)
    state = fit(
        build_training(core, settings, samples.fitted), core, samples, validation, folder / "checkpoint.npz", tell
    )
    return state, core.get_weights()


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def die(core: keras.Model, figures: dict[str, float]) -> None:
        if figures["epoch"] == 2:
            raise KeyboardInterrupt

    whole, weights = train(tmp_path / "whole", spec())
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", spec(), die)
    capsys.readouterr()
    resumed, again = train(tmp_path / "killed", spec())
    assert "resuming after epoch 2" in capsys.readouterr().out
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
