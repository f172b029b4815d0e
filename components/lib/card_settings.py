"""`evaluate.card:` of the task file: what only people can say of a model, for its card."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.lib.settings import Settings

Text = Annotated[str, Field(min_length=1, max_length=4000)]


class Card(Settings):
    """What the model card says of use and responsibility. It goes into the registry: no patient, no file name."""

    intended_use: Text | None = None
    """The question that the model answers, of which patients, at which point of care. Null: "not stated"."""
    users: Text | None = None
    """Who reads its answers, and what they must know."""
    not_for: Text | None = None
    """What it must not be used for, beside what every card says."""
    population: Text | None = None
    """Patients, places and years that the data come from; how they were chosen, and who was left out."""
    reference_standard: Text | None = None
    """How the truth was established: by whom, with what, blinded to what."""
    ethics: Text | None = None
    """Approval, consent or waiver, and the law under which the data are used."""
    funding: Text | None = None
    """Who paid, and what part they had; conflicts of interest."""
    contact: Text | None = None
    """Who answers for the model: an office, not a person's private address."""
