"""What the columns of a table are: recognised by what stands in them, and by their names."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from components.lib.kinds._labels import same_form
from components.lib.patient_ids import ACCEPTED, identify
from components.lib.places import Place
from components.lib.readers._tables import SPLIT_NAMES, known_text
from components.lib.spec import DATASET_COLUMNS
from pipelines.look import names
from pipelines.look.choices import MOST_CLASSES, Classes, classes_from, is_split
from pipelines.look.findings import Questions, counted, refused
from pipelines.look.health import means_health

UNNAMED = re.compile(r"column_\d+")
"""Names that columns get where the table has none."""
SEXES = {"m", "f", "w", "d", "male", "female", "man", "woman", "other", "unknown", "0", "1", "2", "u", "x", "o"}
WORDS_AS_CLASSES = ("None", "none", "NONE")
"""Words for "unknown" that may be a grade of a disease."""


@dataclass
class Attributes:
    """What is known of a sample beside its target.

    Args:
        columns: attribute to the column that holds it, None where there is none.
        found: sentences.
        why: attribute to its reason.
        patients: ids in their normal form, one a row, null where unknown; None without a column of them.
    """

    columns: dict[str, str | None]
    found: list[str] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)
    patients: pd.Series | None = None

    @property
    def taken(self) -> set[str]:
        """The columns that are attributes."""
        return {column for column in self.columns.values() if column is not None}

    @property
    def accepts_unknown(self) -> bool:
        """Whether a task has to accept that many samples name no patient, though some do."""
        return self.patients is not None and bool(self.patients.isna().mean() > ACCEPTED)

    def given(self, table: pd.DataFrame) -> set[str]:
        """The sides of the source's own split, where it can be kept; none where a split is made."""
        sides = self.sides(table)
        column = self.columns["split"]
        return sides if is_split(sides) and column is not None and bool(table[column].notna().all()) else set()

    def sides(self, table: pd.DataFrame) -> set[str]:
        """The sides that the source's own split has."""
        column = self.columns["split"]
        return {*table[column].dropna().str.lower().map(SPLIT_NAMES)} if column else set()


def attributes(table: pd.DataFrame, questions: Questions, leave: Collection[str] = ()) -> Attributes:
    """Which columns say whose a sample is, its side of a split, site, sex and age.

    Args:
        table: text, null where unknown.
        questions: asked whether a column is the patient.
        leave: columns that are something else.
    """
    found = Attributes({})
    for role, known in names.ROLES.items():
        named = [c for c in table.columns if names.plain(c) in known and c not in leave and c not in found.taken]
        column = next((c for c in named if _fits(role, table[c])), None)
        found.columns[role] = column
        for other in named:
            if other != column and role == "split":
                found.found.append(
                    f"column {other!r} is called like a split, but its values are not train, validation and test: "
                    "not used"
                )
    if found.columns["patient"] is None:
        found.columns["patient"] = _patient_by_content(table, questions, {*leave, *found.taken})
    _identify(found, table, leave)
    _tell(found, table)
    return found


def _fits(role: str, column: pd.Series) -> bool:
    known = column.dropna()
    distinct = known.nunique()
    if role in ("patient", "study"):
        return distinct > 1
    if role == "split":
        return distinct > 1 and set(known.str.lower()) <= {*SPLIT_NAMES}
    if role == "sex":
        return 0 < distinct <= 6 and set(known.str.lower()) <= SEXES
    if role == "age":
        ages = pd.to_numeric(known, errors="coerce")
        return distinct > 1 and bool(ages.between(0, 120).mean() > 0.95)
    return 0 < distinct <= 100 and distinct * 3 <= len(known)


def _identify(found: Attributes, table: pd.DataFrame, leave: Collection[str]) -> None:
    """Ids in their normal form; a column with one word for everybody is the patient of nobody."""
    patient, study = found.columns["patient"], found.columns["study"]
    for column in [c for c in table.columns if names.plain(c) in names.PATIENT and c not in {*leave, patient}]:
        if table[column].nunique() == 1 and patient is None:
            found.found.append(f"column {column!r} has one value for everybody: patients are unknown")
    if patient is None:
        return
    told = identify(table[patient], table[study] if study else None)
    found.found += [f"column {patient!r}: {sentence[0].lower()}{sentence[1:]}" for sentence in told.sentences]
    if told.ids.nunique() < 2:
        found.columns["patient"] = None
    else:
        found.patients = told.ids


def _patient_by_content(table: pd.DataFrame, questions: Questions, leave: Collection[str]) -> str | None:
    """A column of ids that come back: several samples of one patient, perhaps."""
    for column in table.columns:
        known = table[column].dropna()
        distinct = known.nunique()
        words = {*names.plain(column).split("_")}
        repeated = distinct >= 5 and distinct * 1.2 <= len(known) <= distinct * 50
        code = not known.str.contains(r"\s|\.\d", regex=True).any()
        called = bool(words & names.ID_WORDS)
        if column in leave or not (repeated and code and (called or _are_codes(str(column), known, distinct))):
            continue
        told = f"{counted(distinct, 'value')} in {counted(len(known), 'row')}"
        why = "it is called an id, and its values come back" if called else "its values are codes that come back"
        if questions.confirm(f"Is {column!r} the patient ({told})?", default=True, why=why):
            return str(column)
    return None


def _are_codes(column: str, known: pd.Series, distinct: int) -> bool:
    """Whether a column whose name says nothing here, none or one in another script, holds ids: P0012, 00012345."""
    unnamed = not names.ascii_name(column) or UNNAMED.fullmatch(column) is not None
    coded = known.str.fullmatch(r"[A-Za-z]{1,4}[-_]?\d+|\d{5,}").mean() > 0.95
    return unnamed and bool(coded) and distinct > MOST_CLASSES


def _tell(found: Attributes, table: pd.DataFrame) -> None:
    patient = found.columns["patient"]
    if patient is not None:
        known = (table[patient] if found.patients is None else found.patients).dropna()
        lacking = len(table) - len(known)
        found.why["patient"] = f"{counted(known.nunique(), 'patient')} in {counted(len(table), 'row')}"
        found.found.append(
            f"column {patient!r} is the patient: {found.why['patient']}"
            + (f", {lacking:,} without one" if lacking else "")
        )
    if found.columns["study"] is not None:
        found.why["study"] = "no examination is torn"
    for role, meaning in (("site", "site"), ("sex", "sex"), ("age", "age")):
        column = found.columns[role]
        if column is not None:
            found.why[role] = "figures are reported by it" if role != "age" else "kept beside each sample"
            found.found.append(f"column {column!r} is the {meaning}: {found.why[role]}")


def source_columns(found: Attributes, table: pd.DataFrame, split: str | None) -> dict[str, Any]:
    """`source.columns` where it differs from what the reader takes of itself.

    Args:
        found: the attributes.
        table: the table.
        split: the column of the given split, None where a split is made.
    """
    wanted = {**found.columns, "split": split}
    default = {"patient": "patient", "split": None, "site": "site", "sex": "sex", "age": "age", "study": None}
    return {
        role: column
        for role, column in wanted.items()
        if column != default[role] and (column is not None or default[role] in table.columns)
    }


def target_name(called: str, table: pd.DataFrame, column: str) -> str:
    """What a task calls a target: as the data do where that can be, else in small letters with "_".

    Never like something that every dataset has, nor like another column, which may be an input.

    Args:
        called: the column, or the finding that its cells list.
        table: the table.
        column: the column.
    """
    plain = names.ascii_name(called)
    name = plain if plain[:1].isalpha() else f"target_{plain}".rstrip("_")
    others = {str(other) for other in table.columns} - {column}
    while name in (*DATASET_COLUMNS, "test", "gates") or name in others:
        name += "_known"
    return name


def mapped(name: str, column: str) -> dict[str, dict[str, str]]:
    """The part of `source.columns` that says which column a target is in; nothing where both are called alike."""
    return {} if name == column else {"targets": {name: column}}


def classes_of(labels: pd.Series, questions: Questions, where: Place, column: str) -> Classes:
    """The classes of a column.

    Args:
        labels: text as the table has it; words for "unknown" are taken out here.
        questions: asked where a choice is left.
        where: the table, for errors.
        column: its name.

    Raises:
        DataError: fewer than two.
    """
    known = labels_of(labels).dropna()
    counts = known.value_counts()
    if len(counts) < 2:
        raise refused(
            where,
            expected=f"at least two classes in column {column!r}",
            found=f"{len(counts)}: {list(counts.index)}",
            todo="name another column: --target COLUMN",
        )
    told = classes_from({str(name): int(count) for name, count in counts.items()}, questions)
    if unknown := len(labels) - len(known):
        told.found.append(f"{counted(unknown, 'row')} without a class: they teach nothing")
    return told


def labels_of(raw: pd.Series) -> pd.Series:
    """A column as labels, null where unknown. "None" is a grade of a disease where nothing else means health."""
    told, plain = known_text(raw, WORDS_AS_CLASSES), known_text(raw)
    others = plain.dropna()
    numbers = pd.to_numeric(others, errors="coerce").notna().all()
    return plain if numbers or any(map(means_health, others.unique())) else told


def patients_of_rarest(labels: pd.Series, patients: pd.Series, classes: Classes) -> int:
    """How many patients the class has that fewest have."""
    held = patients.groupby(classes.of(labels)).nunique()
    return int(held.reindex(classes.names).fillna(0).min())


def few_values(column: pd.Series) -> bool:
    """Whether a column could hold classes: words or whole numbers, 2 to 20 different ones, spellings counted once."""
    known = column.dropna()
    if known.nunique() > 10 * MOST_CLASSES or known.str.fullmatch(r"-?\d+\.(?=\d*[1-9])\d*").any():
        return False
    return 2 <= len(same_form(known.unique())) <= MOST_CLASSES
