"""Mixtures of samples: what they cost, unknown targets, and the same ones again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import both, spec
from numpy.typing import NDArray

from components.train.epochs import EpochBatches
from components.train.mixup import mixup

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
INPUTS = {"row": np.eye(6, dtype=np.float32)}
"""So that a mixture tells whom it is made of, and by which share."""
TARGETS = {
    "finding": np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]],
    "age": np.float32([[0.5], [-1], [2], [0], [1], [3]]),
}
WEIGHTS = {"finding": np.float32([0.5, 2, 1, 0, 2, 0]), "age": np.float32([1, 1, 0, 1, 0, 1])}
"""As class weights give them; 0: the target is unknown."""


def mixed(seed: int = 1) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], NDArray[Any], float]:
    """Mixtures, the partner of each sample, and the share."""
    inputs, targets, weights = mixup(INPUTS, TARGETS, WEIGHTS, 1.0, (seed, 0, 1))
    rest = inputs["row"] - np.diag(np.diag(inputs["row"]))
    partner = np.where(rest.max(axis=1) > 0, rest.argmax(axis=1), np.arange(6))
    alone = partner == np.arange(6)
    return inputs, targets, weights, partner, float(np.diag(inputs["row"])[~alone].mean())


def cross_entropy(truth: NDArray[Any], logits: NDArray[Any]) -> NDArray[Any]:
    return -(truth * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))).sum(axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_a_mixture_costs_what_its_two_samples_cost_by_their_shares(seed: int) -> None:
    _, targets, weights, partner, share = mixed(seed)
    logits = np.random.default_rng(seed).normal(size=(6, 3))
    own = WEIGHTS["finding"] * cross_entropy(TARGETS["finding"], logits)
    other = WEIGHTS["finding"][partner] * cross_entropy(TARGETS["finding"][partner], logits)
    found = weights["finding"] * cross_entropy(targets["finding"], logits)
    np.testing.assert_allclose(found, share * own + (1 - share) * other, rtol=1e-5)


def test_of_a_known_and_an_unknown_target_the_known_one_counts_by_its_share() -> None:
    _, targets, weights, partner, share = mixed()
    known = WEIGHTS["age"] > 0
    assert len({*zip(known, known[partner], strict=True)}) >= 3
    for sample, other in enumerate(partner):
        one, two = share * known[sample], (1 - share) * known[other]
        assert weights["age"][sample] == pytest.approx(one + two, abs=1e-6)
        if one + two:
            mean = (one * TARGETS["age"][sample, 0] + two * TARGETS["age"][other, 0]) / (one + two)
            assert targets["age"][sample, 0] == pytest.approx(mean, abs=1e-5)


def test_mixtures_stay_float32_and_leave_the_samples_alone() -> None:
    before = {name: values.copy() for name, values in (INPUTS | TARGETS).items()}
    made = mixed()
    assert {values.dtype for named in made[:3] for values in named.values()} == {np.dtype(np.float32)}
    for name, values in (INPUTS | TARGETS).items():
        np.testing.assert_array_equal(values, before[name])


def test_the_same_epoch_and_batch_are_mixed_alike_and_others_otherwise(tmp_path: Path) -> None:
    samples, _ = both(tmp_path, spec(mixup=0.4))
    first, again, later = (EpochBatches(samples, epoch, 8) for epoch in (0, 0, 1))
    for batch in range(len(first)):
        np.testing.assert_array_equal(first[batch][0]["image"], again[batch][0]["image"])
        assert not np.array_equal(first[batch][0]["image"], later[batch][0]["image"])
    shares = {tuple(np.unique(first[batch][1]["finding"])) for batch in range(len(first))}
    assert len(shares) == len(first)
    assert np.setdiff1d(first[0][1]["finding"], [0, 1]).size
