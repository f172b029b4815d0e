"""From cleaned data to a model directory: fit, calibrate, choose the operating point, export, check."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import Dataset, file_digest
from components.lib.model_dir import ModelInfo, TargetFigures, write_model_json
from components.lib.output import output, scratch
from components.lib.spec import TaskSpec
from components.lib.tracking import save_run, training_run
from components.train.devices import prepare
from components.train.export import export
from components.train.fit import fit, logits
from components.train.memory import memory_errors, require_memory
from components.train.network import build_core, build_served, build_training, output_names
from components.train.samples import Fitted, Samples


def train(dataset: Path, augmented: Path, model: Path, spec: TaskSpec) -> None:
    """Fit on train, choose on validation; test is never read.

    Args:
        dataset: the cleaned dataset.
        augmented: what augment added.
        model: the model directory to write.
        spec: the task.

    Raises:
        DataError: a split is empty.
        ModelError: no GPU where one was asked for, too little memory, a loss that is no number, a graph that doesn't
            match Keras.
    """
    cleaned, copies = Dataset(dataset), Dataset(augmented)
    lineage = {"cleaned": cleaned.info.digest, "augmented": copies.info.digest}
    sections = spec.model_dump(mode="json", include={"inputs", "targets", "augment", "train"})
    with output(model, {"lineage": lineage, "spec": sections}) as partial, memory_errors(spec):
        samples = Samples([cleaned, copies], "train", spec)
        validation = Samples([cleaned], "validation", spec, samples.fitted)
        precision = prepare(spec.train)
        require_memory(spec, samples.fitted)
        work = scratch(partial)
        with training_run(spec, work / "run.json") as run:
            run.log_dataset(cleaned, "training")
            # Only now: MLflow draws from Python's random numbers for the name of a new run, but not for a resumed one.
            keras.utils.set_random_seed(spec.train.seed)
            core = build_core(spec, samples.fitted)
            training = build_training(core, spec, samples.fitted)
            state = fit(training, core, samples, validation, work / "checkpoint.npz",
                        lambda figures: run.log_metrics(figures, int(figures["epoch"])))  # fmt: skip
            core = _float32(core, spec, samples.fitted)
            targets = _targets(core, validation, spec)
            names = _export(partial, core, validation, spec, targets)
            pd.DataFrame(state.curves).to_csv(partial / "curves.csv", index=False, lineterminator="\n")
            info = ModelInfo(
                task=spec.task, architecture=spec.model_name, inputs=spec.inputs, targets=spec.targets, fitted=targets,
                fitted_inputs=dict(samples.fitted.inputs), reference=_reference(samples.table, spec), lineage=lineage,
                explain="class_activation_map" if len(names) > len(spec.targets) else "none", precision=precision,
                synthetic=bool(samples.table["synthetic"].any()), epochs=state.chosen + 1,
                parameters=core.count_params(), digest=file_digest(partial / "model.onnx"),
            )  # fmt: skip
            write_model_json(partial, info)
            run.log_file(partial / "curves.csv")
            score = state.curves[state.chosen]["validation_score"]
            print(f"trained: epoch {state.chosen + 1} of {state.epoch} kept, validation score {score:.4f}")
    save_run(run, model)


def _float32(core: keras.Model, spec: TaskSpec, fitted: Fitted) -> keras.Model:
    """The same weights in a float32 network: ONNX Runtime takes no bfloat16."""
    keras.config.set_dtype_policy("float32")
    plain = build_core(spec, fitted)
    plain.set_weights(core.get_weights())
    return plain


def _targets(core: keras.Model, validation: Samples, spec: TaskSpec) -> dict[str, TargetFigures]:
    """Scaling and decision of every target, from validation."""
    figures = {}
    for name, values in logits(core, validation).items():
        kind, known = spec.targets[name], validation.known[name]
        truth = validation.targets[name][known]
        scaling = validation.fitted.targets[name] | kind.calibrate(values[known], truth)
        answers = np.asarray(kind.activation(values[known], scaling))
        figures[name] = TargetFigures(
            scaling=scaling,
            decision=kind.fit_decision(answers, truth, spec.train),
            validation_score=kind.score(answers, truth),
        )
    return figures


def _export(
    partial: Path, core: keras.Model, validation: Samples, spec: TaskSpec, targets: dict[str, TargetFigures]
) -> list[str]:
    """Write model.onnx, checked on some validation samples; returns the names of its outputs."""
    served = build_served(core, spec, validation.fitted, {name: each.scaling for name, each in targets.items()})
    names = output_names(core, spec)
    export(served, names, validation.inputs(slice(0, 16)), partial / "model.onnx")
    return names


def _reference(table: pd.DataFrame, spec: TaskSpec) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of each quality figure over the training samples."""
    result: dict[str, dict[str, float]] = {}
    for name, kind in spec.inputs.items():
        result[name] = {}
        for figure in kind.quality_ranges:
            values: NDArray[np.float64] = table[f"{name}_{figure}"].to_numpy(np.float64)
            result[name] |= {f"{figure}_mean": float(values.mean()), f"{figure}_deviation": float(values.std())}
    return result
