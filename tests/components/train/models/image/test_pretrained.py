"""Backbones of keras.applications: weights from a file, what is frozen and when, pictures as they know them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from films import task
from nets import train

from components.lib.digests import file_digest
from components.lib.errors import ModelError
from components.lib.spec import TaskSpec
from components.train import models
from components.train.models.image import pretrained
from components.train.network import build_core, learnt_sources
from components.train.samples import Fitted

pytestmark = [
    pytest.mark.xdist_group("tensorflow"),  # imported once, in one process
    # Keras asks TensorFlow for arrays as NumPy 1 did, where it writes weights to a file.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]
FITTED = Fitted({"image": {}}, {"finding": {}})
SIDE = 32


def net(**settings: object) -> TaskSpec:
    """A task whose network has a backbone, MobileNetV3Small."""
    return task(
        inputs={"image": {"kind": "image", "size": [SIDE, SIDE]}},
        train={"model": "pretrained", "epochs": 3, "batch_size": 16, "precision": "float32", "device": "cpu",
               "tolerance": 0.99, "pretrained": settings},
    )  # fmt: skip


@pytest.fixture(scope="module")
def small() -> keras.Model:
    """MobileNetV3Small with weights of nobody's."""
    keras.utils.set_random_seed(5)
    return keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(64, 64, 3))


@pytest.mark.parametrize("name", ["mobile.weights.h5", "mobile.keras", "mobile.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_weights_come_from_a_file(name: str, small: keras.Model, tmp_path: Path) -> None:
    file = tmp_path / name
    small.save_weights(file) if name.endswith(".weights.h5") else small.save(file)
    spec = net(weights=str(file))
    core = build_core(spec, FITTED)
    models.load(core, "image", "pretrained", spec.train)
    for read, written in zip(pretrained.backbone_of(core).get_weights(), small.get_weights(), strict=True):
        np.testing.assert_array_equal(read, written)
    assert learnt_sources(spec) == {"pretrained": file_digest(file)}


def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(file)
    spec = net(weights=str(file))
    core = build_core(spec, FITTED)
    with pytest.raises(ModelError) as caught:
        models.load(core, "image", "pretrained", spec.train)
    assert caught.value.where == "train.pretrained.weights: other.weights.h5"
    assert "MobileNetV3Small without its top" in caught.value.expected
    file.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="without its top"):
        models.load(core, "image", "pretrained", spec.train)


def test_weights_that_are_not_there_are_told_before_training() -> None:
    with pytest.raises(ModelError, match="no such file"):
        learnt_sources(net(weights="/nowhere/mobile.h5"))


def test_pictures_reach_each_backbone_as_it_knows_them() -> None:
    film = np.float32([-1, 0, 1])[None, None, :, None] * np.float32([1, 2, 3])
    made = {
        name: np.asarray(pretrained._as_trained_on(film, name))
        for name in ("MobileNetV3Small", "EfficientNetV2B0", "DenseNet121", "ResNet50")
    }
    np.testing.assert_allclose(made["MobileNetV3Small"], 255 * (0.449 + 0.226 * film), rtol=1e-5)
    np.testing.assert_allclose(made["ResNet50"], 255 * 0.226 * film[..., ::-1], rtol=1e-5)
    np.testing.assert_array_equal(made["DenseNet121"], film)
    np.testing.assert_array_equal(made["EfficientNetV2B0"], film)


@pytest.mark.accept
@pytest.mark.timeout(1200)
def test_the_backbone_is_frozen_then_fitted_and_a_killed_run_ends_alike(small: keras.Model, tmp_path: Path) -> None:
    file = tmp_path / "mobile.weights.h5"
    small.save_weights(file)
    spec = net(weights=str(file), frozen_epochs=2, learning_rate_factor=0.5)
    seen: list[list[np.ndarray]] = []

    def look(core: keras.Model, figures: dict[str, float]) -> None:
        seen.append(pretrained.backbone_of(core).get_weights())

    def die(core: keras.Model, figures: dict[str, float]) -> None:
        if figures["epoch"] == last:
            raise KeyboardInterrupt

    state, weights = train(tmp_path / "whole", spec, look)
    first, second, third = seen
    for one, other, written in zip(first, second, small.get_weights(), strict=True):
        np.testing.assert_array_equal(one, written)
        np.testing.assert_array_equal(other, written)
    normal = [id(each) for layer in small.layers if isinstance(layer, keras.layers.BatchNormalization)
              for each in layer.weights]  # fmt: skip
    changed = {
        variable.path: (one != other).any() for variable, one, other in zip(small.weights, second, third, strict=True)
    }
    assert any(changed.values())
    assert not any(changed[variable.path] for variable in small.weights if id(variable) in normal)
    for last in (1, 2):  # in the frozen stretch, and at its end
        folder = tmp_path / f"killed-{last}"
        with pytest.raises(KeyboardInterrupt):
            train(folder, spec, die)
        resumed, again = train(folder, spec)
        assert resumed == state
        for one, other in zip(weights, again, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.accept
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "backbone", ["MobileNetV3Small", "MobileNetV3Large", "EfficientNetV2B0", "DenseNet121", "ResNet50"]
)
def test_every_backbone_exports_and_answers_as_keras(backbone: str, tmp_path: Path) -> None:
    from components.train.export import export
    from components.train.network import build_served

    spec = net(backbone=backbone)
    keras.utils.set_random_seed(1)
    core = build_core(spec, FITTED)
    films = np.random.default_rng(0).random((3, SIDE, SIDE, 1), np.float32)
    # Random weights say next to nothing: by this temperature films get answers that differ.
    spread = float(np.ptp(core.predict_on_batch({"image": films})["finding"]))
    served = build_served([core], spec, FITTED, {"finding": {"temperature": spread}})
    export(served, ["finding"], {"image": films}, tmp_path / "model.onnx")  # raises where the two differ
    assert np.ptp(served.predict_on_batch(films)) > 0.01
