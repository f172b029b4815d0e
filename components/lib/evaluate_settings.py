"""`evaluate:` of the task file: what is measured on test, what a model must reach, what the report may show."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, field_validator

from components.lib.card_settings import Card
from components.lib.settings import Settings

Years = Annotated[int, Field(gt=0, lt=130)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Range = Annotated[tuple[Finite, Finite], Field(strict=False)]
"""As lists, whatever has read them: a validator between JSON and a strict tuple sees Python's."""
Overlaps = Annotated[dict[Literal["overlaps"], Range], Field(min_length=1)]
Bound = float | tuple[float, float] | dict[Literal["overlaps"], tuple[float, float]]
"""What a gate asks of an interval: a number its careful end must reach, a range it must lie in, or one it must reach
into."""


def _one_message(value: Any, read: ValidatorFunctionWrapHandler) -> Bound:
    """One sentence on a bound that is none of the three, in place of one for each."""
    try:
        bound: Bound = read(value)
    except ValidationError:
        if isinstance(value, str):  # 1e-3, which YAML takes for text, has an advice of its own
            raise
        bound = (1.0, 0.0)
    low, high = range_of(bound) or (0.0, 1.0)
    if low >= high:
        raise ValueError("a number, a range with its lower end first, [0.8, 1.25], or {overlaps: [0.8, 1.25]}")
    return bound


def range_of(bound: Bound) -> tuple[float, float] | None:
    """The ends of a gate's range; None of a gate that is a number."""
    if isinstance(bound, dict):
        return bound["overlaps"]
    return bound if isinstance(bound, tuple) else None


class Evaluate(Settings):
    """What the report shows and what a model must reach."""

    gates: dict[str, Annotated[Finite | Range | Overlaps, WrapValidator(_one_message)]] = Field(default_factory=dict)
    """Metric (`finding.auc`) to the least that the lower end of its 95% interval must reach.
    Of errors it is the most that the upper end may be. A range, [0.8, 1.25], must hold the whole interval;
    {overlaps: [0.8, 1.25]} fails only when the interval lies wholly outside it. See docs/evaluation.md.
    Empty: every target must be better than chance (AUC above .5, R² above 0), and not miscalibrated beyond chance."""
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
