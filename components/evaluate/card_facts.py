"""What the model card says beside the model and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.evaluate.characteristics import TableOne
from components.evaluate.gates import Gate
from components.lib.openings import Opening
from components.lib.statistics import Estimate


@dataclass(frozen=True)
class CardFacts:
    """What the card says beside the model and its answers."""

    gates: tuple[Gate, ...]
    receipt: tuple[str, ...]
    """The leak audit, in lines."""
    metrics: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    """Of the looks, per target: by patient, of the worst group."""
    warnings: tuple[str, ...] = ()
    """What stands at the top of the report."""
    opening: Opening | None = None
    """Who was evaluated on these samples before; None: synthetic data."""
    name: str = ""
    """What the model is called where it is judged on data of another source; empty in the step."""
    patients_unknown: str = ""
    """What stands at the top where no sample names its patient."""
    limits: tuple[str, ...] = ()
    """What the looks add to its limits."""
    characteristics: tuple[TableOne, ...] = ()
    """Table 1, of the patients and of the samples."""
    readers: bool = False
    """Whether the agreement of several readers was measured."""
