"""16-bit grey values on the 0..255 scale: the same bytes as the plain arithmetic on the whole picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.lib.errors import Unusable
from components.lib.kinds._eight_bits import COUNTED, FEW, PIECE, WINDOW_PERCENTILES, eight_bits


def reference(pixels: np.ndarray) -> np.ndarray:
    """The definition."""
    low, high = np.percentile(pixels, WINDOW_PERCENTILES)
    stretched = (pixels.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return np.clip(np.rint(stretched), 0, 255).astype(np.uint8)


def picture(shape: tuple[int, ...], form: str, bits: int, seed: int) -> np.ndarray:
    """Noise, a film's smooth histogram, few grey values, or a film with much black around it."""
    generator = np.random.default_rng(seed)
    top = 2**bits - 1
    if form == "noise":
        values = generator.integers(0, top + 1, shape)
    elif form == "film":
        values = generator.normal(generator.uniform(0, top), generator.uniform(1, top / 3), shape)
    elif form == "few":
        values = generator.choice(generator.integers(0, top + 1, 5), shape)
    else:
        values = generator.integers(0, top + 1, shape) * (generator.random(shape) < generator.uniform(0, 0.02))
    return np.clip(values, 0, top).astype(np.uint16)


FORMS = st.sampled_from(("noise", "film", "few", "black"))
SHAPES = st.one_of(
    st.tuples(st.integers(4, 40), st.integers(4, 40)),
    st.tuples(st.integers(170, 400), st.integers(180, 420)),
    st.tuples(st.integers(100, 160), st.integers(100, 160), st.just(3)),
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(SHAPES, FORMS, st.integers(9, 16), st.integers(0, 10**6))
def test_every_byte_is_that_of_the_plain_arithmetic(shape: tuple[int, ...], form: str, bits: int, seed: int) -> None:
    pixels = picture(shape, form, bits, seed)
    low, high = np.percentile(pixels, WINDOW_PERCENTILES)
    if high <= low:
        with pytest.raises(Unusable, match="blank: one grey value"):
            eight_bits(pixels)
        return
    found = eight_bits(pixels)
    assert (found.dtype, found.shape) == (np.uint8, pixels.shape)
    np.testing.assert_array_equal(found, reference(pixels))


@pytest.mark.parametrize("size", [FEW - 1, FEW, FEW + 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7, COUNTED + 9])
def test_nothing_is_lost_where_one_way_of_counting_ends_and_where_pieces_meet(size: int) -> None:
    pixels = picture((1, size), "film", 14, size)
    np.testing.assert_array_equal(eight_bits(pixels), reference(pixels))


def test_halves_are_rounded_to_even_numbers_as_before() -> None:
    pixels = np.repeat(np.arange(0, 1021, dtype=np.uint16), 300).reshape(300, -1)  # steps of about a quarter
    np.testing.assert_array_equal(eight_bits(pixels), reference(pixels))


@pytest.mark.parametrize("size", [1000, 40_000])
def test_a_window_narrower_than_one_grey_value_sends_the_others_to_its_ends(size: int) -> None:
    pixels = np.full((1, size), 100, np.uint16)
    pixels[0, : size // 200] = 65535
    pixels[0, 0] = 101  # the 99.5th percentile lies between 100 and 101
    found = eight_bits(pixels)
    assert (found.min(), found.max()) == (0, 255)
    np.testing.assert_array_equal(found, reference(pixels))


def test_a_view_that_does_not_lie_in_one_piece_is_taken() -> None:
    pixels = picture((300, 400), "film", 12, 0)[::2, ::-1]
    np.testing.assert_array_equal(eight_bits(pixels), reference(pixels))


def test_eight_bits_stay_as_they_are_and_other_types_are_refused() -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert eight_bits(pixels) is pixels
    with pytest.raises(Unusable, match="grey values of type float32"):
        eight_bits(pixels.astype(np.float32))
