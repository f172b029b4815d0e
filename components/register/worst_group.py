"""The group that fares worst with each of two models, by the measure that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.divisions import Division
from components.lib.kinds import Array, TargetKind
from components.lib.paired import Measure
from components.lib.resampling import FEW, Statistic
from components.lib.statistics import Floats

Rows = NDArray[np.intp]
Worst = tuple[dict[str, Measure], dict[str, Measure]]


@dataclass(frozen=True)
class _Group:
    name: str
    rows: Rows
    measures: tuple[Measure, Measure]
    """Of the first model and of the second, on the group's samples."""


def worst_groups(
    kind: TargetKind,
    deciding: tuple[str, Measure],
    samples: pd.DataFrame,
    every: Sequence[Division],
    answers: Sequence[NDArray[np.floating]],
    encoded: Array,
    decisions: Sequence[Mapping[str, float]],
) -> tuple[Worst, str]:
    """`worst_group` of both models; nothing, and why, where no group can be judged.

    Args:
        kind: the target's.
        deciding: the measure that decides, by name, on all samples.
        samples: table of N samples, the truth of each known.
        every: the groups that they fall into, by column.
        answers: what each model serves (N, units).
        encoded: known targets (N, …).
        decisions: of each model.
    """
    name, whole = deciding
    found = []
    for division in (each for each in every if each.comparable):
        for group in division.groups:
            one, other = (
                kind.paired_measures(answer[group.rows], encoded[group.rows], decision, decisions[0])
                for answer, decision in zip(answers, decisions, strict=True)
            )
            if name not in one or not _enough(one[name], samples.iloc[group.rows]):
                continue
            found.append(_Group(f"{division.column} {group.name}", group.rows, (one[name], other[name])))
    if not found:
        return ({}, {}), f"no group has {FEW} patients of each class, so the worst group isn't compared."
    first, second = ({"worst_group": _worst(found, which, whole, len(samples))} for which in (0, 1))
    return (first, second), ""


def _enough(measure: Measure, samples: pd.DataFrame) -> bool:
    """Whether a group has samples and patients enough to be judged."""
    whose = samples["patient"]
    counts = [(int(member.sum()), whose[member].nunique() + int(whose[member].isna().sum()))
              for member, _ in measure.rests_on]  # fmt: skip
    return all(min(each) >= FEW for each in counts)


def _worst(groups: Sequence[_Group], which: int, whole: Measure, count: int) -> Measure:
    """The figure of the group that fares worst with one model; in a draw another group may."""
    higher = whole.better == "higher"
    pick = np.min if higher else np.max
    parts = [_within(group.measures[which].statistic, group.rows) for group in groups]
    values = [float(part(np.ones((1, count)))[0]) for part in parts]
    worst = groups[int(np.argmin(values) if higher else np.argmax(values))]

    def statistic(weights: Floats) -> Floats:
        return np.asarray(pick([part(weights) for part in parts], axis=0))

    return Measure(
        f"Worst group: {whole.title}", statistic, _placed(worst, which, count), scale=whole.scale, better=whole.better,
        spread=worst.measures[which].spread, note=worst.name,
    )  # fmt: skip


def _within(statistic: Statistic, rows: Rows) -> Statistic:
    """A group's figure from the weights of all samples."""
    return lambda weights: statistic(weights[:, rows])


def _placed(group: _Group, which: int, count: int) -> tuple[tuple[NDArray[np.bool_], str], ...]:
    """What the group's figure rests on, among all samples."""
    placed = []
    for member, words in group.measures[which].rests_on:
        among = np.zeros(count, bool)
        among[group.rows[member]] = True
        placed.append((among, f"{words} in {group.name}"))
    return tuple(placed)
