"""The model directory: the only code that knows what it looks like.

    model.onnx   float32, or int8 between first and last layer; named inputs and outputs; calibration, scale and
                 class-activation maps inside the graph
    model.json   inputs, targets, classes, fitted figures, decisions, reference statistics, explain method; what is
                 known by position is a list
    curves.csv   one row an epoch; of several nets one a net and epoch, the one that was taught by them last
    development.npy       marks of the samples and patients it was developed on: see lib.development
    out_of_fold.parquet   with cross-validation: what nets said of the fold they didn't learn from. It stays on this
                          machine: nothing logs or registers it
    full.onnx    where a smaller model is served (`train.distil`, `train.quantise`): the full one, for the report's
                 comparison alone; it isn't registered

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

from components.lib.development import DevelopmentRecord
from components.lib.digests import Sums
from components.lib.errors import ModelError
from components.lib.kinds import INPUT_KINDS, TARGET_KINDS, AnyInput, AnyTarget, Array
from components.lib.kinds.base import Explained
from components.lib.model_format import name_calibration, of_format_2
from components.lib.outside import Outside
from components.lib.patient_figures import PatientFigures
from components.lib.positions import by_name, listed
from components.lib.settings import Settings

FORMAT: Literal[3] = 3
OUT_OF_FOLD = "out_of_fold.parquet"
FULL = "full.onnx"
TODO = "run the train step again: dvc repro train"
AGAIN = "train it again with this version of medpipe: dvc repro --force train"
MOST_LOST = 0.005
"""Of a target's score on validation: a smaller model that loses more isn't served."""
How = Literal["distil", "int8", "distil_int8"]
"""How a smaller model is made: one net taught by several, 8-bit numbers, or both."""
WITH_WEIGHTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "BatchNormalization", "Mul", "Add", "LSTM", "GRU")
"""Nodes of a graph that hold what was learnt."""
LEARNT_IN = (np.dtype(np.float32), np.dtype(np.int8), np.dtype(np.int32))
"""Weights; of a graph in int8 its weights and its biases."""


class TargetFigures(Settings):
    """What was fitted for one target on validation."""

    scaling: dict[str, float]
    """What the graph does to logits: {"offset": -3.9, "slope": 1.1, "intercept": -0.2}, see `lib.calibration`; or mean
    and deviation of a number."""
    decision: dict[str, float]
    """What is decided by, fitted on validation: {"threshold": 0.41}, or quantiles of the errors of a number."""
    validation_score: float
    """Score (for classes: AUC; for a number: R²) of the chosen epoch on validation; of several nets that of their mean
    on validation; with folds that of the out-of-fold answers."""
    patients: PatientFigures | None = None
    """What is decided by where a patient has several samples. A served answer is that to a sample: this is for the
    report. Null: of kinds that join the answers as they are, and where nobody in validation has several samples."""


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
    """Per target, its metrics on those whose target is known, at the model's calibration and decision."""


class FullModel(Settings):
    """The model that a smaller one was to stand for."""

    bytes: int
    """Of its graph."""
    parameters: int
    nets: int
    digest: str
    """SHA-256 of its graph."""
    fitted: dict[str, TargetFigures]


class Attempt(Settings):
    """A smaller model that was tried, and what became of it."""

    how: How
    bytes: int | None
    """Of its graph; null: it couldn't be made."""
    parameters: int
    scores: dict[str, float]
    """Per target, its score on the samples that it is judged on: validation, or with folds what it says out of fold."""
    full_scores: dict[str, float]
    """The full model's on the same samples."""
    refused: str = ""
    """Why it isn't served; empty: it may be, and is, unless a later attempt is."""

    @property
    def kept(self) -> bool:
        """Whether it may be served."""
        return not self.refused


class Smaller(Settings):
    """What was tried to make the model smaller."""

    full: FullModel
    attempts: tuple[Attempt, ...]

    @property
    def served(self) -> Attempt | None:
        """The attempt that model.onnx holds; None: it holds the full model."""
        return next((each for each in reversed(self.attempts) if each.kept), None)


class Training(Settings):
    """How the nets were trained, for the report and the model card: nothing depends on the machine."""

    settings: dict[str, Any]
    """`train:` of the task file with its defaults, without device, precision and the path of a file of weights."""
    seeds: tuple[int, ...]
    batch_size: int
    """Samples a step."""
    most_epochs: int
    """Epochs after which training ended in any case."""
    initialisers: tuple[str, ...]
    """How weights were drawn: "he normal"."""
    class_weights: dict[str, dict[str, float]]
    """Per target with classes, what a training sample of each class weighs in the loss; empty: all alike."""
    augmentation: dict[str, dict[str, Any]]
    """Per input, what was done to samples in training."""
    copies: int
    """Samples that the augment step added."""


class ModelInfo(Settings):
    """What model.json holds."""

    format: Literal[3] = FORMAT
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
    smaller: Smaller | None = None
    """What was tried to make the model smaller; null: nothing was asked for."""
    training: Training | None = None
    """How it was trained; null in models of earlier versions of medpipe."""
    lineage: dict[str, str]
    """Digests of the datasets it was trained on."""
    development: DevelopmentRecord | None = None
    """Of which samples and patients development.npy holds the marks; null: an earlier version of medpipe trained it."""
    digest: str
    """SHA-256 of model.onnx."""

    @property
    def assumed(self) -> tuple[str, ...]:
        """What training chose because the task file says nothing of it, a sentence each."""
        told = {
            name: kind.assumed(self.fitted[name].decision, self.fitted[name].patients)
            for name, kind in self.targets.items()
        }
        return tuple(f"{name}: {sentence}" for name, sentences in told.items() for sentence in sentences)

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
        ModelError: a file is missing, of another format, model.json is not the one that SHA256SUMS speaks of, or
            model.onnx not the one that model.json does.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        self.sums = Sums(path, ModelError, TODO)
        self.sums.require(path / "model.json")
        try:
            self.info = read_model_json(path / "model.json")
            graph = (path / "model.onnx").read_bytes()
        except FileNotFoundError as error:
            raise ModelError(
                str(path), expected="model.json and model.onnx", found=f"no {Path(error.filename).name}", todo=TODO
            ) from None
        self._require_decisions(path / "model.json")
        _require_digest(path / "model.onnx", graph, self.info.digest)
        self._session = _session(graph, threads)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.path = path

    def _require_decisions(self, file: Path) -> None:
        """Refuse figures that nothing can be decided by, before any sample is looked at."""
        for name, kind in self.info.targets.items():
            fitted = self.info.fitted.get(name)
            decisions = [fitted.decision, *([fitted.patients.decision] if fitted.patients else [])] if fitted else []
            for found in filter(None, map(kind.decision_problem, decisions)):
                where, expected = f"{file}, fitted.{name}.decision", "the figures that training fits, in their range"
                raise ModelError(where, expected=expected, found=found, todo=TODO)

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
            per target `<target>` (N, units), float32: calibrated probabilities (a binary target has one unit:
            its positive class), or a number in its own unit; and where the model explains itself `<target>_map`
            (N, h, w, units) or (N, t, units), the class-activation map in logits, or in that unit.
        """
        count = len(next(iter(cleaned.values())))
        pieces = [self._run(cleaned, slice(start, start + batch_size)) for start in range(0, count, batch_size)]
        return {name: np.concatenate([piece[i] for piece in pieces]) for i, name in enumerate(self._outputs)}

    def full(self) -> Model | None:
        """The full model, where this is a smaller one and stands where it was trained; a registered one stands alone.

        Raises:
            ModelError: full.onnx isn't the one model.json speaks of.
        """
        smaller, file = self.info.smaller, self.path / FULL
        if smaller is None or smaller.served is None or not file.is_file():
            return None
        graph = file.read_bytes()
        _require_digest(file, graph, smaller.full.digest)
        other = copy.copy(self)
        changed = {"fitted": smaller.full.fitted, "digest": smaller.full.digest, "smaller": None}
        other.info = self.info.model_copy(update=changed)
        other._session = _session(graph, 0)
        return other

    def shuffled(self, seed: int) -> Model:
        """The same network with the weights of every layer in random order: one that has learnt nothing, for checks.

        Source: Adebayo et al. 2018, arXiv:1810.03292 (randomisation of the model's parameters).
        """
        import onnx

        graph = onnx.load(self.path / "model.onnx")
        generator = np.random.default_rng(seed)
        # Other constants say how a picture is scaled or cut: no graph runs without the right ones.
        learnt = {name for node in graph.graph.node if node.op_type in WITH_WEIGHTS for name in node.input}
        learnt |= {node.input[0] for node in graph.graph.node if node.op_type == "DequantizeLinear"}
        for tensor in graph.graph.initializer:
            weights = onnx.numpy_helper.to_array(tensor)
            if tensor.name in learnt and weights.dtype in LEARNT_IN and weights.size > 1:
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


def _require_digest(file: Path, graph: bytes, digest: str) -> None:
    if hashlib.sha256(graph).hexdigest() != digest:
        expected = f"the graph with SHA-256 {digest[:12]}…"
        raise ModelError(str(file), expected=expected, found="another one", todo=TODO)


def write_model_json(path: Path, info: ModelInfo) -> None:
    """Write model.json, inputs and targets as lists; what is optional only where there is some."""
    empty = {name for name in ("members", "smaller", "training", "development") if not getattr(info, name)}
    values = info.model_dump(exclude=empty) | {"inputs": listed(info.inputs), "targets": listed(info.targets)}
    (path / "model.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_model_json(file: Path) -> ModelInfo:
    """What `write_model_json` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ModelError: it is of another format, or of an earlier one whose order of columns can't be known.
    """
    content, expected = file.read_bytes(), f"format {FORMAT} of medpipe's model.json"
    try:
        values = json.loads(content)
        if not isinstance(values, dict):
            raise ValueError("no object")
        if values.get("format") == 2:
            reason = of_format_2(values)
            if reason:
                raise ModelError(str(file), expected=expected, found=f"format 2, {reason}", todo=AGAIN)
        elif values.get("format") == FORMAT:
            values["inputs"] = by_name(values.get("inputs"), INPUT_KINDS)
            values["targets"] = by_name(values.get("targets"), TARGET_KINDS)
        name_calibration(values)
        return ModelInfo.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise ModelError(str(file), expected=expected, found=error.errors()[0]["msg"], todo=TODO) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(str(file), expected=expected, found=str(error)[:160], todo=TODO) from None


def model_digest(path: Path) -> str:
    """SHA-256 of model.json, which holds the digest of model.onnx."""
    return hashlib.sha256((path / "model.json").read_bytes()).hexdigest()
