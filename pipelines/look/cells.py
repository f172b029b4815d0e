"""The columns of a table: numbers, categories, and what a network must not see or can't read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from components.lib.kinds.table import WIDEST
from pipelines.look import names
from pipelines.look.columns import Attributes
from pipelines.look.findings import counted
from pipelines.look.leaks import tells_target

FEW_CODES = 10
"""Different whole numbers up to which a column whose name says "type" or "code" holds categories."""


@dataclass
class Inputs:
    """What of a table goes into the network, and what doesn't."""

    numbers: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def inputs_of(table: pd.DataFrame, target: str, found: Attributes, strange: set[str]) -> Inputs:
    """Which columns go into the network, and why the others don't.

    Args:
        table: text, null where unknown; rows whose target is known.
        target: the column to predict.
        found: what the columns say beside it.
        strange: columns that hold no single values.
    """
    inputs = Inputs(left_out=dict.fromkeys(sorted(strange), "lists or bytes, no single value a row"))
    for column in map(str, table.columns):
        if column == target:
            continue
        kind, why = _what(table[column], column, found)
        if kind and (told := tells_target(table[column], table[target], number=kind == "number")):
            kind, why = "", told
        if kind == "number":
            inputs.numbers.append(column)
            known = table[column].dropna()
            if wrong := len(known) - round(share_of_numbers(known) * len(known)):
                inputs.notes.append(f"{column!r}: {counted(wrong, 'cell')} no number, cleaning leaves such rows out")
        elif kind == "category":
            inputs.categories.append(column)
        else:
            inputs.left_out[column] = why
    return inputs


def _what(column: pd.Series, name: str, found: Attributes) -> tuple[str, str]:
    """`number` or `category`; or nothing, and why the column is left out."""
    roles = {held: role for role, held in found.columns.items() if held}
    called, known = names.plain(name), column.dropna()
    distinct = known.nunique()
    if roles.get(name) in ("patient", "split"):
        return "", f"the {roles[name]}"
    if roles.get(name) == "site":
        return "", "the site: a network would learn the hospital; figures are reported by it"
    if called in names.PERSON:
        return "", "called like something that names a person"
    if called in names.TARGET:
        return "", "called like a target, too: an answer is no input"
    if distinct < 2:
        return "", "empty" if not distinct else "the same in every row"
    if (dates := known.map(names.is_date).mean()) > 0.9:
        return "", f"dates ({dates:.0%} of the cells): write the days between two of them as a number"
    return _number_or_words(known, called, distinct)


def _number_or_words(known: pd.Series, called: str, distinct: int) -> tuple[str, str]:
    if known.str.fullmatch(r"\s*[+-]?\d+,\d+\s*").mean() > 0.5:
        return "", "decimals with a comma: write 11.2"
    share = share_of_numbers(known)
    if share >= 0.98:
        whole = bool(known.str.fullmatch(r"-?\d+(\.0*)?").all())
        if whole and distinct == len(known) and _is_id(known, called):
            return "", "another number in every row: an id"
        if whole and 2 < distinct <= FEW_CODES and {*called.split("_")} & names.CODE_WORDS:
            return "category", ""
        return "number", ""
    if distinct > 0.9 * len(known) and distinct > 20:
        spaces = known.str.contains(r"\s").mean() > 0.5
        return "", "free text" if spaces else "another word in nearly every row: an id"
    if known.str.len().mean() > 40 or known.str.len().max() > 64:
        return "", "free text"
    if distinct > min(WIDEST, max(20, len(known) // 10)):
        return "", f"{distinct:,} different words, too many to learn from {len(known):,} rows"
    return "category", ""


def _is_id(known: pd.Series, called: str) -> bool:
    """Whole numbers that count the rows, or whose name says an id."""
    values = pd.to_numeric(known).to_numpy()
    steps = np.diff(values)
    return bool({*called.split("_")} & names.ID_WORDS) or bool(len(steps) and (steps == steps[0]).all()) or (
        called.startswith("unnamed")
    )  # fmt: skip


def share_of_numbers(column: pd.Series) -> float:
    """Share of the known cells that are plain numbers."""
    known = column.dropna()
    if known.empty:
        return 0.0
    plain = known.str.strip().str.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
    return float(plain.mean())
