"""Prediction sets of the test samples, and what they are worth: how many of those with such a set are labelled so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from components.evaluate.results import Called, Result
from components.lib.class_metrics import Share
from components.lib.conformal import abstained, fitted_least, members
from components.lib.decisions import percent, proportions
from components.lib.kinds._classes import Classes, percentage
from components.lib.page import paragraph, table
from components.lib.statistics import Bools, Estimate, Floats


@dataclass(frozen=True)
class Sets(Called):
    """The prediction sets of one target."""

    inside: Bools
    """Which classes are in each set (n, K)."""
    least: Floats
    """From which probability each class is in a set (K,)."""

    @property
    def holds(self) -> Bools:
        """Whether the truth is in the set (n,)."""
        return self.inside[np.arange(len(self.label)), self.label]

    @property
    def unsure(self) -> Bools:
        """Whether the model abstains (n,)."""
        return abstained(self.inside, self.called)

    @property
    def groups(self) -> dict[str, Bools]:
        """Samples by what is in their sets (n,): of two classes by the very set, of several by its size."""
        sizes = self.inside.sum(axis=1)
        if len(self.kind.class_names) > 2:
            words = {0: "no class", 1: "one class"}
            sized = {
                words.get(size, f"{size} classes"): sizes == size for size in range(len(self.kind.class_names) + 1)
            }
            return {name: there for name, there in sized.items() if there.any()}
        (no, yes), (first, second) = self.kind.spoken, self.inside.T
        return {f"{no} alone": first & ~second, f"{yes} alone": second & ~first, "both": sizes == 2, "none": sizes == 0}

    @property
    def readings(self) -> dict[str, str]:
        """What each group of two classes means: what is in a set is not ruled out, which is less than found."""
        yes = self.kind.spoken[1]
        words = (f"{yes} ruled out", f"{yes} not ruled out", "undecided", "unlike both: undecided")
        return dict(zip(self.groups, words, strict=True))

    def counted(self) -> dict[str, Estimate]:
        """Every share that the report tells, with its interval."""
        right, every, empty = self.called == self.label, np.ones(len(self.label), bool), "there is no such sample"
        shares = {
            "set_coverage": Share(self.holds, every), "abstained": Share(self.unsure, every),
            "right": Share(right, every), "answered right": Share(right, ~self.unsure, empty),
        }  # fmt: skip
        for name, there in self.groups.items():
            shares |= {f"share of {name}": Share(there, every), f"held in {name}": Share(self.holds, there, empty)}
            for k, label in enumerate(self.kind.spoken):
                shares[f"{label} in {name}"] = Share(self.label == k, there, empty)
        for k, label in enumerate(self.kind.spoken):
            alone = self.inside[:, k] & (self.inside.sum(axis=1) == 1)
            shares[f"right where {label} alone"] = Share(self.label == k, alone, empty)
            shares[f"right where not {label}"] = Share(self.label != k, ~self.inside[:, k], empty)
        for k, name in enumerate(self.kind.spoken):
            shares[f"labelled {name}"] = Share(self.holds, self.label == k, empty)
        return proportions(shares, self.design)


def sets_of(result: Result, kind: Classes, least: Floats) -> Sets:
    """The sets of a target by the figures of `fit_sets` (K,)."""
    inside = members(kind.columns(result.output[result.known]), least)
    return Sets(kind, *Sets.known(result, kind), inside, least)


def in_words(result: Result, kind: Classes) -> list[str]:
    """What the sets of two classes are worth, for the model card; of others nothing."""
    least = fitted_least(result.fitted.decision, len(kind.class_names))
    if least is None or len(kind.class_names) > 2 or not result.known.any():
        return []
    sets = sets_of(result, kind, least)
    return [_values(sets, sets.counted())]


def worth(sets: Sets, found: Mapping[str, Estimate]) -> list[Markup]:
    """What sets are worth: how many of the samples with such a set are labelled so."""
    if len(sets.kind.class_names) == 2:
        return [table(_contents(sets, found), "What is in the sets."), paragraph(_values(sets, found))]
    sized = [
        (name, str(int(there.sum())), percent(found[f"share of {name}"]), percent(found[f"held in {name}"]))
        for name, there in sets.groups.items()
    ]
    single = [
        (
            name, str(found[f"right where {name} alone"].n), percent(found[f"right where {name} alone"]),
            str(found[f"right where not {name}"].n), percent(found[f"right where not {name}"]),
        )
        for name in sets.kind.spoken
    ]  # fmt: skip
    columns = ["Class", "Left alone: n", "Labelled so (PPV)", "Ruled out: n", "Labelled otherwise (NPV)"]
    return [
        table(pd.DataFrame(sized, columns=["Set", "n", "Share of all", "Truth in it"]), "What is in the sets."),
        table(pd.DataFrame(single, columns=columns), "What it is worth that a class is left alone, or ruled out."),
    ]


def _contents(sets: Sets, found: Mapping[str, Estimate]) -> pd.DataFrame:
    """One row for what a set of two classes may hold."""
    no, yes = sets.kind.spoken
    rows = [
        (
            name, sets.readings[name], str(int(there.sum())), percent(found[f"share of {name}"]),
            percent(found[f"{yes} in {name}"]), percent(found[f"{no} in {name}"]),
        )
        for name, there in sets.groups.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["Set", "Meaning", "n", "Share of all", f"Labelled {yes}", f"Labelled {no}"])


def _values(sets: Sets, found: Mapping[str, Estimate]) -> str:
    """The predictive values of both answers as sentences."""
    no, yes = sets.kind.spoken
    alone, ruled_out = found[f"{yes} in {yes} alone"], found[f"{no} in {no} alone"]
    told = []
    if alone.known:
        told.append(
            f"{yes} is not ruled out, and nothing else is left, for {alone.n:,} samples: {percent(alone)} of them are "
            "labelled so (PPV of the set)."
        )
    if ruled_out.known:
        missed, total = int(((sets.label == 1) & sets.groups[f"{no} alone"]).sum()), int((sets.label == 1).sum())
        told.append(
            f"{yes} is ruled out for {ruled_out.n:,} samples: {percent(ruled_out)} of them are labelled {no} (NPV of "
            f"the set), and {missed:,} of the {total:,} labelled {yes} are among them."
        )
    text = " ".join(f"{each[:1].upper()}{each[1:]}" for each in told)
    share = percentage(float((sets.label == 1).mean()))
    return f"{text} Both hold where {share} of all are {yes}, as in this test sample.".strip()
