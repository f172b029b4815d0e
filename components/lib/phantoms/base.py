"""What the settings of every phantom have."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from components.lib.settings import Settings

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Phantom(Settings):
    """Raw data that a program writes. `components/phantom/KIND.py` has the function `KIND(settings, out)` for it."""

    kind: str

    synthetic: ClassVar[bool] = True
    """Whether what it writes was made up, or is a public set that comes with a library."""
