"""One part of a batch in a process of its own: rows to samples, samples to answers, answers to a small Parquet file.

A process opens the model once, with one thread: processes share the processors, and equal work gives equal bytes
however many there are.
"""

from __future__ import annotations

import base64
import io
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.answers import answer_columns, answers
from components.lib.errors import SeveralPictures, Unusable
from components.lib.kinds import Array, InputKind
from components.lib.kinds.base import Cleaned
from components.lib.model_dir import Model, ModelInfo
from components.lib.output import write_bytes
from components.lib.parallel import each_sample
from components.lib.readers._foreign import is_inside
from components.lib.readers.folder import leads_outside
from serving.batch_data import FILE
from serving.batch_files import files_of
from serving.batch_table import named_file

ARROW = {
    "double": pa.float64(), "float": pa.float32(), "long": pa.int64(), "integer": pa.int32(), "string": pa.string(),
    "boolean": pa.bool_(),
}  # fmt: skip
"""MLflow's data types in Arrow's words."""
MOST_NUMBERS = 262_144
"""Of the network's input in one run of it: 64 pictures of 64 × 64. Its inner layers hold a hundred times as many, and
one after the other pictures are no slower."""
OWN = ("model_version", "error")


@dataclass(frozen=True)
class Job:
    """What the work on every part needs; it travels to the processes."""

    model: Path
    """The model directory."""
    version: str
    """What the column model_version says."""
    partial: Path
    """The folder that parts collect in."""
    folder: Path
    """Where relative paths of files start."""
    columns: Mapping[str, str]
    """Column of a request to the table's; empty where rows are files."""
    key: pa.Field[Any]
    kept: tuple[pa.Field[Any], ...]
    """Columns of the table that the output has, too."""
    thresholds: Mapping[str, float]
    explain: bool
    follow_links: bool = False
    """Whether files that a table names may lie outside of its folder, by way of links."""
    threads: int = 1
    """For reading and cleaning the samples of one part."""

    def schema(self, info: ModelInfo) -> pa.Schema:
        """Columns of the output: the key, those that are kept, the model's answers, and `OWN`."""
        told = [pa.field(name, ARROW[kind]) for name, kind in answer_columns(info, explain=self.explain).items()]
        return pa.schema([self.key, *self.kept, *told, *(pa.field(name, pa.string()) for name in OWN)])

    def part(self, index: int, digest: str) -> Path:
        """The file of a finished part; of other data it would have another name."""
        return self.partial / f"part-{index:06d}-{digest}.parquet"


@dataclass(frozen=True)
class Piece:
    """Some rows, one after the other."""

    out: Path
    first: int
    """Number of the first one, from 0."""
    rows: pa.Table = field(compare=False)


def predict_part(job: Job, piece: Piece) -> None:
    """Predict the rows of a part and write its file, complete or not at all."""
    model = _opened(job.model)
    size = _together(model.info)
    starts = range(0, len(piece.rows), size)
    tables = [_answered(job, model, piece.rows.slice(start, size), piece.first + start) for start in starts]
    content = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), content)
    # Under a name of its own: on a cluster that lost sight of a worker two may write the same part.
    work = piece.out.with_name(f".{piece.out.name}-{uuid.uuid4().hex}")
    write_bytes(work, content.getvalue())
    work.replace(piece.out)


@lru_cache(maxsize=1)
def _opened(folder: Path) -> Model:
    """The model, once a process."""
    return Model(folder, threads=1)


def _together(info: ModelInfo) -> int:
    """Samples in one run of the network."""
    numbers = sum(prod(kind.network_shape(info.fitted_inputs[name])) for name, kind in info.inputs.items())
    return max(1, min(256, MOST_NUMBERS // max(1, numbers)))


def _answered(job: Job, model: Model, rows: pa.Table, first: int) -> pa.Table:
    """Some rows of the output."""
    info, count = model.info, len(rows)
    samples = list(each_sample(partial(_cleaned, job, info), _requests(job, info, rows), workers=job.threads))
    good = [sample for sample in samples if not isinstance(sample, str)]
    told: Mapping[str, Array] = {}
    if good:
        together = {name: np.stack([sample[name] for sample in good]) for name in info.inputs}
        told = answers(model, together, thresholds=job.thresholds, explain=job.explain)
    found = iter(range(len(good)))
    places = pa.array([None if isinstance(sample, str) else next(found) for sample in samples], pa.int64())
    columns: list[Any] = [rows[FILE] if job.key.name == FILE else pa.array(range(first, first + count), pa.int64())]
    columns += [rows[each.name] for each in job.kept]
    schema = job.schema(info)
    for each in list(schema)[len(columns) : -len(OWN)]:
        # A place that is null takes nothing: what can't be used has no answer.
        values = pa.array(told[each.name], each.type, from_pandas=True) if good else pa.nulls(0, each.type)
        columns.append(values.take(places))
    columns.append(pa.array([None if isinstance(sample, str) else job.version for sample in samples], pa.string()))
    columns.append(pa.array([sample if isinstance(sample, str) else None for sample in samples], pa.string()))
    return pa.Table.from_arrays(columns, schema=schema)


def _requests(job: Job, info: ModelInfo, rows: pa.Table) -> list[dict[str, Any]]:
    """Each row as a server would get it; or, of a folder, the name of its file."""
    if not job.columns:
        return rows.to_pylist()
    types = {each.name: each.type for name, kind in info.inputs.items() for each in kind.request_columns(name)}
    asked = [_as_asked(rows[column], types[name]) for name, column in job.columns.items()]
    return pa.Table.from_arrays(asked, list(job.columns)).to_pylist()


def _as_asked(values: pa.ChunkedArray[Any], asked: str) -> pa.ChunkedArray[Any]:
    """A column of the table in the type of a request, as ingest reads it: categories may stand there as numbers."""
    held = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_decimal(held):
        held = pa.float64()
    nested_or_bytes = pa.types.is_nested(held) or pa.types.is_binary(held) or pa.types.is_large_binary(held)
    return values.cast(pa.string() if asked == "string" and not nested_or_bytes else held)


def _cleaned(job: Job, info: ModelInfo, row: Mapping[str, Any]) -> dict[str, Array] | str:
    """The samples of a row by input, or why it can't be used."""
    cleaned = {}
    for name, kind in info.inputs.items():
        try:
            array = _sample(job, name, kind, row).array
            kind.refuse_unknown(array, info.fitted_inputs[name])
        except Unusable as reason:
            return str(reason) if len(info.inputs) == 1 else f"{name}: {reason}"
        except OSError as error:
            return f"unreadable: {error.strerror}"
        except MemoryError:  # a picture of a hundred million pixels, on a small machine
            return "too large: it does not fit into memory"
        cleaned[name] = array
    return cleaned


def _sample(job: Job, name: str, kind: InputKind, row: Mapping[str, Any]) -> Cleaned:
    """A row's sample of one input, from its file or from the cells of a request."""
    files = files_of(kind)
    if files and not job.columns:
        return kind.clean(files.read(job.folder / row[FILE]))
    own = {each.name: each.type for each in kind.request_columns(name) if each.name in row}
    cells = {
        column: _spelt_out(row[column], is_sample=column == name) if asked == "any" else row[column]
        for column, asked in own.items()
    }
    cell = cells.get(name)
    if files and isinstance(cell, str) and (path := named_file(cell, job.folder, files)):
        if leads_outside(cell) or not (job.follow_links or is_inside(job.folder, cell)):
            raise Unusable("the path leads out of the table's folder; expected one relative to it, inside it")
        cell = files.read(path)
    elif not isinstance(cell, bytes):
        return kind.clean_request(name, cells)
    try:
        if not isinstance(cell, bytes) or all(cells[column] is None for column in own if column != name):
            return kind.clean(cell)
    except SeveralPictures:
        pass  # which of them is the request's to say
    return kind.clean_request(name, {**cells, name: base64.b64encode(cell).decode()})


def _spelt_out(cell: Any, *, is_sample: bool) -> Any:
    """A cell as JSON would bring it: in a CSV numbers and objects are text; Parquet holds every key of all rows."""
    if isinstance(cell, dict):
        return {key: value for key, value in cell.items() if value is not None}
    if not isinstance(cell, str):
        return cell
    try:
        if is_sample:  # a text of another form is a path, or base64
            return json.loads(cell) if cell.lstrip().startswith(("[", "{")) else cell
        return json.loads(cell) if cell.strip() else None
    except (ValueError, RecursionError):
        if is_sample:
            raise Unusable("begins like JSON and is none") from None
        return cell
