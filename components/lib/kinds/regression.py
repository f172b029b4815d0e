"""A number to predict: a length, a score, a laboratory value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.lib.errors import DataError
from components.lib.kinds._classes import SLOPES, finite
from components.lib.kinds._numbers import problem, read
from components.lib.kinds.base import Array, Chart, Examples, TargetKind, Whose
from components.lib.numbers import number, signed

if TYPE_CHECKING:
    import keras

    from components.lib.paired import Measure
    from components.lib.statistics import Estimate

Floats = NDArray[np.float64]
Finite = Annotated[float, Field(allow_inf_nan=False)]

METRICS = ("mae", "rmse", "r2", "bias", "coverage", "interval_width")
LEVELS = tuple(range(5, 100, 5))
"""Percent: the quantiles of the validation residuals that are kept."""
EACH = 4
"""Examples of each group."""


class Regression(TargetKind):
    """A number, served with an interval that was fitted on validation to hold the stated share of cases."""

    kind: Literal["regression"]
    unit: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    """What the number is counted in, as the report and the charts show it: mg/dl."""
    coverage: Annotated[float, Field(ge=0.5, le=0.99)] = 0.9
    """Share of cases that the served interval should hold."""
    minimum: Finite | None = None
    """Lowest possible value: raw values below are an error, and nothing below is served."""
    maximum: Finite | None = None
    """Highest possible value: raw values above are an error, and nothing above is served."""
    robust: bool = False
    """Huber's loss in place of squared errors: single values far off then weigh less in training."""

    dvc_plots: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "predicted": {"x": "known", "y": "predicted", "template": "scatter", "title": "Predicted and known"},
        "residuals": {"x": "predicted", "y": "residual", "template": "scatter", "title": "Residuals"},
        "quantiles": {"x": "nominal", "y": "observed", "template": "linear", "title": "Calibration of quantiles"},
    }
    chance: ClassVar[tuple[str, float]] = ("r2", 0.0)
    calibrated: ClassVar[Mapping[str, tuple[float, float]]] = {
        "calibration_slope": SLOPES, "quantile_error": (0.0, 0.05),
    }  # fmt: skip
    comparable: ClassVar[tuple[str, ...]] = ("mae", "rmse", "r2")

    @model_validator(mode="after")
    def _range(self) -> Regression:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is not below maximum {self.maximum:g}")
        return self

    def problem(self, values: pd.Series) -> str | None:
        """Values that are no finite number, or outside the range, with their count and the first rows."""
        return problem(values, self.minimum, self.maximum)

    def column(self, values: pd.Series) -> pd.Series:
        """Float64, null where unknown.

        Raises:
            DataError: a value has a problem.
        """
        numbers, known = self._checked(values)
        column = pd.array(np.where(known, numbers, 0.0), dtype="Float64")
        column[~known] = pd.NA
        return pd.Series(column, index=values.index, name=values.name)

    def encode(self, values: pd.Series) -> tuple[Array, NDArray[np.bool_]]:
        """float64 (N, 1) in the target's unit, 0 where unknown; and the mask of the known (N,).

        Raises:
            DataError: a value has a problem.
        """
        numbers, known = self._checked(values)
        return np.where(known, numbers, 0.0)[:, None], known

    @property
    def units(self) -> int:
        return 1

    def fit(self, encoded: Array) -> dict[str, float]:
        """{"mean", "deviation"} of the known training targets (n, 1), in their unit; deviation 1 where all are equal.

        Raises:
            DataError: no sample.
        """
        known = np.asarray(encoded, np.float64).reshape(-1)
        _refuse_empty("train", known)
        mean, deviation = float(known.mean()), float(known.std())
        # Of equal values the deviation is rounding alone, not always 0.
        same = np.ptp(known) == 0
        return {"mean": mean, "deviation": 1.0 if same or deviation == 0 else deviation}

    def to_loss(self, encoded: Array, scaling: Mapping[str, float]) -> Array:
        """Standardised targets (N, 1), float32: mean 0 and deviation 1 over training."""
        standardised = (np.asarray(encoded, np.float64) - scaling["mean"]) / scaling["deviation"]
        return standardised.astype(np.float32)

    def loss(self, settings: Any) -> keras.losses.Loss:
        """Squared error of standardised values (N, 1): the network then predicts the mean of what may be.

        With `robust` Huber's, squared up to one deviation and linear beyond (Huber 1964, doi:10.1214/aoms/1177703732).
        """
        import keras

        return keras.losses.Huber(delta=1.0) if self.robust else keras.losses.MeanSquaredError()

    def sample_weights(self, encoded: Array, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        """1 for known samples, 0 for unknown (N,): there are no classes to balance."""
        return known.astype(np.float32)

    def activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """Back to the target's unit; logits (N, …, 1) of Keras or NumPy."""
        return logits * scaling["deviation"] + scaling["mean"]

    def map_activation(self, logits: Any, scaling: Mapping[str, float]) -> Any:
        """What each place adds to the prediction, in the target's unit."""
        return logits * scaling["deviation"]

    def fit_decision(self, output: NDArray[np.floating], encoded: Array, settings: Any) -> dict[str, float]:
        """Quantiles of the validation residuals, known minus predicted, as split conformal prediction takes them.

        A new case of the same population lies between `low` and `high` around its prediction with a chance of
        `coverage` or more, whatever the network and the distribution. On n samples that needs n + 1 of at least
        2 / (1 - coverage); of fewer, the largest residuals are taken, and `coverage` tells what they can promise.

        Validation chose the epoch too, and may hold several samples of a patient, so the promise is a little too good:
        what it is worth is measured on test, by the metric of the same name.

        Args:
            output: (n, 1), of validation.
            encoded: (n, 1).
            settings: not used.

        Returns:
            "q05", "q10" … "q95", "low" and "high" in the target's unit, and "coverage" (0..1).

        Raises:
            DataError: no sample.
            ModelError: the network gave NaN.

        Sources: Papadopoulos et al. 2002, doi:10.1007/3-540-36755-1_29; Vovk, Gammerman & Shafer 2005, Algorithmic
        Learning in a Random World, doi:10.1007/b106715; Lei et al. 2018, doi:10.1080/01621459.2017.1307116; the
        tails apart: Romano, Patterson & Candès 2019, theorem 2, arXiv:1905.03222.
        """
        known = self._truth(encoded)
        _refuse_empty("validation", known)
        residuals = np.sort(known - self._predictions(output))
        tail = (1 - self.coverage) / 2
        (low, first), (high, last) = _order_statistic(residuals, tail), _order_statistic(residuals, 1 - tail)
        quantiles = {f"q{level:02d}": _order_statistic(residuals, level / 100)[0] for level in LEVELS}
        promised = min(self.coverage, (last - first) / (len(residuals) + 1))
        return {**quantiles, "low": low, "high": high, "coverage": promised}

    def decision_problem(self, decision: Mapping[str, float]) -> str | None:
        """An interval whose ends or promise are missing, no number or the wrong way round."""
        for name in ("low", "high", "coverage", *(f"q{level:02d}" for level in LEVELS)):
            if not math.isfinite(decision.get(name, math.nan)):
                return f"{name} {decision[name]:g}" if name in decision else f"no {name}"
        if decision["low"] > decision["high"]:
            return f"low {decision['low']:g} above high {decision['high']:g}"
        return None if 0 <= decision["coverage"] <= 1 else f"coverage {decision['coverage']:g}"

    def decision_text(self, decision: Mapping[str, float]) -> str:
        """The interval around a prediction, and what it promises."""
        interval = f"interval from {signed(decision['low'])} to {signed(decision['high'])}{self._unit} around the"
        promise = f"{interval} prediction, for {decision['coverage']:.0%} of cases"
        if decision["coverage"] < self.coverage - 1e-9:
            return f"{promise} (validation is too small for the {self.coverage:.0%} asked for)"
        return promise

    def score(self, output: NDArray[np.floating], encoded: Array) -> float:
        """R² on validation.

        Where all known values are the same there is none; then it is minus the root mean squared error, which still
        ranks epochs. The known values are the same in every epoch of a run, so the two are never mixed.

        Raises:
            ModelError: the network gave NaN.
            DataError: no sample.
        """
        predicted, known = self._predictions(output), self._truth(encoded)
        _refuse_empty("validation", known)
        squared = float(((known - predicted) ** 2).mean())
        if np.ptp(known) == 0:
            return -math.sqrt(squared)
        return 1 - squared / float(known.var())

    def stated_levels(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float]
    ) -> Mapping[float, NDArray[np.bool_]]:
        """The quantiles that the residuals of validation gave, around each prediction."""
        predicted, known = self._predictions(output), self._truth(encoded)
        levels = {level / 100: f"q{level:02d}" for level in LEVELS}
        return {level: known <= predicted + decision[name] for level, name in levels.items() if name in decision}

    @property
    def calibration_names(self) -> tuple[str, ...]:
        return ("calibration_slope", "calibration_intercept", "quantile_error")

    @property
    def metric_names(self) -> tuple[str, ...]:
        return METRICS

    def metrics(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], patients: Whose = None
    ) -> dict[str, Estimate]:
        """Mean absolute error, root mean squared error, R² and bias; of the served interval how many cases it holds
        and how wide it is, in the target's unit.
        """
        from components.lib import statistics as st
        from components.lib.kinds._regression_words import explained
        from components.lib.regression_metrics import error_metrics

        predicted, known = self._predictions(output), self._truth(encoded)
        n = len(known)
        low, high = self._interval(predicted, decision)
        found = error_metrics(predicted, known, (low <= known) & (known <= high), patients)
        found["interval_width"] = st.missing("no sample to count")
        if n:
            width = float((high - low).mean())
            found["interval_width"] = st.Estimate(width, width, width, n, "fixed on validation")
        return {name: explained(name, found[name], self.unit, decision) for name in METRICS}

    def difference(
        self, output: NDArray[np.floating], other: NDArray[np.floating], encoded: Array, patients: Whose = None
    ) -> Estimate:
        """The mean absolute error of `other` less that of `output`, both (N, 1), paired by sample."""
        from components.lib.kinds._paired import error_difference

        known = self._truth(encoded)
        errors, others = (np.abs(self._predictions(each) - known) for each in (output, other))
        return error_difference(errors, others, patients)

    def paired_measures(
        self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float], in_use: Mapping[str, float]
    ) -> dict[str, Measure]:
        from components.lib.kinds._compared import of_a_number

        predicted, known = self._predictions(output), self._truth(encoded)
        if not len(known) or np.ptp(known) == 0:
            return {}
        return of_a_number(predicted, known, *self._interval(predicted, decision), self.coverage)

    def charts(self, output: NDArray[np.floating], encoded: Array, decision: Mapping[str, float]) -> list[Chart]:
        """Predicted over known, residuals with the served interval, calibration of quantiles, errors."""
        from components.lib.kinds import _regression_charts as draw

        predicted, known = self._predictions(output), self._truth(encoded)
        return [
            draw.predicted(predicted, known, self.unit),
            draw.residuals(predicted, known, decision, self.unit),
            draw.quantiles(predicted, known, {level / 100: decision[f"q{level:02d}"] for level in LEVELS}),
            draw.errors(predicted, known, decision, self.unit),
        ]

    def examples(
        self, output: NDArray[np.floating], encoded: Array, known: NDArray[np.bool_], decision: Mapping[str, float]
    ) -> list[Examples]:
        """The known samples furthest off, the closest, and those whose error is nearest the median error."""
        rows = np.flatnonzero(known)
        off = np.abs(self._predictions(np.asarray(output)[rows]) - self._truth(np.asarray(encoded)[rows]))
        typical = np.abs(off - np.median(off)) if len(off) else off
        orders = {"Furthest off": -off, "Closest": off, "Typical errors": typical}
        return [Examples(title, rows[np.argsort(by, kind="stable")[:EACH]]) for title, by in orders.items()]

    def described(self, output: NDArray[np.floating], truth: Any, decision: Mapping[str, float]) -> str:
        """`known 151, predicted 143 (90% interval 72 to 210) mg/dl`."""
        predicted = self._predictions(np.asarray(output).reshape(1, 1))
        low, high = self._interval(predicted, decision)
        interval = f"({decision['coverage']:.0%} interval {number(low[0])} to {number(high[0])})"
        known = "unknown" if truth is None or pd.isna(truth) else f"known {number(float(truth))}"
        return f"{known}, predicted {number(predicted[0])} {interval}{self._unit}"

    def answer(self, output: NDArray[np.floating], decision: Mapping[str, float]) -> dict[str, Array]:
        """The prediction, and the ends of its interval, in the target's unit."""
        predicted = self._predictions(output)
        low, high = self._interval(predicted, decision)
        return {"prediction": predicted, "low": low, "high": high}

    @property
    def answer_types(self) -> Mapping[str, str]:
        return {"prediction": "double", "low": "double", "high": "double"}

    @property
    def answer_meanings(self) -> Mapping[str, str]:
        unit = f" in {self.unit}" if self.unit else ""
        share = f"{self.coverage:.0%}"
        return {
            "prediction": f"the predicted number{unit}",
            "low": f"lower end of the interval that holds {share} of the true numbers",
            "high": "its upper end",
        }

    def baselines(self, seed: int) -> dict[str, Any]:
        """Ridge regression, its penalty chosen by leaving one out, and gradient-boosted trees."""
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return {
            "ridge": make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-2, 5, 22))),
            "gradient-boosted trees": HistGradientBoostingRegressor(random_state=seed),
        }

    def surrogate(self, seed: int) -> Any:
        """Least squares under an L1 penalty, its strength by five-fold cross-validation."""
        from sklearn.linear_model import LassoCV
        from sklearn.model_selection import KFold

        return LassoCV(cv=KFold(5, shuffle=True, random_state=seed), random_state=seed)

    def surrogate_weights(self, estimator: Any) -> Mapping[str, Floats]:
        return {"for a higher value": np.asarray(estimator.coef_, np.float64)}

    def baseline_target(self, encoded: Array) -> Array:
        """(N,), in the target's unit."""
        return np.asarray(encoded, np.float64).reshape(-1)

    def baseline_output(self, estimator: Any, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(estimator.predict(features), np.float32).reshape(-1, 1)

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def _checked(self, values: pd.Series) -> tuple[Floats, NDArray[np.bool_]]:
        if found := self.problem(values):
            raise DataError(
                f"target column {values.name}",
                expected="numbers in the range of the task file, or null",
                found=found,
                todo="correct the values, or `targets:` in the task file",
            )
        return read(values)

    def _predictions(self, output: NDArray[np.floating]) -> Floats:
        """What is served (N,): the network's output (N, 1), kept inside the possible range."""
        predicted = finite(output).reshape(-1)
        return self._possible(predicted)

    def _truth(self, encoded: Array) -> Floats:
        return np.asarray(encoded, np.float64).reshape(-1)

    def _interval(self, predicted: Floats, decision: Mapping[str, float]) -> tuple[Floats, Floats]:
        """Ends of the served interval (N,), kept inside the possible range: no known value can lie outside."""
        return self._possible(predicted + decision["low"]), self._possible(predicted + decision["high"])

    def _possible(self, values: Floats) -> Floats:
        if self.minimum is None and self.maximum is None:
            return values
        return np.clip(values, self.minimum, self.maximum)


def _refuse_empty(split: str, known: Floats) -> None:
    if not len(known):
        raise DataError(
            split,
            expected="samples whose target is known",
            found="none",
            todo=f"give {split} a larger share, or find the values of more samples",
        )


def _order_statistic(ascending: Floats, level: float) -> tuple[float, int]:
    """The residual that stands for a quantile, and its rank from 1.

    Rank (n + 1) · level, rounded away from the median; where that is no rank, the last residual there is. The median
    itself is the usual one.
    """
    n = len(ascending)
    rank = round((n + 1) * level, 9)
    down, up = (int(np.clip(whole, 1, n)) for whole in (math.floor(rank), math.ceil(rank)))
    if level == 0.5:
        return float(np.median(ascending)), down
    chosen = down if level < 0.5 else up
    return float(ascending[chosen - 1]), chosen
