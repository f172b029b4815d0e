"""A table of patients alone beside folders of classes: the folders say what is predicted, the table whose it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from components.lib.readers._class_folders import placed
from components.lib.readers._tables import known_text
from pipelines.look import names as words
from pipelines.look.choices import MOST_CLASSES
from pipelines.look.columns import attributes, few_values, labels_of, source_columns
from pipelines.look.findings import Questions, counted
from pipelines.look.headers import Owners
from pipelines.look.patients import looks_like_patients
from pipelines.look.sources import Files
from pipelines.look.targets import ANY, level

IN_FOLDERS = 0.9
"""Share of the pictures that must lie in folders of classes."""


@dataclass(frozen=True)
class Whose:
    """Whose files are, by a table.

    Args:
        patients: file to patient, in normal form; files of nobody known are left out.
        settings: what `source` needs to read the table.
        found: sentences about the table.
    """

    patients: Mapping[str, str]
    settings: dict[str, Any]
    found: tuple[str, ...]

    def owners(self, names: Sequence[str]) -> Owners:
        """How many patients these files are of."""
        known = [self.patients[name] for name in names if name in self.patients]
        return Owners(len({*known}), len(names) - len(known))

    def told(self, names: Sequence[str]) -> list[str]:
        """Sentences about the patients of these files."""
        unknown = self.owners(names).unknown
        lacking = f"; {counted(unknown, 'picture')} in no row of it: each counts as a patient" if unknown else ""
        return [
            *self.found,
            f"the folders say the class and {self.settings['patients']} says whose the files are: split by patient"
            f"{lacking}; patients become pseudonyms under your key: python -m components.lib.pseudonyms makes one",
        ]


def patients_alone(
    files: Files, index: tuple[str, pd.DataFrame, str], pictures: Sequence[str], questions: Questions
) -> Whose | None:
    """Whose the files are, where a table beside folders of classes says that and no class; else None.

    Args:
        files: where they lie.
        index: the table's name, its cells as text, and the column that names the files.
        pictures: relative paths.
        questions: asked where a column of the table could be predicted as well as the folders.
    """
    name, raw, path = index
    classes = _class_folders(pictures)
    if not classes or questions.target is not None:
        return None
    table = raw.apply(known_text)
    quiet = Questions()
    column = attributes(table, quiet, leave=[path]).columns["patient"]
    if column is None:
        return None
    left = [str(c) for c in table.columns if str(c) not in (path, column)]
    if any(level(c) > ANY for c in left):
        return None
    able = [c for c in left if few_values(labels_of(raw[c])) and not words.is_no_target(c)]
    if able:
        folders = f"the folders: {', '.join(classes)}"
        answer = questions.choose(
            "What is to be predicted?", [folders, *(f"column {c!r} of {name}" for c in able)], folders,
            "no column of the table is called like an outcome",
        )  # fmt: skip
        if answer != folders:
            questions.target = able[[f"column {c!r} of {name}" for c in able].index(answer)]
            return None
    told = attributes(table, questions, leave=[path])
    ids = table[column] if told.patients is None else told.patients
    known = ids.notna() & table[path].isin(files.names)
    held = files.tables.get(name)
    columns = {
        **({"path": path} if path != "path" else {}),
        **{role: value for role, value in source_columns(told, table, None).items() if value is not None},
    }
    settings = {
        "patients": name, **(held.settings if held else {}), **({"columns": columns} if columns else {}),
    }  # fmt: skip
    patients = dict(zip(table[path][known].astype(str), ids[known].astype(str), strict=True))
    return Whose(patients, settings, (*(held.found if held else ()), *told.found))


def _class_folders(pictures: Sequence[str]) -> list[str]:
    """The classes that folders name; none where they are one folder, many, or called like patients."""
    labels = [each.name for each in placed(pictures) if not each.copy]
    counts = Counter(label for label in labels if label)
    if not 2 <= len(counts) <= MOST_CLASSES or counts.total() < IN_FOLDERS * len(labels):
        return []
    return [] if looks_like_patients(counts) else sorted(counts)
