"""What MLflow's server costs without a model: takes the same requests and gives always the same answer.

MLflow runs this file when it loads the model ("models from code"). `answer` among its artifacts is one row of an
answer of the model that it stands beside, as JSON, and whether a DataFrame is to be made of it.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class Echo(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Behind `/invocations`: one row of constants for each sample."""

    def load_context(self, context: Any) -> None:
        """Read the row."""
        told = json.loads(Path(context.artifacts["answer"]).read_text(encoding="utf-8"))
        self._row, self._frame = told["row"], told["frame"]

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """The row, as often as there are samples; a list costs MLflow less than the usual DataFrame."""
        rows = [self._row] * len(model_input)
        return pd.DataFrame(rows) if self._frame else rows


mlflow.models.set_model(Echo())
