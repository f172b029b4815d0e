"""Shortcuts: can a plain model tell the classes from what should say nothing of them?

Edges and corners of the pictures (letters, burnt-in marks, a cassette), their size and depth, the site, the machine,
how a file is stored, what is coded in its header. A net that finds such a way to the answer looks good here and fails
elsewhere (Zech et al. 2018, doi:10.1371/journal.pmed.1002683; DeGrave et al. 2021, doi:10.1038/s42256-021-00338-7).
Logistic regression, out-of-fold predictions of the training samples, AUC with DeLong's interval.

That nothing is raised doesn't say that there is no shortcut: it was looked for in these places alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import Dataset
from components.lib.spec import TaskSpec
from components.lib.statistics import Estimate, auc, macro_auc
from components.lib.validate.checks import Finding
from components.lib.validate.outcome import Check
from components.lib.validate.pictures import Pictures, is_picture
from components.lib.validate.quick_model import Labels, Matrix, grouped_folds, out_of_fold, patients, too_few, usable
from components.lib.validate.tables import as_labels

RAISED = 0.6
"""An AUC whose interval lies above this is raised."""
RAISED_LINE = "shortcut? "
"""How the line of a finding begins, for who reads the receipt."""
SIDE, EDGE, CORNER = 48, 3, 6
"""Pictures are brought to this side, without padding; width of the edges and side of the corners in its pixels."""
MOST_WORDS, TOLD_WORDS = 30, 3
"""Words of a column that are told apart, the commonest; and words that the page names."""


@dataclass(frozen=True, eq=False)
class Features:
    """What is known of N samples in one respect."""

    values: Matrix
    """(N, F)."""
    words: NDArray[np.object_] = field(default_factory=lambda: np.empty(0, object))
    """(N,) of a column of words; none of figures."""


@dataclass(frozen=True)
class Row:
    """How well one target is told in one respect."""

    target: str
    group: str
    found: Estimate
    words: str

    @property
    def raised(self) -> bool:
        """Whether it is far above chance."""
        return self.found.low > RAISED


def look(dataset: Dataset, samples: pd.DataFrame, spec: TaskSpec) -> Finding:
    """Look for shortcuts to every target that has classes, in the training samples.

    Args:
        dataset: the cleaned pictures.
        samples: its table; what doesn't count has no split.
        spec: the task.
    """
    if spec.clean.shortcuts == "off":
        return Finding(())
    samples = as_labels(samples, spec)
    train = np.flatnonzero((samples["split"] == "train").to_numpy())
    asked = [usable(samples, train, n, kind.class_names)[0] for n, kind in spec.targets.items() if kind.class_names]
    seen = np.unique(np.concatenate([train[:0], *asked]))  # of a million samples no more are held in memory
    rows, lines, groups = list[Row](), [], None
    for name, kind in spec.targets.items():
        if not kind.class_names:
            continue
        used, labels = usable(samples, train, name, kind.class_names)
        why = too_few(samples.iloc[used], labels)
        if why:
            lines.append(f"shortcuts: not looked for, {why}")
            continue
        groups = groups or every_group(dataset, samples, seen, spec)
        where, folds = np.searchsorted(seen, used), grouped_folds(labels, patients(samples.iloc[used]))
        for group, features in groups.items():
            found = area(out_of_fold(features.values[where], labels, folds), labels)
            words = _shared_out(features.words[where], labels, kind.class_names) if len(features.words) else ""
            rows.append(Row(name, group, found, words))
    raised = [row for row in rows if row.raised]
    lines += [f"{RAISED_LINE}{row.group} alone: {row.target} is told with AUC {row.found}" for row in raised]
    if rows and not raised:
        lines.append(f"shortcuts: none in {', '.join(dict.fromkeys(row.group for row in rows))}")
    checks = (_check(raised),) if rows and spec.clean.shortcuts == "fail" else ()
    warnings = tuple(line for line in lines if line.startswith(RAISED_LINE))
    return Finding(tuple(lines), (("Shortcuts", _table(rows)),) if rows else (), checks, warnings)


def every_group(dataset: Dataset, samples: pd.DataFrame, rows: Labels, spec: TaskSpec) -> dict[str, Features]:
    """Features of each group that these samples have; what is the same in all says nothing."""
    groups: dict[str, list[Matrix]] = {}
    words = {"site": "site", "device": "machine"}
    for name, kind in spec.inputs.items():
        if is_picture(kind):
            edges, corners = _margins(Pictures(dataset, name, kind), rows)
            groups.setdefault("edges", []).append(edges)
            groups.setdefault("corners", []).append(corners)
        for group, figures in (("height and width", ("height", "width")), ("bit depth", ("bits",))):
            known = [f"{name}_{figure}" for figure in figures if f"{name}_{figure}" in samples]
            if known:
                groups.setdefault(group, []).append(_sizes(samples.iloc[rows][known].to_numpy(np.float64)))
        words |= {f"{name}_{column}": told for column, told in kind.origin_columns.items()}
    joined = {group: Features(np.concatenate(pieces, axis=1)) for group, pieces in groups.items()}
    told = {group: _told(samples[column].iloc[rows]) for column, group in words.items() if column in samples}
    return {group: each for group, each in (joined | told).items() if np.ptp(each.values, axis=0).any()}


def _told(column: pd.Series) -> Features:
    """A column of words; those beyond the commonest count as one, and so does what is unknown."""
    known = column.astype("object").where(column.notna(), "unknown").astype("str")
    common = known.value_counts(sort=True).sort_index().sort_values(ascending=False, kind="stable").index[:MOST_WORDS]
    words = known.where(known.isin(common), "others")
    return Features(pd.get_dummies(words, dtype="float64").to_numpy(), words.to_numpy(object))


def _shared_out(words: NDArray[np.object_], labels: Labels, classes: tuple[str, ...]) -> str:
    """How the classes are shared out over the commonest words: "PNG: 3 normal, 120 pneumonia; JPEG: …"."""
    counts = {str(word): np.bincount(labels[words == word], minlength=len(classes)) for word in np.unique(words)}
    commonest = sorted(counts, key=lambda word: -int(counts[word].sum()))[:TOLD_WORDS]
    told = [
        f"{word}: " + ", ".join(f"{count} {name}" for name, count in zip(classes, counts[word], strict=True) if count)
        for word in commonest
    ]
    more = len(counts) - len(commonest)
    return "; ".join([*told, *([f"and {more} more"] if more else [])])


def area(output: Matrix, labels: Labels) -> Estimate:
    """AUC of probabilities (N, K): of the second class, or the mean over classes where there are more."""
    return auc(output[:, 1], labels == 1) if output.shape[1] == 2 else macro_auc(output, labels)


def _margins(pictures: Pictures, rows: Labels) -> tuple[Matrix, Matrix]:
    """What stands along the edges between the corners (N, F) and in the corners (N, G), padding taken off."""
    size = (SIDE, SIDE)
    bare = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in pictures.pixels(rows, 2 * SIDE)])
    down, across = bare[:, CORNER:-CORNER], bare[:, :, CORNER:-CORNER]
    thin = (across[:, :EDGE], across[:, -EDGE:], down[:, :, :EDGE].swapaxes(1, 2), down[:, :, -EDGE:].swapaxes(1, 2))
    strips = [one.mean(axis=1).reshape(len(bare), -1, 4).mean(axis=2) for one in thin]
    ends = (slice(0, CORNER), slice(-CORNER, None))
    corners = [bare[:, one, other].reshape(len(bare), -1) for one in ends for other in ends]
    return np.concatenate(strips, axis=1).astype(np.float64), np.concatenate(corners, axis=1).astype(np.float64)


def _sizes(figures: Matrix) -> Matrix:
    """Logarithms and, of two, the proportion with them."""
    logs = np.log(np.maximum(figures, 1))
    return logs if logs.shape[1] < 2 else np.column_stack([logs, logs[:, 0] - logs[:, 1]])


def _table(rows: list[Row]) -> pd.DataFrame:
    told: list[Mapping[str, object]] = [
        {
            "told from": row.group,
            "target": row.target,
            "AUC": row.found.value,
            "low": row.found.low,
            "high": row.found.high,
            "raised": "yes" if row.raised else "no",
            "which words": row.words,
        }
        for row in rows
    ]
    return pd.DataFrame(told)


def _check(raised: list[Row]) -> Check:
    return Check(
        "No target can be told from edges, corners, size, site, machine, file format or header alone",
        "failed" if raised else "passed",
        "; ".join(f"{row.target} from {row.group}: AUC {row.found}" for row in raised) or "nothing raised",
        "look at the pictures, crop or mask what gives it away, store all of them alike, or set "
        "`clean.shortcuts: report`",
    )
