"""What targets with classes share: labels, encoding, weights, the choice of the best epoch."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from components.lib import conformal
from components.lib.errors import DataError, ModelError, nearest
from components.lib.kinds._labels import class_of_each, counted_labels
from components.lib.kinds.base import Array, Examples, TargetKind, Whose
from components.lib.numbers import hundredths
from components.lib.settings import wrong

if TYPE_CHECKING:
    from components.lib.statistics import Estimate

Floats = NDArray[np.float64]
MOST_CHARACTERS = 60
SLOPES = (0.8, 1.25)
"""Calibration slopes, and ratios of observed to expected, that a default gate takes for right: a fifth either way."""
ClassName = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
Label = Annotated[str, Field(min_length=1, max_length=200)]


class Classes(TargetKind, ABC):
    """A target that is one of several named classes."""

    classes: tuple[ClassName, ...]
    """Names of the classes, as the raw data spell them."""
    spellings: dict[ClassName, tuple[Label, ...]] = Field(default_factory=dict)
    """Other labels of the raw data that mean a class: {yes: [Y, TRUE]}. Labels that differ from a class in capitals,
    blanks, hyphens or underscores alone, or that write its number otherwise (1.0), need not be listed."""
    unknown: tuple[Label, ...] = ()
    """Labels of the raw data that mean "not known": ["-1", uncertain]. Such samples have no class. Empty cells and the
    usual words for it (NA, null, …) need not be listed."""

    train_settings: ClassVar[frozenset[str]] = frozenset(
        {"label_smoothing", "class_weights", "loss", "focal_gamma", "coverage", "distil_temperature"}
    )
    chance: ClassVar[tuple[str, float]] = ("auc", 0.5)
    calibrated: ClassVar[Mapping[str, tuple[float, float]]] = {"calibration_slope": SLOPES, "ece": (0.0, 0.1)}
    comparable: ClassVar[tuple[str, ...]] = ("auc", "average_precision", "brier")
    dvc_plots: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "roc": {"x": "false_positive_rate", "y": "true_positive_rate", "title": "ROC curve"},
        "precision_recall": {"x": "recall", "y": "precision", "title": "Precision and recall"},
        "confusion": {"x": "actual", "y": "predicted", "template": "confusion", "title": "Confusion matrix"},
        "reliability": {"x": "confidence", "y": "accuracy", "title": "Reliability"},
    }

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in classes if classes.count(name) > 1})
        if twice:
            raise ValueError(f"every class has its own name; {', '.join(twice)} stands there twice")
        return classes

    @model_validator(mode="after")
    def _labels_of_one_class(self) -> Self:
        """Refuse spellings of no class, and a label that would mean two things."""
        if strange := sorted({*self.spellings} - {*self.classes}):
            found = f"{', '.join(strange)}{nearest(strange[0], self.classes)}"
            raise wrong("spellings", f"classes of this target: {', '.join(self.classes)}", found)
        meant = [*self.classes, *(each for many in self.spellings.values() for each in many), *self.unknown]
        if twice := sorted({label for label in meant if meant.count(label) > 1}):
            raise wrong("spellings", "every label for one class, or for none", f"{', '.join(twice)} twice")
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def listed_classes(self) -> tuple[str, ...]:
        return self.classes

    @property
    def spoken(self) -> tuple[str, ...]:
        """The classes as a sentence says them: `pneumonia`, but `class 1`."""
        return tuple(map(spoken, self.class_names))

    @abstractmethod
    def labels(self, encoded: Array) -> NDArray[np.intp]:
        """Encoded targets as the position of the class (N,)."""

    @abstractmethod
    def called(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> NDArray[np.intp]:
        """Position of the class that is the answer (N,), of the network's output (N, units)."""

    @abstractmethod
    def columns(self, output: NDArray[np.floating]) -> Floats:
        """The network's output as one column a class (N, K), float64."""

    def problem(self, values: pd.Series) -> str | None:
        """Labels that are no class, with their number and the nearest class."""
        counts = Counter(_as_text(values.dropna()))
        known = self.class_of_each(counts)
        strange = Counter({label: count for label, count in counts.items() if label not in known})
        if not strange:
            return None
        told = ", ".join(
            f"{label[:40]!r} ({count}{nearest(label, self.classes)})" for label, count in strange.most_common(5)
        )
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        return f"{strange.total()} labels are none of the classes {', '.join(self.classes)}: {told}{more}"

    def class_of_each(self, labels: Iterable[str]) -> dict[str, str | None]:
        """The class of each raw label, None where it means "unknown"; labels that are no class are left out."""
        return class_of_each(labels, self.classes, self.spellings, self.unknown)

    def column(self, values: pd.Series) -> pd.Series:
        """The class of each label as text, null where unknown; a label that is no class stays."""
        text = values.astype(object)
        labels = _as_text(values.dropna())
        known = self.class_of_each(labels.unique())
        text[values.notna()] = labels.map(lambda label: known.get(label, label)).astype(object)
        return text.astype("str")

    def read_as(self, values: pd.Series) -> tuple[str, ...]:
        """Labels that are taken for a class in another spelling, and those that are taken for unknown."""
        counts = Counter(_as_text(values.dropna()))
        known = self.class_of_each(counts)
        told = []
        for name in self.classes:
            others = {label: counts[label] for label, held in known.items() if held == name and label != name}
            if others:
                told.append(f"{sum(others.values()):,} labels are read as {name}: {counted_labels(others)}")
        if unsure := {label: counts[label] for label, held in known.items() if held is None}:
            told.append(f"{sum(unsure.values()):,} labels are read as unknown: {counted_labels(unsure)}")
        return tuple(told)

    def positions(self, values: pd.Series) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Position of the class of each raw value (N,), and a mask of the known ones (N,).

        Raises:
            DataError: a value is no class.
        """
        if problem := self.problem(values):
            raise DataError(
                f"target column {values.name}",
                expected="the classes of the task file, or null",
                found=problem,
                todo="correct the labels, or `targets:` in the task file",
            )
        classes = self.column(values)
        known = classes.notna().to_numpy()
        found = np.zeros(len(values), np.intp)
        found[known] = pd.Index(self.class_names).get_indexer(pd.Index(classes.dropna()))
        return found, known

    def sample_weights(self, encoded: Array, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        """n / (k · n_class) for the k classes that occur, so that known samples weigh 1 on average; 0 for unknown."""
        labels = self.labels(encoded)
        counts = np.bincount(labels[known], minlength=len(self.class_names))
        weights = known.sum() / (max(np.count_nonzero(counts), 1) * np.maximum(counts, 1))
        return np.where(known, weights[labels], 0).astype(np.float32)

    def class_offsets(
        self, encoded: Array, weights: NDArray[np.floating], own: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """What each class's logit lacks (K,), arguments as of `weight_offsets`: see `lib.calibration`."""
        from components.lib.calibration import class_offsets

        labels, known = self.labels(encoded), weights > 0
        classes = len(self.class_names)
        true = np.bincount(labels[own & known], minlength=classes)
        return class_offsets(true, np.bincount(labels, weights, minlength=classes))

    def fit_sets(self, output: NDArray[np.floating], encoded: Array, coverage: float) -> dict[str, float]:
        """From which probability each class is in a prediction set: see `lib.conformal`; nothing at coverage 0."""
        return conformal.fit_sets(self.columns(output), self.labels(encoded), coverage) if coverage else {}

    def decision_problem(self, decision: Mapping[str, float]) -> str | None:
        """A figure of the prediction sets that is no probability."""
        if "set_0" in decision and any(f"set_{k}" not in decision for k in range(len(self.class_names))):
            return "prediction sets of other classes"
        return conformal.out_of_range(decision, ["coverage", *(f"set_{k}" for k in range(len(self.class_names)))])

    def score(self, output: NDArray[np.floating], encoded: Array) -> float:
        """AUC (mean of one versus rest over the classes that occur).

        When only one class occurs there is no AUC; then it is minus the log loss, which still ranks epochs. The classes
        that occur are the same in every epoch of a run, so the two are never mixed.

        Raises:
            ModelError: the network gave NaN.
            DataError: no sample.
        """
        from components.lib.statistics import macro_auc

        if not len(encoded):
            raise DataError(
                "validation",
                expected="samples whose target is known",
                found="none",
                todo="give validation a larger share, or label more samples",
            )
        columns, labels = self.columns(output), self.labels(encoded)
        area = macro_auc(columns, labels)
        if area.known:
            return area.value
        of_truth = np.clip(columns[np.arange(len(labels)), labels], 1e-7, 1)
        return float(np.log(of_truth).mean())

    @abstractmethod
    def certainty(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> Floats:
        """How far each sample is from being called otherwise (N,)."""

    def examples(
        self, output: NDArray[np.floating], encoded: Array, known: NDArray[np.bool_], decision: Mapping[str, float]
    ) -> list[Examples]:
        """The surest hits, the surest misses, the least sure ones."""
        names = np.array(self.class_names, object)
        called = self.answer(output, decision)["label"]
        right = (called == names[self.labels(encoded)]) & known
        surest_first = np.argsort(-self.certainty(output, decision), kind="stable")
        return [
            Examples("Surest of those called right", _in_turn(surest_first[right[surest_first]], called)),
            Examples("Surest of those called wrongly", _in_turn(surest_first[(~right & known)[surest_first]], called)),
            Examples("Least sure", surest_first[known[surest_first]][::-1]),
        ]

    def described(self, output: NDArray[np.floating], truth: Any, decision: Mapping[str, float]) -> str:
        """`labelled normal, called pneumonia, probability 0.812`."""
        answer = self.answer(output[None], decision)
        known = "not labelled" if truth is None else f"labelled {spoken(str(truth))}"
        return (
            f"{known}, called {spoken(str(answer['label'][0]))}, {self.probability_of()} {answer['probability'][0]:.3f}"
        )

    def probability_of(self) -> str:
        """What the served probability is the probability of."""
        return "probability"

    def baselines(self, seed: int) -> dict[str, Any]:
        """Logistic regression and boosted trees."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression

        return {
            "logistic regression": LogisticRegression(max_iter=1000, random_state=seed),
            "gradient-boosted trees": HistGradientBoostingClassifier(random_state=seed),
        }

    def baseline_target(self, encoded: Array) -> Array:
        return self.labels(encoded)

    def baseline_output(self, estimator: Any, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities in the network's form; a class that training lacks gets 0."""
        columns = np.zeros((len(features), len(self.class_names)), np.float32)
        columns[:, estimator.classes_] = estimator.predict_proba(features)
        return columns if self.units > 1 else columns[:, 1:]

    def evidence(self, output: NDArray[np.floating]) -> Floats:
        """Logits; of a probability that float32 rounds to 0 or 1 those of one in ten million from it."""
        probability = np.clip(np.asarray(output, np.float64), 1e-7, 1 - 1e-7)
        return np.asarray(np.log(probability / (1 - probability)), np.float64)

    def comparable_metric(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], patients: Whose = None
    ) -> Estimate:
        """AUC; of several classes the mean of one versus rest."""
        from components.lib.bootstrap import Design
        from components.lib.class_metrics import Area

        label = self.labels(encoded)
        return Area(self.columns(output), label).estimate(Design.of(label, patients))

    def surrogate(self, seed: int) -> Any:
        """Logistic regression under an L1 penalty, its strength by five-fold cross-validation."""
        from sklearn.linear_model import LogisticRegressionCV
        from sklearn.model_selection import StratifiedKFold

        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        return LogisticRegressionCV(
            Cs=np.logspace(-2.5, 0.5, 6), l1_ratios=(1.0,), solver="saga", cv=folds, scoring="neg_log_loss", tol=1e-3,
            max_iter=1000, random_state=seed, use_legacy_attributes=False,
        )  # fmt: skip

    def surrogate_weights(self, estimator: Any) -> Mapping[str, Floats]:
        names = [f"for {self.spoken[place]}" for place in estimator.classes_]
        if len(estimator.coef_) == 1:  # of two classes scikit-learn has the weights of the second
            names = names[1:]
        return dict(zip(names, np.asarray(estimator.coef_, np.float64), strict=True))

    def difference(
        self, output: NDArray[np.floating], other: NDArray[np.floating], encoded: Array, patients: Whose = None
    ) -> Estimate:
        """AUC of `other` less that of `output`, paired by sample; of several classes the mean of one versus rest."""
        from components.lib.kinds._paired import area_difference

        return area_difference(self.columns(output), self.columns(other), self.labels(encoded), patients)


def spoken(label: str) -> str:
    """A class as a sentence says it: what holds no word (1, <30, A, 3b) is called a class."""
    return label if re.search(r"[^\W\d_]{2}|[\u3040-\u9fff\uac00-\ud7af]", label) else f"class {label}"


def _in_turn(rows: NDArray[np.intp], called: Array) -> NDArray[np.intp]:
    """The classes by turns, each in its order, so that the easiest one doesn't fill a group."""
    place_in_class = pd.Series(rows).groupby(called[rows]).cumcount().to_numpy()
    return rows[np.argsort(place_in_class, kind="stable")]


def finite(output: NDArray[np.floating]) -> Floats:
    """The network's output as float64.

    Raises:
        ModelError: it holds NaN or infinity.
    """
    values = np.asarray(output, np.float64)
    bad = int((~np.isfinite(values)).reshape(len(values), -1).any(axis=1).sum()) if len(values) else 0
    if bad:
        raise ModelError(
            "the network's output",
            expected="a finite number for every sample",
            found=f"NaN or infinity for {bad} of {len(values)} samples",
            todo="training diverged: lower train.learning_rate or set train.precision: float32",
        )
    return values


def hundred(estimate: Estimate) -> str:
    """A proportion in plain language: `96 (91 to 98)`."""
    return f"{hundredths(estimate.value, 0)} ({hundredths(estimate.low, 0)} to {hundredths(estimate.high, 0)})"


def percentage(share: float) -> str:
    """A share of 0..1 with two digits that say something: `2%`, `0.13%`, `37%`."""
    digits = 0 if share >= 0.1 or share == 0 else 1 if share >= 0.01 else 2
    return f"{100 * share:.{digits}f}%"


def written(probability: float) -> str:
    """A threshold with three digits behind the point, of a small one with two that say something: 0.376, 0.0051."""
    return f"{probability:.3f}" if probability >= 0.1 or probability == 0 else f"{float(f'{probability:.2g}'):g}"


def _as_text(values: pd.Series) -> pd.Series:
    """Labels as text; 1 and 1.0 (what a column of numbers becomes when some are missing) as `1`."""

    def text(value: Any) -> str:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    return values.map(text).astype(str)
