"""Metrics with and without the test samples that the network has seen: exact and near duplicates of other splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.evaluate.part import Evaluated, Part
from components.evaluate.sensitivity import Metrics, deciding, effect, measured, tables
from components.lib.gate_names import WITHOUT
from components.lib.page import Section, paragraph
from components.lib.statistics import Bools
from components.lib.validate.near_duplicates import read
from components.lib.validate.pictures import is_picture

TITLE = "With and without duplicates of training samples"
WITH_THEM = "they make the model look {better} than it is on new samples"
UNKNOWN = (
    "Whether test samples resemble training samples is not known: clean's search for near duplicates didn't finish."
)


@dataclass(frozen=True)
class Seen:
    """Which of N test samples stand in another split, too."""

    exact: Bools
    """Equal content in train or validation (N,)."""
    near: Bools
    """Nearly the same picture in train or validation, and no exact duplicate (N,)."""
    in_train: int
    in_validation: int
    """How many of them stand there; one may stand in both."""

    @property
    def any(self) -> Bools:
        """(N,)."""
        return self.exact | self.near

    def __str__(self) -> str:
        exact, near = int(self.exact.sum()), int(self.near.sum())
        kinds = f"exact ({exact}) or near ({near})" if exact and near else "exact" if exact else "near"
        what = f"an {kinds} duplicate" if exact + near == 1 and exact else f"a {kinds} duplicate"
        what = what if exact + near == 1 else f"{kinds} duplicates"
        places = [f"{n} in {split}" for n, split in ((self.in_train, "train"), (self.in_validation, "validation")) if n]
        return f"{what} of samples in other splits ({', '.join(places)})"


def part(evaluated: Evaluated) -> Part:
    """A table per target, `without_duplicates_<metric>` and a warning with the figures; nothing on other data."""
    learnt = evaluated.data.info.digest in evaluated.network.info.lineage.values()
    samples = evaluated.samples
    if not learnt or not (samples["split"] == "test").all():
        return Part()
    pictures = any(is_picture(kind) for kind in evaluated.network.info.inputs.values())
    pairs = read(evaluated.data.path)
    if pairs is None and pictures:
        return Part(sections=(Section(TITLE, (paragraph(UNKNOWN),)),))
    seen = _seen(evaluated.data.samples(), samples, pairs)
    gates = evaluated.spec.evaluate.gates
    asked = [result for result in evaluated.results if f"{result.target}.{WITHOUT}{deciding(result)}" in gates]
    if not seen.any.any():
        metrics = {each.target: {f"{WITHOUT}{deciding(each)}": each.metrics[deciding(each)]} for each in asked}
        told = "No test sample is an exact or a near duplicate of a sample in train or validation."
        return Part((Section(TITLE, (paragraph(told),)),) if pictures else (), metrics=metrics)
    found = {result.target: measured(result, ~seen.any) for result in evaluated.results}
    return Part(
        (Section(TITLE, (paragraph(_how(seen, len(samples))), *tables(evaluated.results, found, "duplicates"))),),
        metrics={
            each.target: {f"{WITHOUT}{deciding(each)}": found[each.target][deciding(each)]}
            for each in evaluated.results
        },
        warnings=(_warning(evaluated, seen, found),),
    )


def _seen(every: pd.DataFrame, test: pd.DataFrame, pairs: pd.DataFrame | None) -> Seen:
    """Which test samples stand elsewhere, by content and by clean's list of pairs."""
    others = {split: every.loc[every["split"] == split, "sha256"] for split in ("train", "validation")}
    exact = {split: test["sha256"].isin(held).to_numpy() for split, held in others.items()}
    near = dict.fromkeys(others, np.zeros(len(test), bool))
    if pairs is not None:
        of_test = pairs[pairs["split_2"] == "test"]
        near = {
            split: test["sample_id"].isin(of_test.loc[of_test["split"] == split, "sample_id_2"]).to_numpy()
            for split in others
        }
    same = exact["train"] | exact["validation"]
    counts = {split: int((exact[split] | near[split]).sum()) for split in others}
    return Seen(same, (near["train"] | near["validation"]) & ~same, counts["train"], counts["validation"])


def _how(seen: Seen, count: int) -> str:
    number = int(seen.any.sum())
    return (
        f"{number} of {count} test samples {'is' if number == 1 else 'are'} {seen}. The network was trained on train, "
        "and chosen on validation. In brackets: the 95% interval."
    )


def _warning(evaluated: Evaluated, seen: Seen, found: Mapping[str, Metrics]) -> str:
    """The same with what it does to the metric that decides; the words follow the numbers."""
    number = int(seen.any.sum())
    start = f"{number} of {len(evaluated.samples)} test samples {'is' if number == 1 else 'are'} {seen}."
    return " ".join([start, *(effect(result, found[result.target], WITH_THEM) for result in evaluated.results)])
