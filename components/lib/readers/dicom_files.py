"""DICOM files below a folder, as a hospital's archive exports them: one sample a file, or one a series.

    index.csv, index.parquet    a column named as `key`, one per target; patient, split, site, sex, age where known
    <class>/…, <split>/<class>/…    without an index; the folder's name is the class

Files are known by their content, whatever they are called; DICOMDIR, reports, plans and other objects without a picture
are left out and counted. What an index has a column for comes from it, for every sample; the rest from the headers:
patient is PatientID with its issuer, study and date are those of the study, site is the institution as a keyed
pseudonym, age in years, at most 90. See `_dicom_headers.py` for what is read, and DICOM PS3.15 Annex E for why it is no
more.

The folder may lie on S3, or on a web server with an index whose key is `path`. Of a file the header alone is fetched
first, then the file.
"""

from __future__ import annotations

from abc import ABC
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

import pandas as pd

from components.lib.errors import DataError, Unusable
from components.lib.kinds._dicom import is_dicom, only_unusable, parsed
from components.lib.kinds._volumes import Volume
from components.lib.patient_ids import normal
from components.lib.places import Place, Remote
from components.lib.readers._class_folders import COPY, placed
from components.lib.readers._dicom_headers import BURNED_IN_TAGS, Header, SiteFrom, described, headers, refuse_burned_in
from components.lib.readers._listed import (
    SEPARATOR,
    as_they_lie,
    check_inside,
    files_below,
    one_target,
    read_index,
)
from components.lib.readers._patient_from import FileSource
from components.lib.readers.base import ATTRIBUTES, Columns, Inputs, Load, Targets
from components.lib.readers.folder import check_folder, read_file
from components.lib.tables import PLAIN_FORM, TableForm

Key = Literal["path", "StudyInstanceUID", "SeriesInstanceUID", "AccessionNumber", "PatientID"]
HEADER_FIELDS = {
    "StudyInstanceUID": "study", "SeriesInstanceUID": "series", "AccessionNumber": "accession",
    "PatientID": "patient_id",
}  # fmt: skip
NUMBERED = ("PatientID", "AccessionNumber")
"""Keys that people number, and tables write without zeros in front."""


class DicomColumns(Columns):
    """Names of the columns of an index."""

    key: str | None = None
    """What a row is about; null: the column is named as `key` says (path, StudyInstanceUID …)."""
    date: str | None = "date"
    """When the sample was taken, for `split.method: time`; without such a column, the date of the study."""


class DicomSource(FileSource, ABC):
    """What both readers of DICOM have."""

    index: str | None = None
    """CSV, Excel or Parquet table below the folder; null: class folders."""
    format: TableForm = PLAIN_FORM
    """How the index is written, where it isn't a plain CSV."""
    key: Key = "path"
    """What names a sample in the index: a file or a folder of files, or a value of the header that stands in them."""
    columns: DicomColumns = DicomColumns()
    """Column names of the index."""
    site: SiteFrom | None = "institution"
    """What the site is taken from where the index has no column for it, as a keyed pseudonym; null: unknown.
    `split.test_sites` takes the pseudonyms, which stand in the dataset."""
    burned_in: Literal["reject", "keep"] = "reject"
    """Pictures with likely burned-in text: left out with the reason, or taken as they are."""

    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a sample, sorted by path; also DataError for an index that names a file twice or lacks columns."""
        check_folder(raw, "DICOM files", self.index if self.key == "path" else None)
        table = self._from_index(raw, targets) if self.index else self._from_folders(raw, one_target(targets))
        table = self._grouped(self.whose(table), list(targets))
        if table.empty:
            raise DataError(
                str(raw),
                expected="at least one DICOM file with a picture",
                found="none",
                todo="check source.path and source.index in the task file",
            )
        columns = ["file", *ATTRIBUTES, "device", *targets, *(["refused"] if "refused" in table else [])]
        return table[columns].assign(row=0).sort_values("file", kind="stable", ignore_index=True)

    def _grouped(self, table: pd.DataFrame, targets: list[str]) -> pd.DataFrame:
        """Files to samples."""
        return table

    def _from_folders(self, raw: Place, target: str) -> pd.DataFrame:
        found = headers(raw, _without_directory(files_below(raw)))
        table = self._described(_pictures(found), ())
        named = placed(table["file"])
        table["split"] = [each.split for each in named]
        table[target] = [each.name for each in named]
        if any(each.copy for each in named):
            table["refused"] = [COPY if each.copy else None for each in named]
        return table

    def _from_index(self, raw: Place, targets: Targets) -> pd.DataFrame:
        path = raw / str(self.index)
        listed, told = read_index(path, {"key": self.columns.key or self.key}, targets, self.columns, self.format)
        if self.key == "path":
            listed["key"] = as_they_lie(raw, listed["key"], folders=True)
            check_inside(path, listed["key"])
            found, places = _listed(raw, listed["key"].tolist())
            place = dict(zip([one.file for one in found], places, strict=True))
            _check_once(path, len(found) - len(place), "files")
        else:
            same = self._same
            place = {same(key): row for row, key in enumerate(listed["key"]) if isinstance(key, str)}
            _check_once(path, len(listed) - len(place), f"values of {self.key}, or empty ones")
            everything = _pictures(headers(raw, _without_directory(files_below(raw))))
            found = [one for one in everything if same(getattr(one, HEADER_FIELDS[self.key]) or "") in place]
            if len(everything) > len(found):
                print(f"not in the index: {len(everything) - len(found):,} of {len(everything):,} DICOM pictures")
        table = self._described(found, told)
        keys = table["file"] if self.key == "path" else table[HEADER_FIELDS[self.key]].map(same)
        rows = keys.map(place).astype("int64").tolist()
        without = sorted(set(range(len(listed))) - set(rows)) if self.key != "path" else []
        # A row of the index that no file belongs to is a sample that is missing; ingest says so.
        table = pd.concat([table, pd.DataFrame({"file": [""] * len(without)})], ignore_index=True)
        taken = listed.iloc[rows + without].reset_index(drop=True)
        return table.assign(**{name: taken[name] for name in [*told, *targets]})

    def _same(self, key: str) -> str:
        """What is equal for two spellings of a key: patients and accession numbers may lose their zeros in a table."""
        return normal(key) if self.key in NUMBERED and self.patient_ids == "normal" else key

    def _described(self, found: list[Header], told: tuple[str, ...]) -> pd.DataFrame:
        """One row a file, its attributes from its header but for those that an index tells."""
        return described(found, site=None if "site" in told else self.site, public_key=self.public_key)


class DicomFiles(DicomSource):
    """DICOM files below a folder, one sample a file; with an index, or one folder per class."""

    reader: Literal["dicom"]

    raw_type: ClassVar[type] = bytes

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads one file's bytes; also Unusable for likely burned-in text."""

        def load(file: str, row: int) -> bytes:
            content = _content(raw, file)
            if not is_dicom(content):
                raise Unusable("unreadable: no DICOM file")
            if self.burned_in == "reject":
                with only_unusable():
                    refuse_burned_in(parsed(content, BURNED_IN_TAGS, stop_before_pixels=True))
            return content

        return load


class DicomSeries(DicomSource):
    """DICOM slices below a folder, one sample a series: a volume. Classes and keys as for single files."""

    reader: Literal["dicom_series"]

    raw_type: ClassVar[type] = Volume

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads the slices of one series as a volume."""
        from components.lib.readers._dicom_series import volume_of

        def load(file: str, row: int) -> Volume:
            return volume_of(
                (_content(raw, one) for one in file.split(SEPARATOR)), burned_in=self.burned_in == "keep"
            )  # fmt: skip

        return load

    def _grouped(self, table: pd.DataFrame, targets: list[str]) -> pd.DataFrame:
        """One row a series: its files, and what they say, which must be one and the same."""
        if "refused" in table:  # copies would be slices of the series that they are copies of
            print(f"left out: {int(table['refused'].notna().sum()):,} files, each {COPY}")
            table = table[table["refused"].isna()].drop(columns="refused").reset_index(drop=True)
        alone = (table["series"].isna() & (table["file"] != "")).to_numpy()
        if alone.any():
            print(f"left out: {int(alone.sum()):,} DICOM files that name no series")
        rows: list[dict[str, Any]] = []
        torn = 0
        kept = table[~alone]
        for _, group in kept.groupby(kept["series"].fillna("").where(kept["file"] != "", kept.index.astype("str"))):
            row: dict[str, Any] = {name: _first(group[name]) for name in (*ATTRIBUTES, "device", *targets)}
            torn += any(group[name].nunique() > 1 for name in ("patient", "split", *targets))
            rows.append({"file": SEPARATOR.join(sorted(group["file"])), **row})
        if torn:
            raise DataError(
                "source",
                expected="one patient, one split and one value of each target for all slices of a series",
                found=f"several, for {torn} of {len(rows)} series",
                todo="correct the index, or sort each series into one folder",
            )
        return pd.DataFrame(rows, columns=["file", *ATTRIBUTES, "device", *targets])


def _content(raw: Place, file: str) -> bytes:
    """A file's bytes.

    Raises:
        OSError: it isn't there; "" stands for the file that an index expects and nobody has.
        Unusable: it is there, and can't be read.
    """
    if not file:
        raise FileNotFoundError
    return read_file(raw / file)


def _without_directory(files: list[str]) -> list[str]:
    """Files but for those that only list the others of an export (PS3.10 8.6)."""
    return [file for file in files if PurePosixPath(file).name.upper() != "DICOMDIR"]


def _pictures(found: list[Header]) -> list[Header]:
    """The files with a picture; how many have none is told."""
    kept = [one for one in found if one.has_picture]
    if len(kept) < len(found):
        print(f"left out: {len(found) - len(kept):,} DICOM objects without a picture")
    return kept


def _listed(raw: Place, names: list[str]) -> tuple[list[Header], list[int]]:
    """Headers of the files that an index names, and the row of each; a folder stands for the pictures below it."""
    found: list[Header] = []
    rows: list[int] = []
    folders = _folders(raw, names)
    files = [row for row in range(len(names)) if row not in folders]
    found += headers(raw, [PurePosixPath(names[row]).as_posix() for row in files], every=True)
    rows += files
    for row in sorted(folders):
        inside = _without_directory(files_below(raw / names[row]))
        below = [(PurePosixPath(names[row]) / file).as_posix() for file in inside]
        pictures = [one for one in headers(raw, below) if one.has_picture] or [Header(names[row])]
        found += pictures
        rows += [row] * len(pictures)
    return found, rows


def _folders(raw: Place, names: list[str]) -> set[int]:
    """The rows that name a folder. S3 is asked once for all; a web server has none."""
    if not isinstance(raw, Remote):
        return {row for row, name in enumerate(names) if (raw / name).is_dir()}
    below = raw.names_below() if raw.lists else []
    there = {str(parent) for name in below for parent in PurePosixPath(name).parents}
    return {row for row, name in enumerate(names) if PurePosixPath(name).as_posix() in there}


def _check_once(path: Place, extra: int, what: str) -> None:
    if extra:
        raise DataError(
            str(path),
            expected="each sample named once",
            found=f"{extra} {what} named again",
            todo="delete the rows that say it twice",
        )


def _first(values: pd.Series) -> Any:
    """The first known value; None without one."""
    known = values.dropna()
    return known.iloc[0] if len(known) else None
