"""Tables with one sample a row: what each column is, and which of them a network may see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from components.lib.readers._tables import known_text
from pipelines.look.cells import Inputs, inputs_of, share_of_numbers
from pipelines.look.choices import Classes, kept_split, made_split, training
from pipelines.look.columns import (
    Attributes,
    attributes,
    few_values,
    labels_of,
    mapped,
    patients_of_rarest,
    source_columns,
)
from pipelines.look.findings import Draft, Questions, counted, refused
from pipelines.look.forms import Held, hold, refuse_unclear
from pipelines.look.refusals import boxes, is_boxes, refuse_series
from pipelines.look.targets import Target, choose_target


def look_at_table(path: Path, questions: Questions, raw: Path | None = None) -> Draft:
    """A table: its columns, the target, and what of the rest may be known when the question is asked.

    Args:
        path: the table.
        questions: asked for the target and the patient, where the columns don't say them.
        raw: the folder that was named, where the table is the one in it.

    Raises:
        DataError: series over time, boxes, names of columns that are missing, nothing to predict or to predict it from.
    """
    held = hold(path, questions)
    text = held.text.drop(columns=[*held.unclear])
    if text.empty:
        raise refused(path, expected="at least one row", found="the names of the columns, and nothing below")
    refuse_series(path, text)
    refuse_unclear(held, path, questions.target)
    table = text.apply(known_text)
    if is_boxes(table):
        raise boxes(path, f"a table of {len(table):,} boxes")
    found = attributes(table, questions)
    chosen = _target(text, table, path, found, questions)
    target = chosen.column
    classes = None
    if chosen.several or few_values(labels_of(text[target])):
        classes = chosen.classes(text[target], questions, path)
        table[target] = classes.of(labels_of(text[target]))
    known = table[target].notna()
    inputs = inputs_of(table[known], target, found, {*held.strange}, questions)
    inputs.left_out |= held.unclear
    if not inputs.numbers and not inputs.categories:
        raise refused(
            path,
            expected=f"columns that {target!r} could be predicted from",
            found="; ".join(f"{column}: {why}" for column, why in inputs.left_out.items()) or "none but the target",
            todo="add columns of numbers or categories",
        )
    return _draft(path, held, table, found, (chosen, classes), inputs, raw)


def _target(
    text: pd.DataFrame, table: pd.DataFrame, path: Path, found: Attributes, questions: Questions
) -> Target:  # fmt: skip
    taken = {found.columns["patient"], found.columns["split"], found.columns["site"]}
    chosen = choose_target(text, table, taken, questions, path, "rows")
    target = chosen.column
    if chosen.several is None and not few_values(labels_of(text[target])) and share_of_numbers(table[target]) < 1:
        raise refused(
            path,
            expected=f"2 to 20 classes, or numbers alone, in column {target!r}",
            found=f"{counted(table[target].nunique(), 'different word')}",
            todo="correct the column, or name another one: --target COLUMN",
        )
    return chosen


def _draft(
    path: Path, held: Held, table: pd.DataFrame, found: Attributes, target: tuple[Target, Classes | None],
    inputs: Inputs, raw: Path | None,
) -> Draft:  # fmt: skip
    chosen, classes = target
    name, called = chosen.column, chosen.name(table)
    column, patient = table[name], found.columns["patient"]
    given = found.given(table)
    source: dict[str, Any] = {"reader": "table", "path": str((raw or path).resolve())}
    if raw:
        source["file"] = path.name
    source |= held.settings
    columns = source_columns(found, table, found.columns["split"] if given else None) | mapped(called, name)
    if columns:
        source["columns"] = columns
    groups = len(table) if found.patients is None else found.patients.nunique()
    by = "patient" if patient else "sample"
    if classes and found.patients is not None:
        classes.rarest = patients_of_rarest(column, found.patients, classes)
    split, why_split = made_split(groups, by=by, classes=classes)
    if given:
        split, why_split = kept_split(given, by)
    if found.accepts_unknown:
        split["unknown_patients"] = "accept"
    settings, why_train = training(round(0.7 * len(table)), "table", classes)
    row: dict[str, Any] = {"kind": "table", **inputs.settings()}
    values = {
        "source": source,
        "inputs": {"row": row},
        "targets": {called: _target_values(column, classes)},
        "split": split,
        "train": settings,
    }
    sentences = _sentences(table, name, classes, inputs, found, held)
    why = _why(inputs, found, called, classes, why_split, why_train, patient)
    return Draft(values, sentences, why, left_out=dict(inputs.left_out), table=table)


def _target_values(column: pd.Series, classes: Classes | None) -> dict[str, Any]:
    if classes is not None:
        return classes.target
    lowest = pd.to_numeric(column.dropna()).min()
    return {"kind": "regression", **({"minimum": 0} if lowest >= 0 else {})}


def _sentences(
    table: pd.DataFrame, target: str, classes: Classes | None, inputs: Inputs, found: Attributes, held: Held
) -> list[str]:
    told = [f"a table: {counted(len(table), 'row')}, {counted(len(table.columns), 'column')}", *held.found]
    column = pd.to_numeric(table[target], errors="coerce") if classes is None else table[target]
    if classes is None:
        told.append(
            f"{target!r} is the target: a number, {column.min():g} to {column.max():g}, "
            f"{counted(column.nunique(), 'different value')}"
        )
        if unknown := int(column.isna().sum()):
            told.append(f"{counted(unknown, 'row')} without a target: they teach nothing")
    else:
        told += [f"{target!r} is the target", *classes.found]
    told.append(
        f"inputs: {counted(len(inputs.numbers), 'column')} of numbers, "
        f"{counted(len(inputs.categories), 'column')} of categories"
    )
    told += [f"left out: {name!r}: {why}" for name, why in inputs.left_out.items()]
    told += [*inputs.notes, *found.found]
    told.append(
        "split by patient; patients become pseudonyms under your key: python -m components.lib.pseudonyms makes one"
        if found.columns["patient"]
        else "no patient ids: each row counts as one patient, overlap can't be excluded"
    )
    return told


def _why(
    inputs: Inputs,
    found: Attributes,
    target: str,
    classes: Classes | None,
    split: str,
    train: dict[str, str],
    patient: str | None,
) -> dict[str, str]:
    left = "".join(f"\nleft out: {name}: {why}" for name, why in inputs.left_out.items())
    kind = "a number: more than 20 different ones, or fractions"
    if classes is not None:
        kind = f"{len(classes.names)} different values"
    return {
        "inputs.row": f"Keep only columns that are known when the question is asked.{left}",
        "inputs.row.numbers": "nearly every cell is a number",
        "inputs.row.unknown": "taken as missing; in training, in requests and in batch predictions alike",
        "inputs.row.censored": "what becomes of <0.01 and >100: half (of the limit), limit, or unknown",
        "inputs.row.masked_ages": "the years that stand for a hidden age; null: unknown",
        **{f"inputs.row.{place}": why for place, why in inputs.why.items()},
        "inputs.row.categories": "words, or codes; null: training takes those it finds in ten rows or more",
        f"targets.{target}.kind": kind,
        f"targets.{target}.classes": classes.why if classes else "",
        f"targets.{target}.minimum": "nothing below it is in the table; remove it if there could be",
        "split": split,
        "split.by": "a patient is never torn" if patient else "no patient ids: each row counts as one patient",
        **train,
        **{f"source.columns.{role}": why for role, why in found.why.items()},
    }
