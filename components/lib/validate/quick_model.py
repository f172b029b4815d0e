"""A quick model of the cleaned samples: logistic regression, predicting patients it hasn't seen.

The audits of shortcuts and of labels ask it what can be told from what.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Labels = NDArray[np.intp]

FOLDS, FEWEST, FEWEST_PATIENTS = 5, 100, 10
"""Samples in all, and patients of each class, below which nothing is looked for."""
MOST = 10_000
"""Samples that the model looks at, however many there are."""


def usable(samples: pd.DataFrame, rows: Labels, name: str, classes: tuple[str, ...]) -> tuple[Labels, Labels]:
    """Of these rows the ones whose label is known, at most 10,000 spread evenly; and their classes 0 … K-1."""
    codes = pd.Categorical(samples[name].iloc[rows], categories=list(classes)).codes
    known = np.flatnonzero(codes >= 0)
    known = known[np.unique(np.linspace(0, len(known) - 1, min(MOST, len(known))).astype(np.intp))]
    return rows[known], np.asarray(codes[known], np.intp)


def too_few(samples: pd.DataFrame, labels: Labels) -> str:
    """Why a quick model of these samples would say nothing; "" where it would."""
    if len(labels) < FEWEST:
        return f"{len(labels)} samples with a label (at least {FEWEST})"
    least = int(pd.Series(patients(samples)).groupby(labels).nunique().min())
    if least < FEWEST_PATIENTS or len(np.unique(labels)) < 2:
        return f"{least} patients in the rarest class (at least {FEWEST_PATIENTS}, in two classes)"
    return ""


def patients(samples: pd.DataFrame) -> NDArray[np.intp]:
    """A number per row (N,), equal for samples of one known patient."""
    return pd.factorize(samples["patient"].fillna(samples["sample_id"]))[0]


def grouped_folds(labels: Labels, groups: Labels) -> list[tuple[Labels, Labels]]:
    """Five times the rows to fit and the rows to predict, groups whole and classes alike; always the same."""
    from components.lib.even_folds import EvenFolds

    splitter = EvenFolds(FOLDS, shuffle=True, random_state=0)
    return list(splitter.split(labels, labels, groups))


def out_of_fold(
    features: Matrix, labels: Labels, folds: list[tuple[Labels, Labels]], components: int = 0, c: float = 0.1
) -> Matrix:
    """Probabilities (N, K) that a quick model gives samples of patients it hasn't seen.

    Args:
        features: (N, F).
        labels: (N,), 0 … K-1.
        folds: of `grouped_folds`.
        components: reduce the features to so many principal components first; 0: don't.
        c: inverse strength of the L2 penalty.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    model = _model(components, c)
    output = np.zeros((len(labels), int(labels.max()) + 1))
    with threadpool_limits(1):  # the same sums, hence the same bytes, on every machine
        for fitted, held in folds:
            model.fit(features[fitted], labels[fitted])
            output[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return output


def of_others(features: Matrix, labels: Labels, others: Matrix, components: int = 0, c: float = 0.1) -> Matrix:
    """Probabilities (M, K) that a quick model of some samples gives others.

    Args:
        features: (N, F), of the samples that it is fitted on.
        labels: (N,), 0 … K-1, of the same.
        others: (M, F).
        components, c: as in `out_of_fold`.
    """
    from threadpoolctl import threadpool_limits

    model = _model(components, c)
    output = np.zeros((len(others), int(labels.max()) + 1))
    with threadpool_limits(1):
        model.fit(features, labels)
        if len(others):
            output[:, model.classes_] = model.predict_proba(others)
    return output


def _model(components: int, c: float) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reduce = [PCA(components, svd_solver="covariance_eigh")] if components else []
    return make_pipeline(StandardScaler(), *reduce, LogisticRegression(C=c, max_iter=1000, tol=1e-3))
