"""From trained nets to one model: their mean in one graph, calibrated on samples that no net learnt from.

Averaging nets of several seeds: Lakshminarayanan et al. 2017, arXiv:1612.01474. Averaging nets of several folds, each
judged out of its fold: Krogh & Vedelsby 1995, "Neural Network Ensembles, Cross Validation, and Active Learning".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.errors import ModelError
from components.lib.kinds import Array
from components.lib.model_dir import MemberFigures, TargetFigures
from components.lib.patient_answers import numbered
from components.lib.spec import TaskSpec
from components.train.export import export
from components.train.fit import logits
from components.train.members import Trained
from components.train.network import build_core, build_served, output_names
from components.train.samples import Development, Fitted, Samples, weight_offsets

Logits = dict[str, NDArray[np.float32]]
MOST_BYTES = 2**31 - 2**20
"""Of one ONNX file (protobuf's limit), less a mebibyte for everything but weights."""


@dataclass(frozen=True)
class Judged:
    """What nets said of samples that they didn't learn from."""

    samples: Samples
    each: list[Logits]
    """Per net."""

    @property
    def mean(self) -> Logits:
        """The nets' mean logits (N, units) of every target."""
        return {name: np.mean([one[name] for one in self.each], axis=0) for name in self.each[0]}


ByFold = dict[int | None, Judged]


@dataclass(frozen=True)
class Made:
    """A graph, and what was fitted to what it says of samples that its nets didn't learn from."""

    file: Path
    trained: list[Trained]
    cores: list[keras.Model]
    judged: ByFold
    targets: dict[str, TargetFigures]
    names: list[str]
    """Of its outputs."""

    @property
    def parameters(self) -> int:
        """Of all nets."""
        return sum(core.count_params() for core in self.cores)

    @property
    def bytes(self) -> int:
        """Of its file."""
        return self.file.stat().st_size


def make(trained: list[Trained], development: Development, file: Path) -> Made:
    """The mean of some nets as a graph, calibrated.

    Args:
        trained: the nets.
        development: the samples they were trained and judged on.
        file: the graph's, to write.

    Raises:
        ModelError: the graph answers otherwise than Keras.
    """
    spec, fitted = development.spec, development.all.fitted
    cores = plain_cores(trained, spec, fitted)
    judged = judge(cores, trained, development)
    learnt = development.taught() if trained[0].member.student else development.all
    targets = fit_targets(judged, spec, fitted, weight_offsets(learnt))
    return Made(file, trained, cores, judged, targets, export_mean(file, cores, judged, spec, targets))


def require_one_file(parameters: int, nets: int) -> None:
    """Refuse more nets than one model.onnx holds, before they are trained.

    Args:
        parameters: of one net.
        nets: how many.

    Raises:
        ModelError: their weights are larger than an ONNX file can be.
    """
    size = 4 * parameters * nets
    if size > MOST_BYTES:
        raise ModelError(
            "train.seeds, train.folds",
            expected=f"at most {MOST_BYTES // (4 * parameters)} nets of {parameters:,} parameters: one model.onnx "
            f"holds {MOST_BYTES / 1e9:.1f} GB",
            found=f"{nets} nets, {size / 1e9:.1f} GB",
            todo="lower train.seeds, train.folds or train.width",
        )


def plain_cores(trained: Sequence[Trained], spec: TaskSpec, fitted: Fitted) -> list[keras.Model]:
    """The nets in float32: ONNX Runtime takes no bfloat16."""
    keras.config.set_dtype_policy("float32")
    cores = []
    for number, each in enumerate(trained):
        cores.append(build_core(spec, fitted, f"core_{number}"))
        cores[-1].set_weights(each.weights)
    return cores


def judge(cores: Sequence[keras.Model], trained: Sequence[Trained], development: Development) -> ByFold:
    """By fold, what its nets say of it; without folds under None, what all nets say of the validation split."""
    result: ByFold = {}
    for fold in dict.fromkeys(each.member.fold for each in trained):
        samples = development.judged(fold)
        own = [core for core, each in zip(cores, trained, strict=True) if each.member.fold == fold]
        result[fold] = Judged(samples, [logits(core, samples) for core in own])
    return result


def fit_targets(
    judged: ByFold, spec: TaskSpec, fitted: Fitted, offsets: Mapping[str, Mapping[str, float]]
) -> dict[str, TargetFigures]:
    """Scaling and decision of every target, by sample and by patient, from the mean logits; samples whose target is
    unknown don't count.

    Args:
        judged: what the nets say of samples that they didn't learn from.
        spec: the task.
        fitted: what was learnt from training samples before.
        offsets: what undoes the class weights that the nets were trained with, from `weight_offsets`.
    """
    figures = {}
    for name, kind in spec.targets.items():
        values = np.concatenate([each.mean[name][each.samples.known[name]] for each in judged.values()])
        truth = np.concatenate([each.samples.targets[name][each.samples.known[name]] for each in judged.values()])
        scaling = {**fitted.targets[name], **offsets[name]}
        scaling |= kind.calibrate(values, truth, scaling)
        answers, whose = np.asarray(kind.activation(values, scaling)), _patients(judged, name)
        figures[name] = TargetFigures(
            scaling=scaling,
            decision=kind.fit_decision(answers, truth, spec.train),
            validation_score=kind.score(answers, truth),
            patients=None if whose is None else kind.fit_patients(answers, truth, whose, spec.train),
        )
    return figures


def _patients(judged: ByFold, target: str) -> NDArray[np.intp] | None:
    """Patients 0 … P-1 of the judged samples whose target is known (N,); None where nobody has several."""
    tables = [each.samples.table[each.samples.known[target]] for each in judged.values()]
    whose = pd.concat([table["patient"] for table in tables], ignore_index=True)
    found = numbered(whose, len(whose))
    return None if found is None else np.unique(found, return_inverse=True)[1].astype(np.intp)


def member_figures(
    trained: Sequence[Trained], judged: ByFold, targets: dict[str, TargetFigures], spec: TaskSpec
) -> tuple[MemberFigures, ...]:
    """How each net alone does, at the model's temperature and decision."""
    found = []
    for fold in judged:
        own = [each for each in trained if each.member.fold == fold]
        for each, said in zip(own, judged[fold].each, strict=True):
            samples = judged[fold].samples
            found.append(
                MemberFigures(
                    fold=each.member.fold,
                    seed=each.member.seed,
                    epochs=each.epochs,
                    validation_score=each.validation_score,
                    samples=len(samples),
                    metrics={name: _metrics(name, said[name], samples, targets[name], spec) for name in spec.targets},
                )
            )
    return tuple(found)


def _metrics(name: str, said: Array, samples: Samples, figures: TargetFigures, spec: TaskSpec) -> dict[str, float]:
    kind, known = spec.targets[name], samples.known[name]
    output = np.asarray(kind.activation(said[known], figures.scaling))
    measured = kind.metrics(output, samples.targets[name][known], figures.decision)
    return {metric: each.value for metric, each in measured.items() if each.known}


def out_of_fold(judged: ByFold, targets: dict[str, TargetFigures], spec: TaskSpec) -> pd.DataFrame:
    """One row a sample of train and validation and target, by nets that learnt from other folds.

    Returns:
        columns sample_id, fold, target, known (whether the sample's target is), output (list of units: what would be
        served, were these nets the model).
    """
    frames = []
    for each in judged.values():
        for name, kind in spec.targets.items():
            output = np.asarray(kind.activation(each.mean[name], targets[name].scaling), np.float32)
            frame = each.samples.table[["sample_id", "fold"]].assign(target=name)
            frames.append(frame.assign(known=each.samples.known[name], output=list(output)))
    return pd.concat(frames, ignore_index=True)


def export_mean(
    path: Path, cores: Sequence[keras.Model], judged: ByFold, spec: TaskSpec, targets: dict[str, TargetFigures]
) -> list[str]:
    """Write model.onnx, checked on some judged samples; returns the names of its outputs."""
    samples = next(iter(judged.values())).samples
    served = build_served(cores, spec, samples.fitted, {name: each.scaling for name, each in targets.items()})
    names = output_names(cores[0], spec)
    export(served, names, samples.inputs(slice(0, 16)), path)
    return names
