"""Labels that look wrong, by confident learning: Northcutt et al. 2021, arXiv:1911.00068.

A plain model predicts every sample out of fold. A class's threshold is the mean probability it gets among the samples
that carry its label; a sample that reaches the threshold of another class, and most of all that one's, is suspected.
Nothing is changed: the list is for a person who looks again.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import Dataset
from components.lib.kinds import InputKind
from components.lib.spec import TaskSpec
from components.lib.validate.checks import Finding
from components.lib.validate.pictures import Pictures, is_picture
from components.lib.validate.quick_model import Labels, Matrix, grouped_folds, out_of_fold, patients, too_few, usable
from components.lib.validate.tables import as_labels

SIDE, COMPONENTS, STRENGTH = 24, 60, 0.1
"""Pixels a side that the model sees, its principal components, and the inverse strength of its penalty."""
COLUMNS = ("sample_id", "split", "target", "label", "suspected", "margin")


def look(dataset: Dataset, samples: pd.DataFrame, spec: TaskSpec) -> tuple[Finding, pd.DataFrame]:
    """Suspected labels of train and validation, the most suspicious first.

    Args:
        dataset: the cleaned samples.
        samples: their table; what doesn't count has no split.
        spec: the task.

    Returns:
        The finding, and the table: sample_id, split, target, label, suspected (the class it looks like) and margin
        (probability of that class less that of the label).
    """
    empty = pd.DataFrame(columns=list(COLUMNS))
    if not spec.clean.suspects:
        return Finding(()), empty
    samples = as_labels(samples, spec)
    rows = np.flatnonzero(samples["split"].isin(["train", "validation"]).to_numpy())
    lines, found, count = [], [], 0
    for name, kind in spec.targets.items():
        if not kind.class_names:
            continue
        used, labels = usable(samples, rows, name, kind.class_names)
        why = too_few(samples.iloc[used], labels)
        if why:
            lines.append(f"suspected labels: not looked for, {why}")
            continue
        features = _features(dataset, spec, used)
        components = COMPONENTS if features.shape[1] > 2 * COMPONENTS and len(used) > 2 * COMPONENTS else 0
        folds = grouped_folds(labels, patients(samples.iloc[used]))
        output = out_of_fold(features, labels, folds, components, STRENGTH)
        suspected = suspects(output, labels)
        count += len(suspected)
        table = samples.iloc[used[suspected]][["sample_id", "split", name]].rename(columns={name: "label"})
        margin = output[suspected].max(axis=1) - output[suspected, labels[suspected]]
        classes = np.array(kind.class_names, object)[output[suspected].argmax(axis=1)]
        found.append(table.assign(target=name, suspected=classes, margin=margin.round(3)))
    if not found:
        return Finding(tuple(lines)), empty
    table = pd.concat(found)[list(COLUMNS)]
    table = table.sort_values(["margin", "sample_id"], ascending=[False, True]).head(spec.clean.suspects)
    listed = f", {len(table)} of them in suspects.csv" if count > len(table) else ""
    lines.append(f"suspected labels: {count} of {len(rows)} in train and validation{listed}")
    warnings = tuple(lines[-1:]) if count else ()
    return Finding(tuple(lines), (("Suspected labels", table.reset_index(drop=True)),), (), warnings), table


def suspects(output: Matrix, labels: Labels) -> Labels:
    """Rows whose label looks wrong, the most suspicious first.

    Args:
        output: out-of-fold probabilities (N, K).
        labels: (N,), 0 … K-1, every class among them.
    """
    count = output.shape[1]
    thresholds = np.array([output[labels == k, k].mean() if (labels == k).any() else np.inf for k in range(count)])
    reached = np.where(output >= thresholds, output, -1.0)
    looks = reached.argmax(axis=1)
    own = output[np.arange(len(labels)), labels]
    wrong = np.flatnonzero((reached.max(axis=1) >= 0) & (looks != labels) & (output.argmax(axis=1) != labels))
    margin = output[wrong].max(axis=1) - own[wrong]
    return wrong[np.argsort(-margin, kind="stable")]


def _features(dataset: Dataset, spec: TaskSpec, rows: Labels) -> Matrix:
    """All inputs of these samples as columns (N, F)."""
    return np.concatenate([_of_input(dataset, name, kind, rows) for name, kind in spec.inputs.items()], axis=1)


def _of_input(dataset: Dataset, name: str, kind: InputKind, rows: Labels) -> Matrix:
    if is_picture(kind):
        return Pictures(dataset, name, kind).standardised(rows, SIDE).astype(np.float64)
    arrays = [part.array(name) for part in dataset.parts]
    train: list[NDArray[np.bool_]] = [(part.samples["split"] == "train").to_numpy() for part in dataset.parts]
    fitted = kind.fit(array[chosen] for array, chosen in zip(arrays, train, strict=True))
    starts = np.cumsum([0, *map(len, arrays)])
    inside = [rows[(rows >= start) & (rows < end)] - start for start, end in pairwise(starts)]
    pieces = [kind.to_network(array[chosen], fitted) for array, chosen in zip(arrays, inside, strict=True)]
    return np.concatenate([piece.reshape(len(piece), -1) for piece in pieces]).astype(np.float64)
