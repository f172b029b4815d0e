"""`evaluate:` of the task file: what is measured on test, what a model must reach, what the report may show."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from components.lib.card_settings import Card
from components.lib.settings import Settings

Years = Annotated[int, Field(gt=0, lt=130)]


class Evaluate(Settings):
    """What the report shows and what a model must reach."""

    gates: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """Metric (`finding.auc`) to the least that the lower end of its 95% interval must reach.
    Of errors it is the most that the upper end may be; of groups and patients see docs/evaluation.md.
    Empty: every target must be better than chance (AUC above .5, R² above 0)."""
    thumbnails: bool = False
    """Show single samples in the report. Synthetic ones are always shown; real patients' only when this is true."""
    age_bands: tuple[Years, ...] = (18, 40, 65)
    """Ages in years at which a new band begins, when the model is looked at by age: under 18, 18 to under 40, …"""
    smallest_count: Annotated[int, Field(ge=1)] = 5
    """Smallest count of sex, site, acquisition and unknown values that the table of characteristics shows; smaller ones
    could point at a person. 1: all are shown. Classes of a target are always counted."""
    prevalences: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Shares of positives, where the model may be used, at which the report gives predictive values: [0.01, 0.05].
    For binary targets; those of the test sample are always given."""
    ordered: tuple[str, ...] = ()
    """Targets of three classes or more that are listed from least to most: [grade]. For them the agreement of readers
    is weighted, too."""
    card: Card = Card()
    """What only people can say, for model_card.md."""

    @field_validator("age_bands")
    @classmethod
    def _rising(cls, bands: tuple[int, ...]) -> tuple[int, ...]:
        if list(bands) != sorted(set(bands)):
            raise ValueError("ages rise from band to band: [18, 40, 65]")
        return bands
