"""The net whose feature map looks at itself: it trains, it exports, and it knows where things are."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from films import task
from nets import train

from components.lib.train_settings import Train
from components.train.export import export
from components.train.models import architecture
from components.train.models.image.attention_cnn import positions
from components.train.network import build_core, build_served, output_names
from components.train.samples import Fitted

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


def test_it_learns_and_answers_as_keras_when_exported(tmp_path: Path) -> None:
    settings = task(
        inputs={"image": {"kind": "image", "size": [16, 16]}},
        train={"model": "attention_cnn", "width": 4, "batch_size": 8, "epochs": 2, "learning_rate": 3e-3,
               "precision": "float32", "device": "cpu"},
    )  # fmt: skip
    state, weights = train(tmp_path, settings)
    assert state.curves[1]["loss"] < state.curves[0]["loss"]
    fitted = Fitted({"image": {}}, {"finding": {}})
    core = build_core(settings, fitted)
    core.set_weights(weights)
    assert output_names(core, settings) == ["finding"]  # no map: a place has heard of all others
    served = build_served([core], settings, fitted, {"finding": {"temperature": 1.0}})
    films = np.random.default_rng(0).random((3, *settings.inputs["image"].shape), np.float32)
    export(served, ["finding"], {"image": films}, tmp_path / "model.onnx")  # raises where the two differ


def test_a_place_hears_of_all_others() -> None:
    inputs = keras.Input((32, 32, 1))
    extract, local = architecture("image", "attention_cnn")
    network = keras.Model(inputs, extract(inputs, Train(width=8)))
    assert (local, network.output.shape[1:]) == (False, (4, 4, 32))
    films = np.zeros((2, 32, 32, 1), np.float32)
    films[1, 28:, 28:] = 1
    one, other = network.predict_on_batch(films)
    assert np.abs(one[0, 0] - other[0, 0]).max() > 0


def test_every_place_is_marked_otherwise() -> None:
    marks = positions(5, 7, 16)
    assert (marks.shape, marks.dtype) == ((5, 7, 16), np.float32)
    flat = marks.reshape(35, 16)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2) + 9 * np.eye(35)
    assert distances.min() > 0.1
    np.testing.assert_array_equal(marks[:, 0, :8], marks[:, 6, :8])
    np.testing.assert_array_equal(marks[0, :, 8:], marks[4, :, 8:])
