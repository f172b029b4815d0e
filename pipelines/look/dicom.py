"""DICOM files below a folder: whose they are stands in them, what is on them in folders or in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from components.lib.kinds._dicom import is_dicom
from components.lib.readers._dicom_headers import Header, headers
from components.lib.readers._tables import SPLIT_NAMES, known_text
from pipelines.look.beside import read_beside
from pipelines.look.choices import classes_from, is_split, made_split
from pipelines.look.columns import (
    attributes,
    mapped,
    source_columns,
)
from pipelines.look.findings import Draft, Questions, counted, refused
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
    index = _index(files, told)
    if index is not None:
        return _with_index(files, told, source, index, sentences, questions)
    parts = [PurePosixPath(header.file).parts[:-1] for header in told]
    below = [part[1:] if part and part[0].lower() in SPLIT_NAMES else part for part in parts]
    counts = Counter(part[0] for part in below if part)
    if not 2 <= len(counts) <= 20:
        raise refused(
            files.place,
            expected="one folder for each class, or a table beside them that names files, studies (StudyInstanceUID), "
            "series, accession numbers or patients, and a column of classes",
            found=f"{sentences[0]}, and nothing that says what is on them",
            todo="write an index.csv with the columns path, or StudyInstanceUID, and class",
        )
    classes = classes_from(counts, questions)
    sides = {SPLIT_NAMES.get(part[0].lower()) for part in parts if part}
    given = sides if is_split(sides) and all(parts) else set[str | None]()
    sentences += [f"in {counted(len(counts), 'class folder')}", *classes.found, *_patients(told)]
    return _finish(files, told, source, ("finding", sentences), classes, given=given)


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


def _index(files: Files, told: list[Header]) -> tuple[str, pd.DataFrame, str, str] | None:
    """A table beside the files: its name, its cells, the column that names the samples, and what it names them by."""
    held = {"path": {header.file for header in told}}
    held |= {key: {str(value) for h in told if (value := getattr(h, field)) is not None} for key, field in KEYS.items()}
    for name in files.top():
        table = read_beside(files, name) if name.lower().endswith((".csv", ".parquet")) else None
        if table is None:
            continue
        for key, known in held.items():
            for column in table.columns:
                values = table[column].str.strip()
                values = values[values != ""]
                if len(values) and known and values.isin(known).mean() >= 0.5 and values.is_unique:
                    return name, table, str(column), key
    return None


def _with_index(
    files: Files, told: list[Header], source: dict[str, Any], index: tuple[str, pd.DataFrame, str, str],
    sentences: list[str], questions: Questions,
) -> Draft:  # fmt: skip
    name, raw, column, key = index
    table, where = raw.apply(known_text), files.place / name
    found = attributes(table, questions, [column])
    chosen = choose_target(raw, table, {column, *found.taken}, questions, where, "classes")
    target, called = chosen.column, chosen.name(table)
    classes = chosen.classes(raw[target], questions, where)
    given = found.given(table)
    columns: dict[str, Any] = {"key": column} if column != key else {}
    columns |= source_columns(found, table, found.columns["split"] if given else None) | mapped(called, target)
    source |= {"index": name, "key": key} | ({"columns": columns} if columns else {})
    matched = int(raw[column].str.strip().isin(
        {header.file if key == "path" else str(getattr(header, KEYS[key])) for header in told}
    ).sum())  # fmt: skip
    sentences += [
        f"a table beside them with {counted(len(table), 'row')}, {matched:,} of which name a file here; column "
        f"{column!r} is the {key}, {target!r} the target",
        *classes.found, *found.found, *_patients(told),
    ]  # fmt: skip
    draft = _finish(files, told, source, (called, sentences), classes, given=given)
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
) -> Draft:
    what = seen(files, [header.file for header in told])
    name, sentences = target
    sentences.append(f"pictures are {what.described}; they are brought to {what.size[0]}×{what.size[1]}")
    groups = len({header.patient or header.file for header in told})
    known = any(header.patient for header in told)
    by = "patient" if known else "sample"
    draft = picture_draft(
        source, what, classes, (name, sentences), (given, by, groups, round(0.7 * len(told))), files
    )  # fmt: skip
    if not given:
        draft.values["split"], draft.why["split"] = made_split(groups, by=by, classes=classes)
    draft.why["source.reader"] = "one sample a file; who it is of is read from the header, and leaves as a pseudonym"
    return draft
