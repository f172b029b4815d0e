"""What a model's card says of its training: read from the networks and the samples themselves."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from folded import datasets, spec

from components.lib.train_settings import Train
from components.train.facts import _initialisers, _settings, training_facts
from components.train.members import Trained, members
from components.train.network import build_core
from components.train.samples import Development

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


def test_facts_are_those_of_the_task_the_samples_and_the_network(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    first = int(generator.integers(1, 500))
    settings = spec(seeds=2, seed=first, optimizer="sgd", device="cpu")
    development = Development(*datasets(tmp_path / "data"), settings)
    core = build_core(settings, development.all.fitted)
    nets = [Trained(each, [], 0, [], "float32", 8, 3) for each in members(settings)]
    facts = training_facts(nets, [core], development)
    assert facts.seeds == (first, first + 1)
    assert (facts.batch_size, facts.most_epochs, facts.settings["optimizer"]) == (8, 3, "sgd")
    assert "device" not in facts.settings
    labels, known = development.all.targets["finding"][:, 0], development.all.known["finding"]
    weighed = facts.class_weights["finding"]
    total = sum(weighed[name] * (known & (labels == place)).sum() for place, name in enumerate(weighed))
    assert total == pytest.approx(known.sum(), rel=1e-3)
    assert set(facts.augmentation) == {"image"}
    assert facts.initialisers
    without = Development(*datasets(tmp_path / "other"), spec(class_weights="none"))
    assert training_facts(nets, [core], without).class_weights == {}


def test_no_path_of_this_machine_goes_into_a_model() -> None:
    settings = Train.model_validate({"model": "pretrained", "pretrained": {"weights": "/home/somebody/w.weights.h5"}})
    assert "somebody" not in str(_settings(settings))
    assert _settings(settings)["pretrained"]["weights"] == "file"


def test_initialisers_of_cells_inside_a_layer_count_and_constants_do_not() -> None:
    inputs = keras.Input((12, 2))
    hidden = keras.layers.Bidirectional(keras.layers.LSTM(4, recurrent_initializer="orthogonal"))(inputs)
    dense = keras.layers.Dense(2, kernel_initializer="he_normal", bias_initializer="ones")(hidden)
    found = _initialisers(keras.Model(inputs, keras.layers.BatchNormalization()(dense)))
    assert found == ("glorot uniform", "he normal", "orthogonal")
