"""The report's figures beside those of scikit-learn, statsmodels, scipy, dcurves, MAPIE and uncertainty-calibration."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import calibration as uncertainty
import numpy as np
import pandas as pd
import statsmodels.api as sm
from dcurves import dca
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores import AbsoluteConformityScore
from mapie.regression import SplitConformalRegressor
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logit
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from components.evaluate.contrasts import Contrast, beyond_chance
from components.lib import conformal
from components.lib.bootstrap import Design
from components.lib.decisions import GRID, decision_curve
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.regression import Regression
from components.lib.recalibration import LARGE, SLOPE, measures, of_numbers
from components.lib.resampling import calibration_bins
from components.lib.statistics import wilson

AT, COVERAGE = 0.2, 0.9
BINARY = Binary(kind="binary", classes=("normal", "pneumonia"))
CLASSES = Multiclass(kind="multiclass", classes=("a", "b", "c", "d"))
NUMBER = Regression(kind="regression", coverage=COVERAGE)
Floats = NDArray[np.float64]
Labels = NDArray[np.intp]
Differences = Mapping[tuple[str, str], Sequence[float]]


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier whose features are its probabilities."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes
        self.classes_ = np.arange(classes)

    def fit(self, features: Floats, target: Labels) -> Given:
        """Nothing is fitted."""
        return self

    def predict_proba(self, features: Floats) -> Floats:
        """The features."""
        return features

    def predict(self, features: Floats) -> Labels:
        """The most probable class."""
        return np.asarray(features.argmax(axis=1), np.intp)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class GivenNumber(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted regression whose feature is its prediction."""

    def fit(self, features: Floats, target: Floats) -> GivenNumber:
        """Nothing is fitted."""
        return self

    def predict(self, features: Floats) -> Floats:
        """The feature."""
        return features[:, 0]

    def __sklearn_is_fitted__(self) -> bool:
        return True


def differences_of_one(score: Floats, true: NDArray[np.bool_]) -> Differences:
    """Of two classes: probabilities of the positive one (N,), and which samples are (N,)."""
    found = BINARY.metrics(score[:, None], true[:, None].astype(float), {"threshold": AT})
    called = score >= AT
    own = {
        "accuracy": sk.accuracy_score(true, called), "precision": sk.precision_score(true, called, zero_division=0),
        "recall": sk.recall_score(true, called), "specificity": sk.recall_score(~true, ~called),
        "f1": sk.f1_score(true, called, zero_division=0),
    }  # fmt: skip
    shares = [abs(found[name].value - each) for name, each in own.items() if found[name].known]
    line = sm.GLM(true, sm.add_constant(logit(score)), family=sm.families.Binomial()).fit(tol=1e-12)
    level = sm.GLM(true, np.ones(len(true)), family=sm.families.Binomial(), offset=logit(score)).fit(tol=1e-12)
    cox = measures(score, true, Design.of(true.astype(np.intp), None))
    groups = int(calibration_bins(score).max()) + 1
    equal = len(score) // groups * groups  # groups of one size, as both programs then cut alike
    ece = BINARY.metrics(score[:equal, None], true[:equal, None].astype(float), {"threshold": AT})["ece"].value
    theirs = uncertainty.lower_bound_scaling_ce(
        score[:equal], true[:equal].astype(int), p=1, debias=False, num_bins=groups,
        binning_scheme=uncertainty.get_equal_bins,
    )  # fmt: skip
    return {
        ("accuracy, precision, recall, specificity, F1", "scikit-learn"): shares,
        ("AUC", "scikit-learn"): [abs(found["auc"].value - sk.roc_auc_score(true, score))],
        ("average precision", "scikit-learn"): [
            abs(found["average_precision"].value - sk.average_precision_score(true, score))
        ],
        ("Brier score", "scikit-learn"): [abs(found["brier"].value - sk.brier_score_loss(true, score))],
        ("calibration slope", "statsmodels GLM"): [abs(cox[SLOPE].value - line.params[1])],
        ("calibration in the large", "statsmodels GLM"): [abs(cox[LARGE].value - level.params[0])],
        ("calibration error (ECE)", "uncertainty-calibration"): [abs(ece - theirs)],
        ("Wilson's interval", "statsmodels"): _wilson(int(true.sum()), len(true)),
        ("net benefit", "dcurves"): [_net_benefit(score, true)],
        ("Holm: verdicts that differ", "statsmodels"): [_holm(score[:12])],
    }


def _wilson(hits: int, n: int) -> list[float]:
    ours = wilson(hits, n)
    low, high = proportion_confint(hits, n, method="wilson")
    return [abs(ours.low - low), abs(ours.high - high)]


def _net_benefit(score: Floats, true: NDArray[np.bool_]) -> float:
    ours = decision_curve(score, true)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, in dcurves
        theirs = dca(pd.DataFrame({"true": true.astype(int), "model": score}), "true", ["model"], thresholds=GRID)
    wide = theirs.pivot_table(index="threshold", columns="model", values="net_benefit")
    return float(max(np.abs(ours["model"].to_numpy() - wide["model"]).max(),
                     np.abs(ours["treat_all"].to_numpy() - wide["all"]).max()))  # fmt: skip


def _holm(values: Floats) -> float:
    """How many of some p-values are judged otherwise."""
    p = np.asarray(values) ** 4
    nothing = wilson(1, 2)
    ours = {each.group for each in beyond_chance([Contrast("", str(i), "", nothing, 0.5, v) for i, v in enumerate(p)],
                                                 len(p))}  # fmt: skip
    theirs = {str(place) for place in np.flatnonzero(multipletests(p, method="holm")[0])}
    return float(len(ours ^ theirs))


def differences_of_classes(columns: Floats, label: Labels, generator: np.random.Generator) -> Differences:
    """Of several classes: probabilities (N, K) and classes (N,); prediction sets of half, fitted on the other half."""
    one_hot = np.eye(columns.shape[1])[label]
    found = CLASSES.metrics(columns, one_hot, {})
    called = columns.argmax(axis=1)
    own = {
        "auc": sk.roc_auc_score(label, columns, multi_class="ovr"),
        "f1": sk.f1_score(label, called, average="macro"),
        "precision": sk.precision_score(label, called, average="macro", zero_division=0),
        "recall": sk.recall_score(label, called, average="macro"),
        "average_precision": sk.average_precision_score(one_hot, columns, average="macro"),
    }
    half = generator.permutation(len(label)) < len(label) // 2
    return {
        ("several classes: AUC, F1, precision, recall, average precision", "scikit-learn"): [
            abs(found[name].value - each) for name, each in own.items()
        ],
        ("prediction sets: members that differ", "MAPIE"): _sets(columns, label, half),
    }


def _sets(columns: Floats, label: Labels, half: NDArray[np.bool_]) -> list[float]:
    """Class by class, as MAPIE fits it on the samples of that class alone; classes that share a figure are left out."""
    fitted = conformal.fit_sets(columns[half], label[half], COVERAGE)
    least = conformal.fitted_least(fitted, columns.shape[1])
    assert least is not None
    ours = conformal.members(columns[~half], least)
    differ = []
    for k in range(columns.shape[1]):
        own = half & (label == k)
        if own.sum() < conformal.ALONE:
            continue
        theirs: Any = SplitConformalClassifier(Given(columns.shape[1]), COVERAGE, "lac", prefit=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that other classes are missing, as is meant, and that nothing was fitted
            theirs.conformalize(columns[own], label[own])
            _, sets = theirs.predict_set(columns[~half])
        differ.append(float((sets[:, k, 0] != ours[:, k]).sum()))
    return differ


def differences_of_numbers(predicted: Floats, known: Floats) -> Differences:
    """Of a number: predictions (N,) and known values (N,); its interval is fitted on one half, tried on the other."""
    n = len(known)
    decision = NUMBER.fit_decision(predicted[: n // 2, None], known[: n // 2, None], None)
    found = NUMBER.metrics(predicted[:, None], known[:, None], decision)
    errors = {
        "mae": sk.mean_absolute_error(known, predicted), "rmse": sk.root_mean_squared_error(known, predicted),
        "r2": sk.r2_score(known, predicted),
    }  # fmt: skip
    student = stats.ttest_1samp(predicted - known, 0).confidence_interval(0.95)
    bias = found["bias"]
    line = stats.linregress(predicted, known)
    ours = of_numbers(predicted, known, Design.of(np.zeros(n, np.intp), None))
    fitted = {SLOPE: line.slope, "calibration_intercept": line.intercept}
    theirs: Any = SplitConformalRegressor(GivenNumber(), COVERAGE, AbsoluteConformityScore(sym=False), prefit=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing was fitted
        theirs.conformalize(predicted[: n // 2, None], known[: n // 2])
        _, ends = theirs.predict_interval(predicted[n // 2 :, None])
    answer = NUMBER.answer(predicted[n // 2 :, None], decision)
    apart = [np.abs(answer[end] - ends[:, place, 0]).max() for place, end in enumerate(("low", "high"))]
    return {
        ("mean absolute error, RMSE, R²", "scikit-learn"): [abs(found[k].value - v) for k, v in errors.items()],
        ("bias and Student's interval", "scipy"): [
            abs(bias.value - float((predicted - known).mean())), abs(bias.low - student.low),
            abs(bias.high - student.high),
        ],
        ("calibration slope and intercept of a number", "scipy linregress"): [
            abs(ours[name].value - each) for name, each in fitted.items()
        ],
        ("interval of a number", "MAPIE"): apart,
    }  # fmt: skip
