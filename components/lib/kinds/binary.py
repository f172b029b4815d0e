"""One of two classes: a finding that is there or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.lib import conformal
from components.lib.errors import nearest
from components.lib.kinds._binary_words import metric_meaning
from components.lib.kinds._classes import SLOPES, Classes, ClassName, Floats, Label, finite, percentage, written
from components.lib.kinds._labels import findings_of_each
from components.lib.kinds.base import Array, Chart, Whose
from components.lib.patient_figures import DEFAULT, WORDS, PatientFigures, Rule
from components.lib.settings import wrong

if TYPE_CHECKING:
    import keras

    from components.lib.bootstrap import Design
    from components.lib.paired import Measure
    from components.lib.statistics import Bools, Estimate

BinaryMethod = Literal["platt", "isotonic", "temperature", "none"]
METRICS = ("accuracy", "precision", "recall", "specificity", "f1", "auc", "average_precision", "brier", "ece")


class Binary(Classes):
    """One of two classes; the probability of the positive one is served."""

    kind: Literal["binary"]
    classes: tuple[ClassName, ClassName]
    """The two classes: first the negative, then the positive one, unless `positive` says otherwise."""
    positive: ClassName | None = None
    """The finding: its probability is served, and sensitivity, PPV and thresholds are about it. Null: the second class.
    Where raw data number their classes (npz, beats), the numbers follow the order of `classes` all the same."""
    finding: Label | None = None
    """For cells that list several findings: a cell that names this one is of the second class, any other of the first.
    """
    separator: Annotated[str, Field(min_length=1, max_length=3)] = "|"
    """What stands between the findings of a cell; only with `finding`."""
    others: tuple[Label, ...] = ()
    """The other findings that cells may name, with `finding`; anything else is an error then. Empty: anything."""

    calibration: BinaryMethod = "platt"
    """How probabilities are made to come true, after class weights are undone: by slope and intercept (`platt`), by a
    rising line in pieces (`isotonic`, for validation with some hundred positives), by a `temperature`, or not
    (`none`)."""
    by_patient: Rule | None = None
    """How the answers to the samples of a patient become one, for the figures by patient: the highest (`max`), the
    `mean`, or the chance that any has it, were they independent (`noisy_or`). Null: `max`, shown as assumed where
    patients have several samples. A served answer is that to a sample."""

    calibrated: ClassVar[Mapping[str, tuple[float, float]]] = {
        "calibration_slope": SLOPES, "observed_expected": SLOPES,
    }  # fmt: skip
    train_settings: ClassVar[frozenset[str]] = Classes.train_settings | {"threshold"}
    takes_threshold: ClassVar[bool] = True

    @model_validator(mode="after")
    def _belongs_together(self) -> Binary:
        if self.positive not in (None, *self.classes):
            found = f"{self.positive}{nearest(str(self.positive), self.classes)}"
            raise wrong("positive", f"one of {', '.join(self.classes)}", found)
        if self.finding is None and {"separator", "others"} & self.model_fields_set and self.others:
            raise wrong("others", "no such key without `finding`", "a value")
        return self

    @property
    def class_names(self) -> tuple[str, str]:
        """The negative class, then the positive one."""
        negative, positive = self.classes
        return (positive, negative) if self.positive == negative else (negative, positive)

    def class_of_each(self, labels: Iterable[str]) -> dict[str, str | None]:
        if self.finding is None:
            return super().class_of_each(labels)
        return findings_of_each(
            labels, self.classes, finding=self.finding, separator=self.separator, others=self.others,
            unknown=self.unknown,
        )  # fmt: skip

    def read_as(self, values: pd.Series) -> tuple[str, ...]:
        if self.finding is None:
            return super().read_as(values)
        held = self.column(values)
        counts = ", ".join(f"{name} {int((held == name).sum()):,}" for name in self.classes)
        return (f"{self.finding} among the findings of a cell: {counts}, unknown {int(held.isna().sum()):,}",)

    @property
    def units(self) -> int:
        return 1

    def encode(self, values: pd.Series) -> tuple[Array, NDArray[np.bool_]]:
        """float32 (N, 1): 1 positive, 0 negative or unknown; and the mask of the known (N,)."""
        positions, known = self.positions(values)
        return positions.astype(np.float32)[:, None], known

    def labels(self, encoded: Array) -> NDArray[np.intp]:
        return (np.asarray(encoded)[:, 0] > 0.5).astype(np.intp)

    def columns(self, output: NDArray[np.floating]) -> Floats:
        positive = finite(output).reshape(-1)
        return np.stack([1 - positive, positive], axis=1)

    def called(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> NDArray[np.intp]:
        return np.asarray(finite(output).reshape(-1) >= decision["threshold"], np.intp)

    def loss(self, settings: Any) -> keras.losses.Loss:
        """Cross-entropy on logits (N, 1), or the focal loss (Lin et al. 2017, arXiv:1708.02002) at
        `settings.focal_gamma`; both with `settings.label_smoothing`.
        """
        import keras

        if settings.loss == "focal":
            return keras.losses.BinaryFocalCrossentropy(
                gamma=settings.focal_gamma, from_logits=True, label_smoothing=settings.label_smoothing
            )
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)

    def weight_offsets(self, encoded: Array, weights: NDArray[np.floating], own: NDArray[np.bool_]) -> dict[str, float]:
        """{"offset"}: the log odds of the positive class that class weights took away."""
        negative, positive = self.class_offsets(encoded, weights, own)
        return {"offset": float(positive - negative)}

    def calibrate(self, logits: NDArray[np.floating], encoded: Array, scaling: Mapping[str, float]) -> dict[str, float]:
        """What `calibration` asks for: see `lib.calibration`."""
        from components.lib.calibration import fit_binary

        return fit_binary(self.calibration, finite(logits), encoded, scaling.get("offset", 0.0))

    def activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """Sigmoid of calibrated logits (N, …, 1)."""
        import keras

        from components.lib.calibration import binary_logits

        return keras.ops.sigmoid(binary_logits(logits, scaling, keras.ops))

    def map_activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """Logits times the slope of the calibration; its intercept belongs to no place."""
        from components.lib.calibration import binary_slope

        return logits * binary_slope(scaling)

    def before_calibration(self, output: NDArray[np.floating], scaling: Mapping[str, float]) -> Floats:
        from components.lib.calibration import binary_before

        return binary_before(output, scaling)

    def scaling_text(self, scaling: Mapping[str, float]) -> str:
        from components.lib.calibration import binary_text

        return binary_text(scaling)

    def fit_decision(self, output: NDArray[np.floating], encoded: Array, settings: Any) -> dict[str, float]:
        """{"threshold": …} by the method of `train.threshold`, what other methods would choose (see `lib.thresholds`),
        and the prediction sets of `train.coverage` (see `lib.conformal`).
        """
        from components.lib.thresholds import fit_thresholds

        positive = self.labels(encoded) == 1
        chosen = fit_thresholds(finite(output).reshape(-1), positive, settings.threshold)
        return chosen | self.fit_sets(output, encoded, settings.coverage)

    def decision_problem(self, decision: Mapping[str, float]) -> str | None:
        """No threshold, or one that is no probability; likewise the prediction sets."""
        if "threshold" not in decision:
            return "no threshold"
        thresholds = [name for name in decision if name.startswith("threshold")]
        return conformal.out_of_range(decision, thresholds) or super().decision_problem(decision)

    def decision_text(self, decision: Mapping[str, float]) -> str:
        """`threshold 0.376, abstains from 0.310 to 0.620`."""
        threshold, band = f"threshold {written(decision['threshold'])}", conformal.unsure_band(decision)
        if band is None:
            return threshold
        low, high = band
        if low <= 0 and high >= 1:
            where = f"on every sample (validation is too small for sets of {decision['coverage']:.0%})"
        else:
            where = f"from {written(low)} upwards" if high >= 1 else f"from {written(low)} to {written(high)}"
            where = f"below {written(high)}" if low <= 0 else where
        return f"{threshold}, abstains {where}"

    def assumed(self, decision: Mapping[str, float], patients: PatientFigures | None) -> tuple[str, ...]:
        """That a threshold was chosen for a sensitivity that nobody stated; and by which rule patients are judged."""
        yes, told = self.spoken[1], []
        by_patient = patients.decision if patients else {}
        for what, chosen in (("threshold", decision), ("threshold of patients", by_patient)):
            if "assumed_sensitivity" in chosen:
                share, here = chosen["assumed_sensitivity"], percentage(chosen["prevalence"])
                told.append(
                    f"the {what} was set to find {share:.0%} of {yes} on validation, where {here} are {yes} and "
                    "`train.threshold` names no method: state the sensitivity, or `method: cost` with what a miss costs"
                )
        if patients is not None and self.by_patient is None:
            told.append(
                f"where a patient has several samples, the answer is {WORDS[DEFAULT]}: `by_patient: max`, `mean` or "
                "`noisy_or` in the target says how it should be"
            )
        return tuple(told)

    def certainty(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> Floats:
        """Distance from the threshold, in logits."""
        probability, at = (np.clip(values, 1e-7, 1 - 1e-7) for values in (output[:, 0], decision["threshold"]))
        return np.asarray(np.abs(np.log(probability / (1 - probability)) - np.log(at / (1 - at))), np.float64)

    def probability_of(self) -> str:
        return f"probability of {self.spoken[1]}"

    def shown_unit(self, output: NDArray[np.floating]) -> tuple[int, str]:
        return 0, f"for {self.spoken[1]}"

    @property
    def metric_names(self) -> tuple[str, ...]:
        return METRICS

    def metrics(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], patients: Whose = None
    ) -> dict[str, Estimate]:
        """Accuracy, precision, recall (sensitivity), specificity, F1 at the threshold; AUC, average precision, Brier
        score and calibration error (of the positive class's probability) without one.
        """
        from components.lib import statistics as st
        from components.lib.bootstrap import Design

        score, positive = finite(output).reshape(-1), self.labels(encoded) == 1
        if not len(score):
            return {name: st.missing("no sample to count") for name in METRICS}
        called = score >= decision["threshold"]
        design = Design.of(positive.astype(np.intp), patients)
        found = self._noted(self._measured(score, positive, called, design), positive, called, design)
        return {name: self._explained(name, found[name], score, positive) for name in METRICS}

    patient_rule: ClassVar[str] = "a patient counts as positive when any of the samples is"

    def of_patients(self, encoded: Array, patients: NDArray[np.intp]) -> tuple[Array, NDArray[np.bool_]]:
        """Positive where any sample is."""
        mean, has_one = super().of_patients(encoded, patients)
        return (mean > 0).astype(np.float32), has_one

    def fit_patients(
        self, output: NDArray[np.floating], encoded: Array, patients: NDArray[np.intp], settings: Any
    ) -> PatientFigures | None:
        """Calibration and threshold of the patients' answers; None where nobody has several samples, or where all
        patients are of one class.
        """
        from components.lib.patient_answers import fit

        positive = self.labels(self.of_patients(encoded, patients)[0]) == 1
        rule = self.by_patient or DEFAULT
        return fit(rule, self.calibration, finite(output).reshape(-1), positive, patients, settings.threshold)

    def patient_output(
        self, output: NDArray[np.floating], patients: NDArray[np.intp], figures: PatientFigures | None
    ) -> Floats:
        """By the rule of the target, calibrated by what was fitted on patients."""
        from components.lib.patient_answers import calibrated, joined

        rule = figures.rule if figures else self.by_patient or DEFAULT
        answers = joined(rule, finite(output).reshape(-1), patients)
        return calibrated(answers, figures.scaling if figures else {})[:, None]

    def patient_text(self, figures: PatientFigures | None) -> str:
        rule = WORDS[figures.rule if figures else self.by_patient or DEFAULT]
        if figures is None:
            return (
                f"A patient's answer is {rule}. Threshold and calibration are those of single samples, which don't fit "
                "it: in validation nobody has several samples, or all patients are of one class."
            )
        return (
            f"A patient's answer is {rule}, with a calibration and a threshold of its own "
            f"({written(figures.decision['threshold'])}), fitted on {figures.patients:,} patients of validation."
        )

    came_true: ClassVar[str] = "positive"

    def stated(self, output: NDArray[np.floating], encoded: Array) -> tuple[Floats, Bools]:
        """The positive class's probability, and whether the sample is labelled so."""
        return finite(output).reshape(-1), self.labels(encoded) == 1

    def paired_measures(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], in_use: Mapping[str, float]
    ) -> dict[str, Measure]:
        from components.lib.kinds._compared import of_two_classes

        score, positive = finite(output).reshape(-1), self.labels(encoded) == 1
        if positive.all() or not positive.any():
            return {}
        return of_two_classes(score, positive, decision["threshold"], in_use["threshold"], self.spoken)

    def stated_of_classes(self, output: NDArray[np.floating], encoded: Array) -> Mapping[str, tuple[Floats, Bools]]:
        return {self.class_names[1]: self.stated(output, encoded)}

    @property
    def calibration_names(self) -> tuple[str, ...]:
        from components.lib.calibration_curve import DISTANCES
        from components.lib.recalibration import MEASURES

        return (*MEASURES, *DISTANCES)

    def _measured(self, score: Floats, positive: Bools, called: Bools, design: Design) -> dict[str, Estimate]:
        from components.lib import resampling as rs
        from components.lib.calibration_interval import calibration_error
        from components.lib.class_metrics import F1, Area, Mean, Share, measured
        from components.lib.statistics import missing

        no, yes = self.spoken
        every = np.ones(len(score), bool)
        exact: dict[str, Share | F1 | Mean | Area] = {
            "accuracy": Share(called == positive, every),
            "precision": Share(positive, called, f"no sample is called {yes}"),
            "recall": Share(called, positive, f"no sample labelled {yes}"),
            "specificity": Share(~called, ~positive, f"no sample labelled {no}"),
            "auc": Area(self.columns(score), positive.astype(np.intp)),
        }
        of_positives = ("f1", "average_precision")
        drawn = {"brier": rs.ratio((score - positive) ** 2, every)}
        if positive.any():
            exact["f1"] = F1(called, positive)
            drawn["average_precision"] = rs.average_precision(score, positive)
        found = measured(exact, drawn, design, shares=["average_precision"], most={"brier": 1.0})
        found["ece"] = calibration_error(score, positive, design)
        return {name: missing(f"no sample labelled {yes}", len(score)) for name in of_positives} | found

    def _noted(
        self, found: Mapping[str, Estimate], positive: Bools, called: Bools, design: Design
    ) -> dict[str, Estimate]:
        """With a note on figures that rest on too few."""
        from components.lib.class_metrics import noted

        of = [design.too_few(positive == side, f"labelled {self.spoken[side]}") for side in (False, True)]
        either = of[1] or of[0]
        notes = {
            "accuracy": design.too_few(np.ones(len(positive), bool), "in all"), "recall": of[1], "specificity": of[0],
            "precision": of[1] or design.too_few(called, f"called {self.spoken[1]}"),
        }  # fmt: skip
        return {name: noted(each, notes.get(name, either)) for name, each in found.items()}

    def _explained(self, name: str, estimate: Estimate, score: Floats, positive: NDArray[np.bool_]) -> Estimate:
        """The figure with its sentence in plain language."""
        better: Literal["higher", "lower"] = "lower" if name in ("brier", "ece") else "higher"
        meaning = metric_meaning(name, estimate, score, float(positive.mean()), self.spoken) if estimate.known else ""
        return replace(
            estimate, meaning=meaning, better=better, headline=name in ("recall", "specificity", "precision")
        )

    def charts(self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float]) -> list[Chart]:
        """ROC, precision over recall, confusion, reliability, scores by class."""
        from components.lib.kinds import _class_charts as draw

        score, label = finite(output).reshape(-1), self.labels(encoded)
        threshold = decision["threshold"]
        curves = {self.spoken[1]: (score, label == 1)}
        return [
            draw.roc(curves, threshold),
            draw.precision_recall(curves, threshold),
            draw.confusion(self.class_names, label, (score >= threshold).astype(np.intp)),
            draw.reliability(score, label == 1, f"Probability of {self.spoken[1]}", f"Labelled {self.spoken[1]}"),
            draw.histogram(self.class_names, label, score, f"Probability of {self.spoken[1]}", threshold),
        ]

    def answer(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> dict[str, Array]:
        """Probability of the positive class, label, the threshold between them; which classes can't be ruled out, and
        whether the model abstains.
        """
        score = np.asarray(output, np.float64).reshape(-1)
        called = (score >= decision["threshold"]).astype(np.intp)
        columns = np.stack([1 - score, score], axis=1)
        return {
            "probability": score,
            "label": np.array(self.class_names, object)[called],
            "threshold": np.full(len(score), decision["threshold"]),
            **conformal.set_columns(columns, called, self.class_names, decision),
        }

    @property
    def answer_types(self) -> Mapping[str, str]:
        return {"probability": "double", "label": "string", "threshold": "double", **conformal.SET_TYPES}

    @property
    def answer_meanings(self) -> Mapping[str, str]:
        negative, positive = self.spoken
        return {
            "probability": f"calibrated probability of {positive}",
            "label": f"{positive} from the threshold on, else {negative}",
            "threshold": "what the label is decided by: fitted on validation, or asked for",
            **conformal.SET_MEANINGS,
        }
