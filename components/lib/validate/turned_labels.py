"""Sites whose labels contradict those of all others: classes that are reversed there.

A model of all samples, asked out of fold, ranks the samples of such a site against its labels: its AUC there is below
one half, while suspected labels are only counted over all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from components.lib.statistics import auc, macro_auc
from components.lib.validate.quick_model import Labels, Matrix

RAISED_LINE = "labels turned? "
"""How the line of a finding begins, for who reads the receipt."""
GROUPS: Mapping[str, str] = {"site": "site", "device": "machine"}
"""Columns of a dataset's table, and what a reader calls them."""
BELOW = 0.45
"""An AUC whose 95% interval lies below this is raised: that of a site alone may lie a little below .5 by chance."""
FEWEST = 10
"""Samples of each class that a site must have."""


def turned(table: pd.DataFrame, target: str, output: Matrix, labels: Labels) -> list[str]:
    """A line for each site or machine whose labels are the opposite of what a model of all samples expects.

    Args:
        table: the samples (N), with site and device where they are known.
        target: its name.
        output: probabilities (N, K) by models that didn't see the sample.
        labels: (N,), 0 … K-1.
    """
    lines = []
    for column, word in GROUPS.items():
        groups = table[column].dropna() if column in table else pd.Series(dtype="str")
        for name in sorted(groups.unique(), key=str) if groups.nunique() > 1 else ():
            rows = (table[column] == name).fillna(False).to_numpy(bool)
            counts = np.bincount(labels[rows], minlength=output.shape[1])
            if np.count_nonzero(counts) < 2 or counts[counts > 0].min() < FEWEST:
                continue
            two = output.shape[1] == 2
            area = auc(output[rows, 1], labels[rows] == 1) if two else macro_auc(output[rows], labels[rows])
            if area.high < BELOW:
                lines.append(
                    f"{RAISED_LINE}{word} {name}: a model of all samples ranks its {rows.sum():,} samples against "
                    f"their {target} (AUC {area}); ask there which value means which class"
                )
    return lines
