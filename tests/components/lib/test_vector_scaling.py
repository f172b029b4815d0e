"""Calibration of several classes: a slope and an intercept each, or less where validation can't bear it."""

from __future__ import annotations

from typing import get_args

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from components.lib.calibration import class_offsets, negative_log_likelihood
from components.lib.statistics import macro_auc
from components.lib.vector_scaling import (
    FAMILIES,
    MOST_AUC_LOST,
    ClassesMethod,
    classes_before,
    classes_logits,
    classes_text,
    fit_classes,
)

METHODS: tuple[ClassesMethod, ...] = get_args(ClassesMethod)
Floats = NDArray[np.float64]
SHARES = np.array([0.9, 0.07, 0.03])


def drawn(seed: int, n: int) -> tuple[Floats, Floats]:
    """Logits of a network trained with balanced weights, each class too sure in its own way, and one-hot truth."""
    generator = np.random.default_rng(seed)
    label = generator.choice(3, n, p=SHARES)
    evidence = generator.normal(0, 1, (n, 3)) + 1.8 * np.eye(3)[label]
    return (1.8 * evidence) * [1.5, 1.0, 2.0] + [0.2, -0.4, 0.5], np.eye(3)[label]


def offsets() -> dict[str, float]:
    return {f"offset_{k}": float(each) for k, each in enumerate(class_offsets(SHARES * 900, np.full(3, 300)))}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.01, 30), st.sampled_from(METHODS), st.integers(2, 4))
def test_no_method_fits_worse_or_leaves_the_finite(
    seed: int, n: int, scale: float, method: ClassesMethod, k: int
) -> None:
    generator = np.random.default_rng(seed)
    one_hot = np.eye(k)[generator.integers(0, generator.integers(1, k + 1), n)]  # some classes are missing
    logits = generator.normal(0, scale, (n, k)) + scale * one_hot
    scaling = {f"offset_{c}": float(each) for c, each in enumerate(generator.normal(0, 2, k))}
    fitted = scaling | fit_classes(method, logits, one_hot, scaling)
    assert all(type(value) is float and np.isfinite(value) for value in fitted.values())
    before = negative_log_likelihood(classes_logits(logits, scaling), one_hot)
    assert negative_log_likelihood(classes_logits(logits, fitted), one_hot) <= before + 1e-5 * n


def test_each_class_comes_true_and_auc_stays() -> None:
    learnt, truth = drawn(0, 3000)
    logits, later = drawn(1, 40_000)
    fitted = offsets() | fit_classes("vector", learnt, truth, offsets())
    said = softmax(classes_logits(logits, fitted), axis=1)
    np.testing.assert_allclose(later.mean(axis=0) / said.mean(axis=0), 1, atol=0.15)
    old = fit_classes("temperature", learnt, truth, {})
    today = softmax(logits / old["temperature"], axis=1)
    assert today[:, 2].mean() > 2 * later[:, 2].mean()
    assert macro_auc(said, later.argmax(axis=1)).value >= macro_auc(today, later.argmax(axis=1)).value - 0.001
    assert "slope_2" in fitted
    assert fitted["loss_vector"] == min(fitted[f"loss_{family}"] for family in FAMILIES)
    assert "vector scaling: slopes" in classes_text(fitted)
    assert "class weights undone: offsets" in classes_text(fitted)
    assert "chosen by cross-validated log loss on validation: temperature 0." in classes_text(fitted)


def test_few_samples_get_few_numbers() -> None:
    """Probabilities that are right as they stand: on 30 samples no slopes of single classes are fitted for nothing."""
    generator, chosen = np.random.default_rng(2), []
    for _ in range(20):
        logits = generator.normal(0, 1.5, (30, 5))
        one_hot = np.eye(5)[(logits + generator.gumbel(size=logits.shape)).argmax(axis=1)]
        fitted = fit_classes("vector", logits, one_hot, {})
        chosen.append("slope_0" in fitted)
        assert min(fitted[f"auc_{family}"] for family in FAMILIES) > 0.5
        family = "vector" if "slope_0" in fitted else "intercepts" if "intercept_0" in fitted else "temperature"
        assert fitted[f"auc_{family}"] >= fitted["auc_temperature"] - MOST_AUC_LOST
    assert sum(chosen) < 10


@pytest.mark.parametrize("method", METHODS)
def test_what_the_network_stated_is_found_from_what_is_served(method: ClassesMethod) -> None:
    logits, truth = drawn(3, 800)
    logits = logits / 3
    fitted = offsets() | fit_classes(method, logits, truth, offsets())
    served = softmax(classes_logits(logits, fitted), axis=1)
    np.testing.assert_allclose(classes_before(served, fitted), softmax(logits, axis=1), atol=1e-3)
    np.testing.assert_allclose(
        classes_before(softmax(logits / 2, axis=1), {"temperature": 2.0}), softmax(logits, axis=1), atol=1e-5
    )


def test_arrays_and_tensors_are_calibrated_alike_and_a_common_constant_says_nothing() -> None:
    logits, truth = drawn(4, 500)
    fitted = offsets() | fit_classes("vector", logits, truth, offsets())
    small = logits.astype(np.float32)
    found = np.asarray(classes_logits(keras.ops.convert_to_tensor(small), fitted, keras.ops))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, classes_logits(logits, fitted), atol=1e-3)
    moved = classes_logits(logits + 7, fitted)
    np.testing.assert_allclose(
        log_softmax(moved, axis=1), log_softmax(classes_logits(logits, fitted), axis=1), atol=1e-9
    )
