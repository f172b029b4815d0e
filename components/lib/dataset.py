"""The dataset directory: the only code that knows what it looks like.

    dataset.json                 what is in it, where it came from, its digest
    part-00000/samples.parquet   one row a sample
    part-00000/rejected.parquet  sample_id, split, reason, place: what was left out, why, and in which row
    part-00000/<name>.npy        one array a named input; row i belongs to row i of the table

Parts appear by rename, so a part that is there is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from components.lib.digests import Sums, file_digest
from components.lib.errors import DataError
from components.lib.kinds.base import Array, InputKind
from components.lib.settings import Settings

FORMAT: Literal[2] = 2
WRITE_AGAIN = "run the step that writes it again: dvc repro"
SPLITS = ("train", "validation", "test")
REJECTED_COLUMNS = ("sample_id", "split", "reason", "place")


class ArrayInfo(Settings):
    """One named array: shape of a sample, dtype, input kind."""

    shape: tuple[int, ...]
    dtype: str
    kind: str
    columns: tuple[str, ...] = ()
    """Names of what the array knows by position alone, in order: fields of a row, leads; empty: nothing has a name."""

    @classmethod
    def of(cls, kind: InputKind) -> ArrayInfo:
        """Of the arrays that clean writes for an input of this kind."""
        return cls(shape=kind.shape, dtype=kind.dtype, kind=kind.kind, columns=kind.columns)


class DatasetInfo(Settings):
    """What dataset.json holds."""

    format: Literal[2] = FORMAT
    task: str
    step: str
    """The step that wrote it."""
    rows: tuple[int, ...]
    """Rows of each part."""
    arrays: dict[str, ArrayInfo]
    targets: dict[str, dict[str, object]]
    """Settings of each target kind, classes included."""
    counts: dict[str, int]
    """Samples per split."""
    patients: dict[str, int]
    """Known patients per split."""
    synthetic: bool
    key_fingerprint: str | None
    """Of the key behind the patient pseudonyms; null when no patient is known."""
    lineage: dict[str, str]
    """Digest of everything this dataset was made from, by name."""
    digest: str
    """SHA-256 over all parts."""


@dataclass(frozen=True)
class Part:
    """One part of a dataset: its table and its memory-mapped arrays."""

    path: Path
    rows: int
    arrays: Mapping[str, ArrayInfo]
    sums: Sums
    """Of the dataset."""

    def file(self, name: str) -> Path:
        """The path of one of its files, which is as the step wrote it.

        Raises:
            DataError: it was changed or damaged since.
        """
        self.sums.require(self.path / name)
        return self.path / name

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row a sample; missing values are null."""
        return read_parquet(self.file("samples.parquet"))

    @cached_property
    def rejected(self) -> pd.DataFrame:
        """What was left out: sample_id, split, reason, place."""
        return read_parquet(self.file("rejected.parquet"))

    def array(self, name: str) -> Array:
        """The named array, memory-mapped, (rows, *shape). Never unpickles.

        Raises:
            DataError: it can't be read, isn't as the step wrote it, or its shape or dtype is not the one dataset.json
                speaks of.
        """
        file, info = self.file(f"{name}.npy"), self.arrays[name]
        expected = f"an array {(self.rows, *info.shape)} {info.dtype}, as dataset.json says"
        try:
            array: Array = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            found = " ".join(str(error).split())[:160]
            raise DataError(str(file), expected=expected, found=found, todo=WRITE_AGAIN) from None
        if (array.shape, array.dtype) != ((self.rows, *info.shape), np.dtype(info.dtype)):
            raise DataError(str(file), expected=expected, found=f"{array.shape} {array.dtype}", todo=WRITE_AGAIN)
        return array


class Dataset:
    """A dataset directory, opened for reading. Its parts are compared with SHA256SUMS when they are first read.

    Raises:
        DataError: the directory is missing, incomplete, of another format, or not as the step wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        todo = WRITE_AGAIN
        self.sums = Sums(path, DataError, WRITE_AGAIN)
        try:
            self.sums.require(path / "dataset.json")
            self.info = DatasetInfo.model_validate_json((path / "dataset.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(
                str(path), expected="a dataset directory with dataset.json", found="no such file", todo=todo
            ) from None
        except ValidationError as error:
            raise DataError(
                str(path / "dataset.json"),
                expected=f"format {FORMAT} of medpipe's dataset.json",
                found=error.errors()[0]["msg"],
                todo=todo,
            ) from None
        self.sums.require_all(".json", ".parquet")
        numbered = enumerate(self.info.rows)
        self.parts = [Part(path / _part_name(i), rows, self.info.arrays, self.sums) for i, rows in numbered]
        lost = [part.path.name for part in self.parts if not (part.path / "samples.parquet").is_file()]
        if lost:
            raise DataError(
                str(path), expected=f"{len(self.parts)} parts", found=f"no {', '.join(lost[:5])}", todo=todo
            )

    def require(self, inputs: Mapping[str, InputKind]) -> None:
        """Refuse to be read as these inputs where the arrays were cleaned in another form, or in another order.

        Raises:
            DataError: an array is missing, has another shape or type, or other columns, or the same in another order.
        """
        for name, kind in inputs.items():
            found, wanted = self.info.arrays.get(name), ArrayInfo.of(kind)
            if found is None or (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
                raise DataError(
                    str(self.path),
                    expected=f"array {name} {wanted.shape} {wanted.dtype}, as inputs.{name} has it",
                    found="no such array" if found is None else f"{found.shape} {found.dtype}",
                    todo="clean again with this task file: dvc repro clean",
                )
            if found.columns != wanted.columns:
                raise DataError(
                    str(self.path),
                    expected=f"the columns of inputs.{name}, in their order: {', '.join(wanted.columns)}",
                    found=_columns_apart(found.columns, wanted.columns),
                    # DVC compares mappings without their order, so that it sees no reason to clean again by itself.
                    todo="clean again with this task file: dvc repro --force clean, then dvc repro; or put the columns "
                    "of the task file back into the order of the dataset",
                )

    def samples(self) -> pd.DataFrame:
        """The tables of all parts, one after the other."""
        frames = [part.samples for part in self.parts if len(part.samples)]
        return pd.concat(frames, ignore_index=True) if frames else empty_samples()

    def rejected(self) -> pd.DataFrame:
        """What was left out: sample_id, split, reason."""
        return pd.concat([no_rejected(), *(part.rejected for part in self.parts)], ignore_index=True)

    def select(self, split: str, names: list[str]) -> tuple[pd.DataFrame, dict[str, Array]]:
        """Table and arrays (copied into memory) of one split."""
        frames, arrays = (
            [],
            {name: [np.empty((0, *self.info.arrays[name].shape), self.info.arrays[name].dtype)] for name in names},
        )
        for part in self.parts:
            rows = np.flatnonzero((part.samples["split"] == split).to_numpy())
            frames.append(part.samples.iloc[rows])
            for name in names:
                arrays[name].append(part.array(name)[rows])
        table = pd.concat(frames, ignore_index=True) if frames else empty_samples()
        return table, {name: np.concatenate(pieces) for name, pieces in arrays.items()}


class DatasetWriter:
    """Writes a dataset into a directory that becomes visible when it is complete (see `lib.output`).

    Args:
        path: the directory.
        attempt: a word of its own for everyone who may write the same part at the same time, as on a cluster that
            lost sight of a worker: the first to finish it counts. Empty: one writer a part.
    """

    def __init__(self, path: Path, attempt: str = "") -> None:
        self.path, self._attempt = path, attempt

    def has_part(self, index: int) -> bool:
        """Whether an earlier, interrupted run already finished this part."""
        return (self.path / _part_name(index)).is_dir()

    def write_part(
        self, index: int, samples: pd.DataFrame, arrays: Mapping[str, Array], rejected: pd.DataFrame | None = None
    ) -> None:
        """Write one part, complete or not at all."""
        final = self.path / _part_name(index)
        work = self.path / f".{final.name}{self._attempt}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        samples.reset_index(drop=True).to_parquet(work / "samples.parquet", index=False)
        for name, array in arrays.items():
            np.save(work / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        (no_rejected() if rejected is None else rejected).to_parquet(work / "rejected.parquet", index=False)
        if not self._attempt:
            shutil.rmtree(final, ignore_errors=True)  # of an interrupted run whose caller writes it afresh
        try:
            work.replace(final)
        except OSError:
            if not (self._attempt and final.is_dir()):
                raise
            shutil.rmtree(work, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what attempts left behind that died or came second."""
        for left in self.path.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)

    def finish(
        self,
        *,
        task: str,
        step: str,
        parts: int,
        arrays: Mapping[str, ArrayInfo],
        synthetic: bool,
        targets: Mapping[str, dict[str, object]],
        key_fingerprint: str | None,
        lineage: Mapping[str, str],
    ) -> DatasetInfo:
        """Write dataset.json, the last file: with it the dataset is complete."""
        rows, counts, patients = self._counted(parts)
        info = DatasetInfo(
            task=task,
            step=step,
            rows=rows,
            arrays=dict(arrays),
            targets=dict(targets),
            counts=counts,
            patients=patients,
            synthetic=synthetic,
            key_fingerprint=key_fingerprint,
            lineage=dict(sorted(lineage.items())),
            digest=_digest(self.path),
        )
        text = json.dumps(info.model_dump(), indent=2) + "\n"
        (self.path / "dataset.json").write_text(text, encoding="utf-8")
        return info

    def _counted(self, parts: int) -> tuple[tuple[int, ...], dict[str, int], dict[str, int]]:
        """Rows of each part; samples and known patients per split. One part at a time is in memory."""
        rows, counts = [], dict.fromkeys(SPLITS, 0)
        patients: dict[str, list[Any]] = {split: [] for split in SPLITS}
        for index in range(parts):
            file = self.path / _part_name(index) / "samples.parquet"
            table = pd.read_parquet(file, columns=["split", "patient"])
            rows.append(len(table))
            for split in SPLITS:
                of_split = table.loc[table["split"] == split, "patient"]
                counts[split] += len(of_split)
                patients[split].append(pa.array(of_split.dropna().unique(), pa.large_string()))
        known = {split: len(pa.chunked_array(some, pa.large_string()).unique()) for split, some in patients.items()}
        return tuple(rows), counts, known


def read_parquet(file: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """A table that a step wrote.

    Raises:
        DataError: it can't be read.
    """
    try:
        return pd.read_parquet(file, columns=columns)
    except (OSError, ValueError) as error:  # Arrow's own errors are of these two
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> DataError:
    found = " ".join(str(error).split())[:160]
    return DataError(str(file), expected="a readable Parquet table", found=found, todo=WRITE_AGAIN)


def read_rows(file: Path, columns: list[str], rows: Iterable[int]) -> Iterator[pd.DataFrame]:
    """A table that a step wrote, from its start, so many rows at a time; less where it ends.

    Raises:
        DataError: it can't be read.
    """
    try:
        with pq.ParquetFile(file, buffer_size=1 << 20) as table:
            lost = [name for name in columns if name not in table.schema_arrow.names]
            if lost:
                raise ValueError(f"no column {', '.join(lost)}")
            batches = table.iter_batches(4096, columns=columns)
            held = table.schema_arrow.empty_table().select(columns)
            for count in rows:
                while len(held) < count and (batch := next(batches, None)) is not None:
                    held = pa.concat_tables([held, pa.Table.from_batches([batch])])
                yield held.slice(0, count).to_pandas()
                held = held.slice(count)
    except (OSError, ValueError) as error:  # Arrow's own errors are of these two
        raise _unreadable(file, error) from None


def _columns_apart(found: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    """In what the columns of an array differ from those that are wanted."""
    if sorted(found) == sorted(wanted):
        return f"the same in another order: {', '.join(found)}"
    lost, more = [name for name in wanted if name not in found], [name for name in found if name not in wanted]
    told = [f"without {', '.join(lost)}" if lost else "", f"with {', '.join(more)}" if more else ""]
    return "others: " + " and ".join(filter(None, told))


def empty_samples() -> pd.DataFrame:
    """A samples table without rows."""
    return pd.DataFrame({name: pd.Series(dtype="str") for name in ("sample_id", "patient", "split", "sha256")})


def no_rejected() -> pd.DataFrame:
    """A rejected table without rows."""
    return pd.DataFrame({name: pd.Series(dtype="str") for name in REJECTED_COLUMNS})


def rows_per_part(bytes_per_sample: int) -> int:
    """Rows of a part: at most 256 MB of arrays, at most 2048 rows so that small films still make several parts.

    Not derived from the number of cores: equal data give equal parts on every machine.
    """
    return int(np.clip(256_000_000 // max(bytes_per_sample, 1), 1, 2048))


def _files_below(path: Path) -> Iterator[Path]:
    """Files of finished parts, sorted: what a killed step left behind doesn't count."""
    return iter(sorted(p for p in path.glob("part-*/*") if p.is_file() and not p.name.startswith(".")))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for file in _files_below(path):
        if file.suffix in (".parquet", ".npy"):
            digest.update(f"{file.relative_to(path).as_posix()}:{file_digest(file)}\n".encode())
    return digest.hexdigest()


def _part_name(index: int) -> str:
    return f"part-{index:05d}"
