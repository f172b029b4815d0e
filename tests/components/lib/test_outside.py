"""How far a sample lies from training samples: the textbook's distance, told as a share of training samples."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from components.lib.outside import Outside, distance, nearer, told
from components.train.outside import _fit

ROOT = Path(__file__).parents[3]
NAMES = tuple("abcde")


def drawn(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Samples whose figures go together."""
    generator = np.random.default_rng(seed)
    mixed = generator.normal(0, 1, (count, 5)) @ np.random.default_rng(99).normal(0, 1, (5, 5))
    return mixed * [1, 10, 0.1, 5, 2] + [0, 3, -1, 100, 7]


def fitted(samples: NDArray[np.float64]) -> Outside:
    return _fit(NAMES, samples, np.arange(len(samples)) % 5)


def test_the_distance_is_that_of_mahalanobis_with_a_shrunk_covariance() -> None:
    samples = drawn(200)
    outside = fitted(samples)
    scaled = (samples - samples.mean(axis=0)) / samples.std(axis=0)
    inverse = np.linalg.inv(LedoitWolf(assume_centered=True).fit(scaled).covariance_)
    new = drawn(20, seed=1)
    expected = [mahalanobis(each, np.zeros(5), inverse) for each in (new - samples.mean(axis=0)) / samples.std(axis=0)]
    np.testing.assert_allclose(distance(new, outside), expected, rtol=1e-4)


def test_it_travels_as_json() -> None:
    outside = fitted(drawn(100))
    again = Outside.model_validate_json(json.dumps(outside.model_dump()))
    assert again == outside
    np.testing.assert_array_equal(distance(drawn(9, 2), again), distance(drawn(9, 2), outside))


def test_one_of_a_hundred_new_samples_lies_beyond_the_mark() -> None:
    """Of samples that the fit saw fewer would: the mark must rest on samples that it didn't see."""
    beyond = []
    for seed in range(10):
        outside = fitted(drawn(300, seed))
        beyond.append((distance(drawn(2000, 1000 + seed), outside) > outside.mark).mean())
    assert 0.005 < np.mean(beyond) < 0.02


def test_shares_rise_with_the_distance_and_end_at_all() -> None:
    outside = fitted(drawn(100))
    shares = nearer(np.array([0.0, outside.distances[100], outside.distances[-1], 1e6]), outside)
    np.testing.assert_allclose(shares, [0, 0.5, 1, 1], atol=1e-9)
    assert told(0.99) == "farther out than 99 of 100 training samples"
    assert told(1.0) == "farther out than every training sample"


@pytest.mark.parametrize("samples", [np.ones((40, 5)), np.repeat(drawn(4), 10, axis=0), drawn(12)])
def test_alike_and_few_samples_still_give_finite_figures(samples: NDArray[np.float64]) -> None:
    outside = fitted(samples)
    assert np.isfinite(distance(drawn(10, 3), outside)).all()
    assert np.isfinite(outside.mark)


def test_serving_needs_nothing_heavy_for_it() -> None:
    heavy = "{'keras', 'tensorflow', 'scipy', 'sklearn', 'matplotlib', 'onnx'}"
    script = f"import sys, components.lib.outside, components.lib.occlusion; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
