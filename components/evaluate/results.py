"""What the model answered on test, target by target, and how that is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.bootstrap import Design
from components.lib.errors import DataError, ModelError
from components.lib.gate_names import BY_PATIENT, WITHOUT, WORST
from components.lib.kinds import Array, Chart, TargetKind
from components.lib.kinds._classes import Classes
from components.lib.model_dir import Model, TargetFigures
from components.lib.numbers import number
from components.lib.patient_answers import numbered
from components.lib.statistics import Estimate

NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Result:
    """One target on all test samples; metrics and charts rest on those whose truth is known."""

    target: str
    kind: TargetKind
    fitted: TargetFigures
    output: NDArray[np.float32]
    """What the network gave (N, units)."""
    maps: NDArray[np.float32] | None
    """Class-activation maps (N, h, w, units) or (N, t, units); None where the model has none."""
    truth: pd.Series
    """As labelled (N,); null = unknown."""
    encoded: Array
    """The same as the kind encodes it (N, …)."""
    known: NDArray[np.bool_]
    answer: Mapping[str, Array]
    metrics: Mapping[str, Estimate]
    charts: tuple[Chart, ...]
    patients: NDArray[np.intp] | None = None
    """Equal numbers for samples of one patient (N,), of the known and the unknown; None: nobody has several."""

    @property
    def title(self) -> str:
        """The target's name for a heading."""
        return heading(self.target)

    def patients_of(self, rows: NDArray[Any]) -> NDArray[np.intp] | None:
        """The patients of some samples, chosen by position or mask; None: nobody has several."""
        return None if self.patients is None else self.patients[rows]


@dataclass(frozen=True)
class Called:
    """Which of K classes the model called the n test samples whose truth is known, and which they are labelled."""

    kind: Classes
    called: NDArray[np.intp]
    label: NDArray[np.intp]
    design: Design
    """Whose the samples are."""

    @classmethod
    def known(cls, result: Result, kind: Classes) -> tuple[NDArray[np.intp], NDArray[np.intp], Design]:
        """The last three, of a target."""
        rows = result.known
        label = kind.labels(result.encoded[rows])
        called = pd.Index(kind.class_names).get_indexer(pd.Index(result.answer["label"][rows])).astype(np.intp)
        return called, label, Design.of(label, result.patients_of(rows))


def measure(model: Model, samples: pd.DataFrame, arrays: Mapping[str, Array]) -> tuple[Result, ...]:
    """Predict once, then metrics and charts of every target.

    Raises:
        DataError: a target's column is missing.
        ModelError: a prediction is no finite number.
    """
    outputs = model.predict(arrays)
    return tuple(_result(model, name, samples, outputs) for name in model.info.targets)


def _result(model: Model, name: str, samples: pd.DataFrame, outputs: Mapping[str, NDArray[np.float32]]) -> Result:
    if name not in samples:
        raise DataError(
            f"dataset, column {name}",
            expected=f"the truth of the model's target {name}",
            found="no such column",
            todo="evaluate on a dataset of this task: dvc repro evaluate",
        )
    kind, fitted, output = model.info.targets[name], model.info.fitted[name], outputs[name]
    _refuse_not_finite(name, output, samples["sample_id"])
    encoded, known = kind.encode(samples[name])
    probability, truth, whose = output[known], encoded[known], patients(samples)
    return Result(
        target=name,
        kind=kind,
        fitted=fitted,
        output=output,
        maps=outputs.get(f"{name}_map"),
        truth=samples[name],
        encoded=encoded,
        known=known,
        answer=kind.answer(output, fitted.decision),
        metrics=kind.metrics(probability, truth, fitted.decision, None if whose is None else whose[known]),
        charts=tuple(kind.charts(probability, truth, fitted.decision)),
        patients=whose,
    )


def patients(samples: pd.DataFrame) -> NDArray[np.intp] | None:
    """Equal numbers for samples of one patient (N,); who is unknown is another patient in each sample.

    None where nobody has several samples, and where no patient is known.
    """
    return numbered(samples.get("patient"), len(samples))


def _refuse_not_finite(target: str, output: NDArray[np.float32], sample_ids: pd.Series) -> None:
    bad = np.flatnonzero(~np.isfinite(output).reshape(len(output), -1).all(axis=1))
    if len(bad):
        named = ", ".join(sample_ids.iloc[bad[:NAMED_AT_MOST]].astype(str))
        more = f" and {len(bad) - NAMED_AT_MOST} more" if len(bad) > NAMED_AT_MOST else ""
        raise ModelError(
            f"model.onnx, output {target}",
            expected="a finite number for every test sample",
            found=f"NaN or infinity for {len(bad)} of {len(output)} samples: {named}{more}",
            todo="training diverged: lower train.learning_rate or set train.precision: float32",
        )


def predictions(samples: pd.DataFrame, results: tuple[Result, ...]) -> pd.DataFrame:
    """One row a sample and target, without the patient.

    Returns:
        columns sample_id, split, target, truth (null = unknown), label (null where the kind has none), probability
        (what is served; null likewise), output (list: what the network gave).
    """
    nothing = np.full(len(samples), None, object)
    frames = [
        pd.DataFrame(
            {
                "sample_id": samples["sample_id"],
                "split": samples["split"],
                "target": result.target,
                "truth": result.truth.astype("str").where(result.known, None),
                "label": pd.Series(result.answer.get("label", nothing), dtype="str"),
                "probability": pd.Series(result.answer.get("probability", nothing), dtype="float64"),
                "output": list(result.output.reshape(len(samples), -1)),
            }
        )
        for result in results
    ]
    return pd.concat(frames, ignore_index=True)


def heading(name: str) -> str:
    """A name of the task file as a heading: its own capitals stay, and a single letter says what it is."""
    plain = name.replace("_", " ").strip()
    return f"Target {plain}" if len(plain) < 2 else capital(plain)


def capital(text: str) -> str:
    """The text with a capital at its start; the others stay as they are."""
    return text[:1].upper() + text[1:]


def in_sentence(metric: str, kind: TargetKind | None = None) -> str:
    """A metric's name inside a sentence: `AUC`, `mean absolute error`."""
    word = words(metric, kind)
    return word if word[:2].isupper() or word[:2] in ("R²", "F1") else word[:1].lower() + word[1:]


def words(metric: str, kind: TargetKind | None = None) -> str:
    """A metric's title.

    Args:
        metric: its name.
        kind: of its target, which has titles for metrics of single classes.
    """
    for prefix, start in ((BY_PATIENT, "By patient"), (WORST, "Worst group"), (WITHOUT, "Without duplicates")):
        if metric.startswith(prefix):
            return f"{start}: {in_sentence(metric.removeprefix(prefix), kind)}"
    if kind is not None and metric in kind.metric_titles:
        return kind.metric_titles[metric]
    told = {
        "observed_expected": "Observed/expected", "ici": "Integrated calibration index (ICI)", "emax": "Emax",
        "auc": "AUC", "ece": "Calibration error (ECE)", "f1": "F1", "brier": "Brier score", "r2": "R²",
        "mae": "Mean absolute error", "rmse": "Root mean squared error",
    }  # fmt: skip
    if metric.startswith("f1_"):
        return f"F1 of {metric.removeprefix('f1_')}"
    return told.get(metric, capital(metric.replace("_", " ")))


def ends(estimate: Estimate) -> str:
    """An interval for people; a dash where there is none."""
    return f"{number(estimate.low)} to {number(estimate.high)}" if estimate.known and estimate.bounded else "–"
