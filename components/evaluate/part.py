"""What a part of the evaluation is given, and what it has to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from components.evaluate.results import Result
from components.lib.dataset import Dataset
from components.lib.kinds import Array, Chart
from components.lib.model_dir import Model
from components.lib.page import Section
from components.lib.spec import TaskSpec
from components.lib.statistics import Estimate


@dataclass(frozen=True)
class Evaluated:
    """A model's answers on the test split, and all that they rest on."""

    spec: TaskSpec
    data: Dataset
    network: Model
    samples: pd.DataFrame
    """Table of the test split (N rows)."""
    arrays: Mapping[str, Array]
    """Cleaned test samples (N, …) by input."""
    results: tuple[Result, ...]
    """Per target."""
    refused: pd.DataFrame | None = None
    """Table of the test samples that a server of the model refuses: they aren't measured."""

    @property
    def assumed(self) -> tuple[str, ...]:
        """Choices that nobody has confirmed: behind the task, and of the training of the model."""
        return (*self.spec.assumed, *self.network.info.assumed)

    @property
    def assumption_lines(self) -> tuple[str, ...]:
        """`assumed` as a program prints it."""
        return tuple(f"assumed, not confirmed: {sentence}" for sentence in self.assumed)

    @property
    def noun(self) -> str:
        """What people call its samples, in the plural."""
        return next(iter(self.network.info.inputs.values())).noun


@dataclass(frozen=True)
class Part:
    """What one look at a model found."""

    sections: tuple[Section, ...] = ()
    """For the report, in order."""
    charts: Mapping[str, Chart] = field(default_factory=dict)
    """By file name without ending; each becomes <name>.csv and figures/<name>.png."""
    metrics: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    """Per target figures beside those of its kind; gates may name them."""
    warnings: tuple[str, ...] = ()
    """What a reader must not miss, in whole sentences: it stands at the top of the report."""
    limits: tuple[str, ...] = ()
    """What the card says among its limits, in whole sentences."""
