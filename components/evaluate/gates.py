"""Gates: what a model must reach on test before it may become challenger or champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.lib.kinds import TargetKind
from components.lib.numbers import number
from components.lib.statistics import Estimate, missing

Metrics = Mapping[str, Mapping[str, Estimate]]
"""Per target, its metrics by name."""
NOT_MEASURED = missing("it wasn't measured on these data")
"""Of a figure that a look gives where it can, and here could not."""


@dataclass(frozen=True)
class Gate:
    """One gate and what was found."""

    gate: str
    """TARGET.METRIC."""
    least: float
    """The bound: least allowed, or most allowed where smaller is better."""
    found: float | None
    """The end of the 95% interval that is held against it: lower, or upper where smaller is better."""
    passed: bool
    text: str
    """The verdict in words."""


def judge(metrics: Metrics, gates: Mapping[str, float], kinds: Mapping[str, TargetKind]) -> tuple[Gate, ...]:
    """Hold the careful end of each interval against its gate. A figure that can't be trusted passes none.

    Args:
        metrics: what was measured, of the kinds and of the looks together.
        gates: TARGET.METRIC to the bound, as the task file's check let them pass; empty: every target must be better
            than chance, as its kind says.
        kinds: the targets.
    """
    if gates:
        found = {f"{target}.{metric}": each for target, held in metrics.items() for metric, each in held.items()}
        return tuple(_judge(name, found.get(name, NOT_MEASURED), bound) for name, bound in gates.items())
    chances = {target: kinds[target].chance for target in metrics}
    return tuple(
        _judge(f"{target}.{metric}", metrics[target][metric], bound, strictly=True)
        for target, (metric, bound) in chances.items()
    )


def _judge(name: str, estimate: Estimate, bound: float, *, strictly: bool = False) -> Gate:
    if not estimate.trusted:
        return Gate(name, bound, None, False, f"{name} can't be judged: {estimate.note}")
    if estimate.better == "lower":
        found, passed = estimate.high, estimate.high <= bound
        words = f"upper end {number(found)}, at most {bound:g} allowed"
    else:
        found = estimate.low
        passed = found > bound if strictly else found >= bound
        words = f"lower end {number(found)}, {'above' if strictly else 'at least'} {bound:g} required"
    return Gate(name, bound, round(found, 6), passed, f"{name} is {estimate}: {words}")


def told(gates: Sequence[Gate]) -> list[str]:
    """The verdicts for the terminal."""
    return [f"gate {'passed' if gate.passed else 'FAILED'}: {gate.text}" for gate in gates]
