"""Single samples of the report, as pictures, with what the model looked at and what it said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.results import Result
from components.lib.kinds import Array, InputKind
from components.lib.page import Section, paragraph, picture

EACH = 4
"""Samples of each group."""


@dataclass(frozen=True)
class Shown:
    """One sample as it is shown."""

    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Cases:
    """The samples of one target, by group."""

    target: str
    title: str
    legend: str
    groups: Mapping[str, tuple[Shown, ...]]

    @property
    def section(self) -> Section:
        """The section of the report."""
        blocks = [paragraph(self.legend)]
        for title, cases in self.groups.items():
            blocks.append(Markup("<h3>{}</h3>").format(title))
            blocks += [picture(case.png, case.alt, case.caption) for case in cases] or [paragraph("None.")]
        return Section(self.title, tuple(blocks))

    @property
    def files(self) -> dict[str, bytes]:
        """The same pictures as files, by name."""
        names = {title: title.lower().replace(" ", "_") for title in self.groups}
        return {
            f"{self.target}_{names[title]}_{i + 1}.png": case.png
            for title, cases in self.groups.items()
            for i, case in enumerate(cases)
        }


def choose_cases(
    result: Result, samples: pd.DataFrame, arrays: Mapping[str, Array], inputs: Mapping[str, InputKind]
) -> Cases:
    """The samples of one target that are worth a look, as its kind chooses them."""
    name, kind = next(iter(inputs.items()))
    chosen = result.kind.examples(result.output, result.encoded, result.known, result.fitted.decision)
    groups = {each.title: each.rows[:EACH] for each in chosen}
    strongest = _strongest(result, np.concatenate(list(groups.values())).astype(int))
    shown = {
        title: tuple(_case(result, int(row), samples, arrays[name][row], kind, strongest) for row in rows)
        for title, rows in groups.items()
    }
    whats = {result.kind.shown_unit(output)[1] for output in result.output[:1]}
    legend = kind.legend(next(iter(whats), ""), explained=result.maps is not None)
    return Cases(result.target, f"{kind.noun.capitalize()}: {result.title}", legend, shown)


def _strongest(result: Result, rows: NDArray[np.intp]) -> float:
    """Evidence that gets the full colour, the same for all samples shown."""
    if result.maps is None or not len(rows):
        return 1.0
    return float(max(result.maps[row, ..., result.kind.shown_unit(result.output[row])[0]].max() for row in rows))


def _case(result: Result, row: int, samples: pd.DataFrame, cleaned: Array, kind: InputKind, strongest: float) -> Shown:
    unit, _ = result.kind.shown_unit(result.output[row])
    evidence = None if result.maps is None else result.maps[row, ..., unit]
    truth = result.truth.iloc[row] if result.known[row] else None
    described = result.kind.described(result.output[row], truth, result.fitted.decision)
    marked = "" if evidence is None else ", marked where the model looked"
    png = kind.picture(cleaned, evidence, strongest)
    return Shown(png, f"One of the {kind.noun}, {described}{marked}", f"{samples['sample_id'].iloc[row]}: {described}")
