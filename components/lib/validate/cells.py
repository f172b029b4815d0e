"""The cells of cleaned tables: what was taken for something else, what can't be, and what may give the target away."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from components.lib.dataset import Dataset
from components.lib.kinds.table import Table
from components.lib.physiology import measured
from components.lib.spec import TaskSpec
from components.lib.validate import giveaways
from components.lib.validate.checks import Finding
from components.lib.validate.tables import as_labels

REPLACED = "replaced"
"""Name, after the input's, of the column that says which cells of a sample were taken for something else."""
NAMED = 12
"""Columns that a line names."""


def noted(replaced: Mapping[str, str]) -> str | None:
    """What `InputKind.replaced` says of one sample, as its cell in the table; None where nothing was replaced."""
    return json.dumps(replaced, ensure_ascii=False) if replaced else None


def look(dataset: Dataset, samples: pd.DataFrame, spec: TaskSpec) -> Finding:
    """Look at the columns of every table among the inputs, one after the other.

    Args:
        dataset: the cleaned rows.
        samples: its table; what doesn't count has no split.
        spec: the task.
    """
    samples, rows = as_labels(samples, spec), list[dict[str, object]]()
    lines, raised, others = list[str](), list[str](), list[Finding]()
    for name, kind in spec.inputs.items():
        if isinstance(kind, Table):
            cells = _cells(dataset, name, kind)
            replaced = _replaced(samples.get(f"{name}_{REPLACED}"))
            rows += [_row(column, cells[column], replaced, kind) for column in kind.columns]
            raised += _impossible(cells, kind)
            others.append(giveaways.finding(cells, frozenset(kind.numbers), samples, spec))
            lines += _of_replaced(replaced)
    shown = (("Cells by column", pd.DataFrame(rows)),) if rows else ()
    return Finding(
        (*lines, *raised, *(line for each in others for line in each.lines)),
        (*(table for each in others for table in each.tables), *shown),
        tuple(check for each in others for check in each.checks),
        (*raised, *(line for each in others for line in each.warnings)),
    )


def _cells(dataset: Dataset, name: str, kind: Table) -> dict[str, pd.Series]:
    """Column to its cells, null where unknown."""
    array = np.concatenate([np.asarray(part.array(name)) for part in dataset.parts])
    fields = array.dtype.names or ()
    held = {column: pd.Series(array[field]) for column, field in zip(kind.columns, fields, strict=True)}
    return {name: cells if name in kind.numbers else cells.mask(cells == "") for name, cells in held.items()}


def _replaced(column: pd.Series | None) -> Counter[tuple[str, str]]:
    """How many cells of a column were replaced, for each reason."""
    told = [] if column is None else [json.loads(each) for each in column.dropna()]
    return Counter((name, why) for each in told for name, why in each.items())


def _of_replaced(replaced: Counter[tuple[str, str]]) -> list[str]:
    words = {
        "unknown": "cells taken for unknown by the task file",
        "censored": "cells that say a limit, taken as the task file says",
        "masked": "masked ages",
    }
    told = []
    for why, meaning in words.items():
        counts = [f"{column} {count:,}" for (column, reason), count in replaced.most_common() if reason == why]
        more = f" and {len(counts) - NAMED} columns more" if len(counts) > NAMED else ""
        told += [f"{meaning}: {', '.join(counts[:NAMED])}{more}"] if counts else []
    return told


def _impossible(cells: Mapping[str, pd.Series], kind: Table) -> list[str]:
    """Numbers that nobody lives with, though no setting says so."""
    lines = []
    for column in kind.numbers:
        values = cells[column].to_numpy(np.float64)
        bounds = measured(column, values)
        if bounds is None or not (wrong := bounds.impossible(values)).any():
            continue
        found, counts = np.unique(values[wrong], return_counts=True)
        commonest = float(found[counts.argmax()])
        lines.append(
            f"can't be: {column} in {int(wrong.sum()):,} of {len(values):,} rows ({bounds.variable} is {bounds}), most "
            f"often {commonest:g}; if that means unknown, add to the input in the task file: "
            f"unknown: {{{column}: [{commonest:g}]}}"
        )
    return lines


def _row(column: str, cells: pd.Series, replaced: Counter[tuple[str, str]], kind: Table) -> dict[str, object]:
    number = column in kind.numbers
    bounds = measured(column, cells.to_numpy(np.float64)) if number else None
    return {
        "column": column,
        "unknown": int(cells.isna().sum()),
        "share unknown": float(cells.isna().mean()),
        "of these by the task file": replaced[column, "unknown"],
        "limits": replaced[column, "censored"],
        "masked ages": replaced[column, "masked"],
        "different values": int(cells.nunique()),
        "lowest": float(cells.min()) if number and cells.notna().any() else None,
        "highest": float(cells.max()) if number and cells.notna().any() else None,
        "can be": f"{bounds.variable}: {bounds}" if bounds else "",
    }
