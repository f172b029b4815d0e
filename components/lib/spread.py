"""How the nets of one model differ: what another seed, or other patients to learn from, would change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.lib.model_dir import MemberFigures


@dataclass(frozen=True)
class Spread:
    """One figure over several nets."""

    mean: float
    deviation: float
    """Standard deviation, with n - 1."""


def flat(member: MemberFigures) -> dict[str, float]:
    """A net's metrics by `target/metric`."""
    return {f"{target}/{name}": value for target, held in member.metrics.items() for name, value in held.items()}


def spread(members: Sequence[MemberFigures]) -> dict[str, Spread]:
    """Mean and standard deviation of `validation_score` and of every `target/metric` that all nets have.

    Args:
        members: two nets or more.
    """
    every = [{"validation_score": member.validation_score} | flat(member) for member in members]
    shared = [name for name in every[0] if all(name in each for each in every)]
    values = {name: [each[name] for each in every] for name in shared}
    return {name: Spread(float(np.mean(own)), float(np.std(own, ddof=1))) for name, own in values.items()}
