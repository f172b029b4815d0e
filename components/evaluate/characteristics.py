"""Table 1: who is in which split, and how far the splits are apart.

A report may leave the house. What describes people (sex, site, how a sample was acquired, what is unknown) isn't shown
where it is true of too few patients, nor the next smallest counts, until what is withheld of a column adds up to twice
the limit: nobody gets at it by subtraction. Counts of the target's classes are shown whatever they are: every metric
rests on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.evaluate.part import Evaluated
from components.evaluate.results import heading
from components.lib.balance import by_chance, of_counts, of_numbers
from components.lib.dataset import SPLITS
from components.lib.divisions import PEOPLE, acquired_by
from components.lib.kinds import TargetKind
from components.lib.kinds._classes import spoken
from components.lib.numbers import number

TABLE_ONE = "Characteristics by split (Table 1)"
WITHHELD = "withheld"
MOST = 8
"""Categories of a column that are shown, the most frequent first; the others are counted together."""
UNKNOWN = "unknown"
FAR = 0.1
Counts = NDArray[np.intp]
Groups = Mapping[str, pd.DataFrame]
"""By split, its rows."""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    label: str
    cells: tuple[str, ...]
    """One a split."""
    differences: tuple[float | None, ...]
    """Standardised, of train with test and of train with validation; None: this line has none, NaN: unknown."""
    inner: bool = False
    """Whether it is a category of the line above."""


@dataclass(frozen=True)
class TableOne:
    """The characteristics of the samples, or of the patients, of each split."""

    unit: str
    """"samples" or "patients"."""
    sizes: Mapping[str, int]
    """How many there are, by split."""
    lines: tuple[Line, ...]
    withheld: bool
    """Whether a count is."""
    repeats: bool = False
    """Whether several samples are of one patient, so that chance does more than with as many patients."""

    @property
    def head(self) -> list[str]:
        """Titles of its columns."""
        own = [f"{split.capitalize()} (n {size:,})" for split, size in self.sizes.items()]
        return ["Characteristic", *own, *(["SMD train, test", "SMD train, validation"] if len(own) > 1 else [])]

    @property
    def rows(self) -> list[list[str]]:
        """Its lines as text."""
        compared = len(self.sizes) > 1
        return [
            [f"– {line.label}" if line.inner else line.label, *line.cells,
             *([_difference(each) for each in line.differences] if compared else [])]
            for line in self.lines
        ]  # fmt: skip

    @property
    def far(self) -> list[str]:
        """What differs by more than chance explains, and by 0.1 or more, between train and test."""
        if self.repeats or not self.sizes.get("train") or not self.sizes.get("test"):
            return []
        chance, found, of = max(FAR, by_chance(self.sizes["train"], self.sizes["test"])), [], ""
        for line in self.lines:
            of = of if line.inner else line.label.partition(":")[0]
            if (line.differences[0] or 0.0) > chance:
                found.append(f"{of} ({UNKNOWN})" if line.inner else of)
        return found


def tables_one(evaluated: Evaluated) -> tuple[TableOne, ...]:
    """Of the samples; and of the patients, where one has several samples.

    Of a dataset that the model was not trained on, or of which all splits are measured, the measured samples alone.
    """
    samples, test = evaluated.data.samples(), evaluated.samples
    own = evaluated.data.info.digest in evaluated.network.info.lineage.values() and (test["split"] == "test").all()
    groups = {split: samples[samples["split"] == split] for split in SPLITS} if own else {"measured": test}
    made = partial(_table, evaluated)
    patients = {split: _patients(evaluated, rows) for split, rows in groups.items()}
    known = any(rows["patient"].notna().any() for rows in groups.values() if "patient" in rows)
    if not known or all(len(patients[split]) == len(rows) for split, rows in groups.items()):
        return (made("samples", groups),)
    return (made("patients", patients), replace(made("samples", groups), repeats=True))


def explained(table: TableOne) -> str:
    """What stands below it."""
    if len(table.sizes) == 1:
        told = "Characteristics of the training data aren't part of a model: they can't be compared here."
    else:
        told = (
            "SMD: standardised mean difference, in standard deviations (SD); of several categories as one (Yang & "
            "Dalton). From 0.1 on a difference is worth a look"
        )
        chance = number(by_chance(table.sizes["train"], table.sizes["test"]))
        random = (
            f"; with so many {table.unit}, 95 of 100 random splits stay below {chance} in a number or two categories"
        )
        told += "." if table.repeats else f"{random}."
        told += f" Train and test differ by more than that in: {', '.join(table.far)}." if table.far else ""
    if table.unit == "patients":
        told += (
            " A patient counts with the mean of the samples' numbers and the most frequent of their categories; a "
            "sample whose patient is unknown counts as a patient."
        )
    if table.withheld:
        told += " “withheld”: a count too small to be shown, or one from which such a count follows."
    return told


def _table(evaluated: Evaluated, unit: str, groups: Groups) -> TableOne:
    limit = evaluated.spec.evaluate.smallest_count
    lines: list[Line] = []
    whose = {split: _whose(rows) for split, rows in groups.items()}
    for column, told in _columns(evaluated, groups).items():
        values = {split: rows[column].set_axis(whose[split]) for split, rows in groups.items()}
        lines += _of_numbers(told, values, limit) if column == "age" else _of_categories(told, values, limit)
    for name, kind in evaluated.network.info.targets.items():
        values = {split: rows[name] for split, rows in groups.items()}
        lines += _of_target(kind, heading(name), values)
    withheld = any(WITHHELD in line.cells for line in lines)
    return TableOne(unit, {split: len(rows) for split, rows in groups.items()}, tuple(lines), withheld)


def _whose(rows: pd.DataFrame) -> pd.Index:
    """Who each row is of; a sample whose patient is unknown is of another."""
    if "patient" not in rows:
        return pd.RangeIndex(len(rows))
    own = rows["sample_id"] if "sample_id" in rows else rows.index.to_series()
    index: pd.Index = pd.Index(rows["patient"].where(rows["patient"].notna(), own).to_numpy())
    return index


def _columns(evaluated: Evaluated, groups: Groups) -> dict[str, str]:
    """The columns that are described, and their names for people: age, sex, site, and what of acquisition varies."""
    every = pd.concat(groups.values())
    people = {column: told.capitalize() for column, told in PEOPLE.items() if column in every}
    ordered = {column: people[column] for column in ("age", "sex", "site") if column in people}
    acquired = {c: told.capitalize() for c, told in acquired_by(evaluated.network.info.inputs).items() if c in every}
    return ordered | {column: told for column, told in acquired.items() if every[column].nunique() > 1}


def _of_numbers(label: str, values: Mapping[str, pd.Series], limit: int) -> list[Line]:
    """Mean and deviation, median and quartiles, and how many are unknown."""
    known = {split: _known_numbers(each) for split, each in values.items()}
    lost = {split: len(values[split]) - len(each) for split, each in known.items()}
    if not any(map(len, known.values())):
        return [Line(f"{label}: {UNKNOWN} for all", tuple("" for _ in values), (None, None))]
    enough = {split: values[split][_is_number(values[split])].index.nunique() >= limit for split in values}
    means = [
        f"{_short(each.mean())} ({_short(each.std(ddof=1))})" if enough[split] and len(each) > 1 else WITHHELD
        for split, each in known.items()
    ]
    middles = [
        "{} ({} to {})".format(*(_short(np.quantile(each, at)) for at in (0.5, 0.25, 0.75)))
        if enough[split] and len(each)
        else WITHHELD
        for split, each in known.items()
    ]
    apart = _differences({s: known[s] if enough[s] else known[s][:0] for s in known}, of_numbers)
    lines = [
        Line(f"{label}: mean (SD)", tuple(means), apart),
        Line("median (quartiles)", tuple(middles), (None, None), inner=True),
    ]
    if any(lost.values()):
        counts = {split: np.array([len(known[split]), lost[split]]) for split in known}
        masks = {split: _is_number(each) for split, each in values.items()}
        hidden = {s: _withheld(_people(values[s], [masks[s], ~masks[s]]), limit) for s in values}
        cells = tuple(WITHHELD if hidden[s][1] else _share(lost[s], len(values[s])) for s in known)
        lines.append(Line(UNKNOWN, cells, _differences(_pooled(counts, hidden), of_counts), inner=True))
    return lines


def _of_categories(label: str, values: Mapping[str, pd.Series], limit: int) -> list[Line]:
    """How many are of each category, the most frequent first."""
    text = {split: each.astype("object").where(each.notna(), None) for split, each in values.items()}
    every = pd.concat(text.values()).value_counts().sort_index(kind="stable", key=lambda k: k.map(str))
    names = [str(name) for name in every.sort_values(ascending=False, kind="stable").index]
    if not names:
        return [Line(f"{label}: {UNKNOWN} for all", tuple("" for _ in values), (None, None))]
    shown = names[:MOST]
    further = f"{len(names) - MOST} others" if len(names) > MOST else ""
    counts, hidden = {}, {}
    for split, each in text.items():
        words = each.map(str, na_action="ignore")
        masks = [(words == name).to_numpy(bool) for name in shown]
        masks += [(words.notna() & ~words.isin(shown)).to_numpy(bool)] if further else []
        masks.append(words.isna().to_numpy(bool))
        counts[split] = np.array([mask.sum() for mask in masks])
        hidden[split] = _withheld(_people(each, masks), limit)
    return _lines(label, [*shown, *([further] if further else [])], counts, hidden)


def _of_target(kind: TargetKind, label: str, values: Mapping[str, pd.Series]) -> list[Line]:
    if not kind.class_names:
        return _of_numbers(label, values, limit=1)
    counts = {}
    for split, each in values.items():
        words = each.astype("str").where(each.notna(), None)
        counts[split] = np.array([*(int((words == name).sum()) for name in kind.class_names), int(words.isna().sum())])
    hidden = {split: np.zeros(len(each), bool) for split, each in counts.items()}
    return _lines(label, [spoken(name) for name in kind.class_names], counts, hidden)


def _lines(
    label: str, names: Sequence[str], counts: Mapping[str, Counts], hidden: Mapping[str, NDArray[np.bool_]]
) -> list[Line]:
    """A line with the difference, one a category, and one of the unknown where there are some.

    Args:
        label: of the first line.
        names: of K categories.
        counts: by split, how many are of each and, last, how many are unknown (K + 1,).
        hidden: which of these aren't shown.
    """
    categories = _differences({s: each[:-1] for s, each in _pooled(counts, hidden).items()}, _of_shown)
    lines = [Line(label, tuple("" for _ in counts), categories)]
    for place, name in enumerate([*names, UNKNOWN]):
        last = place == len(names)
        if last and not any(each[-1] for each in counts.values()):
            continue
        cells = tuple(
            WITHHELD if hidden[s][place] else _share(int(each[place]), int(each.sum())) for s, each in counts.items()
        )
        apart: tuple[float | None, ...] = (None, None)
        if last and not any(flags[-1] for flags in hidden.values()):
            apart = _differences({s: np.array([each[:-1].sum(), each[-1]]) for s, each in counts.items()}, of_counts)
        lines.append(Line(name, cells, apart, inner=True))
    return lines


def _people(values: pd.Series, masks: Sequence[NDArray[np.bool_]]) -> Counts:
    """How many patients have a value in each mask."""
    return np.array([values.index[mask].nunique() for mask in masks])


def _withheld(counts: Counts, limit: int) -> NDArray[np.bool_]:
    """Which counts of patients (K,) of one split and column aren't shown, so that none follows from the others."""
    hidden = (counts > 0) & (counts < limit)
    while hidden.any() and counts[hidden].sum() < 2 * limit and ((counts > 0) & ~hidden).any():
        rest = np.flatnonzero((counts > 0) & ~hidden)
        hidden[rest[np.argmin(counts[rest])]] = True
    # With nothing else to withhold, a 0 beside them would tell them by the number of all.
    return hidden | (hidden.any() and counts[hidden].sum() < 2 * limit)


def _pooled(counts: Mapping[str, Counts], hidden: Mapping[str, NDArray[np.bool_]]) -> dict[str, Counts]:
    """The counts with those that are withheld of any split joined, so that no difference tells them; the last stays."""
    joined = np.any([*hidden.values()], axis=0)
    joined[-1] = False
    if not joined.any():
        return dict(counts)
    return {split: np.array([*each[:-1][~joined[:-1]], each[joined].sum(), each[-1]]) for split, each in counts.items()}


def _of_shown(one: Counts, other: Counts) -> float:
    """Their difference; unknown where all but one category are joined, because counts are withheld or there is one."""
    return of_counts(one, other) if len(one) > 1 else math.nan


def _differences(of: Mapping[str, NDArray[np.generic]], measure: object) -> tuple[float | None, ...]:
    """Of train with test, and of train with validation; none where the data have no splits."""
    if "train" not in of or not callable(measure):
        return (None, None)
    return tuple(float(measure(of["train"], of[other])) for other in ("test", "validation"))


def _patients(evaluated: Evaluated, rows: pd.DataFrame) -> pd.DataFrame:
    """One row a patient; a sample whose patient is unknown is one of its own."""
    if "patient" not in rows or not len(rows):
        return rows
    numbers, names = pd.factorize(_whose(rows))
    found = pd.DataFrame({"patient": names}, index=range(len(names)))
    for column in rows.columns.difference(["patient", *evaluated.network.info.targets]):
        values = rows[column].reset_index(drop=True)
        found[column] = values.groupby(numbers).mean() if column == "age" else _commonest(values, numbers)
    for name, kind in evaluated.network.info.targets.items():
        found[name] = _of_patients(kind, rows[name], numbers.astype(np.intp), len(names))
    return found


def _commonest(values: pd.Series, numbers: NDArray[np.integer]) -> pd.Series:
    """Each patient's commonest value, of several the first in order; null where none is known."""
    cells = pd.DataFrame({"patient": numbers, "value": values})
    counts = cells.groupby(["patient", "value"], observed=True).size().rename("count").reset_index()
    ordered = counts.sort_values(["patient", "count"], ascending=[True, False], kind="stable")
    first = ordered.drop_duplicates("patient").set_index("patient")["value"]
    return first.reindex(range(int(numbers.max()) + 1))


def _of_patients(kind: TargetKind, values: pd.Series, numbers: Counts, count: int) -> pd.Series:
    """The truth of each patient, by the rule that the metrics by patient have; null where it has none."""
    encoded, known = kind.encode(values)
    told = pd.Series([None] * count, dtype=object)
    if not known.any():
        return told
    patients, positions = np.unique(numbers[known], return_inverse=True)
    truth, has_one = kind.of_patients(encoded[known], positions.astype(np.intp))
    if kind.class_names:
        labels = kind.labels(truth)  # type: ignore[attr-defined]
        told.iloc[patients[has_one]] = np.array(kind.class_names, object)[labels[has_one]]
    else:
        told.iloc[patients[has_one]] = np.asarray(truth, np.float64).reshape(len(truth))[has_one]
    return told


def _known_numbers(values: pd.Series) -> NDArray[np.float64]:
    return pd.to_numeric(values, errors="coerce").dropna().to_numpy(np.float64)


def _is_number(values: pd.Series) -> NDArray[np.bool_]:
    return np.asarray(pd.to_numeric(values, errors="coerce").notna(), bool)


def _short(value: float) -> str:
    return f"{value:.1f}".replace("-", "−") if 10 <= abs(value) < 1000 else number(float(value))


def _share(count: int, of: int) -> str:
    return f"{count:,} ({100 * count / of:.1f}%)" if of else "0"


def _difference(value: float | None) -> str:
    if value is None:
        return ""
    return "–" if math.isnan(value) else "∞" if math.isinf(value) else f"{value:.2f}"
