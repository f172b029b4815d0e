"""One of several classes that exclude each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from components.lib import conformal
from components.lib.kinds._classes import Classes, ClassName, Floats, finite, hundred, spoken
from components.lib.kinds.base import Array, Chart, Whose
from components.lib.settings import wrong

if TYPE_CHECKING:
    import keras

    from components.lib.bootstrap import Design
    from components.lib.class_metrics import F1, Mean
    from components.lib.paired import Measure
    from components.lib.resampling import Statistic
    from components.lib.statistics import Estimate

ClassesMethod = Literal["vector", "temperature", "none"]
METRICS = ("accuracy", "precision", "recall", "specificity", "f1", "auc", "average_precision", "brier", "ece")
SIGNS = {"<": "below ", "≤": "up to ", ">": "above ", "≥": "from ", "+": "plus"}
"""Signs that tell classes apart (<30, >30) and that MLflow refuses in the name of a metric."""
_MEANING = {
    "precision": "Mean over the classes: how often a call is right.",
    "recall": "Mean over the classes: how many of a class are found.",
    "specificity": "Mean over the classes: how many of the others are left alone.",
    "f1": "Mean over the classes of precision and recall in one figure: 1 is perfect, 0 is no hit.",
    "average_precision": "Mean over the classes of precision averaged over all thresholds.",
    "brier": "Squared error of the probabilities, summed over the classes: 0 is perfect, 2 the worst.",
}


class Multiclass(Classes):
    """One of several classes; one of them is the answer. Metrics are macro forms: every class counts alike."""

    kind: Literal["multiclass"]
    classes: Annotated[tuple[ClassName, ...], Field(min_length=2)]
    """Names of the classes, as the raw data spell them."""

    calibration: ClassesMethod = "vector"
    """How probabilities are made to come true, after class weights are undone: by a slope and an intercept of each
    class (`vector`; fewer numbers where cross-validation on validation prefers them), by a `temperature`, or not
    (`none`)."""

    @field_validator("calibration", mode="before")
    @classmethod
    def _of_several_classes(cls, method: object) -> object:
        if method in ("platt", "isotonic"):
            expected = "vector, temperature or none: platt and isotonic are for two classes (kind: binary)"
            raise wrong("calibration", expected, str(method))
        return method

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

    def weight_offsets(self, encoded: Array, weights: NDArray[np.floating], own: NDArray[np.bool_]) -> dict[str, float]:
        """{"offset_0", …}: what class weights took from the logit of each class."""
        return {f"offset_{k}": float(each) for k, each in enumerate(self.class_offsets(encoded, weights, own))}

    def calibrate(self, logits: NDArray[np.floating], encoded: Array, scaling: Mapping[str, float]) -> dict[str, float]:
        """What `calibration` asks for: see `lib.vector_scaling`."""
        from components.lib.vector_scaling import fit_classes

        return fit_classes(self.calibration, finite(logits), encoded, scaling)

    def activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """Softmax of calibrated logits (N, …, K) over the last axis."""
        import keras

        from components.lib.vector_scaling import classes_logits

        return keras.ops.softmax(classes_logits(logits, scaling, keras.ops), axis=-1)

    def map_activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """Logits times the slope of each class's calibration; its intercept belongs to no place."""
        from components.lib.vector_scaling import slopes_of

        return logits * slopes_of(scaling, len(self.classes))

    def before_calibration(self, output: NDArray[np.floating], scaling: Mapping[str, float]) -> Floats:
        from components.lib.vector_scaling import classes_before

        return classes_before(output, scaling)

    def scaling_text(self, scaling: Mapping[str, float]) -> str:
        from components.lib.vector_scaling import classes_text

        return classes_text(scaling)

    def fit_decision(self, output: NDArray[np.floating], encoded: Array, settings: Any) -> dict[str, float]:
        """The prediction sets of `train.coverage` (see `lib.conformal`); and with `train.class_weights: balanced` the
        share of each class, "share_0" …, by which `evidence_for` weighs: of n samples and K classes (n_k + 1) / (n +
        K), so that a class that validation lacks has one too.
        """
        counts = np.bincount(self.labels(encoded), minlength=self.units) + 1
        shares = {f"share_{k}": float(each) for k, each in enumerate(counts / counts.sum())}
        balanced = settings.class_weights == "balanced"
        return (shares if balanced else {}) | self.fit_sets(output, encoded, settings.coverage)

    def decision_problem(self, decision: Mapping[str, float]) -> str | None:
        """A share that is none; likewise the prediction sets."""
        shares = [f"share_{k}" for k in range(self.units)]
        if "share_0" in decision and not all(decision.get(name, 0) > 0 for name in shares):
            return "shares of other classes, or of 0"
        return conformal.out_of_range(decision, shares) or super().decision_problem(decision)

    def evidence_for(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> Floats:
        """What the answer is the highest of (N, K), rows of sum 1.

        The probability; or, where classes count alike however rare, the probability over the share of the class, which
        is highest where the mean sensitivity over the classes is: Youden's index, of more than two classes.
        """
        columns = np.asarray(output, np.float64)
        if "share_0" not in decision:
            return columns
        weighed = columns / [decision[f"share_{k}"] for k in range(self.units)]
        return np.asarray(weighed / weighed.sum(axis=1, keepdims=True), np.float64)

    def called(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> NDArray[np.intp]:
        """Position of the class that is the answer (N,)."""
        return np.asarray(self.evidence_for(output, decision).argmax(axis=1), np.intp)

    def decision_text(self, decision: Mapping[str, float]) -> str:
        """How a class is called, and what the prediction sets promise."""
        called = "called is the class most probable for its share" if "share_0" in decision else ""
        sets = f"prediction sets for {decision['coverage']:.0%} of cases" if "set_0" in decision else ""
        return "; ".join(filter(None, [called, sets]))

    def certainty(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> Floats:
        """How clearly the answer leads, 1 / K to 1."""
        return np.asarray(self.evidence_for(output, decision).max(axis=1))

    def shown_unit(self, output: NDArray[np.floating]) -> tuple[int, str]:
        """The most probable class."""
        return int(output.argmax()), "for the most probable class"

    @property
    def metric_names(self) -> tuple[str, ...]:
        return METRICS + tuple(_name(metric, each) for metric in ("recall", "f1") for each in self.classes)

    @property
    def metric_titles(self) -> Mapping[str, str]:
        """Titles of the classes' own metrics, with the class as it is written."""
        of = {"recall": "Recall", "f1": "F1"}
        return {_name(metric, each): f"{of[metric]} of {spoken(each)}" for metric in of for each in self.classes}

    def metrics(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], patients: Whose = None
    ) -> dict[str, Estimate]:
        """The macro forms, over the classes that occur, and every class's own as `recall_<class>` and `f1_<class>`."""
        from components.lib import statistics as st
        from components.lib.bootstrap import Design

        columns, label = finite(output), self.labels(encoded)
        if not len(label):
            return {name: st.missing("no sample to count") for name in self.metric_names}
        design = Design.of(label, patients)
        called = self.called(columns, decision)
        found = self._noted(self._measured(columns, label, called, design), label, design)
        absent = [name for k, name in enumerate(self.spoken) if not (label == k).any()]
        explained = {name: self._explained(name, found[name], columns, absent) for name in METRICS}
        own = {_name(metric, each): (metric, each) for metric in ("recall", "f1") for each in self.classes}
        return explained | {name: _of_class(*of, found[name]) for name, of in own.items()}

    patient_rule: ClassVar[str] = "a patient is of the class that all of the samples have"

    def of_patients(self, encoded: Array, patients: NDArray[np.intp]) -> tuple[Array, NDArray[np.bool_]]:
        """The class of all samples of a patient; patients with samples of several have none."""
        mean, _ = super().of_patients(encoded, patients)
        return (mean == 1).astype(np.float32), np.asarray((mean == 1).any(axis=1), np.bool_)

    def stated(self, output: NDArray[np.floating], encoded: Array) -> tuple[Floats, NDArray[np.bool_]]:
        """The probability of the most probable class, and whether it is the true one."""
        columns = finite(output)
        return columns.max(axis=1), columns.argmax(axis=1) == self.labels(encoded)

    def paired_measures(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], in_use: Mapping[str, float]
    ) -> dict[str, Measure]:
        from components.lib.kinds._compared import of_several_classes

        label = self.labels(encoded)
        columns = finite(output)
        if len(np.unique(label)) < 2:
            return {}
        return of_several_classes(columns, label, self.called(columns, decision), self.spoken)

    def stated_of_classes(
        self, output: NDArray[np.floating], encoded: Array
    ) -> Mapping[str, tuple[Floats, NDArray[np.bool_]]]:
        columns, label = finite(output), self.labels(encoded)
        return {name: (columns[:, k], label == k) for k, name in enumerate(self.classes)}

    def class_metric(self, metric: str, label: str) -> str:
        return _name(metric, label)

    @property
    def calibration_names(self) -> tuple[str, ...]:
        from components.lib.recalibration import MEASURES, SLOPE

        return (SLOPE, *(_name(metric, each) for each in self.classes for metric in MEASURES))

    def _measured(
        self, columns: Floats, label: NDArray[np.intp], called: NDArray[np.intp], design: Design
    ) -> dict[str, Estimate]:
        from components.lib.calibration_interval import calibration_error
        from components.lib.class_metrics import Area, Share, measured
        from components.lib.statistics import missing

        exact: dict[str, Share | F1 | Mean | Area] = {
            "accuracy": Share(called == label, np.ones(len(label), bool)), "auc": Area(columns, label),
        }  # fmt: skip
        for k, each in enumerate(self.classes):
            exact[_name("recall", each)] = Share(called == k, label == k, f"no sample labelled {spoken(each)}")
        exact |= self._of_shares(label, called)
        drawn = self._statistics(columns, label)
        found = measured(exact, drawn, design, shares=["average_precision"], most={"brier": 2.0})
        found["ece"] = calibration_error(columns.max(axis=1), columns.argmax(axis=1) == label, design)
        if len(np.unique(label)) == 1:
            found["specificity"] = missing("only one class among the samples", len(label))
        absent = {_name("f1", each): missing(f"no sample labelled {spoken(each)}") for each in self.classes}
        return absent | found

    def _noted(self, found: Mapping[str, Estimate], label: NDArray[np.intp], design: Design) -> dict[str, Estimate]:
        """With a note on figures that rest on too few; of the macro forms the rarest class that occurs counts."""
        from components.lib.class_metrics import noted

        counts = np.bincount(label, minlength=len(self.classes))
        rarest_first = [int(k) for k in np.argsort(counts, kind="stable") if counts[k]]
        of = {k: design.too_few(label == k, f"labelled {self.spoken[k]}") for k in rarest_first}
        notes = {_name(metric, self.classes[k]): note for metric in ("recall", "f1") for k, note in of.items()}
        notes["accuracy"] = design.too_few(np.ones(len(label), bool), "in all")
        rarest = next(filter(None, of.values()), "")
        return {name: noted(each, notes.get(name, rarest)) for name, each in found.items()}

    def _of_shares(self, label: NDArray[np.intp], called: NDArray[np.intp]) -> dict[str, F1 | Mean]:
        """Macro forms of shares over the classes that occur, and F1 of each of those."""
        from components.lib.class_metrics import F1, Mean, Share

        truth = {int(k): label == k for k in np.unique(label)}
        f1 = {k: F1(called == k, of) for k, of in truth.items()}
        return {
            "precision": Mean([Share(of, called == k) for k, of in truth.items()]),
            "recall": Mean([Share(called == k, of) for k, of in truth.items()]),
            "specificity": Mean([Share(called != k, ~of) for k, of in truth.items()]),
            "f1": Mean(list(f1.values())),
            **{_name("f1", self.classes[k]): each for k, each in f1.items()},
        }

    def _statistics(self, columns: Floats, label: NDArray[np.intp]) -> dict[str, Statistic]:
        from components.lib import resampling as rs

        one_hot = np.eye(len(self.classes))[label]
        precision = [rs.average_precision(columns[:, k], label == k) for k in np.unique(label)]
        return {
            "average_precision": rs.mean(precision),
            "brier": rs.ratio(((columns - one_hot) ** 2).sum(axis=1), np.ones(len(label))),
        }

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
                f"The probability of the most probable class is off by {100 * estimate.value:.1f} points of 100 on "
                f"average; a perfectly calibrated model shows {100 * floor:.1f} on so many samples."
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
        called, first = self.called(columns, decision), columns.argmax(axis=1)
        curves = {name: (columns[:, k], label == k) for k, name in enumerate(self.classes)}
        return [
            draw.roc(curves),
            draw.precision_recall(curves),
            draw.confusion(self.classes, label, called),
            draw.reliability(columns.max(axis=1), first == label, "Probability of the most probable class", "Right"),
            draw.histogram(self.classes, label, columns[np.arange(len(label)), label], "Probability of the true class"),
        ]

    def answer(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> dict[str, Array]:
        """The class that is called, its probability, one column `probability_<class>` for each; which classes can't be
        ruled out, and whether the model abstains.
        """
        columns = np.asarray(output, np.float64)
        called = self.called(columns, decision)
        each = {f"probability_{name}": columns[:, k] for k, name in enumerate(self.classes)}
        return {
            "probability": columns[np.arange(len(columns)), called],
            "label": np.array(self.classes, object)[called],
            **each,
            **conformal.set_columns(columns, called, self.classes, decision),
        }

    @property
    def answer_types(self) -> Mapping[str, str]:
        return {
            "probability": "double",
            "label": "string",
            **{f"probability_{name}": "double" for name in self.classes},
            **conformal.SET_TYPES,
        }

    @property
    def answer_meanings(self) -> Mapping[str, str]:
        return {
            "probability": "calibrated probability of the label",
            "label": "the most probable class; with balanced class weights, the one most probable for its share",
            **{f"probability_{name}": f"calibrated probability of {spoken(name)}" for name in self.classes},
            **conformal.SET_MEANINGS,
        }


def _name(metric: str, label: str) -> str:
    """Name of a class's metric: MLflow refuses some signs, and a point separates target and metric."""
    spelt = "".join(SIGNS.get(sign, sign) for sign in label)
    return f"{metric}_" + re.sub(r"[^\w -]", "_", spelt)


def _of_class(metric: str, label: str, estimate: Estimate) -> Estimate:
    """A class's own figure with its sentence in plain language."""
    if not estimate.known:
        return estimate
    if metric == "f1":
        return replace(
            estimate, meaning=f"Precision and sensitivity of {spoken(label)} in one figure: 1 is perfect, 0 is no hit."
        )
    meaning = f"Of 100 samples labelled {spoken(label)}, about {hundred(estimate)} are called so."
    return replace(estimate, meaning=meaning, headline=True)
