"""What raw data are: a task as plain values, and sentences that say what was found and why."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from components.lib.errors import DataError
from components.lib.readers._tables import SPLIT_NAMES, known_text, read_csv
from components.lib.readers.folder import pictures
from components.lib.readers.npz import read_array

# Class names that MedMNIST v2 documents for its sets (Yang et al. 2023, doi:10.1038/s41597-022-01721-8).
MEDMNIST_CLASSES = {
    "pneumoniamnist": ["normal", "pneumonia"],
    "breastmnist": ["malignant", "normal_or_benign"],
}


def look(data: Path) -> tuple[dict[str, Any], list[str]]:
    """What the data are: the task as plain values, without its name, and sentences that say what was found.

    Raises:
        DataError: nothing there that is understood.
    """
    if data.suffix == ".npz" and data.is_file():
        return _look_at_archive(data)
    if data.is_dir():
        return _look_at_folder(data)
    raise DataError(
        str(data),
        expected="a MedMNIST archive (.npz) or a folder of pictures",
        found="a file of another format" if data.exists() else "no such file or folder",
        todo="name the data by path: make demo DATA=PATH; for a table or ECG records a task, too: docs/new-task.md",
    )


def _look_at_archive(data: Path) -> tuple[dict[str, Any], list[str]]:
    shape = read_array(data, "train_images").shape
    labels = {split: read_array(data, f"{split}_labels") for split in ("train", "val", "test")}
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 3):
        raise DataError(
            f"{data}, train_images",
            expected="pictures (N, H, W) or (N, H, W, 3)",
            found=f"an array of shape {shape}",
            todo="volumes are not read yet",
        )
    count = int(max(array.max(initial=0) for array in labels.values())) + 1
    if count < 2:
        raise DataError(
            f"{data}, labels",
            expected="labels of at least two classes",
            found="1: class_0",
            todo="use a MedMNIST archive, or a folder of pictures",
        )
    known = next((c for n, c in MEDMNIST_CLASSES.items() if n in data.stem.lower() and len(c) == count), None)
    classes = known or [f"class_{i}" for i in range(count)]
    sizes = " / ".join(str(len(array)) for array in labels.values())
    found = [
        f"a MedMNIST archive: {sizes} pictures of {shape[1]}×{shape[2]} for train / validation / test, its splits kept",
        f"{count} classes: {', '.join(classes)}" + ("" if known else " (the archive has no names for them)"),
        "no patient ids: overlap between splits can't be excluded",
    ]
    source = {"reader": "npz", "path": str(data.resolve())}
    return _values(source, shape[1:3], 3 if len(shape) == 4 else 1, classes, {"method": "given", "by": "sample"}), found


def _look_at_folder(data: Path) -> tuple[dict[str, Any], list[str]]:
    index = data / "index.csv"
    source: dict[str, Any] = {"reader": "folder", "path": str(data.resolve())}
    if index.exists():
        table = read_csv(index)
        column = _target_column(table, index)
        # "None" may be a grade of a disease; the sentence about the classes shows it.
        labels = known_text(table[column], ("None", "none")).dropna()
        files = [data / path for path in known_text(table["path"]).dropna()]
        patients = "patient" in table
        given = "split" in table and {*table["split"].str.lower().map(SPLIT_NAMES)} == {"train", "validation", "test"}
        source |= {"index": "index.csv", "columns": {"split": "split" if given else None}}
        what = f"an index.csv with {len(table)} rows; {column!r} is the target"
    else:
        column, patients = "finding", False
        files = pictures(data)
        paths = [p.relative_to(data).parts[:-1] for p in files]
        given = {SPLIT_NAMES.get(parts[0].lower()) for parts in paths if parts} == {"train", "validation", "test"}
        split_first = bool(paths) and all(parts and parts[0].lower() in SPLIT_NAMES for parts in paths)
        labels = pd.Series([parts[1 if split_first else 0] for parts in paths if len(parts) > split_first], dtype="str")
        what = f"{len(files)} pictures in folders named by class"
    classes = sorted(labels.unique())
    if len(classes) < 2:
        raise DataError(
            str(data),
            expected="pictures of at least two classes",
            found=f"{len(classes)}: {classes}",
            todo="one folder per class, or an index.csv with a path column and a column of classes",
        )
    size, channels = _picture_size(files, data)
    found = [
        what,
        f"{len(classes)} classes: {', '.join(f'{n} ({c})' for n, c in sorted(Counter(labels).items()))}",
        f"pictures are brought to {size[0]}×{size[1]}, {'grey' if channels == 1 else 'colour'}",
        "split by patient"
        if patients
        else "no patient ids: each file counts as one patient, overlap can't be excluded",
    ]
    split = {"method": "given" if given else "hash", "by": "patient" if patients else "sample"}
    return _values(source, size, channels, _positive_last(classes), split, column), found


def _target_column(table: pd.DataFrame, index: Path) -> str:
    """The first column that could be a class: few different values, none of the known attributes."""
    if "path" not in table:
        raise DataError(
            f"{index}, first line",
            expected="a column 'path'",
            found=", ".join(table.columns),
            todo="rename the column that holds the files' paths",
        )
    for column in table.columns.drop(["path", *({"patient", "split", "site", "sex", "age", "mask"} & {*table})]):
        if 2 <= table[column].nunique() <= 20 and re.fullmatch(r"[a-z][a-z0-9_]*", column):
            return str(column)
    raise DataError(
        f"{index}, first line",
        expected="a column with 2 to 20 classes, named in small letters",
        found=", ".join(table.columns),
        todo="add or rename the target's column",
    )


def _positive_last(classes: list[str]) -> list[str]:
    """Of two classes, the one that means health first: the second one is the finding."""
    healthy = [name for name in classes if name.lower() in ("normal", "healthy", "negative", "no", "none", "0")]
    return healthy + [name for name in classes if name not in healthy]


def _picture_size(files: list[Path], data: Path) -> tuple[tuple[int, int], int]:
    """64×64, or the pictures' own size where they are smaller; colour if any of a few is coloured."""
    pictures = [cv2.imread(str(file), cv2.IMREAD_COLOR) for file in files[:: max(1, len(files) // 20)]]
    readable = [picture for picture in pictures if picture is not None]
    if not readable:
        raise DataError(
            str(data),
            expected="pictures that can be read",
            found="none among those tried",
            todo="check the files, and the paths in index.csv",
        )
    sides = np.array([picture.shape[:2] for picture in readable])
    height, width = np.minimum(np.median(sides, axis=0), 64).astype(int)
    coloured = any(np.ptp(picture.astype(int), axis=2).max() > 16 for picture in readable)
    return (int(max(height, 8)), int(max(width, 8))), 3 if coloured else 1


def _values(
    source: dict[str, Any], size: tuple[int, ...], channels: int, classes: list[str], split: dict[str, Any],
    target: str = "finding",
) -> dict[str, Any]:  # fmt: skip
    kind = "binary" if len(classes) == 2 else "multiclass"
    return {
        "source": source,
        "inputs": {"image": {"kind": "image", "size": [int(side) for side in size], "channels": channels}},
        "targets": {target: {"kind": kind, "classes": classes}},
        "split": split,
    }
