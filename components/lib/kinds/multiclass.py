"""One of several classes that exclude each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.lib.kinds._classes import Classes, ClassName, Floats, finite, hundred
from components.lib.kinds.base import Array, Chart

if TYPE_CHECKING:
    import keras

    from components.lib.resampling import Statistic
    from components.lib.statistics import Estimate

METRICS = ("accuracy", "precision", "recall", "specificity", "f1", "auc", "average_precision", "brier", "ece")
_MEANING = {
    "precision": "Mean over the classes: how often a call is right.",
    "recall": "Mean over the classes: how many of a class are found.",
    "specificity": "Mean over the classes: how many of the others are left alone.",
    "f1": "Mean over the classes of precision and recall in one figure: 1 is perfect, 0 is no hit.",
    "average_precision": "Mean over the classes of precision averaged over all thresholds.",
    "brier": "Squared error of the probabilities, summed over the classes: 0 is perfect, 2 the worst.",
}


class Multiclass(Classes):
    """One of several classes; the most probable is the answer. Metrics are macro forms: every class counts alike."""

    kind: Literal["multiclass"]
    classes: Annotated[tuple[ClassName, ...], Field(min_length=2)]
    """Names of the classes, as the raw data spell them."""

    @model_validator(mode="after")
    def _distinct_metrics(self) -> Multiclass:
        names = [_name("recall", each) for each in self.classes]
        alike = [each for each, name in zip(self.classes, names, strict=True) if names.count(name) > 1]
        if alike:
            raise ValueError(f"classes whose metrics can be told apart; {', '.join(alike)} differ in signs alone")
        return self

    @property
    def units(self) -> int:
        return len(self.classes)

    def encode(self, values: pd.Series) -> tuple[Array, NDArray[np.bool_]]:
        """One-hot float32 (N, K), all 0 where unknown; and the mask of the known (N,)."""
        positions, known = self.positions(values)
        encoded = np.eye(len(self.classes), dtype=np.float32)[positions]
        return np.where(known[:, None], encoded, np.float32(0)), known

    def labels(self, encoded: Array) -> NDArray[np.intp]:
        positions: NDArray[np.intp] = np.argmax(encoded, axis=1)
        return positions

    def columns(self, output: NDArray[np.floating]) -> Floats:
        return finite(output)

    def loss(self, settings: Any) -> keras.losses.Loss:
        """Cross-entropy on logits (N, K), or the focal loss (Lin et al. 2017, arXiv:1708.02002) at
        `settings.focal_gamma`; both with `settings.label_smoothing`.
        """
        import keras

        if settings.loss == "focal":
            # alpha is the same factor for every class: classes are balanced by sample weights.
            return keras.losses.CategoricalFocalCrossentropy(
                alpha=1.0, gamma=settings.focal_gamma, from_logits=True, label_smoothing=settings.label_smoothing
            )
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)

    def activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """Softmax of logits (N, …, K) at the temperature, over the last axis."""
        import keras

        return keras.ops.softmax(logits / scaling.get("temperature", 1.0), axis=-1)

    def fit_decision(self, output: NDArray[np.floating], encoded: Array, settings: Any) -> dict[str, float]:
        """Nothing to fit: the most probable class is the answer."""
        return {}

    def certainty(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> Floats:
        """The probability of the answer."""
        return np.asarray(np.asarray(output, np.float64).max(axis=1))

    def shown_unit(self, output: NDArray[np.floating]) -> tuple[int, str]:
        """The class that was called."""
        return int(output.argmax()), "for the class that was called"

    @property
    def metric_names(self) -> tuple[str, ...]:
        return METRICS + tuple(_name(metric, each) for metric in ("recall", "f1") for each in self.classes)

    def metrics(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float]
    ) -> dict[str, Estimate]:
        """The macro forms, over the classes that occur, and every class's own as `recall_<class>` and `f1_<class>`."""
        from components.lib import resampling as rs
        from components.lib import statistics as st

        columns, label = finite(output), self.labels(encoded)
        called = columns.argmax(axis=1)
        found = {"accuracy": st.wilson(int((called == label).sum()), len(label)), "auc": st.macro_auc(columns, label)}
        found |= (
            rs.bootstrap(self._statistics(columns, label, called), label)
            if len(label)
            else {name: st.missing("no sample to count") for name in METRICS if name not in found}
        )
        if len(np.unique(label)) == 1:
            found["specificity"] = st.missing("only one class among the samples", len(label))
        recalls = {_name("recall", each): _recall(each, called[label == k] == k) for k, each in enumerate(self.classes)}
        absent = [name for k, name in enumerate(self.classes) if not (label == k).any()]
        explained = {name: self._explained(name, found[name], columns, absent) for name in METRICS}
        return explained | recalls | {_name("f1", each): self._f1(each, found) for each in self.classes}

    def _statistics(self, columns: Floats, label: NDArray[np.intp], called: NDArray[np.intp]) -> dict[str, Statistic]:
        from components.lib import resampling as rs

        present = np.unique(label)
        truth = {k: label == k for k in present}
        hits = {k: truth[k] & (called == k) for k in present}
        one_hot = np.eye(len(self.classes))[label]
        return {
            "precision": rs.mean([rs.ratio(hits[k], called == k) for k in present]),
            "recall": rs.mean([rs.ratio(hits[k], truth[k]) for k in present]),
            "specificity": rs.mean([rs.ratio(~truth[k] & (called != k), ~truth[k]) for k in present]),
            "f1": rs.mean([rs.f1(called == k, truth[k]) for k in present]),
            "average_precision": rs.mean([rs.average_precision(columns[:, k], truth[k]) for k in present]),
            "brier": rs.ratio(((columns - one_hot) ** 2).sum(axis=1), np.ones(len(label))),
            "ece": rs.calibration_error(columns.max(axis=1), called == label),
            **{_name("f1", self.classes[k]): rs.f1(called == k, truth[k]) for k in present},
        }

    def _f1(self, label: str, found: Mapping[str, Estimate]) -> Estimate:
        from components.lib.statistics import missing

        estimate = found.get(_name("f1", label), missing(f"no sample labelled {label}"))
        meaning = f"Precision and sensitivity of {label} in one figure: 1 is perfect, 0 is no hit."
        return replace(estimate, meaning=meaning) if estimate.known else estimate

    def _explained(self, name: str, estimate: Estimate, columns: Floats, absent: list[str]) -> Estimate:
        """The figure with its sentence in plain language, and a note on classes that it leaves out."""
        from components.lib.resampling import calibration_floor

        better: Literal["higher", "lower"] = "lower" if name in ("brier", "ece") else "higher"
        if not estimate.known:
            return replace(estimate, better=better)
        if name == "accuracy":
            meaning = f"Of 100 samples, about {hundred(estimate)} are called right."
        elif name == "auc":
            meaning = (
                "Mean over the classes: of 100 pairs of one of the class and one other, about "
                f"{hundred(estimate)} are ranked right; 50 is chance."
            )
        elif name == "ece":
            floor = calibration_floor(columns.max(axis=1))
            meaning = (
                f"The probability of the answer is off by {100 * estimate.value:.1f} points of 100 on average; "
                f"a perfectly calibrated model shows {100 * floor:.1f} on so many samples."
            )
        else:
            meaning = _MEANING[name]
        if absent and name not in ("accuracy", "brier", "ece"):
            note = f"no sample labelled {', '.join(absent)}: left out of the mean"
            estimate = replace(estimate, note="; ".join(filter(None, [estimate.note, note])))
        return replace(estimate, meaning=meaning, better=better)

    def charts(self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float]) -> list[Chart]:
        """ROC and precision over recall of each class against the rest, confusion, reliability, scores by class."""
        from components.lib.kinds import _class_charts as draw

        columns, label = finite(output), self.labels(encoded)
        called = columns.argmax(axis=1)
        curves = {name: (columns[:, k], label == k) for k, name in enumerate(self.classes)}
        return [
            draw.roc(curves),
            draw.precision_recall(curves),
            draw.confusion(self.classes, label, called),
            draw.reliability(columns.max(axis=1), called == label, "Probability of the answer", "Right"),
            draw.histogram(self.classes, label, columns[np.arange(len(label)), label], "Probability of the true class"),
        ]

    def answer(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> dict[str, Array]:
        """The most probable class, its probability, and one column `probability_<class>` for each."""
        columns = np.asarray(output, np.float64)
        each = {f"probability_{name}": columns[:, k] for k, name in enumerate(self.classes)}
        return {
            "probability": columns.max(axis=1),
            "label": np.array(self.classes, object)[columns.argmax(axis=1)],
            **each,
        }

    @property
    def answer_types(self) -> Mapping[str, str]:
        return {
            "probability": "double",
            "label": "string",
            **{f"probability_{name}": "double" for name in self.classes},
        }


def _name(metric: str, label: str) -> str:
    """Name of a class's metric: MLflow refuses some signs, and a point separates target and metric."""
    return f"{metric}_" + re.sub(r"[^\w -]", "_", label)


def _recall(label: str, found: NDArray[np.bool_]) -> Estimate:
    """Recall of one class from which of its samples were called so."""
    from components.lib.statistics import wilson

    estimate = wilson(int(found.sum()), len(found), empty=f"no sample labelled {label}")
    if not estimate.known:
        return estimate
    return replace(
        estimate, headline=True, meaning=f"Of 100 samples labelled {label}, about {hundred(estimate)} are called so."
    )
