"""What is fitted for the answer to a patient who has several samples: plain numbers, as they stand in model.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from components.lib.settings import Settings

Rule = Literal["max", "mean", "noisy_or"]
DEFAULT: Rule = "max"
WORDS: Mapping[Rule, str] = {
    "max": "the highest probability among the samples",
    "mean": "the mean of the samples' probabilities",
    "noisy_or": "the chance that at least one sample has it, were they independent (noisy-or)",
}


class PatientFigures(Settings):
    """What was fitted on the patients of validation, or on what nets say out of fold."""

    rule: Rule
    """How the answers to the samples become one: see `lib.patient_answers`."""
    scaling: dict[str, float]
    """Calibration of that one."""
    decision: dict[str, float]
    """Its threshold, and what other methods would have chosen."""
    patients: int
    """How many it was fitted on; who is unknown counts as a patient."""
