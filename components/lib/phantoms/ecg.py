"""Settings of the ECG phantom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.lib.phantoms.base import Count, Phantom, Share
from components.lib.settings import Settings

Ectopic = Annotated[float, Field(ge=0, le=0.15)]


class EcgFaults(Settings):
    """Faults planted on purpose, so that tests can show that they are found. No record gets two of them."""

    flat: Count = 0
    """Records with one lead at 0 mV throughout: an electrode that fell off."""
    clipped: Count = 0
    """Records that stand at the rails of the amplifier, ±5 mV, most of the time."""
    truncated: Count = 0
    """Records whose signal file is cut off after half its bytes."""
    missing_signal: Count = 0
    """Records with a header and annotations but no signal file."""


class EcgPhantom(Phantom):
    """Synthetic electrocardiograms, leads II and V1: sinus rhythm with ectopic beats, and atrial fibrillation."""

    kind: Literal["ecg"] = "ecg"
    """What is recorded."""
    patients: Annotated[int, Field(ge=1, le=9999)] = 90
    """Patients, with one record each; more patients leave the first ones as they are."""
    seconds: Annotated[int, Field(ge=10, le=3600)] = 60
    """Length of a record."""
    rate: Annotated[int, Field(ge=125, le=1000)] = 250
    """Samples a second."""
    fibrillation: Share = 0.2
    """Share of patients with atrial fibrillation; in three of ten of them it starts or ends during the record."""
    ventricular: Ectopic = 0.08
    """Share of beats that are ventricular ectopics, over all patients; a third of them have none, some have many."""
    supraventricular: Ectopic = 0.1
    """Share of beats in sinus rhythm that are supraventricular ectopics; a third of the patients have none."""
    noise: Annotated[float, Field(ge=0, le=0.5)] = 0.03
    """White noise, mV (standard deviation); noise of muscles, hum of the mains and movement grow with it."""
    wander: Annotated[float, Field(ge=0, le=2)] = 0.12
    """How far the baseline wanders, mV."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Equal seeds give equal bytes."""
    faults: EcgFaults = EcgFaults()
    """Faults planted on purpose; none by default."""
