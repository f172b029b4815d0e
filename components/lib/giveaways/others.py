"""How well all other columns tell the target together: a linear model, measured on patients it hasn't seen."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from components.lib.giveaways.columns import Column
from components.lib.giveaways.scores import FOLDS, NOTHING, Bools, Floats, Score, Truth, correlation, ordered

FEWEST_COLUMNS, MOST_COLUMNS, MOST_ROWS, MOST_WORDS = 3, 200, 5_000, 20
"""Other columns below which "better than all others" means nothing; columns, rows and words that the model sees."""


def together(columns: list[Column], truth: Truth) -> Score:
    """Score of a ridge or logistic regression, out of fold.

    Args:
        columns: those that it sees (N rows).
        truth: N rows.

    Returns:
        The score; that of nothing where too few columns or rows are left.
    """
    if len(columns) < FEWEST_COLUMNS or len(truth.values) < 10 * FOLDS:
        return NOTHING
    if not truth.amount and min(truth.counts) < 2 * FOLDS:
        return NOTHING
    features = np.concatenate([_features(each) for each in columns[:MOST_COLUMNS]], axis=1)
    expected, seen = _out_of_fold(features, truth)
    held = truth[seen]
    return correlation(expected[seen], held, pearson_alone=True) if truth.amount else ordered(expected[seen], held)


def _features(column: Column) -> Floats:
    """Ranks and whether unknown; or the commonest words, one feature each."""
    if column.numbers is None:
        counts = np.bincount(column.codes)
        common = np.argsort(-counts, kind="stable")[:MOST_WORDS]
        return np.asarray(column.codes[:, None] == common[None, :], np.float64)
    known = np.isfinite(column.numbers)
    made = np.zeros((len(known), 3))
    if known.any():
        made[known, 0] = rankdata(column.numbers[known]) / known.sum() - 0.5
        values = column.numbers[known]
        wide = values.std()
        made[known, 1] = np.clip((values - values.mean()) / wide, -5, 5) if wide else 0
    made[:, 2] = ~known
    return made


def _out_of_fold(features: Floats, truth: Truth) -> tuple[Floats, Bools]:
    """Prediction per row (N,), and for which rows there is one."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    expected, seen = np.zeros(len(features)), np.zeros(len(features), bool)
    with threadpool_limits(1):  # the same sums on every machine
        for fold in range(FOLDS):
            held = truth.folds == fold
            learnt = truth.values[~held]
            if not held.any() or np.ptp(learnt) == 0:
                continue
            model = make_pipeline(
                StandardScaler(), Ridge(10.0) if truth.amount else LogisticRegression(C=0.1, max_iter=500, tol=1e-3)
            )
            model.fit(features[~held], learnt)
            expected[held] = model.predict(features[held]) if truth.amount else model.decision_function(features[held])
            seen |= held
    return expected, seen
