"""What every target kind answers. A kind is its settings plus what follows from them.

Steps ask this class; no step says `if kind == "binary"`. Keras is imported inside the few methods that training alone
calls, so that evaluating and serving never load it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.kinds._records import Array, Chart, Examples, Whose
from components.lib.settings import Settings

if TYPE_CHECKING:
    import keras

    from components.lib.paired import Measure
    from components.lib.patient_figures import PatientFigures
    from components.lib.statistics import Estimate


class TargetKind(Settings, ABC):
    """An output of the network: head, loss, decision, metrics with intervals, figures, serving columns."""

    kind: str

    dvc_plots: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Which charts `dvc plots` shows: name of the chart to DVC's plot settings for its table."""
    train_settings: ClassVar[frozenset[str]] = frozenset()
    """Keys of `train:` that only some target kinds use, and this one does."""
    comparable: ClassVar[tuple[str, ...]]
    """Metrics that need no decision, so that a baseline can be held against the network; the first one decides."""
    takes_threshold: ClassVar[bool] = False
    """Whether `decision["threshold"]` makes a label of a probability, so that a caller may ask for another one."""
    chance: ClassVar[tuple[str, float]]
    """The metric, and the value it must be above, that judge a model whose task names no gate."""
    calibrated: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Figures of calibration, and the range that the interval of each must reach into, of a task that names no gate."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, of a target that has them, in the order of the network; of two, the positive one is second."""
        return ()

    @property
    def listed_classes(self) -> tuple[str, ...]:
        """The classes in the order of the task file, which raw data follow that number them."""
        return self.class_names

    def read_as(self, values: pd.Series) -> tuple[str, ...]:
        """Sentences about raw values (null = unknown) that `column` replaces: spellings, labels for "unknown"."""
        return ()

    @abstractmethod
    def problem(self, values: pd.Series) -> str | None:
        """What is wrong with a column of raw target values (null = unknown), or None."""

    def column(self, values: pd.Series) -> pd.Series:
        """Raw target values without a problem, as the dataset's table holds them."""
        return values

    @abstractmethod
    def encode(self, values: pd.Series) -> tuple[Array, NDArray[np.bool_]]:
        """Targets (N, …), and a mask of the known ones (N,)."""

    @property
    @abstractmethod
    def units(self) -> int:
        """Width of the dense head that gives this target's logits."""

    def fit(self, encoded: Array) -> dict[str, float]:
        """What must be learnt from the known training targets before a network can predict them: a scale."""
        return {}

    def to_loss(self, encoded: Array, scaling: Mapping[str, float]) -> Array:
        """Encoded targets as the loss takes them (N, units), float32; `scaling` is what `fit` returned."""
        return encoded

    @abstractmethod
    def loss(self, settings: Any) -> keras.losses.Loss:
        """The Keras loss on logits; `settings` are those of `train:`."""

    @abstractmethod
    def sample_weights(self, encoded: Array, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Per-sample weights (N,): balanced over classes, 0 where the target is unknown."""

    @abstractmethod
    def activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """Keras: logits to what is served (probabilities, a number); `scaling` from `fit` and `calibrate`."""

    def map_activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """Keras: the map of what each place adds to the logit (N, …, units), on the scale of the report."""
        return logits

    def weight_offsets(self, encoded: Array, weights: NDArray[np.floating], own: NDArray[np.bool_]) -> dict[str, float]:
        """What undoes the class weights of training, from its samples; joined to the scaling before `calibrate`.

        Args:
            encoded: targets of what was learnt from (N, …), copies included.
            weights: of each sample in the loss (N,), 0 where the target is unknown.
            own: which of them are no copies (N,).
        """
        return {}

    def calibrate(self, logits: NDArray[np.floating], encoded: Array, scaling: Mapping[str, float]) -> dict[str, float]:
        """Fitted on validation, and joined to the scaling that goes into the graph.

        Args:
            logits: (N, units), of known samples that the network didn't learn from.
            encoded: their targets.
            scaling: from `fit` and `weight_offsets`.
        """
        return {}

    def before_calibration(self, output: NDArray[np.floating], scaling: Mapping[str, float]) -> NDArray[np.floating]:
        """What the network states as it was trained (N, units), from what is served (N, units)."""
        return output

    def scaling_text(self, scaling: Mapping[str, float]) -> str:
        """The scaling in words: what calibration did to what the network states."""
        return ", ".join(f"{name} {value:.4g}" for name, value in scaling.items())

    @abstractmethod
    def fit_decision(self, output: NDArray[np.floating], encoded: Array, settings: Any) -> dict[str, float]:
        """Decision figures fitted on validation, e.g. {"threshold": .41}; they travel in model.json.

        Args:
            output: what is served (N, units).
            encoded: known targets.
            settings: those of `train:`.
        """

    def decision_problem(self, decision: Mapping[str, float]) -> str | None:
        """What is wrong with the decision figures of a model.json ("threshold nan"), or None."""
        return None

    @abstractmethod
    def decision_text(self, decision: Mapping[str, float]) -> str:
        """The decision figures in words ("threshold 0.41"); empty when there is none."""

    def assumed(self, decision: Mapping[str, float], patients: PatientFigures | None) -> tuple[str, ...]:
        """Sentences about what training chose for the decision because the task file says nothing of it.

        Args:
            decision: what `fit_decision` gave.
            patients: what `fit_patients` gave.
        """
        return ()

    @abstractmethod
    def score(self, output: NDArray[np.floating], encoded: Array) -> float:
        """One figure, higher is better, by which the best epoch is chosen on validation."""

    @abstractmethod
    def metrics(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], patients: Whose = None
    ) -> dict[str, Estimate]:
        """The field's metrics with intervals, by name.

        Args:
            output: what is served (N, units).
            encoded: known targets (N, …).
            decision: what `fit_decision` gave.
            patients: where somebody has several samples, the intervals count patients.
        """

    def of_patients(self, encoded: Array, patients: NDArray[np.intp]) -> tuple[Array, NDArray[np.bool_]]:
        """The truth of each patient from those of the patient's samples.

        Args:
            encoded: known targets of N samples (N, …).
            patients: 0 … P-1 (N,), each at least once.

        Returns:
            encoded targets (P, …): here the mean; and which patients have one (P,): the others are left out.
        """
        sums = np.zeros((int(patients.max(initial=-1)) + 1, *np.shape(encoded)[1:]))
        np.add.at(sums, patients, encoded)
        counts = np.bincount(patients).reshape(-1, *[1] * (sums.ndim - 1))
        return sums / counts, np.full(len(sums), True)

    patient_rule: ClassVar[str] = "a patient's truth is the mean of what is known of the samples"
    """What `of_patients` does, in words."""

    def fit_patients(
        self, output: NDArray[np.floating], encoded: Array, patients: NDArray[np.intp], settings: Any
    ) -> PatientFigures | None:
        """What is decided by where a patient has several samples, from validation; None: nothing of its own.

        Args:
            output: what is served (N, units).
            encoded: known targets (N, …).
            patients: 0 … P-1 (N,), each at least once.
            settings: those of `train:`.
        """
        return None

    def patient_output(
        self, output: NDArray[np.floating], patients: NDArray[np.intp], figures: PatientFigures | None
    ) -> NDArray[np.float64]:
        """The answer to each patient (P, units) from those to the samples: here the mean.

        Args:
            output: what is served (N, units).
            patients: 0 … P-1 (N,), each at least once.
            figures: what `fit_patients` gave.
        """
        values = np.asarray(output, np.float64)
        sums = np.zeros((int(patients.max(initial=-1)) + 1, *values.shape[1:]))
        np.add.at(sums, patients, values)
        return np.asarray(sums / np.bincount(patients).reshape(-1, *[1] * (sums.ndim - 1)), np.float64)

    def patient_text(self, figures: PatientFigures | None) -> str:
        """What `patient_output` does, in a sentence."""
        return "A patient's answer is the mean of the answers to the samples."

    came_true: ClassVar[str] = "right"
    """What it means that a stated probability came true: "of 100 samples, 80 are right"."""

    def stated(
        self, output: NDArray[np.floating], encoded: Array
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
        """The probability that is stated of each sample (N,), and whether it came true (N,); None: none is stated."""
        return None

    def stated_of_classes(
        self, output: NDArray[np.floating], encoded: Array
    ) -> Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]:
        """By class, the probability stated of it (N,) and which samples are of it (N,): of two the positive one alone.

        Empty for a kind without classes.
        """
        return {}

    def class_metric(self, metric: str, label: str) -> str:
        """The name under which a metric of one class is kept; of two classes it is the positive one's, without it."""
        return metric

    @property
    def calibration_names(self) -> tuple[str, ...]:
        """What `evaluate` measures of calibration beside `metrics`: gates may name it."""
        return ()

    def stated_levels(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float]
    ) -> Mapping[float, NDArray[np.bool_]]:
        """Of a kind that states quantiles: their level (0..1) to which known values lie at or below them (N,)."""
        return {}

    @property
    def metric_titles(self) -> Mapping[str, str]:
        """Titles of metrics whose names alone say too little."""
        return {}

    @property
    @abstractmethod
    def metric_names(self) -> tuple[str, ...]:
        """Names of what `metrics` returns, in its order: a task's gates are held against them before any training."""

    @abstractmethod
    def charts(self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float]) -> list[Chart]:
        """The field's figures."""

    @abstractmethod
    def examples(
        self, output: NDArray[np.floating], encoded: Array, known: NDArray[np.bool_], decision: Mapping[str, float]
    ) -> list[Examples]:
        """Which samples (of N, known or not) a reader should look at."""

    @abstractmethod
    def described(self, output: NDArray[np.floating], truth: Any, decision: Mapping[str, float]) -> str:
        """One sample in words: what was known (None: nothing) and what the model says, from its output (units,)."""

    def evidence(self, output: NDArray[np.floating]) -> NDArray[np.float64]:
        """The network's output (N, units) on the scale of its maps, where what places add is summed: of a number its
        own, of classes logits."""
        return np.asarray(output, np.float64)

    def comparable_metric(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], patients: Whose = None
    ) -> Estimate:
        """The first of the `comparable` metrics alone, with its interval: for looks that measure many times."""
        return self.metrics(output, encoded, decision, patients)[self.comparable[0]]

    def surrogate(self, seed: int) -> Any:
        """A sparse linear scikit-learn estimator, unfitted, for standardised columns; None: there is none."""
        return None

    def surrogate_weights(self, estimator: Any) -> Mapping[str, NDArray[np.float64]]:
        """The weights (F,) of a fitted `surrogate`, by what more of a column speaks for ("for pneumonia")."""
        return {}

    def shown_unit(self, output: NDArray[np.floating]) -> tuple[int, str]:
        """Which unit's map is shown for one sample's output (units,), and what it speaks for, in words."""
        return 0, "for a higher value"

    @abstractmethod
    def answer(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> dict[str, Array]:
        """Serving columns, by name, from the network's output (N, …)."""

    @property
    @abstractmethod
    def answer_types(self) -> Mapping[str, str]:
        """MLflow data types of `answer`'s columns."""

    @property
    def answer_meanings(self) -> Mapping[str, str]:
        """What `answer`'s columns tell, in a line each, for docs/serving.md."""
        return {}

    @abstractmethod
    def baselines(self, seed: int) -> dict[str, Any]:
        """Plain scikit-learn estimators, unfitted, by name: what the network is held against in the report."""

    @abstractmethod
    def baseline_target(self, encoded: Array) -> Array:
        """Encoded targets (N, …) as scikit-learn's `fit` takes them (N,)."""

    @abstractmethod
    def baseline_output(self, estimator: Any, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a fitted baseline predicts for (N, F), in the form of the network's output (N, units)."""

    @abstractmethod
    def difference(
        self, output: NDArray[np.floating], other: NDArray[np.floating], encoded: Array, patients: Whose = None
    ) -> Estimate:
        """The first comparable metric of `other` less that of `output`, both (N, units), paired by sample; `patients`
        as in `metrics`.
        """

    @abstractmethod
    def paired_measures(
        self,
        output: NDArray[np.floating],
        encoded: Array,
        decision: Mapping[str, float],
        in_use: Mapping[str, float],
    ) -> dict[str, Measure]:
        """The measures by which a model is compared with the one in use, the deciding one first; empty where the
        samples can't give them.

        Args:
            output: what the model serves (N, units).
            encoded: known targets (N, …).
            decision: the model's own.
            in_use: the decision of the model in use: its threshold says what a false alarm costs.
        """
