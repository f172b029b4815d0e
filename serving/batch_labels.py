"""Batch predictions of rows whose labels lie beside them: whoever has both can compare models, as on a test set.

Such rows are written into the test-set log. Labelled are rows of a table with a column called like a target of the
model that isn't empty there, and files in folders called like its classes. Labels that are joined to the output later
nobody sees here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.lib.errors import Unusable
from components.lib.kinds.table import Row, Table
from components.lib.marks import five_bytes, marks
from components.lib.model_dir import Model, ModelInfo
from components.lib.parallel import each_sample
from components.lib.progress import progress
from components.lib.readers.base import content
from components.lib.sample_prints import SamplePrints
from serving.batch_data import FILE, Data
from serving.batch_files import Files, files_of
from serving.batch_table import TableData, named_file


def count_labelled(model: Model, data: Data, scratch: Path) -> str:
    """Write the labelled rows into the test-set log; returns what it says of them, empty where there are none.

    A model that learnt from synthetic data isn't counted: nobody chooses it by what it does.

    Args:
        model: that is about to predict them.
        data: the rows, of which stock was taken.
        scratch: the folder that the stock is in.

    Raises:
        MedpipeError: the MLflow store doesn't answer.
    """
    if model.info.synthetic:
        return ""
    digests = list(progress(_digests(model.info, data, scratch), "labels"))
    if not digests:
        return ""
    from components.lib.openings import record  # loads MLflow, which takes seconds
    from components.lib.tracking import batch_run

    samples = SamplePrints(marks(five_bytes, "sample", digests), np.zeros(len(digests), np.uint64))
    run = batch_run(model.info.task, model.digest, samples.digest)
    told = record(run, samples, model.digest).told("labelled rows")
    return f"counted in the test-set log, since their labels lie beside them: {told}"


def label_columns(info: ModelInfo, names: Iterable[str]) -> list[str]:
    """Columns of a table that are called like a target, however they are written: `Finding`, `finding`."""
    targets = {_plain(target) for target in info.targets}
    return [name for name in names if _plain(name) in targets]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _digests(info: ModelInfo, data: Data, scratch: Path) -> Iterator[str]:
    """SHA-256 of each labelled sample, as ingest makes it; samples that can't be read have none."""
    if isinstance(data, TableData):
        yield from _of_rows(info, data, scratch)
        return
    classes = {_plain(name) for kind in info.targets.values() for name in kind.class_names}
    (files,) = (files_of(kind) for kind in info.inputs.values())
    for part in data.parts(scratch):
        names = [str(name) for name in part[FILE].to_pylist()]
        labelled = [name for name in names if classes & {_plain(folder) for folder in Path(name).parts[:-1]}]
        if files is not None:
            paths = [data.folder / name for name in labelled]
            yield from filter(None, each_sample(partial(_of_file, files), paths))


def _of_rows(info: ModelInfo, data: TableData, scratch: Path) -> Iterator[str]:
    labels = label_columns(info, data.names)
    if not labels:
        return
    files = next((found for kind in info.inputs.values() if (found := files_of(kind))), None)
    for part in data.with_columns(labels).parts(scratch):
        for row in _labelled(part, labels):
            digest = _of_row(info, data, files, row)
            if digest:
                yield digest


def _labelled(part: pa.Table, labels: list[str]) -> Iterator[Mapping[str, Any]]:
    """Rows with a label that isn't empty."""
    return (row for row in part.to_pylist() if any(row[name] not in (None, "") for name in labels))


def _of_row(info: ModelInfo, data: TableData, files: Files | None, row: Mapping[str, Any]) -> str:
    """Of the row's cells, of the file that a cell names, or of its bytes."""
    tables = [kind for kind in info.inputs.values() if isinstance(kind, Table)]
    if tables:
        numbers = dict.fromkeys(column for kind in tables for column in kind.numbers)
        words = dict.fromkeys(column for kind in tables for column in kind.categories)
        cells = {column: _number(row.get(column)) for column in numbers}
        cells |= {column: _word(row.get(column)) for column in words}
        return hashlib.sha256(Row(cells).content()).hexdigest()
    if files is None:
        return ""
    cell = next((row[column] for column in data.columns.values() if row[column]), None)
    if isinstance(cell, bytes):
        return hashlib.sha256(cell).hexdigest()
    path = named_file(cell, data.folder, files) if isinstance(cell, str) else None
    return _of_file(files, path) if path is not None else ""


def _number(cell: Any) -> str | float | None:
    """As the reader of tables takes it: text stays text, numbers are float64."""
    return cell if cell is None or isinstance(cell, str) else float(cell)


def _word(cell: Any) -> str | None:
    return None if cell is None else str(cell)


def _of_file(files: Files, path: Path) -> str:
    try:
        return hashlib.sha256(content(files.read(path))).hexdigest()
    except (Unusable, OSError):
        return ""
