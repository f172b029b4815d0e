"""NIfTI volumes below a folder: .nii and .nii.gz, one sample a volume, with an outline (mask) where there is one.

    index.csv, index.parquet    columns path, one per target; mask, patient, split, site, sex, age where known
    <class>/…, <split>/<class>/…    without an index; the folder's name is the class
    name.nii.gz, name_seg.nii.gz    without an index: a volume and its mask (or name_mask), in one folder

Without an index a patient is known where names follow BIDS: sub-<label>. Volumes are turned to run to the right, the
front and the head, as their header says, and refused where it doesn't. The folder may lie on S3, or with an index on a
web server; each volume is then copied here for as long as it is read. Format: Cox et al., NIfTI-1, 2004; BIDS:
Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

import pandas as pd
from pydantic import Field

from components.lib.errors import DataError
from components.lib.kinds._volumes import Volume, resampled
from components.lib.places import Place
from components.lib.readers._class_folders import COPY, placed
from components.lib.readers._listed import (
    SEPARATOR,
    as_they_lie,
    check_inside,
    files_below,
    one_target,
    read_index,
)
from components.lib.readers._patient_from import FileSource
from components.lib.readers._tables import with_attributes
from components.lib.readers.base import ATTRIBUTES, Columns, Inputs, Load, Targets
from components.lib.readers.folder import check_folder
from components.lib.tables import PLAIN_FORM, TableForm

Millimetres = Annotated[float, Field(gt=0.01, le=100)]
SUFFIXES = (".nii", ".nii.gz")
MASK = re.compile(r"(.+)_(?:seg|mask)(\.nii(?:\.gz)?)", re.IGNORECASE)
SUBJECT = re.compile(r"(?:^|[/_])sub-([A-Za-z0-9]+)(?=[/_.]|$)")


class NiftiColumns(Columns):
    """Names of the columns of an index."""

    path: str = "path"
    """Path of the volume, relative to the folder."""
    mask: str | None = None
    """Path of its mask; null: no masks. An empty cell: nobody outlined this volume."""


class NiftiFiles(FileSource):
    """NIfTI volumes (.nii, .nii.gz) below a folder, with masks; with an index, or one folder per class."""

    reader: Literal["nifti"]
    index: str | None = None
    """CSV, Excel or Parquet table below the folder; null: class folders."""
    format: TableForm = PLAIN_FORM
    """How the index is written, where it isn't a plain CSV."""
    columns: NiftiColumns = NiftiColumns()
    """Column names of the index."""
    spacing: tuple[Millimetres, Millimetres, Millimetres] | None = None
    """Distance between voxels towards head, front and right, mm, that every volume is brought to; null: as it is."""

    raw_type: ClassVar[type] = Volume

    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a volume, sorted by path; also DataError for an index that leads outside or names a volume twice."""
        check_folder(raw, "NIfTI volumes", self.index)
        table = self._from_index(raw, targets) if self.index else _from_folders(raw, targets)
        if table.empty:
            raise DataError(
                str(raw),
                expected="at least one .nii or .nii.gz file",
                found="none",
                todo="check source.path and source.index in the task file",
            )
        columns = ["file", *ATTRIBUTES, *targets, *(["refused"] if "refused" in table else [])]
        table = self.whose(table)[columns].assign(row=0)
        return table.sort_values("file", kind="stable", ignore_index=True)

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads a volume, and its mask where `file` names one behind a line break."""
        from components.lib.readers._nifti_volumes import read_volume

        def load(file: str, row: int) -> Volume:
            picture, _, mask = file.partition(SEPARATOR)
            volume = read_volume(raw / picture, raw / mask if mask else None)
            return volume if self.spacing is None else resampled(volume, self.spacing)

        return load

    def _from_index(self, raw: Place, targets: Targets) -> pd.DataFrame:
        path = raw / str(self.index)
        needed = {"file": self.columns.path, **({"mask": self.columns.mask} if self.columns.mask else {})}
        table, _ = read_index(path, needed, targets, self.columns, self.format)
        table["file"] = as_they_lie(raw, table["file"])
        check_inside(path, table["file"])
        twice = int(table["file"].duplicated().sum())
        if twice:
            raise DataError(
                str(path),
                expected="each volume named once",
                found=f"{twice} named again",
                todo="delete the rows that say it twice",
            )
        if "mask" in table:
            table["mask"] = pd.Series(as_they_lie(raw, table["mask"]), table.index, dtype="object")
            check_inside(path, table["mask"].dropna())
            outlined = table["mask"].notna()
            table.loc[outlined, "file"] += SEPARATOR + table.loc[outlined, "mask"]
        return table


def _from_folders(raw: Place, targets: Targets) -> pd.DataFrame:
    """One row a volume: its class by its folder, its mask by its name, its patient where BIDS names one."""
    target = one_target(targets)
    files = [file for file in files_below(raw) if file.lower().endswith(SUFFIXES)]
    masks = {_volume_of(file): file for file in files if MASK.fullmatch(file)}
    told = dict(zip(files, placed(files), strict=True))
    rows: list[dict[str, Any]] = []
    for file in files:
        if MASK.fullmatch(file) and _volume_of(file) in {_stem(other) for other in files}:
            continue
        mask = masks.get(_stem(file))
        subject = SUBJECT.search(file)
        rows.append({
            "file": f"{file}{SEPARATOR}{mask}" if mask else file, "split": told[file].split, target: told[file].name,
            "patient": subject[1] if subject else None, "refused": COPY if told[file].copy else None,
        })  # fmt: skip
    columns = ["file", "split", target, "patient", "refused"]
    table = with_attributes(pd.DataFrame(rows, columns=columns).astype("object"))
    return table if table["refused"].notna().any() else table.drop(columns="refused")


def _stem(file: str) -> str:
    """A path without .nii or .nii.gz."""
    return re.sub(r"\.nii(\.gz)?$", "", file, flags=re.IGNORECASE)


def _volume_of(file: str) -> str:
    """The volume a mask is of, by its name, without suffix."""
    match = MASK.fullmatch(PurePosixPath(file).as_posix())
    return match[1] if match else file
