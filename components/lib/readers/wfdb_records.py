"""WFDB records with beat annotations, as PhysioNet keeps them: one sample a beat, a window of all leads around it.

    <record>.hea, its signal files          the signal
    <record>.atr                            annotations: a symbol at each R peak, "+" with a name where a rhythm starts
    index.csv                               columns record, patient; split, site, sex, age where known
    RECORDS                                 without an index: the records, one a line; else every header there is

Beats are grouped as in ANSI/AAMI EC57. A study of beats must keep patients apart: de Chazal et al. 2004,
doi:10.1109/TBME.2004.827359. Without an index each record counts as a patient; that 201 and 202 of
MIT-BIH are of one patient, only an index can say.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.lib.errors import DataError, Unusable, nearest
from components.lib.kinds import TargetKind
from components.lib.kinds._labels import normal_form
from components.lib.kinds.signal import Signal, Waveform, read_record
from components.lib.places import Place
from components.lib.progress import progress
from components.lib.readers._patient_from import FileSource
from components.lib.readers._tables import index_of, read_table, with_attributes
from components.lib.readers._wfdb_files import annotations_of, comments_of, header_of, record_here
from components.lib.readers.base import Columns, Inputs, Load, Targets
from components.lib.readers.folder import check_folder, names_below
from components.lib.settings import wrong
from components.lib.tables import PLAIN_FORM, TableForm

AAMI = {
    "N": ("N", "L", "R", "e", "j"), "S": ("A", "a", "J", "S"), "V": ("V", "E"), "F": ("F",), "Q": ("/", "f", "Q"),
}  # fmt: skip
"""The groups of ANSI/AAMI EC57: normal or bundle branch block, supraventricular, ventricular, fusion, unknown."""
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?!")
"""Annotation symbols that stand at a QRS complex or a flutter wave."""
RHYTHM = "+"
KEPT_RECORDS = 4
"""Records kept in memory, 10 MB each for half an hour of two leads."""


class RecordColumns(Columns):
    """Names of the columns of an index of records."""

    record: str = "record"
    """Path of the record, relative to the table, without extension."""


class Records(FileSource):
    """WFDB records with beat annotations: one sample a beat."""

    reader: Literal["wfdb"]
    before: Annotated[float, Field(ge=0, le=600)]
    """Seconds of the window before the beat."""
    after: Annotated[float, Field(gt=0, le=600)]
    """Seconds of the window after the beat; both together are the input's `seconds`."""
    annotator: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] = "atr"
    """Extension of the annotation files."""
    labels: dict[str, tuple[str, ...]] | None = None
    """Class to the annotation symbols ("V") and rhythms ("(AFIB") it stands for; of several classes that match a beat
    the last one counts, and beats that match none are left out. Rhythms in other capitals or with other blanks are
    the same, and `spellings` of the target adds symbols and rhythms. Null: those groups of AAMI EC57 that are
    classes."""
    index: str | None = None
    """Table next to the records; null: the file RECORDS, or every header below the folder."""
    format: TableForm = PLAIN_FORM
    """How the index is written, where it isn't a plain CSV."""
    columns: RecordColumns = RecordColumns()
    """Column names of the index."""

    patient_comment: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    """Name of a comment in the headers that says whose a record is: `patient id` for "# Patient ID: 17". It fills in
    where the index names nobody. Null: comments say nothing."""

    raw_type: ClassVar[type] = Waveform

    @model_validator(mode="after")
    def _one_way(self) -> Records:
        if self.patient_comment is not None and self.patient_from is not None:
            raise wrong("source.patient_comment", "that alone, without source.patient_from", "both")
        return self

    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a beat: `file` is the record without extension, `row` the sample number of the R peak.

        Where no patient is known, and names and comments say nothing, the record stands for one. Says how many beats
        were left out, and why. A record whose header or annotations can't be read is one row that is refused; where
        that is so of all, it is a DataError.
        """
        check_folder(raw, "WFDB records", self.beside)
        self._check_window(inputs)
        name = _target_of(targets)
        if name in self.columns.targets:
            raise DataError(
                f"source.columns.targets.{name}",
                expected="no column: annotations give this target",
                found=self.columns.targets[name],
                todo="take it out of the task file",
            )
        groups = self._groups(targets[name])
        records = self._records(raw, {other: kind for other, kind in targets.items() if other != name})
        files = progress(records["file"], "annotations")
        beats = [self._beats_or_problem(raw, file, number, groups) for number, file in enumerate(files, start=1)]
        problems = [each.problem for each in beats if each.problem]
        if len(problems) == len(beats):
            raise problems[0]
        count, cut, other = (sum(each) for each in zip(*[(b.count, b.cut, b.other) for b in beats], strict=True))
        print(
            f"beats: {count:,} of {count + cut + other:,}; left out: {cut:,} whose window reaches past an "
            f"end of the record, {other:,} of no class"
        )
        if not count:
            raise DataError(
                str(raw),
                expected=f"beats of the classes {', '.join(groups)}",
                found=f"none in {len(records)} records",
                todo="check source.labels, source.annotator, source.before and source.after in the task file",
            )
        table = records.iloc[np.repeat(np.arange(len(records)), [len(b.places) for b in beats])].reset_index(drop=True)
        classes = np.array([*groups, None], object)[np.concatenate([b.classes for b in beats])]
        table = table.assign(**{"row": np.concatenate([b.places for b in beats]), name: classes})
        return table.assign(refused=_reasons(table["row"], beats)) if problems else table

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads the window around one beat, all leads at the record's own rate; keeps the last few records."""
        lock = threading.Lock()

        @functools.lru_cache(maxsize=KEPT_RECORDS)
        def record(file: str) -> Waveform | FileNotFoundError | Unusable:
            try:
                with record_here(raw / file) as here:
                    return read_record(here)
            except (FileNotFoundError, Unusable) as error:
                return error.with_traceback(None)

        def load(file: str, row: int) -> Waveform:
            with lock:  # threads ask for beats of one record at the same time; it is read once
                found = record(file)
            if isinstance(found, FileNotFoundError):
                raise FileNotFoundError(*found.args)
            if isinstance(found, Unusable):
                raise Unusable(*found.args)
            start, length = self._window(found.rate)
            if row < start or row - start + length > len(found.values):
                raise Unusable("unreadable: the window reaches past an end of the record")
            values = found.values[row - start : row - start + length].copy()
            return Waveform(values, found.rate, found.leads, found.units)

        return load

    @property
    def beside(self) -> str | None:
        return self.index or "RECORDS"

    def place(self, file: str, row: int) -> str:
        """Only a record that was refused as a whole has one: its number, the records sorted by name."""
        return f"record {-row}, by name" if row < 0 else ""

    def _window(self, rate: float) -> tuple[int, int]:
        """Samples before the beat, and in the window."""
        return round(self.before * rate), round((self.before + self.after) * rate)

    def _check_window(self, inputs: Inputs) -> None:
        for name, kind in inputs.items():
            if isinstance(kind, Signal) and abs(kind.seconds - self.before - self.after) > 1e-6:
                raise DataError(
                    f"source.before, source.after and inputs.{name}.seconds",
                    expected=f"before + after = {kind.seconds:g} s, the length of the input's window",
                    found=f"{self.before:g} + {self.after:g} = {self.before + self.after:g} s",
                    todo="change one of the three in the task file",
                )

            if isinstance(kind, Signal) and kind.centred and abs(self.before - self.after) > 1e-6:
                raise DataError(
                    f"source.before, source.after and inputs.{name}.centred",
                    expected="before = after: the beat in the middle of the window, as `centred` says",
                    found=f"{self.before:g} and {self.after:g} s",
                    todo="make them equal in the task file, or take `centred` out",
                )

    def _groups(self, target: TargetKind) -> dict[str, tuple[str, ...]]:
        """Class to symbols and rhythms.

        Raises:
            DataError: a name that is no class, a class without a name, a symbol that marks no beat.
        """
        classes, more = target.class_names, dict(getattr(target, "spellings", {}))
        if self.labels is None:
            unknown = next((c for c in classes if c not in AAMI), None)
            if unknown is not None:
                raise DataError(
                    "source.labels",
                    expected=f"labels for the classes {', '.join(classes)}; only {', '.join(AAMI)} need none",
                    found=f"none, and the class {unknown!r}",
                    todo="write source.labels: a list of annotation symbols for each class",
                )
            return {name: symbols + more.get(name, ()) for name, symbols in AAMI.items() if name in classes}
        for name in [*self.labels, *classes]:
            if name not in classes or name not in self.labels:
                where = "classes" if name not in classes else "labels"
                known = classes if name not in classes else tuple(self.labels)
                raise DataError(
                    "source.labels",
                    expected=f"one entry for each of the classes {', '.join(classes)}",
                    found=f"{name!r}, which is not among the {where}{nearest(name, known)}",
                    todo="correct source.labels, or the target's classes, in the task file",
                )
        for name, symbols in self.labels.items():
            strange = [
                symbol
                for symbol in (*symbols, *more.get(name, ()))
                if symbol not in BEATS and not symbol.startswith("(")
            ]
            if strange or not symbols:
                raise DataError(
                    f"source.labels.{name}",
                    expected=f"symbols of beats ({' '.join(sorted(BEATS))}), or rhythms, such as (AFIB",
                    found=", ".join(map(repr, strange)) or "an empty list",
                    todo="correct the list in the task file",
                )
        return {name: symbols + more.get(name, ()) for name, symbols in self.labels.items()}

    def _records(self, raw: Place, others: Targets) -> pd.DataFrame:
        """One row a record, sorted: file, attributes, and the targets that don't come from annotations."""
        if self.index:
            path = raw / self.index
            table = index_of(
                read_table(path, form=self.format), path, {"file": self.columns.record}, others, self.columns
            )
        elif others:
            raise DataError(
                "targets",
                expected="one target, of classes: annotations give no other",
                found=", ".join(others),
                todo="name an index of the records, with a column for each of them, in source.index",
            )
        else:
            path = raw / "RECORDS"
            found = path.read_text("utf-8").split() if path.is_file() else _headers(raw)
            table = with_attributes(pd.DataFrame({"file": pd.Series(found, dtype="str")}))
        _check_paths(path, table["file"])
        if self.patient_comment is not None:
            told = [_commented(raw, str(file), self.patient_comment) for file in table["file"]]
            named = pd.Series(told, table.index, dtype="object")
            table = table.assign(patient=table["patient"].where(table["patient"].notna(), named))
        elif self.patient_from is None:
            table = table.assign(patient=table["patient"].fillna(table["file"]))
        table = self.whose(table)
        return table.sort_values("file", kind="stable", ignore_index=True)

    def _beats_or_problem(self, raw: Place, file: str, number: int, groups: dict[str, tuple[str, ...]]) -> _Beats:
        """A record's beats; where it can't be read, one place below 0 that stands for the record."""
        try:
            return self._beats(raw, file, groups)
        except DataError as problem:
            return _Beats(np.array([-number]), np.array([-1]), problem=problem)

    def _beats(self, raw: Place, file: str, groups: dict[str, tuple[str, ...]]) -> _Beats:
        """A record's beats; DataError where its header or its annotations can't be read."""
        with record_here(raw / file, self.annotator, signals=False) as here:
            rate, length = header_of(here)
            sample, symbol, note = annotations_of(here, self.annotator, rate)
        beat = np.isin(symbol, list(BEATS))
        starts = (symbol == RHYTHM) & np.char.startswith(note, "(")
        rhythm = np.concatenate([[""], note[starts]])[np.searchsorted(sample[starts], sample[beat], side="right")]
        sample, symbol = sample[beat], symbol[beat]
        spelt = {each: normal_form(each) for each in np.unique(rhythm).tolist()}
        found = np.full(len(sample), -1)
        for position, wanted in enumerate(groups.values()):
            forms = {normal_form(each) for each in wanted if each.startswith("(")}
            rhythms = [each for each, form in spelt.items() if form in forms]
            found[np.isin(symbol, wanted) | np.isin(rhythm, rhythms)] = position
        start, window = self._window(rate)
        inside = (sample >= start) & (sample - start + window <= length)
        kept = inside & (found >= 0)
        return _Beats(sample[kept], found[kept], int((~inside & (found >= 0)).sum()), int((found < 0).sum()))


@dataclass(frozen=True, eq=False)
class _Beats:
    """Of one record."""

    places: NDArray[np.int64]
    """Sample numbers of the R peaks (N,)."""
    classes: NDArray[np.intp]
    """Positions of their classes (N,)."""
    cut: int = 0
    """How many more there are whose window passes an end."""
    other: int = 0
    """How many more are of no class."""
    problem: DataError | None = None
    """Why the record can't be read; then its one place is its number, the sign turned."""

    @property
    def count(self) -> int:
        """Beats that are used."""
        return 0 if self.problem else len(self.places)


def _reasons(rows: pd.Series, beats: Sequence[_Beats]) -> pd.Series:
    """Per row why the record was refused, null for a beat: of the error, what can't hold a name. Words of wfdb can."""
    told = {
        -number: f"unreadable: {each.problem.expected}: {each.problem.found.partition(':')[0]}"
        for number, each in enumerate(beats, start=1)
        if each.problem
    }
    return rows.map(told).astype("object")


def _target_of(targets: Targets) -> str:
    """The one target that has classes."""
    names = [name for name, kind in targets.items() if kind.class_names]
    if len(names) != 1:
        raise DataError(
            "targets",
            expected="one target with classes, which the annotations of the beats give",
            found=f"{len(names)}: {', '.join(names)}" if names else "none",
            todo="keep one of kind binary or multiclass in the task file",
        )
    return names[0]


def _commented(raw: Place, file: str, name: str) -> str | None:
    """Whose a record is, by a comment in its header; None where there is none, or the header can't be read."""
    with record_here(raw / file, signals=False) as here:
        told = {normal_form(each): value for each, value in comments_of(here).items()}
    return told.get(normal_form(name))


def _headers(raw: Place) -> list[str]:
    return sorted(name.removesuffix(".hea") for name in names_below(raw) if name.endswith(".hea"))


def _check_paths(path: Place, files: pd.Series) -> None:
    """Refuse records that are empty, listed twice or outside the folder."""
    parts: Iterable[str] = files.fillna("")
    escaping = [f for f in parts if not f or Path(f).is_absolute() or ".." in Path(f).parts]
    if escaping or files.duplicated().any() or files.empty:
        twice = int(files.duplicated().sum())
        raise DataError(
            str(path),
            expected="records relative to the folder, inside it, each named once, without extension",
            found=f"{len(escaping)} empty or leading outside, {twice} named again" if len(files) else "no record",
            todo="correct the column of records, or check source.path in the task file",
        )
