"""What a task makes of raw data before anything is run: samples, classes, patients, splits and columns, as numbers.

The page about it is `inspection_page`. Ids, file names and rare values are counted here, and shown as forms alone.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from components.ingest.splits import assign
from components.ingest.who import known_patients
from components.lib.errors import MedpipeError, Unusable
from components.lib.kinds._cells import Rule
from components.lib.kinds.table import Table
from components.lib.places import Place
from components.lib.readers import ATTRIBUTES
from components.lib.readers.base import content
from components.lib.spec import SPLITS, TaskSpec
from components.lib.validate.reasons import one_reason
from pipelines.look.findings import Draft, counted, some
from pipelines.look.profiles import Column, describe

SECONDS = 10.0
"""Time that is spent on reading samples to find exact duplicates; beyond it they are left to ingest."""
ATTRIBUTES_SHOWN = ("patient", "study", "site", "sex", "age", "date")


@dataclass(frozen=True)
class Inspection:
    """What was found out about the data under a task."""

    samples: int
    splits: pd.DataFrame
    """One row per split: samples, patients, each class."""
    columns: tuple[Column, ...]
    patients: int
    """Known patients."""
    unknown_patients: int
    """Samples whose patient is unknown."""
    shared_patients: int
    """Patients in more than one split."""
    per_patient: tuple[int, float, int]
    """Samples per known patient: fewest, median, most."""
    duplicates: int | None
    """Contents that occur in more than one split; None: not every sample was read."""
    contradicting: int | None
    """Contents with more than one label of the first target that has classes."""
    refused: tuple[tuple[str, int], ...]
    """Reason and number of rows that the reader refuses."""
    who: tuple[str, ...]
    """Sentences about the patients' ids: forms that were read as one."""
    table: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)
    """The index: one row per sample, with its split."""


def inspect(draft: Draft, spec: TaskSpec, raw: Place) -> Inspection:
    """Read the index as ingest will and split it as ingest will; nothing is written.

    Args:
        draft: what the look at the data found.
        spec: the task.
        raw: the raw data.

    Raises:
        MedpipeError: ingest would stop at these data, too.
    """
    index = spec.source.samples(raw, spec.inputs, spec.targets)
    refused: tuple[tuple[str, int], ...] = ()
    if "refused" in index:
        reasons = index["refused"].dropna().astype("str")
        refused = tuple(Counter(reasons.map(one_reason(reasons))).most_common())
        index = index[index["refused"].isna()].reset_index(drop=True)
    index = index.assign(**{name: None for name in ATTRIBUTES if name not in index})
    index, who = known_patients(index, spec)
    for name, kind in spec.targets.items():
        kind.encode(index[name])  # which refuses what ingest would
        index[name] = kind.column(index[name])
    digests = _digests(index, spec, raw)
    places = [f"{file}:{row}" for file, row in zip(index["file"], index["row"], strict=True)]
    index["sha256"] = digests if digests is not None else places
    index["split"] = assign(index, spec)
    known = index["patient"].dropna().astype("str")
    counts = known.value_counts()
    shared = index.assign(patient=index["patient"].astype("object")).groupby("patient")["split"].nunique()
    return Inspection(
        samples=len(index),
        splits=_splits(index, spec),
        columns=(*_table_columns(draft, spec), *_attribute_columns(draft, index)),
        patients=len(counts),
        unknown_patients=int(index["patient"].isna().sum()),
        shared_patients=int((shared > 1).sum()),
        per_patient=(int(counts.min()), float(counts.median()), int(counts.max())) if len(counts) else (0, 0.0, 0),
        duplicates=None if digests is None else int((index.groupby("sha256")["split"].nunique() > 1).sum()),
        contradicting=None if digests is None else _contradicting(index, spec),
        refused=refused,
        who=who,
        table=index,
    )


def _digests(index: pd.DataFrame, spec: TaskSpec, raw: Place) -> list[str] | None:
    """Digest of every sample's content; None where reading them all takes too long."""
    load, found, until = spec.source.opener(raw, spec.inputs), list[str](), time.monotonic() + SECONDS
    for file, row in zip(index["file"], index["row"].astype(int), strict=True):
        try:
            found.append(hashlib.sha256(content(load(file, row))).hexdigest())
        except (OSError, Unusable, MedpipeError):
            found.append(f"unusable:{file}:{row}")
        if time.monotonic() > until:
            return None
    return found


def _labelled(index: pd.DataFrame, spec: TaskSpec) -> str | None:
    """The first target that has classes."""
    return next((name for name, kind in spec.targets.items() if kind.class_names), None)


def _contradicting(index: pd.DataFrame, spec: TaskSpec) -> int:
    name = _labelled(index, spec)
    if name is None or not all(kind.equal_is_same for kind in spec.inputs.values()):
        return 0
    return int((index.groupby("sha256")[name].nunique() > 1).sum())


def _splits(index: pd.DataFrame, spec: TaskSpec) -> pd.DataFrame:
    """One row per split, and one for all."""
    parts = {split: index[index["split"] == split] for split in SPLITS} | {"all": index}
    held: dict[str, list[object]] = {
        "Split": list(parts),
        "Samples": [len(part) for part in parts.values()],
        "Share": [f"{len(part) / max(len(index), 1):.0%}" for part in parts.values()],
    }
    if index["patient"].notna().any():
        held["Known patients"] = [part["patient"].nunique() for part in parts.values()]
    for name, kind in spec.targets.items():
        if kind.class_names:
            _, known = kind.encode(index[name])
            labels = index[name]
            for label in kind.class_names:
                held[titled(name, label, several=len(spec.targets) > 1)] = [
                    int((labels[part.index] == label).sum()) for part in parts.values()
                ]
        else:
            known = pd.to_numeric(index[name], errors="coerce").notna().to_numpy()
            numbers = pd.to_numeric(index[name], errors="coerce")
            held[f"{name}, median"] = [float(numbers[part.index].median()) for part in parts.values()]
        unknown = pd.Series(~np.asarray(known), index=index.index)
        if unknown.any():
            held[f"{name} unknown"] = [int(unknown[part.index].sum()) for part in parts.values()]
    return pd.DataFrame(held)


def titled(target: str, label: str, *, several: bool) -> str:
    """A class as the head of a column: a bare number says nothing alone."""
    plain = label if re.search(r"[^\W\d_]{2}", label) else f"{target} {label}"
    return f"{target}: {label}" if several else plain


def _roles(draft: Draft, spec: TaskSpec) -> dict[str, str]:
    """Column of the source's table to what the task uses it for."""
    columns = getattr(spec.source, "columns", None)
    roles: dict[str, str] = {}
    if columns is not None:
        for attribute in ATTRIBUTES:
            if (column := getattr(columns, attribute, None)) is not None:
                roles[column] = attribute
        roles |= {columns.of(t): "target" if columns.of(t) == t else f"target {t}" for t in spec.targets}
        for key in ("path", "key"):
            if (column := getattr(columns, key, None)) is not None:
                roles[column] = "names the sample's file" if key == "path" else "names the sample"
    for kind in spec.inputs.values():
        for column in (*getattr(kind, "numbers", ()), *getattr(kind, "categories", ())):
            roles[column] = f"input, {roles[column]}" if column in roles else "input"
    return roles


def _table_columns(draft: Draft, spec: TaskSpec) -> list[Column]:
    """Every column of the source's table, the used ones first."""
    if draft.table is None:
        return []
    roles = _roles(draft, spec)
    table = draft.table.apply(lambda column: _without_unknown(column, spec))
    found = [
        describe(str(name), table[name], roles.get(str(name), "not used"), draft.left_out.get(str(name), ""))
        for name in table.columns
    ]
    order = {"target": 0, "input": 1, "not used": 3}
    return sorted(
        found, key=lambda each: order.get(each.role.split()[0].rstrip(","), 2 if each.role != "not used" else 3)
    )


def _without_unknown(column: pd.Series, spec: TaskSpec) -> pd.Series:
    """A column, null where a cell is what the task takes for unknown: a word, or a number such as -999."""
    name = str(column.name)
    rules = [rule for kind in spec.inputs.values() if isinstance(kind, Table) and (rule := kind.rule(name))]
    for rule in rules:
        column = column.mask(column.map(partial(_is_unknown, rule, name), na_action="ignore").eq(True))
    return column


def _is_unknown(rule: Rule, name: str, cell: str) -> bool:
    try:
        return rule.category(name, cell, None)[1] == "unknown"
    except Unusable:
        return False


def _attribute_columns(draft: Draft, index: pd.DataFrame) -> list[Column]:
    """What is known of the samples where no table says it: from headers, folders and file names."""
    if draft.table is not None:
        return []
    held = [name for name in ATTRIBUTES_SHOWN if index[name].notna().any()]
    return [describe(name, index[name].astype("object").map(str, na_action="ignore"), name, "") for name in held]


def concerns(found: Inspection, spec: TaskSpec) -> list[str]:
    """What a data manager should look at, in whole sentences; none where nothing speaks against the data."""
    told = []
    if not found.patients:
        told.append(
            "No patient is known. Samples of one patient may be in train and in test, and results may then be too good."
        )
    elif found.unknown_patients:
        told.append(
            f"The patient is unknown in {counted(found.unknown_patients, 'sample')} of {found.samples:,}: each of them "
            "counts as a patient of its own."
        )
    told += [f"{line[:1].upper()}{line[1:]}." for line in found.who]
    if found.shared_patients:
        told.append(
            f"{counted(found.shared_patients, 'patient')} {_are(found.shared_patients)} in more than one split."
        )
    if found.duplicates:
        told.append(
            f"{counted(found.duplicates, 'sample')} {_are(found.duplicates)} in more than one split, byte by byte."
        )
    if found.contradicting:
        told.append(f"Of {counted(found.contradicting, 'sample')} there are copies with another label.")
    for reason, number in found.refused:
        told.append(f"{counted(number, 'row')} can't be used: {reason}.")
    told += _scarce(spec, found)
    return told


def _scarce(spec: TaskSpec, found: Inspection) -> list[str]:
    """Classes with too few samples in a split."""
    few, least = [], spec.split.limits.per_class
    classes = {label for kind in spec.targets.values() for label in kind.class_names}
    rows = found.splits[found.splits["Split"] != "all"]
    for column in found.splits.columns[3:]:
        named = str(column)
        if any(named.endswith(label) for label in classes):
            few += [f"{row['Split']} has {row[column]} of {named}" for _, row in rows.iterrows() if row[column] < least]
    return [f"Few samples: {some(few)}. Results for such a class say little."] if few else []


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
