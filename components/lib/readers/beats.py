"""Beats as text, one a line: a CSV without header, numbers and last a label.

    <file>.csv                                  all beats; splits are made
    train.csv, validation.csv, test.csv         in a folder: the splits are given (val.csv will do)

This is how beats of MIT-BIH are often passed on: 187 values at 125 Hz, scaled to 0..1, then the number of the class.
The label is the name of a class, or the number k of the k-th one, from 0, unless `codes` says otherwise. Patients are
unknown. On S3 or a web server, each file is copied to this machine while it is read.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from contextlib import nullcontext
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from components.lib.errors import DataError, Unusable
from components.lib.kinds import TargetKind
from components.lib.kinds.signal import Waveform
from components.lib.places import Place, Remote, held
from components.lib.readers._codes import Codes, class_of_codes
from components.lib.readers._tables import known_text, with_attributes
from components.lib.readers.base import Inputs, Load, Source, Targets

SPLIT_FILES = {"train.csv": "train", "validation.csv": "validation", "val.csv": "validation", "test.csv": "test"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GAPS = {b"", b"na", b"n/a", b"null", b"none"}
"""Values that are missing; nan is a number."""


class Beats(Source):
    """Beats as text, one a line: numbers, and last a label."""

    reader: Literal["beats"]
    rate: Annotated[float, Field(gt=0, le=20_000)]
    """Samples a second; the file doesn't say."""
    lead: Annotated[str, Field(min_length=1)] = "II"
    """Name of the one lead."""
    unit: str = "mV"
    """Unit of the values: mV, uV or V."""
    codes: tuple[int, ...] | None = None
    """The number of each class, in the order of the target's classes, where labels are numbers; null: 0, 1, …"""

    raw_type: ClassVar[type] = Waveform

    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a line that isn't blank, in the order of the files; `row` counts the lines from 0."""
        if len(targets) != 1:
            raise DataError(
                "targets",
                expected="one target: a line has one label",
                found=f"{len(targets)}: {', '.join(targets)}",
                todo="keep one, or use another reader",
            )
        ((name, target),) = targets.items()
        frames = []
        for path, split in _files(raw):
            lines = _Lines(path)
            _check_first(path, lines)
            labels = known_text(_labels(lines), target.class_names)
            frames.append(pd.DataFrame({
                "file": path.name, "row": lines.rows, "split": split, name: _class_names(labels, target, self.codes),
            }))  # fmt: skip
        return with_attributes(pd.concat(frames, ignore_index=True))

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads one line as a signal; where lines start is looked up once a file."""
        lock = threading.Lock()
        found: dict[str, _Lines] = {}

        def load(file: str, row: int) -> Waveform:
            with lock:
                if file not in found:
                    found[file] = _Lines(raw if raw.is_file() else raw / file)
            values = _numbers(found[file].line(row).split(b",")[:-1])
            return Waveform(values[:, None], self.rate, (self.lead,), (self.unit,))

        return load

    @property
    def beside(self) -> str | None:
        return None if self.path.lower().endswith(".csv") else "train.csv"

    def place(self, file: str, row: int) -> str:
        return f"{file}, row {row + 1}" if file in SPLIT_FILES else f"row {row + 1}"


class _Lines:
    """Where the lines of a file are, and what stands last in each; the file itself stays on disk."""

    def __init__(self, path: Place) -> None:
        lengths, last, rows = [], [], []
        self._copy = held(path) if isinstance(path, Remote) else None
        with nullcontext(self._copy) if self._copy else path.open("rb") as file:
            for number, line in enumerate(file):
                lengths.append(len(line))
                if line.strip():
                    rows.append(number)
                    last.append(line.rpartition(b",")[2].strip())
        self.path, self.last, self.rows = path, last, np.array(rows, np.int64)
        if self._copy:
            weakref.finalize(self, self._copy.close)
        self._ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])

    def line(self, row: int) -> bytes:
        """One line by its number from 0, without its end."""
        if not 0 <= row < len(self._ends) - 1:
            raise Unusable("unreadable: the file has no such line any more")
        start, size = int(self._ends[row]), int(self._ends[row + 1] - self._ends[row])
        if self._copy is not None:
            return os.pread(self._copy.fileno(), size, start).removeprefix(BYTE_ORDER_MARK).strip()
        with self.path.open("rb") as file:
            file.seek(start)
            line = file.read(size)
        return line.removeprefix(BYTE_ORDER_MARK).strip()


def _files(raw: Place) -> list[tuple[Place, str | None]]:
    """The files to read, with the split of each.

    Raises:
        DataError: there are none, or two of one split.
    """
    if raw.is_file():
        return [(raw, None)]
    found = [(raw / name, split) for name, split in SPLIT_FILES.items() if (raw / name).is_file()]
    splits = [split for _, split in found]
    if not found or len({*splits}) != len(splits):
        raise DataError(
            str(raw),
            expected="a CSV file, or a folder with train.csv, validation.csv or val.csv, and test.csv",
            found=("both validation.csv and val.csv" if found else "none of them") if raw.exists() else "no such path",
            todo="check source.path in the task file",
        )
    return list(found)


def _check_first(path: Place, lines: _Lines) -> None:
    """Refuse a file without lines, one whose first line is a header, and one that is no CSV."""
    fields = lines.line(int(lines.rows[0])).split(b",") if len(lines.rows) else []
    numbers = [_number(field) for field in fields[:-1]]
    # A table of pandas has the numbers of its columns as its header.
    counted = len(numbers) > 2 and fields == [str(position).encode() for position in range(len(fields))]
    if not numbers or counted or all(number is None for number in numbers):
        found = "column names" if numbers else "a line without commas" if fields else "an empty file"
        raise DataError(
            f"{path}, first line",
            expected="numbers with commas between them, and last a label; no line of column names",
            found=found,
            todo="delete the first line" if numbers else "check source.path in the task file",
        )


def _labels(lines: _Lines) -> pd.Series:
    return pd.Series([label.decode("utf-8", "replace").strip("\"'") for label in lines.last], dtype="str")


def _class_names(labels: pd.Series, target: TargetKind, codes: Codes) -> pd.Series:
    """Labels with numbers of classes turned into their names; what is no class is left for the target to tell."""
    classes = target.listed_classes
    numbered = class_of_codes(codes or (), target, codes, "source.codes") if codes else dict(enumerate(classes))

    def named(label: str) -> str:
        number = _number(label.encode())
        if label in classes or number is None or not number.is_integer():
            return label
        return numbered.get(int(number)) or label

    names = {label: named(label) for label in labels.dropna().unique()}
    return labels.map(names)


def _number(field: bytes) -> float | None:
    """A number, NaN for a gap, None for what is neither."""
    try:
        return float(field)
    except ValueError:
        return math.nan if field.strip().lower() in GAPS else None


def _numbers(fields: list[bytes]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The values of a line (T,).

    Raises:
        Unusable: one of them is no number.
    """
    try:
        return np.array(list(map(float, fields)), np.float64)
    except ValueError:
        numbers = [_number(field) for field in fields]
    if None in numbers:
        raise Unusable(f"unreadable: value {numbers.index(None) + 1} of {len(numbers)} is no number")
    return np.array(numbers, np.float64)
