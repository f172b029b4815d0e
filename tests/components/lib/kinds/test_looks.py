"""What looks at a model ask of input kinds: plain figures, samples that get worse, samples of other kinds."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kind_examples import INPUTS, Input, input_of
from numpy.typing import NDArray

from components.lib.kinds.image import Image

EVERY = [(name, at) for name, examples in INPUTS.items() for at in range(len(examples))]
FILM = Image(kind="image", size=(64, 64))
COLOUR = Image(kind="image", size=(64, 64), channels=3)


@pytest.fixture(params=EVERY, ids=str)
def source(request: pytest.FixtureRequest) -> Input:
    return input_of(*request.param)


def test_figures_are_finite_named_and_each_samples_own(source: Input) -> None:
    kind, words = source.kind, source.kind.summary_words(source.fitted)
    found = kind.summary(source.cleaned, source.fitted)
    assert found.shape == (len(source.cleaned), len(words))
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert len({each for pair in words.values() for each in pair}) == 2 * len(words)
    for row in range(0, len(found), 5):
        np.testing.assert_allclose(kind.summary(source.cleaned[row : row + 1], source.fitted)[0], found[row], atol=1e-9)


def test_what_gets_worse_stays_a_sample_and_follows_its_generator(source: Input) -> None:
    for name, corruption in source.kind.corruptions.items():
        for strength in (1, 5):
            one, other = (corruption.apply(source.cleaned, strength, np.random.default_rng(3)) for _ in range(2))
            assert (one.shape, one.dtype) == (source.cleaned.shape, source.cleaned.dtype), name
            assert one.tobytes() == other.tobytes(), name
            assert np.isfinite(source.kind.to_network(one, source.fitted)).all(), name
        assert one.tobytes() != source.cleaned.tobytes(), name
        assert len({*corruption.strengths}) == 5, name


def test_strangers_are_samples_of_their_own(source: Input) -> None:
    made = source.kind.strangers(source.cleaned, np.random.default_rng(3))
    again = source.kind.strangers(source.cleaned, np.random.default_rng(3))
    assert made
    for name, samples in made.items():
        assert (samples.shape, samples.dtype) == (source.cleaned.shape, source.cleaned.dtype), name
        assert samples.tobytes() == again[name].tobytes(), name
        assert np.isfinite(source.kind.summary(samples, source.fitted)).all(), name


def smooth(count: int = 4, channels: int = 1, seed: int = 0) -> NDArray[np.uint8]:
    """Pictures with shadows and fine lines."""
    values = np.random.default_rng(seed).normal(0, 1, (count, 64, 64, channels))
    blurred = np.stack([cv2.GaussianBlur(each, (0, 0), 3).reshape(each.shape) for each in values])
    lines = 20 * (np.arange(64) % 8 == 0)[:, None]
    return (110 + 250 * blurred + lines).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", [FILM, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("name", ["noise", "blur", "low contrast", "rotation", "JPEG"])
def test_each_strength_leaves_less_of_the_picture(kind: Image, name: str) -> None:
    pictures = smooth(12, kind.channels)
    apply = kind.corruptions[name].apply
    worse = [apply(pictures, at, np.random.default_rng(1)).astype(float) for at in range(1, 6)]
    lost = [float(np.abs(each - pictures).mean()) for each in worse]
    assert all(one < other for one, other in zip([0.0, *lost], lost, strict=False)), lost


def test_colours_stay_colours_in_jpeg() -> None:
    red = np.zeros((1, 64, 64, 3), np.uint8)
    red[..., 0] = 200
    packed = COLOUR.corruptions["JPEG"].apply(red, 1, np.random.default_rng(0))
    assert np.abs(packed.astype(int) - red).max() < 12


def figure(name: str, pictures: NDArray[np.uint8], kind: Image = FILM) -> NDArray[np.float64]:
    return kind.summary(pictures, {})[:, list(kind.summary_words({})).index(name)]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), row=st.sampled_from(["upper", "lower"]), column=st.sampled_from(["left", "right"]))
def test_a_lighter_corner_is_told_where_it_is(seed: int, row: str, column: str) -> None:
    plain = smooth(3, seed=seed) // 2
    marked = plain.copy()
    rows, columns = (slice(0, 21) if each in ("upper", "left") else slice(43, 64) for each in (row, column))
    marked[:, rows, columns] += 60
    names = list(FILM.summary_words({}))
    rises = {name: float((figure(name, marked) - figure(name, plain)).mean()) for name in names if "_" in name}
    assert max(rises, key=rises.__getitem__) == f"{row}_{column}"


def test_figures_say_what_their_words_say() -> None:
    pictures = smooth()
    mirrored = np.concatenate([pictures[:, :, :32], pictures[:, :, 31::-1]], axis=2)
    blurred = FILM.corruptions["blur"].apply(pictures, 5, np.random.default_rng(0))
    assert (figure("mean", pictures + 20) > figure("mean", pictures)).all()
    np.testing.assert_allclose(figure("mean", pictures), pictures.mean(axis=(1, 2, 3)) / 255, atol=1e-9)
    np.testing.assert_allclose(figure("spread", pictures), pictures.std(axis=(1, 2, 3)) / 255, atol=1e-9)
    np.testing.assert_allclose(figure("symmetry", mirrored), 1, atol=1e-9)
    for name in ("fine", "roughness"):
        assert (figure(name, blurred) < figure(name, pictures)).all(), name
    level = np.broadcast_to((np.arange(64) % 16 < 8)[:, None, None] * 200, (1, 64, 64, 1)).astype(np.uint8)
    assert figure("direction", level)[0] < -1
    assert figure("direction", level.swapaxes(1, 2))[0] > 1
    red = np.zeros((1, 64, 64, 3), np.uint8)
    red[..., 0] = 200
    assert figure("red", red, COLOUR)[0] > 0.7
    assert figure("blue", red, COLOUR)[0] == 0


def test_a_hidden_place_shows_nothing_and_the_rest_stays() -> None:
    for kind in (FILM, COLOUR):
        picture = np.full((64, 64, kind.channels), 90, np.uint8)
        picture[20:28, 20:28] = 220
        places = np.zeros((64, 64), bool)
        places[18:30, 18:30] = True
        hidden = kind.hide(picture, places)
        assert np.abs(hidden.astype(int) - 90).max() <= 2
        assert (hidden[~places] == picture[~places]).all()
        assert (picture[20:28, 20:28] == 220).all()


def test_missing_cells_are_more_of_them_and_never_new_values() -> None:
    table = input_of("table", 0)
    worse = table.kind.corruptions["missing values"].apply(table.cleaned, 5, np.random.default_rng(0))

    def empty(rows: NDArray[Any]) -> NDArray[np.bool_]:
        fields = [rows[name] for name in rows.dtype.names or ()]
        return np.stack([np.isnan(each) if each.dtype.kind == "f" else each == "" for each in fields])

    assert (empty(worse) >= empty(table.cleaned)).all()
    assert empty(worse).sum() > empty(table.cleaned).sum()
    assert not empty(worse).all(axis=0).any()
