"""`tune:` of the task file: which settings `make tune` tries, and how often."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from components.lib.settings import Settings

Number = int | Annotated[float, Field(allow_inf_nan=False)]
Key = Annotated[str, Field(pattern=r"^(train(\.[a-z][a-z0-9_]*)+|augment\.online\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*)$")]


class Range(Settings):
    """Numbers from `low` to `high`; whole ones where both are whole."""

    low: Number
    """The least that is tried."""
    high: Number
    """The most that is tried."""
    log: bool = False
    """Spread over orders of magnitude, as suits a learning rate."""

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("low must be above 0 where log is true")
        return self


class Choices(Settings):
    """One of these values."""

    choices: Annotated[tuple[bool | int | float | str, ...], Field(min_length=2)]
    """What is tried."""


class Tune(Settings):
    """The search for better settings. It looks at train and validation alone."""

    trials: Annotated[int, Field(ge=2)] = 20
    """Trainings in all; the first one has the task's own settings."""
    random: Annotated[int, Field(ge=1)] = 6
    """So many trials draw at random before the search leans on what was found (TPE), and before a trial that does worse
    than the median of the others may be ended early."""
    space: dict[Key, Range | Choices] = Field(default_factory=dict)
    """What is tried: `train.KEY` or `augment.online.INPUT.KEY`. Empty: learning rate, weight decay, dropout, batch
    size, label smoothing where the target has classes, and every strength of the augmentation that isn't 0."""
    seed: int = 7
    """Of the search; trainings keep `train.seed`."""
