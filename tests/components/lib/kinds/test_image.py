"""Pictures: what hospitals send becomes uint8 of one shape, or is refused with a reason."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from films import encoded, film
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from pydantic import ValidationError

from components.lib.errors import Unusable
from components.lib.kinds.image import Image, ImagePolicy

ROOT = Path(__file__).parents[4]
GREY = Image(kind="image", size=(16, 16))
COLOUR = Image(kind="image", size=(16, 16), channels=3)
RAMP = np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1))
"""Darker left, brighter right, (16, 16)."""
RED = np.dstack([RAMP, np.zeros_like(RAMP), np.zeros_like(RAMP)])
"""The same in red, RGB."""


def bgr(rgb: np.ndarray) -> np.ndarray:
    """As OpenCV writes colours."""
    return np.ascontiguousarray(rgb[..., [2, 1, 0, 3][: rgb.shape[2]]])


def palette_png(pixels: np.ndarray) -> bytes:
    """A PNG with a palette, which OpenCV can't write."""
    buffer = io.BytesIO()
    Picture.fromarray(pixels).convert("P").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_a_grey_picture_of_the_right_size_stays_as_it_is(suffix: str) -> None:
    cleaned = GREY.clean(encoded(RAMP, suffix))
    np.testing.assert_array_equal(cleaned.array[..., 0], RAMP)
    assert (cleaned.quality["height"], cleaned.quality["width"], cleaned.quality["bits"]) == (16, 16, 8)
    assert cleaned.quality["mean"] == RAMP.mean()


def test_jpeg_is_nearly_the_same() -> None:
    assert np.abs(GREY.clean(encoded(RAMP, ".jpg")).array[..., 0].astype(int) - RAMP).max() < 16


@pytest.mark.parametrize("content", [encoded(RAMP), palette_png(RAMP), encoded(cv2.merge([RAMP] * 3))])
def test_grey_in_any_form_is_one_and_the_same(content: bytes) -> None:
    np.testing.assert_array_equal(GREY.clean(content).array[..., 0], RAMP)
    np.testing.assert_array_equal(COLOUR.clean(content).array, np.dstack([RAMP] * 3))


def test_colours_keep_their_order_and_what_is_transparent_is_black() -> None:
    np.testing.assert_array_equal(COLOUR.clean(encoded(bgr(RED))).array, RED)
    for alpha, shown in ((255, RED), (51, np.rint(RED / 5))):
        with_alpha = np.dstack([RED, np.full_like(RAMP, alpha)])
        np.testing.assert_array_equal(COLOUR.clean(encoded(bgr(with_alpha))).array, shown)
        np.testing.assert_array_equal(COLOUR.clean(with_alpha).array, shown)


def test_colour_becomes_grey_by_brightness() -> None:
    assert GREY.clean(encoded(bgr(RED))).array.max() == round(0.299 * 240)


@pytest.mark.parametrize("highest", [1023, 4095, 65535])
def test_films_of_more_than_8_bits_fill_the_scale(highest: int) -> None:
    deep = np.linspace(100, highest, 256).reshape(16, 16).astype(np.uint16)
    for raw in (deep, encoded(deep)):
        cleaned = GREY.clean(raw)
        assert (cleaned.array.min(), cleaned.array.max(), cleaned.quality["bits"]) == (0, 255, 16)
        assert (np.diff(cleaned.array[..., 0].ravel().astype(int)) >= 0).all()


def test_arrays_are_taken_with_and_without_a_channel() -> None:
    np.testing.assert_array_equal(GREY.clean(RAMP).array, GREY.clean(RAMP[..., None]).array)
    np.testing.assert_array_equal(COLOUR.clean(RED).array, RED)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "unreadable: the file is empty"),
        (b"no picture", "unreadable: text, not a picture"),
        (film(0).tobytes(), "unreadable: no PNG, JPEG, TIFF, BMP or DICOM"),
        (np.eye(3, dtype=np.uint8), "too small: at least 4 pixels a side are expected"),
        (encoded(film(0, 64))[:2000], "cut off"),
        (encoded(film(0, 64), ".jpg")[:-20], "cut off"),
        (encoded(np.full((40, 30), 128, np.uint8)), "blank: grey values spread 0.0 of 255"),
        (encoded(np.full((40, 30), 900, np.uint16)), "blank: one grey value"),
        (np.random.default_rng(0).normal(128, 3, (400, 400)).astype(np.uint8), "blank: grey values spread"),
        (encoded(RAMP.astype(np.float32), ".tif"), "unreadable: pixels of type float32"),
        (RAMP.astype(np.float64), "unreadable: grey values of type float64"),
        (np.zeros((0, 4), np.uint8), "unreadable: an array of shape (0, 4)"),
        (np.zeros(4, np.uint8), "unreadable: an array of shape (4,)"),
        (np.zeros((4, 4, 28), np.uint8), "unreadable: an array of shape (4, 4, 28)"),
    ],
)
def test_what_shows_nothing_is_refused_with_the_reason(raw: Any, reason: str) -> None:
    with pytest.raises(Unusable) as caught:
        GREY.clean(raw)
    assert reason in str(caught.value)


def test_padding_keeps_proportions_and_stretching_does_not() -> None:
    wide = np.tile(np.array([[50, 250]], np.uint8).repeat(20, axis=1), (10, 1))  # 10 high, 40 wide
    padded = GREY.clean(wide).array[..., 0]
    assert (padded[:6].max(), padded[10:].max(), padded[6:10].min()) == (0, 0, 50)
    stretched = Image(kind="image", size=(16, 16), resize="stretch").clean(wide).array[..., 0]
    assert (stretched.min(), stretched.max()) == (50, 250)


@settings(deadline=None, max_examples=60)
@given(st.integers(4, 200), st.integers(4, 200), st.sampled_from([GREY, COLOUR]), st.sampled_from(["pad", "stretch"]))
def test_any_size_comes_out_in_the_stated_shape(height: int, width: int, kind: Image, fit: str) -> None:
    halves = np.zeros((height, width), np.uint8)
    halves[: (height + 1) // 2, : (width + 1) // 2] = 200
    kind = kind.model_copy(update={"resize": fit})
    cleaned = kind.clean(halves)
    assert (cleaned.array.shape, cleaned.array.dtype) == (kind.shape, np.dtype(kind.dtype))
    for name, (low, high) in kind.quality_ranges.items():
        assert low <= cleaned.quality[name] <= high, name


def test_the_network_gets_0_to_1() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    given_ = GREY.to_network(every, {})
    np.testing.assert_array_equal(given_, every.astype(np.float32) / np.float32(255), strict=True)
    assert given_[[0, 51, 255]].ravel().tolist() == pytest.approx([0, 0.2, 1])


def test_a_copy_follows_its_generator_and_changes_the_picture() -> None:
    cleaned, policy = GREY.clean(film(0, 64)).array, ImagePolicy()
    first, again, other = (GREY.random_copy(cleaned, policy, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == (cleaned.shape, cleaned.dtype)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, cleaned)


@pytest.mark.parametrize("kind", [GREY, COLOUR])
def test_a_policy_of_nothing_copies(kind: Image) -> None:
    cleaned = kind.clean(film(0, 64)).array
    nothing = ImagePolicy(translation=0, rotation=0, zoom=0, brightness=0, contrast=0, sharpness=0)
    np.testing.assert_array_equal(kind.random_copy(cleaned, nothing, np.random.default_rng(0)), cleaned)


@pytest.mark.parametrize(("kind", "raw"), [(GREY, RAMP), (COLOUR, RED)])
def test_a_film_stands_alone_or_beside_its_map(kind: Image, raw: np.ndarray) -> None:
    cleaned = kind.clean(raw).array
    alone = cv2.imdecode(np.frombuffer(kind.picture(cleaned, None, 1.0), np.uint8), cv2.IMREAD_COLOR)
    both = cv2.imdecode(np.frombuffer(kind.picture(cleaned, np.eye(4), 1.0), np.uint8), cv2.IMREAD_COLOR)
    assert both.shape[1] > 2 * alone.shape[1]
    np.testing.assert_array_equal(both[:, : alone.shape[1]], alone)
    warm = both[:, -alone.shape[1] :].astype(int) - alone
    assert warm[10, 10, 2] > warm[-10, 10, 2]


@pytest.mark.parametrize("wrong", [{"size": (4, 64)}, {"size": (64, 4096)}, {"channels": 2}, {"resize": "crop"}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Image.model_validate({"kind": "image", "size": (64, 64), **wrong})


def test_cleaning_and_serving_load_neither_keras_nor_tensorflow() -> None:
    code = (
        "import sys; from components.lib.model_dir import Model; from components.lib.kinds.image import Image;"
        "import numpy as np; Image(kind='image', size=(8, 8)).clean(np.eye(9, dtype=np.uint8) * 255);"
        "print({'keras', 'tensorflow', 'jax'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
