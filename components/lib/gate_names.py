"""Which figures a gate may name: those of the target's kind, and those that the looks of evaluate add to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.lib.kinds import TargetKind

BY_PATIENT, WORST, SURROGATE = "patient_", "worst_group_", "surrogate_"
WITHOUT = "without_duplicates_"
"""Before the metric that decides: without the test samples that are duplicates of training samples."""
SMALLER, LOST = "smaller_", "_lost"
"""Around the metric that decides: what a smaller model that is served loses of the full one's."""
GAP = "equal_opportunity_gap"
OF_CLASSES = (GAP, "set_coverage", "abstained")
"""Figures of targets with classes alone: the largest difference in sensitivity between groups; the share of samples
whose set of likely classes holds the truth; the share about which the model doesn't decide."""

TWO_SIDED = ("calibration_", "observed_expected")
"""Beginnings of the figures that should be 1, or 0, and neither more nor less."""
UNDER = "_under_3"
"""After the metric that decides: with the input spoilt at the middle strength of the worst kind."""
OF_INPUTS = ("outside", "map_resemblance", "map_deletion")
"""How many samples are unlike training, how little the map changes where the weights are shuffled, and how much the
output falls where what the map marks is hidden; where the input and the model give them."""


def gate_names(kind: TargetKind) -> tuple[str, ...]:
    """Every metric of a target that a gate may be set on.

    Returns:
        the kind's own metrics; the same by patient (`patient_<metric>`) and of the group that fares worst
        (`worst_group_<metric>`); and what single looks add, some of it only where the target has classes.
    """
    own = kind.metric_names
    further = [f"{prefix}{name}" for prefix in (BY_PATIENT, WORST) for name in own]
    return (*own, *further, *_of_looks(kind))


def _of_looks(kind: TargetKind) -> tuple[str, ...]:
    deciding = kind.comparable[0]
    of_classes = OF_CLASSES if kind.class_names else ()
    return (
        *of_classes,
        *kind.calibration_names,
        f"{deciding}{UNDER}",
        f"{SURROGATE}{deciding}",
        f"{WITHOUT}{deciding}",
        f"{SMALLER}{deciding}{LOST}",
        *OF_INPUTS,
    )


def wants_range(metric: str) -> bool:
    """Whether too much of a figure is as bad as too little, so that a gate on it is a range."""
    return metric.startswith(TWO_SIDED)


def gate_words(target: str, kind: TargetKind) -> str:
    """The same for a reader, without every name twice and thrice."""
    own = ", ".join(f"{target}.{name}" for name in kind.metric_names)
    return f"one of {own}; each also as {BY_PATIENT}… and {WORST}…; {', '.join(_of_looks(kind))}"
