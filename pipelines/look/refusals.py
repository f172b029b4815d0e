"""What can be recognised, and not be trained on yet: said in so many words, so that nothing is mis-read."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from components.lib.errors import DataError
from components.lib.places import Place
from components.lib.tables.encodings import wide
from pipelines.look import names
from pipelines.look.findings import GUIDE, counted, refused, some
from pipelines.look.sources import Files

VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd")
MASKS = {"mask", "masks", "segmentation", "segmentations", "groundtruth", "ground_truth", "masks_png"}
PICTURES = {"image", "images", "img", "imgs", "pictures"}
UNREAD = {
    ".json": "save it as CSV, one sample a row",
    ".edf": "convert it to WFDB", ".mat": "convert it to WFDB or CSV", ".h5": "write pictures, or a table",
    ".rar": "unpack it, and name the folder", ".7z": "unpack it, and name the folder",
    ".svs": "cut it into pictures", ".dcm": "name the folder it lies in", ".dicom": "name the folder it lies in",
    ".hea": "name the folder it lies in", ".dat": "name the folder it lies in", ".gz": "unpack it",
    ".png": "name the folder it lies in", ".jpg": "name the folder it lies in", ".jpeg": "name the folder it lies in",
    ".xml": "name the folder of the pictures", ".dta": "save it as CSV", ".sav": "save it as CSV",
}  # fmt: skip


def volumes(where: str, found: str) -> DataError:
    """Volumes: CT, MRI."""
    return DataError(
        where,
        expected="pictures, tables or signals",
        found=f"{found}, which can't be trained on yet",
        todo=f"export the slices that matter as PNG, one folder a class; {GUIDE}",
    )


def another_format(data: Path) -> DataError:
    """A file whose format nobody reads."""
    suffix = data.suffix.lower()
    return refused(
        data,
        expected="a folder of pictures, DICOM files or ECG records; a MedMNIST archive (.npz), a table (.csv, .txt, "
        ".xlsx, .parquet …), beats as text, a ZIP or TAR of pictures",
        found="a file of another format",
        todo=UNREAD.get(suffix, "bring the data into one of these forms"),
    )


def refuse_boxes(files: Files, pictures: int) -> None:
    """Refuse photographs with boxes: VOC XML, COCO JSON, YOLO text.

    Raises:
        DataError: there are as many descriptions of boxes as pictures.
    """
    described = [n for n in files.ending(".xml")[:5] if b"<bndbox>" in files.try_read(n)[:20_000]]
    described += [n for n in files.ending(".json")[:5] if b'"bbox"' in files.try_read(n)[: 1 << 20]]
    if described:
        form = "VOC XML" if described[0].lower().endswith(".xml") else "COCO JSON"
        raise boxes(files.place, f"{counted(pictures, 'picture')} with boxes around what is in them ({form})")


def boxes(place: Place, found: str) -> DataError:
    """Pictures with boxes."""
    return refused(
        place,
        expected="one class, or one number, for a whole picture",
        found=f"{found}: detection can't be trained yet",
        todo="for a class of the whole picture, an index.csv beside them with the columns path and class; or cut the "
        "boxes out, one folder a class",
    )


def is_boxes(table: pd.DataFrame) -> bool:
    """Whether a table gives corners of boxes."""
    columns = {names.plain(column) for column in table.columns}
    return any(corners <= columns for corners in names.BOX)


def refuse_masks(place: Place, classes: list[str]) -> None:
    """Refuse folders of pictures and of their outlines, which are no classes.

    Raises:
        DataError: one is called like masks, another like pictures.
    """
    called = {names.plain(name) for name in classes}
    if called & MASKS and (called & PICTURES or len(called) == 2):
        raise refused(
            place,
            expected="one folder for each class",
            found=f"folders {', '.join(classes)}: outlines (masks), which can't be learnt yet",
            todo="for a class of the whole picture, an index.csv beside them with the columns path and class",
        )


def refuse_series(place: Place, table: pd.DataFrame, others: int = 0) -> None:
    """Refuse tables of measurements over time, whose rows are no samples.

    Args:
        place: what was named.
        table: one of them.
        others: how many more files look the same.

    Raises:
        DataError: columns that are dates; or a line for each measurement, with its time, name and value.
    """
    columns = [str(column) for column in table.columns]
    dates = [column for column in columns if names.is_date(column)]
    if len(dates) >= 10 or (len(dates) >= 4 and len(dates) * 2 > len(columns)):
        kept = [column for column in columns if column not in dates]
        raise refused(
            place,
            expected="a table with one sample a row and one property a column",
            found=f"{len(dates):,} columns that are dates, beside {some(kept)}: series over time, which can't be "
            "trained on yet",
            todo="make a table of figures at one moment: last value, change over a week, and what is to be predicted",
        )
    if is_long(columns):
        files = f"{counted(others + 1, 'file')} of measurements" if others else "measurements"
        raise refused(
            place,
            expected="a table with one sample a row and one property a column",
            found=f"{files} over time, a line each ({', '.join(columns)}): irregular series, which can't be trained on "
            "yet",
            todo="make a table with a row a stay: first, last, lowest, highest and mean of each, and the outcome",
        )


def is_long(columns: list[str]) -> bool:
    """Whether a table has a line a measurement: when, what, how much."""
    called = {names.plain(column) for column in columns}
    what = {"parameter", "variable", "item", "itemid", "name", "measurement", "label", "test", "signal", "feature"}
    return bool(called & names.TIME) and bool(called & what) and bool({"value", "valuenum", "result"} & called) and (
        len(columns) <= 8
    )  # fmt: skip


def first_line(content: bytes) -> list[str]:
    """The fields of a text file's first line, split at what separates most."""
    head = content[:4096]
    lines = head.decode(wide(head) or "utf-8", "replace").lstrip("\ufeff").splitlines()[:1]
    text = lines[0] if lines else ""
    separator = max(",;\t|", key=text.count)
    return [field.strip().strip('"') for field in text.split(separator)]


def nothing_known(files: Files) -> DataError:
    """The error for a folder in which nothing is understood: what was looked for, and what is there."""
    ends: dict[str, int] = {}
    for name in files.names:
        end = re.search(r"\.[A-Za-z0-9]{1,8}$", name)
        ends[end[0].lower() if end else "no extension"] = ends.get(end[0].lower() if end else "no extension", 0) + 1
    common = sorted(ends.items(), key=lambda item: -item[1])
    return refused(
        files.place,
        expected="pictures (PNG, JPEG, TIFF, BMP) or DICOM files, in one folder a class or with an index.csv; ECG "
        "records (WFDB); beats as text (train.csv, test.csv); one table (.csv, .txt, .xlsx, .parquet …)",
        found=", ".join(f"{number:,} {end}" for end, number in common[:6]) or "an empty folder",
        todo="bring the data into one of these forms",
    )
