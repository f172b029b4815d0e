"""Categories that training has rarely or never: how many samples have one, and what becomes of them when served."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.evaluate.part import Evaluated, Part
from components.lib.errors import DataError, Unusable
from components.lib.kinds import Array
from components.lib.model_dir import Model
from components.lib.page import Section, paragraph, table

TITLE = "Categories that training has rarely or never"
MANY = 0.1
"""Share of the samples from which a reader must not miss it."""


def served(
    network: Model, samples: pd.DataFrame, arrays: dict[str, Array]
) -> tuple[pd.DataFrame, dict[str, Array], pd.DataFrame | None]:
    """Keep the samples that a server of the model answers.

    Args:
        network: the model.
        samples: the table (N rows).
        arrays: cleaned samples (N, …) by input.

    Returns:
        table and arrays of those that are answered; the table of those that are refused, None where none is.

    Raises:
        DataError: every sample is refused.
    """
    refused = np.zeros(len(samples), bool)
    for name, kind in network.info.inputs.items():
        fitted = network.info.fitted_inputs[name]
        unknown = kind.unknown_categories_of(arrays[name], fitted)
        for row in np.flatnonzero(_any(unknown, len(samples))).tolist():
            try:
                kind.refuse_unknown(arrays[name][row], fitted)
            except Unusable:
                refused[row] = True
    if not refused.any():
        return samples, arrays, None
    if refused.all():
        raise DataError(
            f"test split, {len(samples):,} samples",
            expected="a sample that the served model answers",
            found="in each a category that training has rarely or never, and `unknown_categories: reject`",
            todo="set `unknown_categories: allow` or a lower `rare` for the input, or join categories",
        )
    kept = {name: array[~refused] for name, array in arrays.items()}
    return samples[~refused].reset_index(drop=True), kept, samples[refused].reset_index(drop=True)


def lines(evaluated: Evaluated) -> list[str]:
    """For the terminal; none where no column of categories is fitted."""
    counts = _counts(evaluated)
    if not counts and evaluated.refused is None:
        return []
    rows, of = _rows(evaluated), len(evaluated.samples)
    said = f"categories that training has rarely or never: {rows:,} of {of:,} test samples, counted as unknown"
    if evaluated.refused is not None:
        lost, every = len(evaluated.refused), of + len(evaluated.refused)
        said = f"categories that training has rarely or never: a server refuses {lost:,} of {every:,} test samples"
        return [f"{said}; they are not measured"]
    return [said if rows else f"categories that training has rarely or never: in none of {of:,} test samples"]


def part(evaluated: Evaluated) -> Part:
    """A section where there are columns of categories, and a warning where many samples are concerned."""
    counts, rows, of = _counts(evaluated), _rows(evaluated), len(evaluated.samples)
    if not counts and evaluated.refused is None:
        return Part()
    info = evaluated.network.info
    fitted = [
        f"Input {name}: {text}."
        for name, kind in info.inputs.items()
        if (text := kind.fitted_text(info.fitted_inputs[name]))
    ]
    if evaluated.refused is not None:
        lost, every = len(evaluated.refused), of + len(evaluated.refused)
        sentence = (
            f"A server of this model refuses {lost:,} of {every:,} test samples, because they have a category that "
            "training has rarely or never. They are not measured: every figure here is of the others."
        )
        return _part(evaluated, [sentence, *fitted], lost / every)
    sentence = (
        f"{rows:,} of {of:,} test samples have a category that training has rarely or never. It counts as unknown, as "
        "in training, and so does a server, whose answer says so in `warnings`."
    )
    frame = pd.DataFrame({"Column": [*counts], "Test samples": [f"{count:,}" for count in counts.values()]})
    blocks = (*(paragraph(text) for text in (sentence, *fitted)), *((table(frame),) if rows else ()))
    return Part((Section(TITLE, blocks),), warnings=_warnings(evaluated, sentence, rows / of))


def _part(evaluated: Evaluated, sentences: list[str], share: float) -> Part:
    blocks = tuple(paragraph(text) for text in sentences)
    return Part((Section(TITLE, blocks),), warnings=_warnings(evaluated, sentences[0], share))


def _warnings(evaluated: Evaluated, sentence: str, share: float) -> tuple[str, ...]:
    return (f"{sentence} Collect more of them, join categories, or lower `rare`.",) if share > MANY else ()


def _counts(evaluated: Evaluated) -> dict[str, int]:
    """By column, how many test samples have an unknown category there."""
    return {column: int(unknown.sum()) for column, unknown in _unknown(evaluated).items()}


def _rows(evaluated: Evaluated) -> int:
    return int(_any(_unknown(evaluated), len(evaluated.samples)).sum())


def _unknown(evaluated: Evaluated) -> dict[str, NDArray[np.bool_]]:
    info, found = evaluated.network.info, dict[str, NDArray[np.bool_]]()
    for name, kind in info.inputs.items():
        of = f" ({name})" if len(info.inputs) > 1 else ""
        unknown = kind.unknown_categories_of(evaluated.arrays[name], info.fitted_inputs[name])
        found |= {f"{column}{of}": rows for column, rows in unknown.items()}
    return found


def _any(unknown: Mapping[str, NDArray[np.bool_]], count: int) -> NDArray[np.bool_]:
    return np.any([*unknown.values()], axis=0) if unknown else np.zeros(count, bool)
