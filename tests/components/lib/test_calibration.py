"""Temperature: right where data are plenty, careful where they are few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.lib.calibration import fit_temperature, negative_log_likelihood


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_of_two_classes_is_recovered(temperature: float) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 1))
    truth = (generator.random((20_000, 1)) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_of_several_classes_is_recovered() -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 2, (20_000, 4))
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    assert fit_temperature(logits * 3, np.eye(4, dtype=np.float32)[labels]) == pytest.approx(3, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([1, 3]), st.floats(0.01, 100))
def test_the_temperature_is_bounded_and_never_fits_worse(seed: int, n: int, units: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, scale, (n, units)).astype(np.float32)
    labels = generator.integers(0, max(units, 2), n)
    encoded = (labels[:, None] if units == 1 else np.eye(units)[labels]).astype(np.float32)
    temperature = fit_temperature(logits, encoded)
    assert 0.05 <= temperature <= 20
    before, after = (negative_log_likelihood(logits / t, encoded) for t in (1.0, temperature))
    assert after <= before + 1e-9


def test_separated_samples_are_not_sharpened_without_end() -> None:
    truth = np.repeat([0.0, 1.0], 40)[:, None]
    assert 0.3 < fit_temperature(np.where(truth > 0, 4.0, -4.0), truth) < 1


def test_without_samples_the_logits_stay() -> None:
    assert fit_temperature(np.empty((0, 1)), np.empty((0, 1))) == 1
