"""Local contrast: what it computes, and what it no longer sees."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from components.lib.train_settings import Train
from components.train.export import export
from components.train.models.image._contrast import LEAST_VARIANCE, with_local_contrast
from components.train.models.image.resnet import features

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


def pictures(side: int, channels: int = 1) -> np.ndarray:
    """Standardised noise (2, side, side, channels)."""
    return np.random.default_rng(side).standard_normal((2, side, side, channels)).astype(np.float32)


@pytest.mark.parametrize(("side", "channels", "window"), [(28, 1, 9), (12, 3, 3), (64, 1, 21)])
def test_each_pixel_is_told_by_the_window_around_it(side: int, channels: int, window: int) -> None:
    given = pictures(side, channels)
    found = np.asarray(with_local_contrast(given))
    assert found.shape == (2, side, side, 2 * channels)
    np.testing.assert_array_equal(found[..., :channels], given)
    edge = window // 2
    mirrored = np.pad(given, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(mirrored, (window, window), axis=(1, 2))
    expected = (given - around.mean((-2, -1))) / np.sqrt(around.var((-2, -1)) + LEAST_VARIANCE)
    np.testing.assert_allclose(found[..., channels:], expected, atol=1e-4)


def test_half_the_contrast_of_one_side_is_hardly_seen() -> None:
    given = pictures(28)
    dimmed = given.copy()
    dimmed[:, :, 14:] = 0.5 * given[:, :, 14:] + 1
    plain, changed = (np.asarray(with_local_contrast(each))[:, :, 19:, 1] for each in (given, dimmed))
    assert np.abs(changed - plain).max() < 0.1
    assert np.abs(dimmed - given)[:, :, 19:].max() > 1


def test_an_even_background_stays_even() -> None:
    flat = np.full((1, 28, 28, 1), 0.3, np.float32)
    assert np.abs(np.asarray(with_local_contrast(flat))[..., 1]).max() < 1e-3


def test_it_travels_to_onnx(tmp_path: Path) -> None:
    inputs = keras.Input((28, 28, 1), name="image")
    given = {"image": pictures(28)}
    export(keras.Model([inputs], [with_local_contrast(inputs)]), ["contrast"], given, tmp_path / "model.onnx")
    (answer,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(["contrast"], given)
    np.testing.assert_allclose(answer, np.asarray(with_local_contrast(given["image"])), atol=1e-5)


def test_a_network_with_it_is_the_same_file_each_time(tmp_path: Path) -> None:
    inputs = keras.Input((32, 32, 1), name="image")
    network = keras.Model([inputs], [features(inputs, Train(width=4))])
    given, file = {"image": pictures(32)}, tmp_path / "model.onnx"
    files = set()
    for _ in range(8):  # of the graph with two local means, about one export in ten was another
        export(network, ["features"], given, file)
        files.add(file.read_bytes())
    assert len(files) == 1
