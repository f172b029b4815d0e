"""`evaluate:` of the task file: what is measured on test, what a model must reach, what the report may show."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.lib.settings import Settings


class Evaluate(Settings):
    """What the report shows and what a model must reach."""

    gates: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """Metric (`finding.auc`) to the least that the lower end of its 95% interval must reach.
    Empty: every target must be better than chance (AUC above .5, R² above 0)."""
    thumbnails: bool = False
    """Show single samples in the report. Synthetic ones are always shown; real patients' only when this is true."""
