"""A table beside files: one row a picture, with its class and whose it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from components.lib.places import Place
from components.lib.readers._tables import SPLIT_NAMES, known_text
from components.lib.readers.folder import is_picture
from pipelines.look import names
from pipelines.look.choices import Classes, trained_on
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
from pipelines.look.forms import refuse_unclear
from pipelines.look.headers import Owners, owners
from pipelines.look.patients import proposed
from pipelines.look.pictures import keep_apart, picture_draft, seen
from pipelines.look.refusals import boxes, is_boxes
from pipelines.look.sources import Files
from pipelines.look.targets import Target, choose_target

SIZES = {"width", "height", "rows", "columns", "channels", "depth", "bytes", "size", "filesize", "file_size"}
"""Names of columns that describe a file, and no patient."""


def look_at_index(
    files: Files, index: tuple[str, pd.DataFrame, str], source: dict[str, Any], questions: Questions
) -> Draft:
    """Files with a table beside them.

    Args:
        files: where they lie, the table among them.
        index: the table's name, its cells as text, and the column of paths.
        source: the section `source`, which gets `index` and `columns`.
        questions: asked for the target and the patient, where the columns don't say them.

    Raises:
        DataError: a table of boxes, files named twice, nothing to predict, nothing that can be read.
    """
    name, raw, path = index
    where, held = files.place / name, files.tables.get(name)
    if held:
        refuse_unclear(held, where, questions.target)
        raw = raw.drop(columns=[*held.unclear])
    table = raw.apply(known_text)
    _check(where, table, path)
    found = attributes(table, questions, leave=[path])
    taken = {path, "mask", *found.taken, *(c for c in table.columns if names.plain(c) in SIZES)}
    chosen = choose_target(raw, table, taken, questions, where, "files")
    target = chosen.column
    there = {*files.names}
    files_there = [str(file) for file in table[path].dropna() if file in there]
    what = seen(files, files_there)
    called = chosen.name(table)
    classes, told = _kind(raw, table, chosen, questions, where)
    given = found.given(table)
    known, whose = found.columns["patient"] is not None, owners(files, files_there)
    told_whose = [whose.sentence]
    proposal = None
    if not known and not whose.patients:
        rows_there = table[table[path].isin(there)]
        labels = [None if pd.isna(label) else str(label) for label in rows_there[target]]
        sides_there = rows_there[found.columns["split"]].str.lower().map(SPLIT_NAMES).tolist() if given else []
        proposal, told_whose = proposed(
            files_there, labels if classes else [None] * len(labels), questions, sides_there
        )
        told_whose += [] if proposal else [whose.sentence]
    rows = len(table)
    sentences = [
        f"a table {name if name == 'index.csv' else 'beside the files'} with {counted(rows, 'row')}; column {path!r} "
        f"names the files, {target!r} is the target; {what.described}",
        *(held.found if held else ()),
        *told,
        f"pictures are brought to {what.size[0]}×{what.size[1]}, {'colour' if what.coloured else 'grey'}",
        *found.found,
        *_notes(files, table, path, found, given=given),
        "split by patient; patients become pseudonyms under your key: python -m components.lib.pseudonyms makes one"
        if known
        else told_whose[0],
        *([] if known else told_whose[1:]),
    ]
    columns = {
        **({"path": path} if path != "path" else {}),
        **source_columns(found, table, found.columns["split"] if given else None),
        **mapped(called, target),
    }
    if proposal:
        whose = Owners(proposal.groups, 0)
        source = {**source, "patient_from": proposal.pattern}
        if classes and not given:
            classes.rarest = patients_of_rarest(pd.Series(labels), pd.Series(proposal.patients), classes)
    source = {**source, "index": name, **(held.settings if held else {}), **({"columns": columns} if columns else {})}
    groups = whose.groups if found.patients is None else found.patients.nunique()
    sides = table[found.columns["split"]].str.lower().map(SPLIT_NAMES) if given else pd.Series(dtype="str")
    train = trained_on(int((sides == "train").sum()), given) if given else round(0.7 * rows)
    by = "patient" if known else whose.by
    if classes and found.patients is not None:
        classes.rarest = patients_of_rarest(raw[target], found.patients, classes)
    draft = picture_draft(source, what, classes, (called, sentences), (given, by, groups, train), files)
    draft.why |= {f"source.columns.{role}": why for role, why in found.why.items()}
    draft.why["source.columns.path"] = "its values name the files"
    draft.table = table
    if proposal:
        draft.why["source.patient_from"] = "the part of the path that names the patient; null if it doesn't"
        if given and proposal.shared:
            keep_apart(draft, proposal.shared)
    if found.accepts_unknown:
        draft.values["split"]["unknown_patients"] = "accept"
    if given and known and (shared := _shared(table, found)):
        draft.values["split"]["shared_patients"] = "drop_from_train"
        draft.why["split.shared_patients"] = f"the given split has {counted(shared, 'patient')} on two sides"
        draft.found.append(f"{counted(shared, 'patient')} on two sides of the given split: taken out of train")
    return draft


def _check(where: Place, table: pd.DataFrame, path: str) -> None:
    if is_boxes(table):
        raise boxes(where, f"{counted(table[path].nunique(), 'picture')} and a table of {len(table):,} boxes")
    twice = int(table[path].dropna().duplicated().sum())
    if twice:
        raise refused(
            where,
            expected="one row a file",
            found=f"{counted(twice, 'row')} that name a file again",
            todo="keep one row of each, with one column for each target",
        )
    leaving = table[path].dropna().map(lambda file: Path(file).is_absolute() or ".." in Path(file).parts)
    if leaving.any():
        raise refused(
            where,
            expected="paths relative to the table, inside its folder",
            found=f"{int(leaving.sum()):,} that lead outside",
            todo="write paths that start at the table",
        )


def _kind(
    raw: pd.DataFrame, table: pd.DataFrame, chosen: Target, questions: Questions, where: Place
) -> tuple[Classes | None, list[str]]:
    """Classes, none for a number; and sentences about it."""
    column = chosen.column
    numbers = pd.to_numeric(table[column].dropna(), errors="coerce")
    if chosen.several or few_values(labels_of(raw[column])) or numbers.nunique() <= 2 or numbers.isna().any():
        classes = chosen.classes(raw[column], questions, where)
        return classes, classes.found
    return None, [f"{column!r} is a number: {numbers.min():g} to {numbers.max():g}"]


def _notes(
    files: Files, table: pd.DataFrame, path: str, found: Attributes, *, given: Collection[str]
) -> list[str]:  # fmt: skip
    notes = []
    there = {*files.names}
    listed: Sequence[str] = table[path].dropna().tolist()
    if lacking := sum(file not in there for file in listed):
        notes.append(f"{counted(lacking, 'file')} of the table {'is' if lacking == 1 else 'are'} not there")
    strange = sum(not is_picture(file) for file in listed if PurePosixPath(file).suffix)
    if strange:
        notes.append(f"{counted(strange, 'row')} name something else than a picture: cleaning will refuse them")
    others = [str(c) for c in table.columns if c != path and table[c].dropna().isin(there).mean() > 0.5]
    if others:
        notes.append(f"{some(others)}: names files, too, such as outlines; not used")
    elsewhere = {file for column in others for file in table[column].dropna()}
    if further := sum(is_picture(name) for name in there - {*listed} - elsewhere):
        notes.append(f"{counted(further, 'further picture')} in no row of the table: left out")
    column = found.columns["split"]
    if given:
        made = "" if "validation" in given else "; it has no validation, which is made from train"
        notes.append(f"column {column!r} is the split: kept{made}")
    elif column is not None:
        lacking_sides = sorted({"train", "test"} - found.sides(table))
        notes.append(
            f"column {column!r} names sides of a split, but {' and '.join(lacking_sides) or 'not for every row'} "
            "is missing: all are split anew"
        )
    return notes


def _shared(table: pd.DataFrame, found: Attributes) -> int:
    """Patients on two sides of the given split."""
    sides = table[str(found.columns["split"])].str.lower().map(SPLIT_NAMES)
    return 0 if found.patients is None else int((sides.groupby(found.patients).nunique() > 1).sum())
