"""An `Evaluated` to look at: samples whose truth and answers a test chooses, and a real ONNX graph that gives them.

The input is a row of numbers that holds the logits; the graph undoes the scaling and activates them. So the network is
run as any other, and what it says is what the test asked for, to float32.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from components.evaluate.part import Evaluated
from components.evaluate.results import measure
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.kinds import TargetKind
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.regression import Regression
from components.lib.kinds.table import Row, Table
from components.lib.model_dir import Model, ModelInfo, TargetFigures, write_model_json
from components.lib.patient_answers import numbered
from components.lib.spec import TaskSpec
from components.lib.train_settings import Train

FINDING = Binary(kind="binary", classes=("normal", "pneumonia"))
RHYTHM = Multiclass(kind="multiclass", classes=("normal", "flutter", "fibrillation"))
SUGAR = Regression(kind="regression", unit="mg/dl")
TARGET = "finding"
FURTHEST = 9.0
"""Standard deviations of the largest number in a row: `Table` clips beyond 10."""


def evaluated(
    folder: Path,
    *,
    outputs: Any,
    truth: Sequence[Any],
    kind: TargetKind = FINDING,
    patients: Sequence[Any] | None = None,
    decision: Mapping[str, float] | None = None,
    temperature: float = 1.0,
    settings: Mapping[str, Any] | None = None,
    synthetic: bool = False,
    **columns: Sequence[Any],
) -> Evaluated:
    """What the looks are given, for N test samples; train and validation are copies of them, of other patients.

    Args:
        folder: empty or not there; gets `data` and `model`.
        outputs: what the network is to serve, (N,) or (N, units): probabilities, or numbers in the target's unit.
        truth: raw values (N,), None where unknown.
        kind: the one target, named `finding`.
        patients: pseudonyms (N,), None where unknown; None: nobody is known.
        decision: replaces single figures of the decision, which is fitted on the test samples themselves.
        temperature: said to be fitted; the logits before it were `temperature` times those of `outputs`.
        settings: of `evaluate:` in the task file.
        synthetic: whether the data say so of themselves.
        columns: more columns of the table (N,), by name: sex, site, age, device.
    """
    served = np.asarray(outputs, np.float64).reshape(len(truth), -1)
    logits = temperature * _logits(served, kind)
    scale = max(1.0, float(np.abs(logits).max(initial=0)) / FURTHEST)
    names = tuple(f"u{unit}" for unit in range(kind.units))
    layout = Table(kind="table", numbers=names)
    table = _samples(kind.column(pd.Series(list(truth), dtype=object, name=TARGET)), patients, columns)
    data = _dataset(folder / "data", layout, table, logits, synthetic=synthetic)
    fitted_input = {"numbers": [{"name": name, "mean": 0.0, "deviation": scale, "missing": False} for name in names],
                    "categories": []}  # fmt: skip
    encoded, known = kind.encode(table[TARGET])
    scaling = {"temperature": temperature} if kind.class_names else {"mean": 0.0, "deviation": 1.0}
    rows = known if known.any() else np.full(len(known), True)  # a model has a decision, whatever test knows
    fitted = kind.fit_decision(served[rows], encoded[rows], Train())
    whose = numbered(table["patient"][rows], int(rows.sum()))
    by_patient = None
    if whose is not None:
        positions = np.unique(whose, return_inverse=True)[1]
        by_patient = kind.fit_patients(served[rows], encoded[rows], positions, Train())
    figures = TargetFigures(
        scaling=scaling, decision={**fitted, **(decision or {})}, validation_score=0.5, patients=by_patient
    )
    graph = _write_graph(folder / "model", kind, scale / temperature)
    info = ModelInfo(
        task="looked_at", architecture="linear", inputs={"rows": layout}, targets={TARGET: kind},
        fitted_inputs={"rows": fitted_input}, fitted={TARGET: figures}, explain="none", reference={},
        synthetic=synthetic, epochs=1, precision="float32", parameters=1, lineage={"dataset": data.info.digest},
        digest=graph,
    )  # fmt: skip
    write_model_json(folder / "model", info)
    network = Model(folder / "model")
    samples, arrays = data.select("test", ["rows"])
    spec = _task(layout, kind, settings or {})
    return Evaluated(spec, data, network, samples, arrays, measure(network, samples, arrays))


def _logits(served: NDArray[np.float64], kind: TargetKind) -> NDArray[np.float64]:
    """What `activation` turns into `served`."""
    if not kind.class_names:
        return served
    probability = np.clip(served, 1e-6, 1 - 1e-6)
    if kind.units == 1:
        return np.asarray(np.log(probability / (1 - probability)))
    logs = np.log(probability)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def _samples(truth: pd.Series, patients: Sequence[Any] | None, columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Table of one split."""
    who = [None] * len(truth) if patients is None else [None if one is None else str(one) for one in patients]
    return pd.DataFrame({"patient": who, TARGET: truth, **{name: list(values) for name, values in columns.items()}})


def _dataset(path: Path, rows: Table, table: pd.DataFrame, logits: NDArray[np.float64], *, synthetic: bool) -> Dataset:
    """One part with the three splits, each of the same rows."""
    path.mkdir(parents=True)
    cleaned = [rows.clean(Row(dict(zip(rows.numbers, each, strict=True)))).array for each in logits.tolist()]
    array = np.array(cleaned, dtype=rows.dtype) if cleaned else np.empty(0, rows.dtype)
    frames = []
    for split in ("train", "validation", "test"):
        others = "" if split == "test" else f"{split} "
        patient = pd.Series([None if pd.isna(who) else others + who for who in table["patient"]], dtype="str")
        ids = [f"{split}{row:05d}" for row in range(len(table))]
        digests = [hashlib.sha256(each.encode()).hexdigest() for each in ids]
        frames.append(table.assign(patient=patient, split=split, sample_id=ids, sha256=digests))
    writer = DatasetWriter(path)
    writer.write_part(0, pd.concat(frames, ignore_index=True), {"rows": np.concatenate([array] * 3)})
    writer.finish(
        task="looked_at", step="clean", parts=1, synthetic=synthetic, key_fingerprint=None, lineage={},
        arrays={"rows": ArrayInfo.of(rows)}, targets={TARGET: {}},
    )  # fmt: skip
    return Dataset(path)


def _write_graph(path: Path, kind: TargetKind, scale: float) -> str:
    """activation(scale · rows) as model.onnx; returns its SHA-256."""
    activation = "Identity" if not kind.class_names else "Sigmoid" if kind.units == 1 else "Softmax"
    graph = helper.make_graph(
        [helper.make_node("Mul", ["rows", "scale"], ["logit"]), helper.make_node(activation, ["logit"], [TARGET])],
        "linear",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", kind.units])],
        [helper.make_tensor_value_info(TARGET, TensorProto.FLOAT, ["N", kind.units])],
        [numpy_helper.from_array(np.array([scale], np.float32), "scale")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    path.mkdir(parents=True)
    (path / "model.onnx").write_bytes(made.SerializeToString())
    return hashlib.sha256((path / "model.onnx").read_bytes()).hexdigest()


def _task(rows: Table, kind: TargetKind, settings: Mapping[str, Any]) -> TaskSpec:
    return TaskSpec.model_validate_json(json.dumps({
        "task": "looked_at",
        "source": {"reader": "table", "path": "raw", "file": "rows.csv"},
        "inputs": {"rows": rows.model_dump()},
        "targets": {TARGET: kind.model_dump()},
        "evaluate": dict(settings),
    }))  # fmt: skip
