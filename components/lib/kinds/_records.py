"""What input and target kinds hand over: plain records, and names of types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Array = NDArray[Any]
Whose = NDArray[np.integer] | None
"""Equal numbers for samples of one patient (N,); None: nobody has several."""
Raw = Any
"""What a reader reads and a kind cleans: bytes, an array, or an object with `content() -> bytes` (its identity)."""
Fitted = Mapping[str, Any]
"""What an input kind fitted on training samples, as plain JSON values: it stands in model.json."""
Explained = Literal["class_activation_map", "occlusion", "none"]
"""How a model says where it looked: a second output of its graph; hiding one place after the other; not at all."""


@dataclass(frozen=True)
class Cleaned:
    """One cleaned sample: its array and its quality figures (column name to value)."""

    array: Array
    quality: Mapping[str, float]


@dataclass(frozen=True)
class RequestColumn:
    """One column of a serving request."""

    name: str
    type: str
    """MLflow data type: "string", "double", or "any" for arrays and objects."""
    required: bool
    meaning: str
    """What a caller puts there, in one line."""


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure of the report: the numbers behind it, and how they are drawn. Equal to itself alone."""

    name: str
    title: str
    caption: str
    table: pd.DataFrame
    draw: Callable[[Canvas], None]


@dataclass(frozen=True)
class Corruption:
    """One way in which samples get worse in practice, at five strengths."""

    measure: str
    """What its strength is measured by, for people: "degrees"."""
    strengths: tuple[str, str, str, str, str]
    """Each strength by that measure: "3"."""
    apply: Callable[[Array, int, np.random.Generator], Array]
    """Cleaned samples (N, *shape) and a strength, 1 to 5, to altered copies; equal generators give equal copies."""


def five(text: str, values: tuple[float, ...]) -> tuple[str, str, str, str, str]:
    """Five strengths in words, from a text with a place for each value."""
    one, two, three, four, last = (text.format(value) for value in values)
    return one, two, three, four, last


@dataclass(frozen=True)
class Examples:
    """Some samples worth a look: rows (positions among the samples), the most telling first."""

    title: str
    rows: NDArray[np.intp]
