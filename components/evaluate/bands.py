"""How often what is said comes true, by the probability that is said: the predictive value of each band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result, capital
from components.lib.bootstrap import Design
from components.lib.class_metrics import Share
from components.lib.decisions import percent, proportions
from components.lib.kinds._classes import Classes
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Bools, Floats

EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
"""Ends of the bands, closer where a clinician tells them apart."""
FEWEST = 20
"""Samples of a band, at least: with fewer its interval would say nothing."""


@dataclass(frozen=True)
class Band:
    """Samples whose probability lies from `low` to below `high`."""

    low: float
    high: float
    rows: Bools
    """Which of the n samples (n,)."""

    @property
    def name(self) -> str:
        """`2% to below 5%`."""
        if self.low <= 0 and self.high >= 1:
            return "all"
        if self.low <= 0:
            return f"below {100 * self.high:g}%"
        return (
            f"{100 * self.low:g}% and above" if self.high >= 1 else f"{100 * self.low:g}% to below {100 * self.high:g}%"
        )


def part(evaluated: Evaluated) -> Part:
    """A section for each target with classes of which the truth of enough samples is known."""
    sections = [
        section
        for result in evaluated.results
        if isinstance(result.kind, Classes)
        for section in _section(result, result.kind)
    ]
    return Part(tuple(sections))


def bands(probability: Floats) -> tuple[Band, ...]:
    """Bands of 20 samples or more each, from below; neighbours with fewer are one.

    Args:
        probability: (n,), n at least 1.
    """
    found: list[Band] = []
    start = EDGES[0]
    for end in EDGES[1:]:
        rows = (probability >= start) & ((probability < end) | (end >= 1))
        if rows.sum() >= FEWEST:
            found.append(Band(start, end, rows))
            start = end
    if start < 1 and found:  # too few are left above: they join the last band
        last = found.pop()
        return (*found, Band(last.low, 1.0, probability >= last.low))
    return tuple(found) or (Band(0.0, 1.0, np.ones(len(probability), bool)),)


def _section(result: Result, kind: Classes) -> list[Section]:
    stated = kind.stated(result.output[result.known], result.encoded[result.known])
    if stated is None or len(stated[0]) < FEWEST:
        return []
    probability, true = stated
    every = np.ones(len(true), bool)
    design = Design.of(kind.labels(result.encoded[result.known]), result.patients_of(result.known))
    held = bands(probability)
    shares = {f"{band.name} {which}": Share(*pair) for band in held
              for which, pair in (("all", (band.rows, every)), ("true", (true, band.rows)))}  # fmt: skip
    found = proportions(shares, design)
    rows = [
        (
            band.name, str(int(band.rows.sum())), percent(found[f"{band.name} all"]),
            f"{probability[band.rows].mean():.1%}", percent(found[f"{band.name} true"]),
        )
        for band in held
    ]  # fmt: skip
    two = len(kind.class_names) == 2
    came_true = f"Labelled {kind.spoken[1]}" if two else "Called right"
    columns = [capital(_whose(kind)), "n", "Share of all", "Mean probability", came_true]
    blocks = (paragraph(_words(kind, two=two)), table(pd.DataFrame(rows, columns=columns)))
    return [Section(f"What a probability is worth: {result.title}", blocks)]


def _whose(kind: Classes) -> str:
    return kind.probability_of() if len(kind.class_names) == 2 else "probability of the answer"


def _words(kind: Classes, *, two: bool) -> str:
    if not two:
        return (
            "Of the samples whose answer had such a probability, how many are called right. In brackets: the 95% "
            f"interval; neighbouring bands of fewer than {FEWEST} samples are one."
        )
    yes = kind.spoken[1]
    return (
        f"Of the samples with such a probability of {yes}, how many are labelled so: the positive predictive value of "
        "the band (100% less it: the negative one). It should be near the mean probability. In brackets: the 95% "
        f"interval; neighbouring bands of fewer than {FEWEST} samples are one."
    )
