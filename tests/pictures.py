"""An `Evaluated` of pictures to look at: the finding is a bright spot at a known place, and a graph sees it there.

The graph is a real one: what it says is the brightness of the middle of the film against the rest, and its map says
where. So a look can be told what it must find.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
from components.lib.kinds.base import Explained
from components.lib.kinds.binary import Binary
from components.lib.kinds.image import Image
from components.lib.kinds.regression import Regression
from components.lib.model_dir import Model, ModelInfo, TargetFigures, write_model_json
from components.lib.outside import Outside
from components.lib.spec import TaskSpec
from components.lib.train_settings import Train
from components.train.outside import fit_outside
from components.train.samples import Fitted

SIDE = 28
IMAGE = Image(kind="image", size=(SIDE, SIDE))
FINDING = Binary(kind="binary", classes=("normal", "pneumonia"))
SIZE = Regression(kind="regression", unit="mm")
SPOT = slice(9, 17)
"""Rows and columns of the spot."""
CELLS = 7
"""Of the map across and down."""


def films(count: int, generator: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Films (N, 28, 28, 1) with smooth shadows and noise, and how bright the spot of each is, 0 to 1."""
    ramp = np.linspace(60, 140, SIDE)[:, None] + generator.normal(0, 8, (count, 1, 1))
    pictures = ramp + generator.normal(0, 6, (count, SIDE, SIDE))
    bright = np.where(np.arange(count) % 2, generator.uniform(0.3, 1, count), generator.uniform(0, 0.4, count))
    pictures[:, SPOT, SPOT] += 60 * bright[:, None, None]
    return pictures.clip(0, 255).astype(np.uint8)[..., None], bright


def task(kind: TargetKind, **evaluate: Any) -> TaskSpec:
    settings = {
        "task": "chest_test", "source": {"reader": "folder", "path": "raw"},
        "inputs": {"image": IMAGE.model_dump()}, "targets": {"finding": kind.model_dump()}, "evaluate": evaluate,
    }  # fmt: skip
    return TaskSpec.model_validate_json(json.dumps(settings))


def dataset(folder: Path, kind: TargetKind, counts: Mapping[str, int], *, synthetic: bool, unknown: int = 0) -> Dataset:
    """Films of these splits; the finding of every `unknown`-th isn't known."""
    folder.mkdir(parents=True)
    split = np.repeat(list(counts), list(counts.values()))
    pictures, bright = films(len(split), np.random.default_rng(5))
    named = np.where(bright > 0.35, "pneumonia", "normal")
    truth: list[Any] = (10 * bright).tolist() if kind is SIZE else named.tolist()
    if unknown:
        truth = [None if row % unknown == 0 else each for row, each in enumerate(truth)]
    ids = [f"s{row:04d}" for row in range(len(split))]
    samples = pd.DataFrame({"sample_id": ids, "patient": ids, "split": split, "finding": truth, "sha256": ids})
    writer = DatasetWriter(folder)
    writer.write_part(0, samples, {"image": pictures})
    writer.finish(
        task="chest_test", step="clean", parts=1, synthetic=synthetic, targets={}, key_fingerprint=None, lineage={},
        arrays={"image": ArrayInfo(shape=IMAGE.shape, dtype="uint8", kind="image")},
    )  # fmt: skip
    return Dataset(folder)


def graph(*, maps: bool, sees: bool = True, activate: bool = True) -> bytes:
    """Brightness of the spot's cells less that of the others; with `sees` off, of the lower left corner."""
    weights = np.full((1, CELLS, CELLS, 1), -1.0, np.float32)
    rows, columns = (slice(2, 5), slice(2, 5)) if sees else (slice(5, 7), slice(0, 2))
    weights[:, rows, columns] = 5.0 if sees else 11.25
    gain, bias = (12.0, -2.2) if activate else (24.0, -0.3)
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.float32([gain]), "gain"),
                 numpy_helper.from_array(np.float32([bias]), "bias")]  # fmt: skip
    nodes = [
        helper.make_node("Transpose", ["image"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["channels_first"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Transpose", ["pooled"], ["places"], perm=[0, 2, 3, 1]),
        helper.make_node("Mul", ["places", "weights"], ["weighted"]),
        helper.make_node("Mul", ["weighted", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["finding_map"]),
        helper.make_node("ReduceMean", ["finding_map"], ["logit"], axes=[1, 2], keepdims=0),
        helper.make_node("Sigmoid" if activate else "Identity", ["logit"], ["finding"]),
    ]
    outputs = [helper.make_tensor_value_info("finding", TensorProto.FLOAT, ["N", 1])]
    if maps:
        outputs.append(helper.make_tensor_value_info("finding_map", TensorProto.FLOAT, ["N", CELLS, CELLS, 1]))
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", SIDE, SIDE, 1])]
    made = helper.make_graph(nodes, "spot", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def model(
    folder: Path,
    kind: TargetKind,
    content: bytes,
    explain: Explained,
    outside: Mapping[str, Outside],
    *,
    synthetic: bool,
) -> Model:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    said = np.linspace(0, 1 if kind is FINDING else 10, 60, dtype=np.float32)[:, None]
    decision = kind.fit_decision(said, (said > 0.5).astype(np.float32) if kind is FINDING else said + 0.5, Train())
    fitted = TargetFigures(scaling={}, decision=decision, validation_score=0.9)
    info = ModelInfo(
        task="chest_test", architecture="spot", inputs={"image": IMAGE}, targets={"finding": kind},
        fitted={"finding": fitted}, fitted_inputs={"image": {}}, explain=explain, outside=dict(outside), reference={},
        synthetic=synthetic, epochs=1, precision="float32", parameters=50, lineage={},
        digest=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    write_model_json(folder, info)
    return Model(folder)


def looked_at(
    folder: Path,
    *,
    kind: TargetKind = FINDING,
    counts: Mapping[str, int] | None = None,
    explain: Explained = "class_activation_map",
    sees: bool = True,
    synthetic: bool = True,
    unknown: int = 0,
    known_outside: bool = True,
    **settings: Any,
) -> Evaluated:
    """What a look is given: a model and its test split of films.

    Args:
        folder: empty or not there; gets `data` and `model`.
        kind: the one target, named `finding`.
        counts: samples by split; by default 200 to train on and 80 to test.
        explain: how the model says where it looked; the graph has a map only for `class_activation_map`.
        sees: whether the graph looks at the spot, or at a corner.
        synthetic: whether the films are made ones.
        unknown: every so many-th film's finding isn't known.
        known_outside: whether the model holds how its training samples lie.
        settings: of `evaluate:`.
    """
    spec = task(kind, **settings)
    data = dataset(folder / "data", kind, counts or {"train": 200, "test": 80}, synthetic=synthetic, unknown=unknown)
    content = graph(maps=explain == "class_activation_map", sees=sees, activate=kind is FINDING)
    outside = fit_outside(data, ("train",), spec, Fitted({"image": {}}, {})) if known_outside else {}
    network = model(folder / "model", kind, content, explain, outside, synthetic=synthetic)
    samples, arrays = data.select("test", ["image"])
    return Evaluated(spec, data, network, samples, arrays, measure(network, samples, arrays))
