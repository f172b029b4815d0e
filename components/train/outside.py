"""How training samples lie, so that a new one can be told from them; see `lib.outside`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from components.lib.dataset import Dataset
from components.lib.outside import LEAST_DEVIATION, Outside, distance
from components.lib.spec import TaskSpec
from components.lib.summaries import summed_up
from components.lib.validate.quick_model import patients
from components.train.samples import Fitted

Floats = NDArray[np.float64]

GROUPS = 5
QUANTILES = 201
DIGITS = 10
"""Significant ones that are kept: more say nothing."""
MOST_FIGURES = 128
"""A table of more columns gets none: model.json would grow with their square."""


def fit_outside(cleaned: Dataset, splits: tuple[str, ...], spec: TaskSpec, fitted: Fitted) -> dict[str, Outside]:
    """For every input whose kind has a summary, how the samples of these splits lie.

    The distances that new ones are held against are those of samples that the fit didn't see: five groups, a patient's
    samples in one, each measured by a fit on the others.
    """
    found = {}
    for name, kind in spec.inputs.items():
        figures = tuple(kind.summary_words(fitted.inputs[name]))
        if not 0 < len(figures) <= MOST_FIGURES:
            continue
        table, summary = summed_up(cleaned, splits, name, kind, fitted.inputs[name])
        if len(summary) < 2 * GROUPS:
            continue
        # One thread: sums in another order would give other last bits.
        with threadpool_limits(limits=1):
            found[name] = _fit(figures, summary, _groups(table))
    return found


def _groups(table: pd.DataFrame) -> NDArray[np.intp]:
    """Group of each sample (N,), by patient where one is known, in turn."""
    return np.asarray(patients(table) % GROUPS, np.intp)


def _fit(figures: tuple[str, ...], summary: Floats, groups: NDArray[np.intp]) -> Outside:
    distances = np.zeros(len(summary))
    for group in np.unique(groups):
        others = groups != group
        if others.sum() < 2:  # all of one patient
            others = np.full(len(groups), True)
        distances[groups == group] = distance(summary[groups == group], _lying(figures, summary[others], (0.0,)))
    quantiles = np.quantile(distances, np.linspace(0, 1, QUANTILES))
    return _lying(figures, summary, tuple(_short(value) for value in quantiles))


def _lying(figures: tuple[str, ...], summary: Floats, distances: tuple[float, ...]) -> Outside:
    """Mean, deviation and whitening of these samples (N, F)."""
    from sklearn.covariance import ledoit_wolf

    mean, deviation = summary.mean(axis=0), np.maximum(summary.std(axis=0), LEAST_DEVIATION)
    covariance, _ = ledoit_wolf((summary - mean) / deviation, assume_centered=True)
    # Samples that are all alike have no spread to go by.
    covariance += 1e-6 * np.eye(len(figures))
    triangle = np.linalg.inv(np.linalg.cholesky(covariance))
    return Outside(
        figures=figures,
        mean=tuple(map(_short, mean)),
        deviation=tuple(map(_short, deviation)),
        whitening=tuple(tuple(map(_short, triangle[row, : row + 1])) for row in range(len(figures))),
        distances=distances,
        samples=len(summary),
    )


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
