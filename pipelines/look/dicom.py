"""DICOM files below a folder: whose they are stands in them, what is on them in folders or in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from components.lib.kinds._dicom import is_dicom
from components.lib.patient_ids import ACCEPTED, form, identify, normal
from components.lib.readers._class_folders import placed
from components.lib.readers._dicom_headers import Header, headers
from components.lib.readers._paths import Names, common_form
from components.lib.readers._tables import SPLIT_NAMES, known_text
from components.lib.readers.dicom_files import NUMBERED
from components.lib.tables import is_table_name
from pipelines.look import names
from pipelines.look.beside import HALF, as_they_lie, read_beside
from pipelines.look.choices import MOST_CLASSES, classes_from, is_split, made_split
from pipelines.look.columns import (
    attributes,
    mapped,
    source_columns,
)
from pipelines.look.findings import Draft, Questions, counted, refused
from pipelines.look.forms import refuse_unclear
from pipelines.look.patients import proposed
from pipelines.look.pictures import picture_draft, seen
from pipelines.look.sources import Files
from pipelines.look.targets import choose_target

HEAD = 2048
KEYS = {
    "StudyInstanceUID": "study", "SeriesInstanceUID": "series", "AccessionNumber": "accession",
    "PatientID": "patient_id",
}  # fmt: skip
"""Values of a header that may name a sample in a table, and what the reader calls them."""
SLICES = 8
"""Files a series from which on it is a volume, cut into slices."""


def dicom_names(files: Files) -> list[str]:
    """The DICOM files: by their ending, or by their content where they have none."""
    named = [name for name in files.names if PurePosixPath(name).suffix.lower() in (".dcm", ".dicom", ".ima")]
    bare = [name for name in files.names if not _suffix(name) and PurePosixPath(name).name != "DICOMDIR"]
    known = {*named, *(bare if any(is_dicom(files.try_read(name)[:HEAD]) for name in bare[:5]) else ())}
    return sorted(known)


def _suffix(name: str) -> str:
    """An ending that isn't part of a UID, 1.2.840."""
    suffix = PurePosixPath(name).suffix
    return "" if suffix[1:].isdigit() else suffix


def look_at_dicom(files: Files, found: list[str], questions: Questions) -> Draft:
    """DICOM files: classes from folders, or from a table that names files, studies, series or patients.

    Args:
        files: of the folder.
        found: the DICOM files among them.
        questions: asked for the target and which class is the finding.

    Raises:
        DataError: nothing says what is on them.
    """
    told = [header for header in headers(files.place, found) if header.has_picture]
    source: dict[str, Any] = files.source("dicom")
    sentences = [_what(told)]
    index, near = _index(files, told)
    if index is not None:
        return _with_index(files, told, source, index, sentences, questions)
    where = placed(header.file for header in told)
    copies = sum(each.copy for each in where)
    told = [header for header, each in zip(told, where, strict=True) if not each.copy]
    where = [each for each in where if not each.copy]
    if copies:
        sentences.append(f"{counted(copies, 'file')} left out: copies of files in the class folders, one folder down")
    parts = [PurePosixPath(header.file).parts[:-1] for header in told]
    folders = [each.name for each in where]
    counts = Counter(name for name in folders if name is not None)
    whose = _folders_are(told, folders)
    if not 2 <= len(counts) <= 20 or whose:
        unfit = _why_not(near)
        raise refused(
            files.place,
            expected="one folder for each class, or a table beside them that names files, studies (StudyInstanceUID), "
            "series, accession numbers or patients, and a column of classes",
            found=sentences[0]
            + (f"; {unfit}" if unfit else ", and nothing that says what is on them")
            + (f"; {counted(len(counts), 'folder')}, each of which is one {whose}" if whose else ""),
            todo="keep one row for each of them, with one column for each target"
            if unfit and any(fit.repeated for fit in near)
            else "write the ids of the headers, or the paths, into the table as they are"
            if unfit
            else "write an index.csv with the columns path, or StudyInstanceUID, and class",
        )
    classes = classes_from(counts, questions)
    sides = {SPLIT_NAMES.get(part[0].lower()) for part in parts if part}
    given = sides if is_split(sides) and all(parts) else set[str | None]()
    sentences += [f"in {counted(len(counts), 'class folder')}", *classes.found, *_patients(told)]
    return _finish(files, told, source, ("finding", sentences), classes, given=given, questions=questions)


def _folders_are(told: list[Header], folders: list[str | None]) -> str:
    """What folders are of that hold one patient, or one series, each: no classes; empty where they may be classes."""
    known = pd.DataFrame({
        "folder": folders, "patient": [header.patient for header in told], "series": [header.series for header in told]
    }).dropna(subset="folder")  # fmt: skip
    for name in ("patient", "series"):
        held = known.dropna(subset=name)
        if held.empty or held["folder"].nunique() < 2:
            continue
        if (held.groupby("folder")[name].nunique() == 1).all() and held.groupby(name)["folder"].nunique().max() == 1:
            return name
    return ""


def _what(told: list[Header]) -> str:
    patients = len({header.patient for header in told if header.patient})
    series = len({header.series for header in told if header.series})
    return f"{len(told):,} DICOM pictures of {counted(patients, 'patient')}, {series:,} series"


def _patients(told: list[Header]) -> list[str]:
    lacking = sum(header.patient is None for header in told)
    notes = ["patients, studies, sex and age are read from the headers, sites as a keyed pseudonym"]
    if lacking == len(told):
        notes.append("no header names a patient: what belongs together can't be known, overlap can't be excluded")
    elif lacking:
        notes.append(f"{counted(lacking, 'file')} without a patient: each counts as one of its own")
    else:
        notes.append(
            "split by patient; patients become pseudonyms under your key: python -m components.lib.pseudonyms makes one"
        )
    series = len({header.series for header in told if header.series})
    if series and len(told) / series >= SLICES:
        notes.append(
            f"{len(told) / series:.0f} files a series: they are slices, and each is taken as a sample of its own; "
            "volumes can't be trained on yet"
        )
    return notes


@dataclass(frozen=True)
class _Fit:
    """How a column of a table names the DICOM files."""

    table: str
    column: str
    key: str
    share: float
    """Of the rows with a value, those that name a file, study, series or patient here."""
    repeated: int
    """Rows that name again what another row names."""
    form: str
    known: str
    """What the values look like in the table, and in the headers or names of files."""


def _index(files: Files, told: list[Header]) -> tuple[tuple[str, pd.DataFrame, str, str] | None, list[_Fit]]:
    """A table beside the files, its name, its cells, the column that names the samples, and what it names them by;
    and where none fits, the columns that come nearest."""
    names_here = Names([header.file for header in told], files.place)
    near: list[_Fit] = []
    for name in files.top():
        table = read_beside(files, name) if is_table_name(name) else None
        if table is None:
            continue
        found = [
            fit for column in table.columns for key in ("path", *KEYS)
            if (fit := _fit(name, table, str(column), key, told, names_here)) is not None
        ]  # fmt: skip
        good = [fit for fit in found if fit.share >= HALF and not fit.repeated]
        if good:
            best = max(good, key=lambda fit: fit.share)
            if best.key == "path":
                table = as_they_lie(table, best.column, files)
            return (name, table, best.column, best.key), []
        near += found
    return None, near


def _fit(name: str, table: pd.DataFrame, column: str, key: str, told: list[Header], names_here: Names) -> _Fit | None:
    """How a column names the files; None where nothing speaks for it."""
    values = table[column].str.strip()
    values = values[values != ""]
    plain = names.plain(column)
    called = plain in names.FILE if key == "path" else plain == names.plain(key) or (
        key == "PatientID" and plain in names.PATIENT
    )  # fmt: skip
    if not len(values):
        return None
    if key == "path":
        if not called and values.nunique() <= MOST_CLASSES:
            return None
        resolved = names_here.resolve(values.tolist())
        same, share = pd.Series(resolved.files, values.index), sum(resolved.found) / len(values)
        known, form_here = {header.file for header in told}, common_form([header.file for header in told])
        form_there = common_form(values.tolist())
    else:
        here = {str(value) for header in told if (value := getattr(header, KEYS[key])) is not None}
        alike = normal if key in NUMBERED else str
        same, known = values.map(alike), {alike(value) for value in here}
        # A column of classes 0 and 1 has values that are patients' numbers, too.
        share = float(same.isin(known).mean()) if called or values.nunique() > min(MOST_CLASSES, len(known) // 2) else 0
        form_there, form_here = _common(values), _common(pd.Series(sorted(here), dtype="str"))
    if not share and not called:
        return None
    repeated = int(same[same.isin(known)].duplicated().sum())
    return _Fit(name, column, key, share, repeated, form_there, form_here)


def _common(values: pd.Series) -> str:
    return str(values.map(form).value_counts().index[0]) if len(values) else "none"


def _why_not(near: list[_Fit]) -> str:
    """Why the tables beside the files don't say what is on them; empty where there is none that nearly does."""
    if not near:
        return ""
    best = max(near, key=lambda fit: (fit.share, fit.key == "PatientID"))
    if best.repeated and best.share >= HALF:
        return (
            f"the table {best.table} names them in column {best.column!r} ({best.key}), but several rows name one: "
            f"{best.repeated:,} rows too many"
        )
    some_fit = f"{best.share:.0%} of its rows" if best.share else "none of its rows"
    return (
        f"the table {best.table}, of which {some_fit} fit: column {best.column!r} has {best.key} as `{best.form}`, the "
        f"{'file names' if best.key == 'path' else 'headers'} have it as `{best.known}`"
    )


def _with_index(
    files: Files, told: list[Header], source: dict[str, Any], index: tuple[str, pd.DataFrame, str, str],
    sentences: list[str], questions: Questions,
) -> Draft:  # fmt: skip
    name, raw, column, key = index
    held = files.tables[name]
    refuse_unclear(held, files.place / name, questions.target)
    raw = raw.drop(columns=[*held.unclear])
    table, where = raw.apply(known_text), files.place / name
    found = attributes(table, questions, [column])
    chosen = choose_target(raw, table, {column, *found.taken}, questions, where, "classes")
    target, called = chosen.column, chosen.name(table)
    classes = chosen.classes(raw[target], questions, where)
    given = found.given(table)
    columns: dict[str, Any] = {"key": column} if column != key else {}
    columns |= source_columns(found, table, found.columns["split"] if given else None) | mapped(called, target)
    source |= {"index": name, "key": key} | held.settings | ({"columns": columns} if columns else {})
    same = normal if key in NUMBERED else str
    here = {header.file if key == "path" else same(getattr(header, KEYS[key]) or "") for header in told}
    matched = int(raw[column].str.strip().map(str if key == "path" else same).isin(here).sum())
    sentences += [
        f"a table beside them with {counted(len(table), 'row')}, {matched:,} of which name a file here; column "
        f"{column!r} is the {key}, {target!r} the target",
        *held.found, *classes.found, *found.found, *_patients(told),
    ]  # fmt: skip
    draft = _finish(files, told, source, (called, sentences), classes, given=given, questions=questions)
    draft.why |= {f"source.columns.{role}": why for role, why in found.why.items()}
    draft.why["source.key"] = "what a row of the table is about"
    draft.table = table
    return draft


def _finish(
    files: Files,
    told: list[Header],
    source: dict[str, Any],
    target: tuple[str, list[str]],
    classes: Any,
    *,
    given: Collection[str | None],
    questions: Questions,
) -> Draft:
    what = seen(files, [header.file for header in told])
    name, sentences = target
    sentences.append(f"pictures are {what.described}; they are brought to {what.size[0]}×{what.size[1]}")
    ids = identify(
        pd.Series([header.patient for header in told], dtype="object"),
        pd.Series([header.study for header in told], dtype="object"),
    )
    sentences += [f"headers: {sentence[0].lower()}{sentence[1:]}" for sentence in ids.sentences]
    known = bool(ids.ids.notna().any())
    groups = int(ids.ids.nunique() + ids.ids.isna().sum())
    if not known:
        labels = [None] * len(told)
        proposal, told_whose = proposed([header.file for header in told], labels, questions)
        sentences += told_whose
        if proposal:
            known, groups = True, proposal.groups
            source = {**source, "patient_from": proposal.pattern}
    by = "patient" if known else "sample"
    draft = picture_draft(
        source, what, classes, (name, sentences), (given, by, groups, round(0.7 * len(told))), files
    )  # fmt: skip
    if not given:
        draft.values["split"], draft.why["split"] = made_split(groups, by=by, classes=classes)
    if known and ids.ids.isna().mean() > ACCEPTED and "patient_from" not in source:
        draft.values["split"]["unknown_patients"] = "accept"
    draft.why["source.reader"] = "one sample a file; who it is of is read from the header, and leaves as a pseudonym"
    return draft
