"""Settings of the diabetes table, which nobody made up: it comes with scikit-learn."""

from __future__ import annotations

from typing import ClassVar, Literal

from components.lib.phantoms.base import Phantom


class Diabetes(Phantom):
    """Diabetes progression of 442 patients: real, public, and bundled with scikit-learn (Efron et al. 2004)."""

    kind: Literal["diabetes"] = "diabetes"
    """A table; it has no settings."""

    synthetic: ClassVar[bool] = False
