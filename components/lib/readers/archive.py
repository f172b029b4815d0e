"""A .zip, .tar or .tar.gz of what the folder reader reads: an index table inside, or one folder per class.

What an index has a column for comes from it; of DICOM files the rest comes from the headers, as with the reader
`dicom`: patient, study, date, sex, age, and the site as a keyed pseudonym. See `_dicom_headers.py` for what is read.

Nothing is unpacked to a disk; each picture is read out of the archive when it is asked for. An archive with an entry
that leads outside, is a link, a device, encrypted, a bomb or of a name that stands there twice is refused as a whole.
A .tar.gz has to be looked through by every process that reads it, at some 200 MB a second; a .zip or .tar hasn't.

On S3 or a web server, which must send parts of a file, a .zip is the one to use: of it the list of names is fetched,
and each picture when its turn comes. A .tar costs a request for each file in it; a .tar.gz is fetched whole by each
process.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import PurePosixPath
from typing import ClassVar, Literal

import pandas as pd
from pydantic import field_validator, model_validator

from components.lib.errors import DataError, Unusable
from components.lib.kinds._dicom import is_dicom, only_unusable, parsed
from components.lib.parallel import each_sample
from components.lib.places import Place
from components.lib.progress import progress
from components.lib.readers._archives import Packed, open_archive
from components.lib.readers._dicom_headers import (
    BURNED_IN_TAGS,
    Header,
    SiteFrom,
    described,
    header_in,
    refuse_burned_in,
)
from components.lib.readers._patient_from import FileSource
from components.lib.readers._tables import read_table, told_by
from components.lib.readers._whose_table import with_patients
from components.lib.readers.base import ATTRIBUTES, Inputs, Load, Targets
from components.lib.readers.folder import (
    NOT_READ,
    READ,
    FolderColumns,
    from_index,
    from_names,
    leads_outside,
    require_one_table,
)
from components.lib.tables import PLAIN_FORM, TableForm

PLAIN = (READ | NOT_READ) - {".dcm", ".dicom"}
"""Pictures that have no such header."""


class PackedFolder(FileSource):
    """A .zip, .tar or .tar.gz of PNG, JPEG, TIFF, BMP or DICOM files: with an index table, or one folder per class."""

    reader: Literal["archive"]
    inside: str | None = None
    """Folder inside the archive that holds the index or the folders of classes; null: the archive itself."""
    index: str | None = None
    """Table inside the archive: CSV, Excel or Parquet; null: class folders."""
    patients: str | None = None
    """Table inside the archive, beside class folders, that says whose each file is; as of the reader `folder`."""
    format: TableForm = PLAIN_FORM
    """How the index, or the table of patients, is written, where it isn't a plain CSV."""
    columns: FolderColumns = FolderColumns()
    """Column names of the index, or of the table of patients."""
    site: SiteFrom | None = "institution"
    """What the site of DICOM files is taken from where the index has no column for it, as a keyed pseudonym; null:
    unknown."""
    burned_in: Literal["reject", "keep"] = "reject"
    """DICOM pictures with likely burned-in text: left out with the reason, or taken as they are."""

    raw_type: ClassVar[type] = bytes

    @model_validator(mode="after")
    def _one_table(self) -> PackedFolder:
        require_one_table(self)
        return self

    @field_validator("inside")
    @classmethod
    def _stays_inside(cls, inside: str | None) -> str | None:
        if inside is not None and leads_outside(inside):
            raise ValueError("a relative path of a folder inside the archive")
        return inside

    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a file, sorted by path; files are named relative to `inside`."""
        archive = open_archive(raw)
        start = self._start
        names = {name.removeprefix(start) for name in archive.entries if name.startswith(start)}
        if not names and start:
            tops = sorted({PurePosixPath(name).parts[0] for name in archive.entries if "/" in name})
            raise DataError(
                f"{raw}, source.inside",
                expected="a folder inside the archive",
                found=f"none of that name; at the top {f'is {tops[0]}' if len(tops) == 1 else f'are {len(tops)}'}",
                todo="correct source.inside in the task file",
            )
        named = self.index or self.patients
        if not named:
            return self.whose(self._with_headers(archive, from_names(names, raw, targets), ()))
        path, rows = self._table(raw, archive, named, names)
        told = told_by(rows, self.columns)
        if self.patients:
            joined = with_patients(from_names(names, raw, targets), rows, path, self.columns, names)
            return self._with_headers(archive, joined, told)
        table = from_index(rows, path, self.columns, targets, names.__contains__, lambda: names)
        return self.whose(self._with_headers(archive, table, told))

    def _table(self, raw: Place, archive: Packed, named: str, names: Collection[str]) -> tuple[Place, pd.DataFrame]:
        """The path of a table inside the archive, for its suffix and for errors, and its rows as text."""
        path = raw / f"{self._start}{named}"
        if named not in names:
            key = "index" if self.index else "patients"
            raise DataError(
                str(path),
                expected="the index inside the archive" if self.index else "the table of patients inside the archive",
                found="no such file in it",
                todo=f"correct source.{key} or source.inside in the task file",
            )
        try:
            return path, read_table(path, archive.read(f"{self._start}{named}"), self.format)
        except Unusable as reason:
            raise DataError(
                str(path), expected="an index that can be read", found=str(reason), todo="pack it anew"
            ) from None

    def _with_headers(self, archive: Packed, table: pd.DataFrame, told: tuple[str, ...]) -> pd.DataFrame:
        """The table, and what the headers of DICOM files say beyond what the index tells."""
        files = [file for file in table["file"] if PurePosixPath(file).suffix.lower() not in PLAIN]
        read = each_sample(partial(_header, archive, self._start), files)
        found = [one for one in progress(read, "headers", total=len(files)) if one]
        if not found:
            return table
        site = None if "site" in told else self.site
        headers = described(found, site=site, public_key=self.public_key).set_index("file")
        names = [name for name in (*ATTRIBUTES, "device") if name not in ("split", *told)]
        return table.assign(**{name: table["file"].map(headers[name].to_dict()).astype("object") for name in names})

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads one file's bytes out of the archive; also Unusable for one that is damaged, or DICOM with likely
        burned-in text."""
        archive, start = open_archive(raw), self._start

        def load(file: str, row: int) -> bytes:
            content = archive.read(f"{start}{file}")
            if self.burned_in == "reject" and is_dicom(content):
                with only_unusable():
                    refuse_burned_in(parsed(content, BURNED_IN_TAGS, stop_before_pixels=True))
            return content

        return load

    @property
    def beside(self) -> str | None:
        return None

    @property
    def _start(self) -> str:
        """What the names of the files begin with that count."""
        return f"{PurePosixPath(self.inside).as_posix()}/" if self.inside else ""


def _header(archive: Packed, start: str, file: str) -> Header | None:
    """One file's header; None for what is no DICOM file."""
    try:
        return header_in(archive.read(f"{start}{file}"), file)
    except FileNotFoundError:
        return None
    except Unusable:
        return Header(file)  # who reads the whole file will say what is wrong with it
