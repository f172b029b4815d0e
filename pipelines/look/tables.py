"""Tables with one sample a row: what each column is, and which of them a network may see."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.readers._tables import known_text, read_csv
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
from pipelines.look.findings import Draft, Questions, counted, refused, some
from pipelines.look.refusals import boxes, is_boxes, refuse_series
from pipelines.look.targets import Target, choose_target

SEPARATORS = ",;\t|"


def read(path: Path) -> tuple[pd.DataFrame, str, set[str]]:
    """A table as text with "" where empty; what stands between its cells; and columns that text can't hold.

    Raises:
        DataError: it can't be read, or has no row.
    """
    separator, strange = ",", set[str]()
    if path.name.lower().endswith(".parquet"):
        table, strange = _parquet(path)
    else:
        separator = _separator(path)
        table = read_csv(path, separator)
        _refuse_twice(path, separator)
    if table.empty:
        raise refused(path, expected="at least one row", found="the names of the columns, and nothing below")
    return table, separator, strange


def _refuse_twice(path: Path, separator: str) -> None:
    """Refuse two columns of one name, the second of which pandas would call another."""
    first = pd.read_csv(
        path, sep=separator, dtype="str", encoding="utf-8-sig", keep_default_na=False, header=None, nrows=1
    )
    twice = sorted({str(name) for name in first.iloc[0][first.iloc[0].duplicated()]})
    if twice:
        raise refused(
            path, expected="every column once", found=f"{some(twice)} twice", todo="rename one of them"
        )  # fmt: skip


def _separator(path: Path) -> str:
    """What cuts the first lines into most columns."""
    widths = {each: _columns_with(path, each) for each in SEPARATORS}
    best = max(SEPARATORS, key=lambda each: widths[each])
    return best if widths[best] > 1 else ","


def _columns_with(path: Path, separator: str) -> int:
    """Columns of the first lines; 0 where some are longer than the first one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return len(
                pd.read_csv(
                    path, sep=separator, dtype="str", nrows=20, encoding="utf-8-sig", index_col=False
                ).columns
            )  # fmt: skip
    except (OSError, ValueError, EOFError, pd.errors.ParserWarning):
        return 0


def _parquet(path: Path) -> tuple[pd.DataFrame, set[str]]:
    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        found = " ".join(str(error).split())[:160]
        raise refused(path, expected="a Parquet table", found=found, todo="write it again") from None
    held, strange = {}, set()
    for name in table.column_names:
        kind = table[name].type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            strange.add(name)
            continue
        cells = table[name].cast(kind).cast(pa.string()).to_pandas()
        held[name] = cells.astype(object).where(cells.notna(), "").astype("str")
    return pd.DataFrame(held), strange


def look_at_table(path: Path, questions: Questions, raw: Path | None = None) -> Draft:
    """A table: its columns, the target, and what of the rest may be known when the question is asked.

    Args:
        path: the table.
        questions: asked for the target and the patient, where the columns don't say them.
        raw: the folder that was named, where the table is the one in it.

    Raises:
        DataError: series over time, boxes, names of columns that are missing, nothing to predict or to predict it from.
    """
    text, separator, strange = read(path)
    refuse_series(path, text)
    _refuse_nameless(path, text)
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
    inputs = inputs_of(table[known], target, found, strange, questions)
    if not inputs.numbers and not inputs.categories:
        raise refused(
            path,
            expected=f"columns that {target!r} could be predicted from",
            found="; ".join(f"{column}: {why}" for column, why in inputs.left_out.items()) or "none but the target",
            todo="add columns of numbers or categories",
        )
    return _draft(path, separator, table, found, (chosen, classes), inputs, raw)


def _refuse_nameless(path: Path, table: pd.DataFrame) -> None:
    """Refuse a table whose first line is a sample already."""
    figures = [c for c in map(str, table.columns) if pd.notna(pd.to_numeric(c.removesuffix(".1"), errors="coerce"))]
    if len(figures) * 2 > len(table.columns):
        raise refused(
            path,
            expected="names of the columns in the first line",
            found=f"{counted(len(figures), 'number')} in a line of {len(table.columns)}",
            todo="write the columns' names above the rows",
        )


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
    path: Path, separator: str, table: pd.DataFrame, found: Attributes, target: tuple[Target, Classes | None],
    inputs: Inputs, raw: Path | None,
) -> Draft:  # fmt: skip
    chosen, classes = target
    name, called = chosen.column, chosen.name(table)
    column, patient = table[name], found.columns["patient"]
    given = found.given(table)
    source: dict[str, Any] = {"reader": "table", "path": str((raw or path).resolve())}
    if raw:
        source["file"] = path.name
    if separator != ",":
        source["separator"] = separator
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
    settings, why_train = training(round(0.7 * len(table)), "table")
    row: dict[str, Any] = {"kind": "table", **inputs.settings()}
    values = {
        "source": source,
        "inputs": {"row": row},
        "targets": {called: _target_values(column, classes)},
        "split": split,
        "train": settings,
    }
    sentences = _sentences(table, name, classes, inputs, found, separator)
    why = _why(inputs, found, called, classes, why_split, why_train, patient)
    return Draft(values, sentences, why, left_out=dict(inputs.left_out), table=table)


def _target_values(column: pd.Series, classes: Classes | None) -> dict[str, Any]:
    if classes is not None:
        return classes.target
    lowest = pd.to_numeric(column.dropna()).min()
    return {"kind": "regression", **({"minimum": 0} if lowest >= 0 else {})}


def _sentences(
    table: pd.DataFrame, target: str, classes: Classes | None, inputs: Inputs, found: Attributes, separator: str
) -> list[str]:
    cells = {",": "", ";": " with semicolons", "\t": " with tabs", "|": " with bars"}[separator]
    told = [f"a table{cells}: {counted(len(table), 'row')}, {counted(len(table.columns), 'column')}"]
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
