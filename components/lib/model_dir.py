"""The model directory: the only code that knows what it looks like.

    model.onnx   float32; named inputs and outputs; temperature, scale and class-activation maps inside the graph
    model.json   inputs, targets, classes, fitted figures, decisions, reference statistics, explain method
    curves.csv   one row an epoch; of several nets one a net and epoch
    out_of_fold.parquet   with cross-validation: what nets said of the fold they didn't learn from. It stays on this
                          machine: nothing logs or registers it

No run id and no time of day: equal work gives equal bytes. What evaluate, register and serving need is here, and needs
neither TensorFlow nor Keras.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from components.lib.errors import ModelError
from components.lib.kinds import AnyInput, AnyTarget, Array
from components.lib.kinds.base import Explained
from components.lib.outside import Outside
from components.lib.settings import Settings

FORMAT: Literal[2] = 2
OUT_OF_FOLD = "out_of_fold.parquet"
WITH_WEIGHTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "BatchNormalization", "Mul", "Add", "LSTM", "GRU")
"""Nodes of a graph that hold what was learnt."""


class TargetFigures(Settings):
    """What was fitted for one target on validation."""

    scaling: dict[str, float]
    """What the graph does to logits: {"temperature": 1.3}, or mean and deviation of a number."""
    decision: dict[str, float]
    """What is decided by, fitted on validation: {"threshold": 0.41}, or quantiles of the errors of a number."""
    validation_score: float
    """Score (for classes: AUC; for a number: R²) of the chosen epoch on validation; of several nets that of their mean
    on validation; with folds that of the out-of-fold answers."""


class MemberFigures(Settings):
    """One of the nets whose mean a model is."""

    fold: int | None
    """The fold it didn't learn from and is judged on; null: it is judged on validation."""
    seed: int
    epochs: int
    """How many it learnt."""
    validation_score: float
    """Of the epoch that was kept: mean over the targets of their scores."""
    samples: int
    """How many it is judged on."""
    metrics: dict[str, dict[str, float]]
    """Per target, its metrics on those whose target is known, at the model's temperature and decision."""


class ModelInfo(Settings):
    """What model.json holds."""

    format: Literal[2] = FORMAT
    task: str
    architecture: str
    inputs: dict[str, AnyInput]
    targets: dict[str, AnyTarget]
    fitted_inputs: dict[str, dict[str, Any]]
    """Per input, what its kind fitted on training samples: scales, categories."""
    fitted: dict[str, TargetFigures]
    explain: Explained
    """`class_activation_map`: the graph's output `<target>_map`, (N, h, w, units) or (N, t, units), holds what each
    place adds to the logit before pooling. `occlusion`: the graph has no such output; `lib.occlusion` asks it what it
    says while places are hidden. `none`: where it looked isn't known."""
    reference: dict[str, dict[str, float]]
    """Per input, mean and standard deviation of each quality figure over the training samples: what drift is held
    against."""
    outside: dict[str, Outside] = Field(default_factory=dict)
    """Per input whose kind has a summary: how training samples lie, against which `lib.outside` holds new ones."""
    synthetic: bool
    """Trained on synthetic films."""
    epochs: int
    """How many were learnt; of several nets the most."""
    precision: str
    parameters: int
    """Of all nets."""
    members: tuple[MemberFigures, ...] = ()
    """The nets whose mean this is; empty for one net."""
    lineage: dict[str, str]
    """Digests of the datasets it was trained on."""
    digest: str
    """SHA-256 of model.onnx."""

    @property
    def cross_validated(self) -> bool:
        """Whether the nets learnt from train and validation, each judged on a fold of its own."""
        return any(each.fold is not None for each in self.members)


class Model:
    """A model directory, opened for prediction with ONNX Runtime.

    Args:
        path: the directory.
        threads: processor threads of one prediction; 0 takes all.

    Raises:
        ModelError: a file is missing, of another format, or model.onnx is not the one model.json speaks of.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        todo = "run the train step again: dvc repro train"
        try:
            self.info = ModelInfo.model_validate_json((path / "model.json").read_bytes())
            graph = (path / "model.onnx").read_bytes()
        except FileNotFoundError as error:
            raise ModelError(
                str(path), expected="model.json and model.onnx", found=f"no {Path(error.filename).name}", todo=todo
            ) from None
        except ValidationError as error:
            raise ModelError(
                str(path / "model.json"),
                expected=f"format {FORMAT} of medpipe's model.json",
                found=error.errors()[0]["msg"],
                todo=todo,
            ) from None
        self._require_decisions(path / "model.json", todo)
        if hashlib.sha256(graph).hexdigest() != self.info.digest:
            raise ModelError(
                str(path / "model.onnx"),
                expected=f"the graph with SHA-256 {self.info.digest[:12]}…",
                found="another one",
                todo=todo,
            )
        self._session = _session(graph, threads)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.path = path

    def _require_decisions(self, file: Path, todo: str) -> None:
        """Refuse figures that nothing can be decided by, before any sample is looked at."""
        for name, kind in self.info.targets.items():
            if name in self.info.fitted and (found := kind.decision_problem(self.info.fitted[name].decision)):
                where, expected = f"{file}, fitted.{name}.decision", "the figures that training fits, in their range"
                raise ModelError(where, expected=expected, found=found, todo=todo)

    @property
    def digest(self) -> str:
        """SHA-256 over model.json, which holds model.onnx's: the model's identity."""
        return model_digest(self.path)

    def predict(self, cleaned: Mapping[str, Array], *, batch_size: int = 256) -> dict[str, NDArray[np.float32]]:
        """Run the network on cleaned samples.

        Args:
            cleaned: per input, an array (N, *shape) as the clean step writes it.
            batch_size: samples at a time.

        Returns:
            per target `<target>` (N, units), float32: probabilities after temperature (a binary target has one unit:
            its positive class), or a number in its own unit; and where the model explains itself `<target>_map`
            (N, h, w, units) or (N, t, units), the class-activation map in logits, or in that unit.
        """
        count = len(next(iter(cleaned.values())))
        pieces = [self._run(cleaned, slice(start, start + batch_size)) for start in range(0, count, batch_size)]
        return {name: np.concatenate([piece[i] for piece in pieces]) for i, name in enumerate(self._outputs)}

    def shuffled(self, seed: int) -> Model:
        """The same network with the weights of every layer in random order: one that has learnt nothing, for checks.

        Source: Adebayo et al. 2018, arXiv:1810.03292 (randomisation of the model's parameters).
        """
        import onnx

        graph = onnx.load(self.path / "model.onnx")
        generator = np.random.default_rng(seed)
        # Other constants say how a picture is scaled or cut: no graph runs without the right ones.
        learnt = {name for node in graph.graph.node if node.op_type in WITH_WEIGHTS for name in node.input}
        for tensor in graph.graph.initializer:
            weights = onnx.numpy_helper.to_array(tensor)
            if tensor.name in learnt and weights.dtype == np.float32 and weights.size > 1:
                mixed = generator.permutation(weights.ravel()).reshape(weights.shape)
                tensor.CopyFrom(onnx.numpy_helper.from_array(mixed, tensor.name))
        other = copy.copy(self)
        other._session = _session(graph.SerializeToString(), 0)
        return other

    def _run(self, cleaned: Mapping[str, Array], rows: slice) -> list[Any]:
        fitted = self.info.fitted_inputs
        feed = {name: kind.to_network(cleaned[name][rows], fitted[name]) for name, kind in self.info.inputs.items()}
        outputs: list[Any] = self._session.run(None, feed)
        return outputs


def _session(graph: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def write_model_json(path: Path, info: ModelInfo) -> None:
    """Write model.json, keys sorted; of one net without `members`, as it always was."""
    text = json.dumps(info.model_dump(exclude=set() if info.members else {"members"}), indent=2, sort_keys=True) + "\n"
    (path / "model.json").write_text(text, encoding="utf-8")


def model_digest(path: Path) -> str:
    """SHA-256 of model.json, which holds the digest of model.onnx."""
    return hashlib.sha256((path / "model.json").read_bytes()).hexdigest()
