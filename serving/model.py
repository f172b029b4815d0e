"""The registered model: MLflow runs this file when it loads a version ("models from code").

It needs the model directory, `components.lib` (both travel inside the version) and ONNX Runtime; no TensorFlow, no
checkout. What it answers is what evaluate measured: the same graph and the same cleaning code.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from components.lib.errors import Unusable
from components.lib.kinds import Array, InputKind
from components.lib.kinds.base import Fitted
from components.lib.model_dir import Model


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A medpipe model behind `/invocations`: the columns of its inputs in, one row of figures per sample out."""

    def load_context(self, context: Any) -> None:
        """Open the graph; one thread a request, since the server runs requests side by side."""
        folder = Path(context.artifacts["model"])
        self._model = Model(folder, threads=1)
        self._version = _version(folder.parents[1])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Clean every row as the pipeline does, run the network, answer in the targets' columns.

        Raises:
            MlflowException: INVALID_PARAMETER_VALUE (HTTP 400) naming row and column of what can't be used.
        """
        info = self._model.info
        cleaned = {
            name: _cleaned(name, kind, info.fitted_inputs[name], model_input) for name, kind in info.inputs.items()
        }
        outputs = self._model.predict(cleaned)
        columns: dict[str, Any] = {}
        for name, kind in info.targets.items():
            prefix = "" if len(info.targets) == 1 else f"{name}_"
            answer = kind.answer(outputs[name], info.fitted[name].decision)
            columns |= {f"{prefix}{column}": values for column, values in answer.items()}
        return pd.DataFrame(columns).assign(model_version=self._version)


def _cleaned(name: str, kind: InputKind, fitted: Fitted, request: pd.DataFrame) -> Array:
    """Cleaned samples (N, *shape) of one input, from its columns of the request."""
    columns = [column.name for column in kind.request_columns(name)]
    where = f"column {name!r}: " if columns == [name] else ""
    samples = []
    rows: list[dict[str, Any]] = request.reindex(columns=columns).to_dict("records")  # type: ignore[assignment]
    for row, values in enumerate(rows):
        try:
            cleaned = kind.clean(kind.from_request(name, values)).array
            kind.refuse_unknown(cleaned, fitted)
        except Unusable as reason:
            raise MlflowException(f"row {row}, {where}{reason}", INVALID_PARAMETER_VALUE) from None
        samples.append(cleaned)
    if not samples:
        told = f"at least one value in column {name!r}" if where else "at least one row"
        raise MlflowException(f"no rows: send {told}", INVALID_PARAMETER_VALUE)
    return np.stack(samples)


def _version(folder: Path) -> str:
    """The registry's version number, which MLflow leaves beside a version it downloads."""
    file = folder / "registered_model_meta"
    if not file.exists():
        return "unregistered"
    return str(yaml.safe_load(file.read_text(encoding="utf-8"))["model_version"])


mlflow.models.set_model(ServedModel())
