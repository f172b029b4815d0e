"""Every kind, one file each: the input kinds and the target kinds a task file can name.

A new kind is a new file in this folder: it is found here, and the task file's schema grows by it.
"""

from typing import TYPE_CHECKING

from components.lib.kinds.base import Array, Chart, Cleaned, InputKind, TargetKind
from components.lib.settings import concrete, family, import_all

import_all(__name__, __path__)

INPUT_KINDS: list[type[InputKind]] = concrete(InputKind)
TARGET_KINDS: list[type[TargetKind]] = concrete(TargetKind)

if TYPE_CHECKING:
    AnyInput = InputKind
    AnyTarget = TargetKind
else:
    AnyInput = family(InputKind, "kind")
    AnyTarget = family(TargetKind, "kind")

__all__ = [
    "INPUT_KINDS",
    "TARGET_KINDS",
    "AnyInput",
    "AnyTarget",
    "Array",
    "Chart",
    "Cleaned",
    "InputKind",
    "TargetKind",
]
