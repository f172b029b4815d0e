"""What must stand at the top of a report because everything below rests on it."""

from __future__ import annotations

from components.evaluate.part import Evaluated, Part

MANY = 0.05
"""Share of samples without a patient from which on that is worth a warning."""


def part(evaluated: Evaluated) -> Part:
    """A warning where some patients are unknown."""
    samples = evaluated.data.samples()
    unknown = samples["patient"].isna()
    if unknown.all() or unknown.mean() <= MANY:  # that nobody is known stands above everything else
        return Part()
    return Part(
        warnings=(
            f"The patient is unknown in {int(unknown.sum()):,} of {len(samples):,} samples. Each counts as a patient "
            "of its own, so that overlap between splits can't be excluded for them.",
        )
    )
