"""Gates: what a model must reach on test before it may become challenger or champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.lib.evaluate_settings import Bound, range_of
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
    least: Bound
    """The bound: least allowed, or most allowed where smaller is better; or a range, as the task file has it."""
    found: float | tuple[float, float] | None
    """The end of the 95% interval that is held against it: lower, or upper where smaller is better; both of a range."""
    passed: bool
    text: str
    """The verdict in words."""


def judge(metrics: Metrics, gates: Mapping[str, Bound], kinds: Mapping[str, TargetKind]) -> tuple[Gate, ...]:
    """Hold each interval against its gate. A figure that can't be trusted passes none.

    A number is held against the careful end; a range must hold the whole interval; `overlaps` fails a model whose
    interval lies wholly outside, so that it is shown to be wrong, not merely to be measured on few samples.

    Args:
        metrics: what was measured, of the kinds and of the looks together.
        gates: TARGET.METRIC to the bound, as the task file's check let them pass; empty: every target must be better
            than chance, and not miscalibrated beyond chance, as its kind says.
        kinds: the targets.
    """
    found = {f"{target}.{metric}": each for target, held in metrics.items() for metric, each in held.items()}
    if gates:
        return tuple(_judge(name, found.get(name, NOT_MEASURED), bound) for name, bound in gates.items())
    judged = []
    for target in metrics:
        metric, chance = kinds[target].chance
        judged.append(_above(f"{target}.{metric}", found[f"{target}.{metric}"], chance, strictly=True))
        for name, ends in kinds[target].calibrated.items():
            key = f"{target}.{name}"
            judged.append(_judge(key, found.get(key, NOT_MEASURED), {"overlaps": ends}))
    return tuple(judged)


def _judge(name: str, estimate: Estimate, bound: Bound) -> Gate:
    ends = range_of(bound)
    if ends is not None:
        return _inside(name, estimate, bound, ends)
    assert isinstance(bound, float | int)
    return _above(name, estimate, bound)


def _above(name: str, estimate: Estimate, bound: float, *, strictly: bool = False) -> Gate:
    """The careful end of the interval against a number."""
    if not estimate.trusted:
        return _unjudged(name, estimate, bound)
    if estimate.better == "lower":
        found, passed = estimate.high, estimate.high <= bound
        words = f"upper end {number(found)}, at most {bound:g} allowed"
    else:
        found = estimate.low
        passed = found > bound if strictly else found >= bound
        words = f"lower end {number(found)}, {'above' if strictly else 'at least'} {bound:g} required"
    return Gate(name, bound, round(found, 6), passed, f"{name} is {estimate}: {words}")


def _inside(name: str, estimate: Estimate, bound: Bound, ends: tuple[float, float]) -> Gate:
    """The whole interval inside a range, or some of it."""
    if not estimate.trusted:
        return _unjudged(name, estimate, bound)
    low, high = ends
    reach = f"{low:g} to {high:g}"
    if isinstance(bound, dict):
        passed = estimate.low <= high and estimate.high >= low
        words = f"the interval {'reaches into' if passed else 'lies wholly outside'} {reach}"
    else:
        passed = low <= estimate.low and estimate.high <= high
        words = f"the interval {'lies' if passed else 'must lie'} within {reach}"
    found = (round(estimate.low, 6), round(estimate.high, 6))
    return Gate(name, bound, found, passed, f"{name} is {estimate}: {words}")


def _unjudged(name: str, estimate: Estimate, bound: Bound) -> Gate:
    return Gate(name, bound, None, False, f"{name} can't be judged: {estimate.note}")


def told(gates: Sequence[Gate]) -> list[str]:
    """The verdicts for the terminal."""
    return [f"gate {'passed' if gate.passed else 'FAILED'}: {gate.text}" for gate in gates]
