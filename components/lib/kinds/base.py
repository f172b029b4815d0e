"""What every input kind and every target kind answers: the one place that others import these classes from."""

from components.lib.kinds._records import (
    Array,
    Chart,
    Cleaned,
    Corruption,
    Examples,
    Explained,
    Fitted,
    Raw,
    RequestColumn,
    Whose,
)
from components.lib.kinds.input_kind import InputKind
from components.lib.kinds.target_kind import TargetKind

__all__ = [
    "Array", "Chart", "Cleaned", "Corruption", "Examples", "Explained", "Fitted", "InputKind", "Raw", "RequestColumn",
    "TargetKind", "Whose",
]  # fmt: skip
