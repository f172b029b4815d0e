"""Two models of one task whose answers a test chooses, registered into a real store: a table that holds their evidence.

Every row of the raw table has, for each of a few models, the evidence that it sees; a model is an ONNX graph that reads
its own column alone. Data are ingested and cleaned by the steps, so that golden cases are asked as for any other task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
from mlflow import MlflowClient
from onnx import TensorProto, helper, numpy_helper
from scipy.special import logit

from components.clean import clean
from components.evaluate.results import measure, predictions
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.development import write_development
from components.lib.model_dir import Model, ModelInfo, TargetFigures, write_model_json
from components.lib.page import Section, page, paragraph
from components.lib.spec import TaskSpec
from components.register import register

NAME, TARGET = "rivals", "finding"
CARD = "# Model card: rivals\n\nlinear.\n\n## Intended use\n\nNone: a test.\n"
CLASSES = ("sans", "avec")


def task(columns: list[str], raw: Path, **register: Any) -> TaskSpec:
    """The task of a table with a column of evidence a model."""
    return TaskSpec.model_validate_json(json.dumps({
        "task": NAME,
        "source": {"reader": "table", "path": str(raw), "file": "rows.csv", "public_key": True,
                   "columns": {"patient": "patient", "site": "site"}},
        "inputs": {"rows": {"kind": "table", "numbers": columns}},
        "targets": {TARGET: {"kind": "binary", "classes": CLASSES}},
        "split": {"validation": 0.2, "test": 0.6},
        "register": {"golden_cases": 3, **register},
    }))  # fmt: skip


@dataclass
class Rivals:
    """Cleaned data, and models made of their columns."""

    folder: Path
    columns: list[str]

    @classmethod
    def of(cls, folder: Path, evidence: Mapping[str, Any], truth: Any, patients: Any, sites: Any) -> Rivals:
        """Raw data, ingested and cleaned.

        Args:
            folder: an empty one.
            evidence: by model, the logit that it sees of each row (N,).
            truth: whether each row is positive (N,).
            patients: of each row (N,).
            sites: of each row (N,).
        """
        (folder / "raw").mkdir(parents=True)
        label = np.where(truth, CLASSES[1], CLASSES[0])
        table = pd.DataFrame({"patient": patients, "site": sites, TARGET: label, **evidence})
        table.to_csv(folder / "raw/rows.csv", index=False)
        made = cls(folder, list(evidence))
        ingest(folder / "raw", folder / "ingested", folder / "private", made.task())
        clean(folder / "raw", folder / "ingested", folder / "private", folder / "cleaned", made.task())
        return made

    def task(self, **register: Any) -> TaskSpec:
        """The task, with settings of `register:`."""
        return task(self.columns, self.folder / "raw", **register)

    @property
    def data(self) -> Dataset:
        """The cleaned dataset."""
        return Dataset(self.folder / "cleaned")

    def model(self, column: str, place: Path, *, threshold: float = 0.5, **changed: Any) -> Model:
        """The model that goes by one column.

        Args:
            column: the column.
            place: its directory, not there yet.
            threshold: its operating point.
            changed: fields of ModelInfo.
        """
        place.mkdir(parents=True)
        spec, info = self.task(), self.data.info
        numbers = [{"name": name, "mean": 0.0, "deviation": 1.0, "missing": False} for name in self.columns]
        figures = TargetFigures(scaling={"temperature": 1.0}, decision={"threshold": threshold}, validation_score=0.5)
        values: dict[str, Any] = {
            "task": NAME, "architecture": "linear", "inputs": spec.inputs, "targets": spec.targets,
            "fitted_inputs": {"rows": {"numbers": numbers, "categories": []}}, "fitted": {TARGET: figures},
            "explain": "none", "reference": {"rows": {}}, "synthetic": False, "epochs": 1, "precision": "float32",
            "parameters": 1, "lineage": {"cleaned": info.digest}, "digest": _graph(place, self.columns.index(column),
                                                                                    len(self.columns)),
            "development": write_development(place, self.data.samples(), info.key_fingerprint),
        }  # fmt: skip
        write_model_json(place, ModelInfo(**values | changed))
        return Model(place)

    def evaluated(self, model: Model, place: Path, *, passed: bool = True) -> Path:
        """What register reads of an evaluation."""
        place.mkdir(parents=True, exist_ok=True)
        samples, arrays = self.data.select("test", ["rows"])
        predictions(samples, measure(model, samples, arrays)).to_parquet(place / "predictions.parquet", index=False)
        verdict = {"passed": passed, "gates": [], "model_digest": model.digest, "dataset_digest": self.data.info.digest}
        (place / "evaluation.json").write_text(json.dumps(verdict), encoding="utf-8")
        (place / "model_card.md").write_text(CARD, encoding="utf-8")
        sections = [Section(title, (paragraph(title),)) for title in ("Verdict", "In plain words", *"abcdef")]
        (place / "report.html").write_text(page("Rivals", "a test", sections), encoding="utf-8")
        return place

    def register(self, model: Model, out: Path, **settings: Any) -> None:
        """Evaluate and register a model."""
        evaluation = self.evaluated(model, out / "evaluation")
        places = (self.folder / name for name in ("raw", "cleaned", "private"))
        register(*places, model.path, evaluation, out / "registered", self.task(**settings))


def calibrated(folder: Path, apart: Mapping[str, float], seed: int = 20) -> Rivals:
    """About 600 test samples of 450 patients, two in five positive, at two sites; models of calibrated probabilities.

    Args:
        folder: an empty one.
        apart: by model, how far it sees the classes apart, in deviations.
        seed: equal seeds give equal data.
    """
    generator = np.random.default_rng(seed)
    patients = np.repeat([f"Köhler; $(rm {i})" for i in range(760)], generator.integers(1, 3, 760))
    n = len(patients)
    positive, shared = generator.random(n) < 0.4, generator.normal(size=n)

    def evidence(far: float) -> Any:
        """The logit of being positive, of one who sees classes so far apart."""
        seen = far * (positive - 0.5) + 0.8 * shared + 0.6 * generator.normal(size=n)
        return far * seen + logit(0.4)

    models = {name: evidence(far) for name, far in apart.items()}
    return Rivals.of(folder, models, positive, patients, generator.choice(["Süd {x}", "north"], n))


def aliases(store: str) -> dict[str, str]:
    """Alias to version."""
    found = MlflowClient(store).get_registered_model(NAME).aliases
    return {alias: str(version) for alias, version in found.items()}


def _graph(place: Path, column: int, count: int) -> str:
    """sigmoid of one column of (N, count) as model.onnx; returns its SHA-256."""
    weights = np.zeros((count, 1), np.float32)
    weights[column] = 1
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "weights"], ["logit"]), helper.make_node("Sigmoid", ["logit"], [TARGET])],
        "linear",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", count])],
        [helper.make_tensor_value_info(TARGET, TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(weights, "weights")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    (place / "model.onnx").write_bytes(made.SerializeToString())
    return hashlib.sha256((place / "model.onnx").read_bytes()).hexdigest()
