"""Settings of the chest phantom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.lib.phantoms.base import Count, Phantom, Share
from components.lib.settings import Settings


class Faults(Settings):
    """Faults planted on purpose, so that tests can show that they are found. No film gets two of them."""

    patient_on_two_sides: Count = 0
    """Patients whose films stand in two splits; above 0, the index gets a `split` column, right for all others."""
    duplicates: Count = 0
    """Byte-equal copies of a film, listed under another film and another patient."""
    broken: Count = 0
    """Films replaced by random bytes."""
    blank: Count = 0
    """Films of one grey value."""
    truncated: Count = 0
    """Films cut off after half their bytes."""
    wrong_labels: Count = 0
    """Findings turned into the other one; the mask stays, as the truth."""
    corner_marker: bool = False
    """A bright letter in the corner of every film with pneumonia, and of no other: a shortcut to the answer."""


class ChestPhantom(Phantom):
    """Synthetic frontal chest films, with and without pneumonia."""

    kind: Literal["chest"] = "chest"
    """What is imaged."""
    patients: Annotated[int, Field(ge=1, le=9999)] = 420
    """Patients, with one to three films each (1.4 on average); more patients leave the first ones as they are."""
    prevalence: Share = 0.4
    """Share of films with pneumonia."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Equal seeds give equal bytes."""
    faults: Faults = Faults()
    """Faults planted on purpose; none by default."""
