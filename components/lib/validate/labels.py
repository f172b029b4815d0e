"""Labels that look wrong, by confident learning: Northcutt et al. 2021, arXiv:1911.00068.

A plain model predicts every sample out of fold. A class's threshold is the mean probability it gets among the samples
that carry its label; a sample that reaches the threshold of another class, and most of all that one's, is suspected.
Nothing is changed: the list is for a person who looks again. Labels of test are suspected by a model of train and
validation, and by thresholds of theirs; no list of them is shown, since labels of test that were corrected where a
model disagrees would flatter every model. Evaluate measures without them.

A model that errs on many samples disagrees with many labels, though all of them be right. What its suspicion is worth
is therefore measured first: the share of the labels at hand that it suspects, and the share that it would suspect if
each of them were wrong. Where one label in twenty is wrong, suspected labels must be wrong three times as often as
labels that are drawn blindly: a list with fewer wrong ones isn't worth a reader's time, and none is named then.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import Dataset, read_parquet
from components.lib.kinds import InputKind
from components.lib.spec import TaskSpec
from components.lib.validate.checks import Finding
from components.lib.validate.pictures import Pictures, is_picture
from components.lib.validate.quick_model import (
    Labels,
    Matrix,
    grouped_folds,
    of_others,
    out_of_fold,
    patients,
    too_few,
    usable,
)
from components.lib.validate.tables import as_labels
from components.lib.validate.turned_labels import turned

SIDE, COMPONENTS, STRENGTH = 24, 60, 0.1
"""Pixels a side that the model sees, its principal components, and the inverse strength of its penalty."""
COLUMNS = ("sample_id", "split", "target", "label", "suspected", "margin")
OF_TEST = ("sample_id", "target", "suspected")
FILE, NOT_JUDGED = "test_labels.parquet", "labels_not_judged.json"
WRONG, LEAST_WORTH = 0.05, 0.15
"""The share of wrong labels for which a list is judged (Northcutt et al. 2021, arXiv:2103.14749, found 3.3% in ten
published test sets), and the share of the list that must be wrong then."""


@dataclass(frozen=True)
class OfTest:
    """What is handed on to evaluate."""

    rows: pd.DataFrame
    """sample_id, target, suspected (whether it is) of the test samples whose labels were looked at, at most 10,000 of a
    target."""
    not_judged: Mapping[str, str]
    """Why a target's labels can't be judged, by its name."""


@dataclass(frozen=True)
class Worth:
    """What a model's suspicion of a label says."""

    named: float
    """Share of the labels at hand that it suspects."""
    found: float
    """Share that it would suspect if each were wrong, any other class alike."""

    @property
    def precision(self) -> float:
        """Of the labels that it suspects, the share that is wrong where one label in twenty is."""
        right, wrong = WRONG * self.found, (1 - WRONG) * self.named
        return right / (right + wrong) if right + wrong else 1.0

    @property
    def weak(self) -> str:
        """Why no label can be judged by this model; "" where they can."""
        if self.precision >= LEAST_WORTH:
            return ""
        return (
            f"a plain model disagrees with {self.named:.0%} of the labels, and would with {self.found:.0%} were each "
            f"wrong. Were one in twenty wrong, only {self.precision:.0%} of those it names would be (at least "
            f"{LEAST_WORTH:.0%} are asked for): it's too weak to judge them, or far more than one in twenty is wrong"
        )


def look(dataset: Dataset, samples: pd.DataFrame, spec: TaskSpec) -> tuple[Finding, pd.DataFrame, OfTest]:
    """Suspected labels: of train and validation the most suspicious first, of test for evaluate alone.

    Args:
        dataset: the cleaned samples.
        samples: their table; what doesn't count has no split.
        spec: the task.

    Returns:
        The finding; the table: sample_id, split, target, label, suspected (the class it looks like) and margin
        (probability of that class less that of the label); and what is handed on to evaluate.
    """
    empty, of_test = pd.DataFrame(columns=list(COLUMNS)), [pd.DataFrame(columns=list(OF_TEST))]
    not_judged: dict[str, str] = {}
    if not spec.clean.suspects:
        return Finding(()), empty, OfTest(of_test[0], not_judged)
    samples = as_labels(samples, spec)
    rows = np.flatnonzero(samples["split"].isin(["train", "validation"]).to_numpy())
    lines, found, count = [], [], 0
    opposite: list[str] = []
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
        opposite += turned(samples.iloc[used], name, output, labels)
        if weak := worth(output, labels).weak:
            not_judged[name] = weak
            of = f" of {name}" if len(spec.targets) > 1 else ""
            lines.append(f"suspected labels{of}: none named, {weak}")
            continue
        suspected = suspects(output, labels)
        of_test.append(_of_test(dataset, samples, spec, name, (labels, features, components, output)))
        count += len(suspected)
        table = samples.iloc[used[suspected]][["sample_id", "split", name]].rename(columns={name: "label"})
        margin = output[suspected].max(axis=1) - output[suspected, labels[suspected]]
        classes = np.array(kind.class_names, object)[output[suspected].argmax(axis=1)]
        found.append(table.assign(target=name, suspected=classes, margin=margin.round(3)))
    if not found:
        lines += opposite
        return Finding(tuple(lines), (), (), tuple(opposite)), empty, OfTest(of_test[0], not_judged)
    table = pd.concat(found)[list(COLUMNS)]
    table = table.sort_values(["margin", "sample_id"], ascending=[False, True]).head(spec.clean.suspects)
    listed = f", {len(table)} of them in suspects.csv" if count > len(table) else ""
    lines.append(f"suspected labels: {count} of {len(rows)} in train and validation{listed}")
    warnings = (*(lines[-1:] if count else ()), *opposite)
    lines += opposite
    tested = pd.concat(of_test, ignore_index=True).astype({"suspected": bool})
    if len(tested):
        lines.append(
            f"suspected labels: {int(tested['suspected'].sum())} of {len(tested)} in test, not listed; the report "
            "measures with and without them"
        )
    return (
        Finding(tuple(lines), (("Suspected labels", table.reset_index(drop=True)),), (), warnings),
        table,
        OfTest(tested, not_judged),
    )


def write(tested: OfTest, folder: Path) -> None:
    """Leave what was found of test for evaluate; no file where nothing was looked at."""
    if len(tested.rows):
        tested.rows.to_parquet(folder / FILE, index=False)
    if tested.not_judged:
        text = json.dumps(dict(tested.not_judged), indent=2, ensure_ascii=False)
        (folder / NOT_JUDGED).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> OfTest:
    """What `write` wrote; empty where there is nothing."""
    file, why = folder / FILE, folder / NOT_JUDGED
    rows = read_parquet(file) if file.is_file() else pd.DataFrame(columns=list(OF_TEST))
    return OfTest(rows, json.loads(why.read_text(encoding="utf-8")) if why.is_file() else {})


def _of_test(
    dataset: Dataset,
    samples: pd.DataFrame,
    spec: TaskSpec,
    name: str,
    fitted: tuple[Labels, Matrix, int, Matrix],
) -> pd.DataFrame:
    """Test samples by a model of train and validation: the labels, features, components and answers of those."""
    labels, features, components, output = fitted
    rows = np.flatnonzero((samples["split"] == "test").to_numpy())
    tested, told = usable(samples, rows, name, spec.targets[name].class_names)
    others = of_others(features, labels, _features(dataset, spec, tested), components, STRENGTH)
    wrong = np.zeros(len(tested), bool)
    wrong[suspects(others, told, thresholds(output, labels))] = True
    return pd.DataFrame({"sample_id": samples["sample_id"].iloc[tested].to_numpy(), "target": name, "suspected": wrong})


def thresholds(output: Matrix, labels: Labels) -> Matrix:
    """Of each class (K,), the mean probability that it gets among the samples with its label; infinite without any."""
    count = output.shape[1]
    return np.array([output[labels == k, k].mean() if (labels == k).any() else np.inf for k in range(count)])


def suspects(output: Matrix, labels: Labels, limits: Matrix | None = None) -> Labels:
    """Rows whose label looks wrong, the most suspicious first.

    Args:
        output: probabilities (N, K) by a model that didn't see them.
        labels: (N,), 0 … K-1.
        limits: of `thresholds` (K,); None: those of these samples.
    """
    limits = thresholds(output, labels) if limits is None else limits
    own = output[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(_doubted(output, limits)[np.arange(len(labels)), labels])
    margin = output[wrong].max(axis=1) - own[wrong]
    return wrong[np.argsort(-margin, kind="stable")]


def worth(output: Matrix, labels: Labels) -> Worth:
    """What the suspicion of a model says.

    Args:
        output: probabilities (N, K) by a model that didn't see them, K at least 2.
        labels: (N,), 0 … K-1.
    """
    doubted = _doubted(output, thresholds(output, labels))
    own = np.zeros(doubted.shape, bool)
    own[np.arange(len(labels)), labels] = True
    return Worth(float(doubted[own].mean()), float(doubted[~own].mean()))


def _doubted(output: Matrix, limits: Matrix) -> NDArray[np.bool_]:
    """Whether a sample would be suspected with each of the labels that it might have (N, K)."""
    reached = np.where(output >= limits, output, -1.0)
    looks, most = reached.argmax(axis=1)[:, None], output.argmax(axis=1)[:, None]
    label = np.arange(output.shape[1])[None]
    doubted: NDArray[np.bool_] = (reached.max(axis=1) >= 0)[:, None] & (looks != label) & (most != label)
    return doubted


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
    # Not -1: it has no answer where a part holds none of the rows.
    flat = [piece.reshape(len(piece), math.prod(piece.shape[1:])) for piece in pieces]
    return np.concatenate(flat).astype(np.float64)
