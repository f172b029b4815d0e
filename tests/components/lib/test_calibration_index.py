"""The mean distance between probabilities and their recalibration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from components.lib.calibration_index import calibration_index


@pytest.mark.parametrize(("slope", "shift"), [(5, 0), (0.3, 1), (1, 0), (2, -3)])
def test_the_curve_is_the_logistic_recalibration(slope: float, shift: float) -> None:
    generator = np.random.default_rng(0)
    evidence = generator.normal(size=2000)
    positive = generator.random(2000) < expit(0.9 * evidence - 0.3)
    stated = expit(slope * evidence + shift)
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(logit(stated)[:, None], positive)
    expected = np.abs(fitted.predict_proba(logit(stated)[:, None])[:, 1] - stated).mean()
    assert calibration_index(stated, positive)(np.ones((1, 2000)))[0] == pytest.approx(expected, abs=2e-4)


def test_weights_are_so_many_samples() -> None:
    generator = np.random.default_rng(1)
    stated, positive = generator.random(60), generator.random(60) < 0.5
    counts = generator.integers(0, 4, 60)
    repeated = calibration_index(np.repeat(stated, counts), np.repeat(positive, counts))
    drawn = calibration_index(stated, positive)(counts[None].astype(float))
    assert drawn[0] == pytest.approx(repeated(np.ones((1, counts.sum())))[0], abs=1e-5)


def test_separated_classes_and_ends_have_one_too() -> None:
    stated, positive = np.array([0.0, 0.1, 0.2, 0.8, 0.9, 1.0]), np.arange(6) > 2
    found = calibration_index(stated, positive)(np.ones((1, 6)))[0]
    assert 0 <= found < 0.2
