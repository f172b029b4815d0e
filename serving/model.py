"""The registered model: MLflow runs this file when it loads a version ("models from code").

It needs the model directory, `components.lib` (both travel inside the version) and ONNX Runtime; no TensorFlow, no
checkout. What it answers is what evaluate measured: the same graph and the same cleaning code. Rows stay plain lists
and dictionaries: a DataFrame built for one picture would cost more than the network.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from components.lib.answers import answer_columns, answers, threshold_parameters, threshold_problem
from components.lib.errors import Unusable
from components.lib.kinds import Array
from components.lib.manifest import require_manifest
from components.lib.model_dir import Model, ModelInfo
from components.lib.yaml_text import read_yaml_file

MOST_ROWS, MOST_NUMBERS = 64, 8_000_000
"""Rows, and numbers of their cleaned samples, that are in memory at a time."""
MOST_EXPLAINED = 100
"""Rows of a request with maps; hiding places asks the network 170 times a row."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What the params of a request ask for."""

    thresholds: dict[str, float]
    """Target to what is decided by."""
    explain: bool
    by_row: bool
    """A row that can't be used is told of in its own answer; else the request is refused."""


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A medpipe model behind `/invocations`: the columns of its inputs in, one row of figures per sample out."""

    def load_context(self, context: Any) -> None:
        """Open the graph; one thread a request, since the server runs requests side by side.

        Raises:
            ModelError: the version's files aren't those that were registered. Code that was changed may not say so:
                what starts a version checks it before (`lib.manifest`).
        """
        folder = Path(context.artifacts["model"])
        require_manifest(folder.parents[1], str(folder.parents[1]), loaded=True)
        self._model = Model(folder, threads=1)
        self._version = _version(folder.parents[1])
        kinds = self._model.info.inputs
        self._columns = {name: [each.name for each in kind.request_columns(name)] for name, kind in kinds.items()}
        self._names = {
            explain: [*answer_columns(self._model.info, explain=explain), "model_version"] for explain in (False, True)
        }
        largest = max(int(np.prod(kind.shape)) for kind in kinds.values())
        self._at_once = int(np.clip(MOST_NUMBERS // max(1, largest), 1, MOST_ROWS))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[Row]:
        """Clean every row as the pipeline does, run the network, answer in the columns of `lib.answers`.

        Returns:
            one dictionary a row, in the order of the request; its values are what JSON has.

        Raises:
            MlflowException: INVALID_PARAMETER_VALUE (HTTP 400) naming row and column of what can't be used, or the
                param that can't be.
        """
        asked = _asked(self._model.info, params or {})
        rows = _rows(model_input, [column for columns in self._columns.values() for column in columns])
        if not rows:
            raise refused("no rows: send at least one row")
        if asked.explain and len(rows) > MOST_EXPLAINED:
            raise refused(f"explain: at most {MOST_EXPLAINED} rows in a request with maps, found {len(rows)}")
        answered: list[Row] = []
        for first in range(0, len(rows), self._at_once):
            answered += self._answered(rows[first : first + self._at_once], first, asked)
        return answered

    def _answered(self, rows: Sequence[Row], first: int, asked: Asked) -> list[Row]:
        """The answers to some rows of a request; the first of them has that number."""
        kept: list[dict[str, Array]] = []
        reasons: list[str | None] = []
        for place, row in enumerate(rows):
            try:
                kept.append({name: self._cleaned(name, row) for name in self._columns})
                reasons.append(None)
            except Unusable as found:
                if not asked.by_row:
                    raise refused(f"row {first + place}, {found}") from None
                reasons.append(str(found))
        names = self._names[asked.explain]
        said = iter(self._said(kept, asked) if kept else ())
        answered: list[Row] = []
        for reason in reasons:
            values = dict.fromkeys(names) if reason else dict(zip(names, next(said), strict=True))
            answered.append({**values, "error": reason} if asked.by_row else values)
        return answered

    def _said(self, kept: list[dict[str, Array]], asked: Asked) -> list[tuple[Any, ...]]:
        """What the model says of cleaned samples, row by row."""
        cleaned = {name: np.stack([samples[name] for samples in kept]) for name in self._columns}
        columns = answers(self._model, cleaned, thresholds=asked.thresholds, explain=asked.explain)
        return list(zip(*(values.tolist() for values in columns.values()), [self._version] * len(kept), strict=True))

    def _cleaned(self, name: str, row: Row) -> Array:
        """One cleaned sample (*shape) of an input.

        Raises:
            Unusable: with one sentence for the caller, that names the column where it has the input's name.
        """
        info = self._model.info
        try:
            cleaned = info.inputs[name].clean_request(name, row).array
            info.inputs[name].refuse_unknown(cleaned, info.fitted_inputs[name])
            return cleaned
        except Unusable as found:
            reason = str(found)
        except MemoryError:  # a picture of a hundred million pixels, on a small machine
            reason = "too large: it does not fit into the server's memory"
        raise Unusable(f"column {name!r}: {reason}" if name in self._columns[name] else reason)


def refused(sentence: str) -> MlflowException:
    """What MLflow answers with status 400."""
    return MlflowException(sentence, INVALID_PARAMETER_VALUE)


def _asked(info: ModelInfo, params: dict[str, Any]) -> Asked:
    """The params of a request; MLflow has seen to their types, and has put the defaults in.

    Raises:
        MlflowException: naming the param that can't be.
    """
    names = threshold_parameters(info)
    if params.get("threshold") is not None and "threshold" not in names.values():
        others = f"expected {' or '.join(names.values())}" if names else "the model decides by none; leave it out"
        raise refused(f"params, threshold: {others}")
    thresholds = {target: params[name] for target, name in names.items() if params.get(name) is not None}
    problem = threshold_problem(info, thresholds)
    if problem is not None:
        raise refused(f"params, {problem}")
    on_error = params.get("on_error") or "raise"
    if on_error not in ("raise", "row"):
        raise refused(f"params, on_error: expected raise or row, found {str(on_error)[:40]!r}")
    return Asked(thresholds, bool(params.get("explain")), on_error == "row")


def _rows(request: pd.DataFrame, names: Collection[str]) -> list[Row]:
    """The rows of a request, column to value; columns that needn't be there may be missing."""
    # Not by name: asking a DataFrame for one column makes an index of its names first.
    columns = _unpacked({str(name): values.tolist() for name, values in request.items() if name in names})
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _unpacked(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns of a request, each a list of rows.

    Of {"inputs": {"image": [TEXT, TEXT]}} MLflow makes one row that holds the list of texts, though it makes rows of
    lists of anything else. A list of texts is no picture, signal or cell, so that nothing else can be meant by it.
    """
    packed = [values[0] for values in columns.values() if len(values) == 1 and isinstance(values[0], list)]
    if not packed or not all(isinstance(text, str) for each in packed for text in each):
        return columns
    lengths = {len(each) for each in packed}
    if len(lengths) > 1:
        raise refused(f"inputs: expected as many values in every column, found {min(lengths)} and {max(lengths)}")
    (count,) = lengths
    return {name: values[0] if isinstance(values[0], list) else values * count for name, values in columns.items()}


def _version(folder: Path) -> str:
    """The registry's version number, which MLflow leaves beside a version it downloads."""
    file = folder / "registered_model_meta"
    if not file.exists():
        return "unregistered"
    return str(read_yaml_file(file)["model_version"])


mlflow.models.set_model(ServedModel())
