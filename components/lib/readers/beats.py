"""Beats as text, one a line: numbers, and a label behind or before them.

    <file>.csv, .tsv, .txt …                    all beats; splits are made
    train.csv, validation.csv, test.csv         in a folder: the splits are given (or val.csv; `files` names others)

This is how beats of MIT-BIH are often passed on: 187 values at 125 Hz, scaled to 0..1, then the number of the class.
The UCR archive has the class first and blanks or tabs between the values: `label: first`, and `format`. The label is
the name of a class, or the number k of the k-th one, from 0, unless `codes` says otherwise. Patients are unknown. On S3
or a web server, each file is copied to this machine while it is read.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from components.lib.errors import DataError, Unusable
from components.lib.kinds import TargetKind
from components.lib.kinds.signal import Waveform
from components.lib.places import Place, Remote, held
from components.lib.readers._codes import Codes, class_of_codes
from components.lib.readers._tables import known_text, with_attributes
from components.lib.readers.base import Inputs, Load, Source, Targets
from components.lib.settings import wrong
from components.lib.tables import Ends, LineForm
from components.lib.tables.read import TEXT

SPLIT_FILES = {"train.csv": "train", "validation.csv": "validation", "val.csv": "validation", "test.csv": "test"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
Split = Literal["train", "validation", "test"]
PLAIN_LINES = LineForm()


class Beats(Source):
    """Beats as text, one a line: numbers, and a label behind or before them."""

    reader: Literal["beats"]
    rate: Annotated[float, Field(gt=0, le=20_000)]
    """Samples a second; the file doesn't say."""
    lead: Annotated[str, Field(min_length=1)] = "II"
    """Name of the one lead."""
    unit: str = "mV"
    """Unit of the values: mV, uV or V."""
    codes: tuple[int, ...] | None = None
    """The number of each class, in the order of the target's classes, where labels are numbers; null: 0, 1, …"""
    label: Ends = "last"
    """Where in the line the label stands."""
    format: LineForm = PLAIN_LINES
    """How the lines are written, where they aren't a plain CSV: {delimiter: " "}, {delimiter: ";", decimal: ","}."""
    files: dict[Split, str] | None = None
    """File of each split, in the folder `path`: {train: ECG5000_TRAIN.txt, test: ECG5000_TEST.txt}. Null: train.csv,
    validation.csv or val.csv, test.csv."""

    raw_type: ClassVar[type] = Waveform

    @field_validator("files")
    @classmethod
    def _in_the_folder(cls, files: Mapping[Split, str] | None) -> Mapping[Split, str] | None:
        names = [*(files or {}).values()]
        if files is not None and (
            not names or len({*names}) < len(names) or any("/" in name or name in ("", ".", "..") for name in names)
        ):
            raise wrong("source.files", "the name of a file in the folder for each split, each another", str(names))
        return files

    def __hash__(self) -> int:
        """Pydantic's own would stumble over the mapping, and what is read once a process is remembered by settings."""
        return hash(self.model_dump_json())

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
        for path, split in _files(raw, self.files):
            lines = _Lines(path, self.format, self.label)
            _check_first(path, lines)
            labels = known_text(pd.Series(lines.labels, dtype="str"), target.class_names)
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
                    found[file] = _Lines(raw if raw.is_file() else raw / file, self.format, self.label)
            values = _numbers(found[file].values(row), self.format)
            return Waveform(values[:, None], self.rate, (self.lead,), (self.unit,))

        return load

    @property
    def beside(self) -> str | None:
        if self.files:
            return next(iter(self.files.values()))
        return None if self.path.lower().endswith(TEXT) else "train.csv"

    def place(self, file: str, row: int) -> str:
        named = {*SPLIT_FILES, *(self.files or {}).values()}
        return f"{file}, row {row + 1}" if file in named else f"row {row + 1}"


class _Lines:
    """Where the lines of a file are, and the label of each; the file itself stays on disk."""

    def __init__(self, path: Place, form: LineForm, ends: Ends) -> None:
        lengths, labels, rows = [], list[str](), []
        self._copy = held(path) if isinstance(path, Remote) else None
        self.form, self._ends_with = form, ends
        above = form.skip_rows + int(form.header)
        comment = form.comment.encode(form.encoding) if form.comment else None
        with nullcontext(self._copy) if self._copy else path.open("rb") as file:
            for number, line in enumerate(file):
                lengths.append(len(line))
                if number >= above and line.strip() and not (comment and line.startswith(comment)):
                    rows.append(number)
                    labels.append(label_of(line, form, ends))
        self.path, self.labels, self.rows = path, labels, np.array(rows, np.int64)
        if self._copy:
            weakref.finalize(self, self._copy.close)
        self._ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])

    def cells(self, row: int) -> list[str]:
        """The cells of a line."""
        return self.form.cells(self.line(row).decode(self.form.encoding, "replace"))

    def values(self, row: int) -> list[str]:
        """The cells of a line without the label; of a line with the label in front, one empty cell at the end is no
        value but a separator too many.
        """
        cells = self.cells(row)
        if self._ends_with == "last":
            return cells[:-1]
        return cells[1:-1] if len(cells) > 1 and not cells[-1] else cells[1:]

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


def label_of(line: bytes, form: LineForm, ends: Ends) -> str:
    """The label of a line, without blanks and quotes around it; a number has a decimal point.

    Args:
        line: with its end.
        form: how it is written.
        ends: where the label stands.
    """
    delimiter = None if form.delimiter == " " else form.delimiter.encode(form.encoding)
    line = line.removeprefix(BYTE_ORDER_MARK).strip(b" \r\n")
    cell = (line.split(delimiter, 1)[:1] if ends == "first" else line.rsplit(delimiter, 1)[-1:]) or [b""]
    label = cell[0].decode(form.encoding, "replace").strip().strip("\"'")
    return label.replace(",", ".") if form.decimal == "," and form.number(label) is not None else label


def _files(raw: Place, named: Mapping[Split, str] | None) -> list[tuple[Place, str | None]]:
    """The files to read, with the split of each.

    Raises:
        DataError: there are none, one that is named is missing, or two are of one split.
    """
    if raw.is_file():
        return [(raw, None)]
    if named:
        lost = [name for name in named.values() if not (raw / name).is_file()]
        if lost:
            raise DataError(
                str(raw),
                expected=f"the files of source.files: {', '.join(named.values())}",
                found=f"no {' and no '.join(lost)}" if raw.exists() else "no such path",
                todo="check source.path and source.files in the task file",
            )
        return [(raw / name, split) for split, name in named.items()]
    found = [(raw / name, split) for name, split in SPLIT_FILES.items() if (raw / name).is_file()]
    splits = [split for _, split in found]
    if not found or len({*splits}) != len(splits):
        raise DataError(
            str(raw),
            expected="a CSV file, or a folder with train.csv, validation.csv or val.csv, and test.csv",
            found=("both validation.csv and val.csv" if found else "none of them") if raw.exists() else "no such path",
            todo="check source.path in the task file, or name the files in source.files",
        )
    return list(found)


def _check_first(path: Place, lines: _Lines) -> None:
    """Refuse a file without lines, one whose first line is a header, and one of another form."""
    fields = lines.cells(int(lines.rows[0])) if len(lines.rows) else []
    numbers = [lines.form.number(field) for field in (lines.values(int(lines.rows[0])) if fields else [])]
    # A table of pandas has the numbers of its columns as its header.
    counted = len(numbers) > 2 and fields == [str(position) for position in range(len(fields))]
    if not numbers or counted or all(number is None for number in numbers):
        between = {",": "commas", " ": "blanks"}.get(lines.form.delimiter, repr(lines.form.delimiter))
        found = "column names" if numbers else f"a line without {between}" if fields else "an empty file"
        raise DataError(
            f"{path}, first line",
            expected=f"numbers with {between} between them, and a label; no line of column names",
            found=found,
            todo="delete the first line, or set source.format: {header: true}" if numbers
            else "check source.path and source.format in the task file",
        )  # fmt: skip


def _class_names(labels: pd.Series, target: TargetKind, codes: Codes) -> pd.Series:
    """Labels with numbers of classes turned into their names; what is no class is left for the target to tell."""
    classes = target.listed_classes
    numbered = class_of_codes(codes or (), target, codes, "source.codes") if codes else dict(enumerate(classes))

    def named(label: str) -> str:
        number = PLAIN_LINES.number(label)
        if label in classes or number is None or not number.is_integer():
            return label
        return numbered.get(int(number)) or label

    names = {label: named(label) for label in labels.dropna().unique()}
    return labels.map(names)


def _numbers(fields: list[str], form: LineForm) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The values of a line (T,).

    Raises:
        Unusable: one of them is no number.
    """
    try:
        return np.array(list(map(float, fields)), np.float64)
    except ValueError:
        numbers = [form.number(field) for field in fields]
    if None in numbers:
        raise Unusable(f"unreadable: value {numbers.index(None) + 1} of {len(numbers)} is no number")
    return np.array(numbers, np.float64)
