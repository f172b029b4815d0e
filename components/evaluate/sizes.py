"""How many samples and events each split has, and what precision they buy. The formulas stand in `lib.sample_size`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.development_sizes import developed, developed_of_classes, parameters
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result
from components.lib import sample_size as needs
from components.lib.dataset import SPLITS
from components.lib.kinds._classes import spoken
from components.lib.numbers import number
from components.lib.page import Section, paragraph, table
from components.lib.statistics import auc

TITLE = "Sample size, and the precision it buys"
BEST_AUC = 0.99
"""A higher one isn't counted on: an interval of width zero would need no samples."""
NEURAL = (
    "The formulas for development are for regression models. A neural network estimates far more parameters than it "
    "has inputs, and no formula says how many samples it needs: take the numbers as a lower bound."
)
SOURCES = (
    "Sources: Riley et al. 2020, doi:10.1136/bmj.m441, and for several classes Pate et al. 2023, "
    "doi:10.1177/09622802231151220 (development); Riley et al. 2021, doi:10.1002/sim.9025, and Archer et al. 2021, "
    "doi:10.1002/sim.8766 (validation)."
)


@dataclass(frozen=True)
class Aim:
    """A metric whose 95% interval should be of some width."""

    metric: str
    width: float
    needed: int
    """Samples, or patients."""
    found: float
    """The width that those of the test split give."""


@dataclass(frozen=True)
class Sizes:
    """What is known of one target."""

    result: Result
    unit: str
    """What is counted: "samples", or "patients" where they have several."""
    here: int
    """Of the measured split, with known truth."""
    events: int | None
    """How many of them are of the event."""
    event: str
    """What counts as one; empty for a number."""
    aims: tuple[Aim, ...]
    trained: int
    """Samples, or patients, that the model was fitted on, with known truth; 0: not known here."""
    development: tuple[str, ...]
    """Sentences about them."""

    @property
    def short_of(self) -> list[Aim]:
        """What is measured less precisely than it should be."""
        return [aim for aim in self.aims if aim.needed > self.here]


def sizes(evaluated: Evaluated, result: Result) -> Sizes:
    """Of one target, on the measured samples."""
    whose = result.patients_of(result.known)
    here = int(result.known.sum()) if whose is None else len(np.unique(whose))
    unit, trained = ("samples", "patients")[whose is not None], _trained(evaluated, result, whose is not None)
    if not result.kind.class_names:
        aims, told = _of_number(evaluated, result, here, trained)
        return Sizes(result, unit, here, None, "", aims, trained, told)
    position, name = _event(result)
    positive = result.kind.labels(result.encoded)[result.known] == position  # type: ignore[attr-defined]
    events = int(positive.sum()) if whose is None else len(np.unique(whose[positive]))
    aims, told = _of_classes(evaluated, result, positive, position, here, trained)
    return Sizes(result, unit, here, events, name, aims, trained, told)


def part(evaluated: Evaluated) -> Part:
    """A section with a table of events and one of precision for each target, and a sentence for the card."""
    found = [sizes(evaluated, result) for result in evaluated.results]
    blocks: list[Markup] = []
    for each in found:
        blocks += [*_tables(evaluated, each), *map(paragraph, each.development)]
    limits = tuple(sentence for each in found if (sentence := _limit(each)))
    return Part((Section(TITLE, (*blocks, paragraph(NEURAL), paragraph(SOURCES))),), limits=limits)


def _tables(evaluated: Evaluated, found: Sizes) -> list[Markup]:
    counts = _counts(evaluated, found)
    blocks = [table(counts, found.result.title)] if len(counts) else []
    if not found.aims:
        why = "no test sample of it" if found.events == 0 else "too little is known of it in test"
        return [*blocks, paragraph(f"The precision for {found.event or found.result.title} can't be said: {why}.")]
    share = f", {found.events:,} with {found.event}" if found.event else ""
    frame = pd.DataFrame(
        {
            "95% interval of": [aim.metric for aim in found.aims],
            "Width aimed at": [number(aim.width) for aim in found.aims],
            f"Test {found.unit} it takes": [_needed(aim.needed, found) for aim in found.aims],
            f"Width with {found.here:,} {found.unit}{share}": [number(aim.found) for aim in found.aims],
        }
    )
    how = (
        "At the share, the AUC and the spread of probabilities of this test split, if the model is calibrated."
        if found.event
        else "At the R² of this test split, if the model is calibrated."
    )
    return [*blocks, table(frame), paragraph(how)]


def _needed(count: int, found: Sizes) -> str:
    if count >= needs.MOST:
        return "more than can be collected"
    if found.events is None or not found.here:
        return f"{count:,}"
    return f"{count:,} ({math.ceil(count * found.events / found.here):,} with {found.event})"


def _limit(found: Sizes) -> str:
    """For the card: what the test split is too small for."""
    if not found.short_of:
        return ""
    most = max(aim.needed for aim in found.short_of)
    names = " and ".join(aim.metric for aim in found.short_of)
    return (
        f"{found.result.title}: test has {found.here:,} {found.unit}"
        + (f", {found.events:,} with {found.event}" if found.event else "")
        + f". Intervals of {names} as narrow as recommended take {_needed(most, found)} {found.unit}."
    )


def _counts(evaluated: Evaluated, found: Sizes) -> pd.DataFrame:
    """Known samples, patients and events of every split; nothing where the data aren't the model's own."""
    if not _own(evaluated):
        return pd.DataFrame()
    samples, result = evaluated.data.samples(), found.result
    rows = []
    for split in SPLITS:
        held = samples[(samples["split"] == split) & samples[result.target].notna()]
        row: dict[str, object] = {"Split": split, "Samples with known truth": len(held)}
        event = held[held[result.target].astype("str") == _event(result)[1]] if found.event else None
        if event is not None:
            row[found.event] = len(event)
        if found.unit == "patients":
            row["Patients"] = _people(held)
            if event is not None:
                row[f"Patients with {found.event}"] = _people(event)
        rows.append(row)
    return pd.DataFrame(rows)


def _event(result: Result) -> tuple[int, str]:
    """Position and name of the class that is counted: of two the positive one, of several the rarest in test."""
    names = result.kind.class_names
    if len(names) == 2:
        return 1, spoken(names[1])
    labels = result.kind.labels(result.encoded)[result.known]  # type: ignore[attr-defined]
    counts = np.bincount(labels, minlength=len(names))
    rarest = int(np.where(counts > 0, counts, counts.max(initial=0) + 1).argmin())
    return rarest, spoken(names[rarest])


def _of_classes(
    evaluated: Evaluated, result: Result, positive: NDArray[np.bool_], position: int, here: int, trained: int
) -> tuple[tuple[Aim, ...], tuple[str, ...]]:
    """What is aimed at, and sentences about the development."""
    output = np.asarray(result.output, np.float64)[result.known]
    probability = output.reshape(-1) if output.shape[1] == 1 else output[:, position]
    if not positive.any() or positive.all():
        return (), ()
    share, two = float(positive.mean()), len(result.kind.class_names) == 2
    area = min(max(auc(probability, positive).value, 1 - BEST_AUC), BEST_AUC)
    spread = np.log(np.clip(probability, 1e-6, 1 - 1e-6)) - np.log1p(-np.clip(probability, 1e-6, 1 - 1e-6))
    oe = Aim("observed over expected", needs.OE_WIDTH, needs.oe_samples(share), needs.oe_width(here, share))
    of_auc = Aim(
        "AUC" if two else "AUC, against the rest", needs.AUC_WIDTH, needs.auc_samples(area, share),
        needs.auc_width(here, area, share),
    )  # fmt: skip
    if not two:
        told = ("Of several classes the rarest is counted against the rest; development counts them all.",)
        return (oe, of_auc), (*told, *developed_of_classes(evaluated, result, output, trained, _units(evaluated)))
    slope: tuple[Aim, ...] = ()
    if np.ptp(spread) > 1e-6:
        slope = (
            Aim("calibration slope", needs.SLOPE_WIDTH, needs.slope_samples(spread), needs.slope_width(here, spread)),
        )
    return (oe, *slope, of_auc), developed(evaluated, probability, positive, trained, _units(evaluated))


def _of_number(
    evaluated: Evaluated, result: Result, here: int, trained: int
) -> tuple[tuple[Aim, ...], tuple[str, ...]]:
    r2 = result.metrics["r2"].value if "r2" in result.metrics else math.nan
    if not 0 < r2 < 1 or here < 3:
        return (), ()
    aims = (
        Aim("R²", needs.R2_WIDTH, needs.r2_samples(r2), needs.r2_width(here, r2)),
        Aim("calibration slope", needs.SLOPE_WIDTH, needs.slope_samples_of_number(r2),
            needs.slope_width_of_number(here, r2)),
    )  # fmt: skip
    columns = parameters(evaluated)
    if not columns or not trained:
        return aims, ()
    needed = needs.development_of_number(columns, r2).samples
    return aims, (
        f"A regression with as many parameters as this model has input columns ({columns:,}) takes {needed:,} "
        f"{_units(evaluated)} at the R² shown on test; train has {trained:,}.",
    )


def _trained(evaluated: Evaluated, result: Result, by_patient: bool) -> int:
    if not _own(evaluated):
        return 0
    samples = evaluated.data.samples()
    splits: Sequence[str] = SPLITS[:2] if evaluated.network.info.cross_validated else SPLITS[:1]
    held = samples[samples["split"].isin(splits) & samples[result.target].notna()]
    return _people(held) if by_patient else len(held)


def _own(evaluated: Evaluated) -> bool:
    """Whether the model was trained on this dataset."""
    return evaluated.data.info.digest in evaluated.network.info.lineage.values()


def _units(evaluated: Evaluated) -> str:
    return "samples" if evaluated.results[0].patients is None else "patients"


def _people(rows: pd.DataFrame) -> int:
    """Patients; a sample whose patient is unknown counts as one."""
    return int(rows["patient"].nunique() + rows["patient"].isna().sum()) if "patient" in rows else len(rows)
