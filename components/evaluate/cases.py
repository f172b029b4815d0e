"""Single samples of the report, as pictures, with what the model looked at and what it said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.results import Result, capital
from components.lib.kinds import Array, InputKind
from components.lib.model_dir import Model
from components.lib.occlusion import occlusion
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


def choose_cases(result: Result, samples: pd.DataFrame, arrays: Mapping[str, Array], network: Model) -> Cases:
    """The samples of one target that are worth a look, as its kind chooses them: best, worst, least certain."""
    name, kind = next(iter(network.info.inputs.items()))
    chosen = result.kind.examples(result.output, result.encoded, result.known, result.fitted.decision)
    groups = {each.title: each.rows[:EACH] for each in chosen}
    rows = sorted({int(row) for each in groups.values() for row in each})
    evidence = {row: _evidence(result, row, arrays[name], network) for row in rows}
    strongest = max((float(each.max()) for each in evidence.values() if each is not None), default=1.0)
    pictures = {row: kind.picture(arrays[name][row], evidence[row], strongest) for row in rows}
    marked = network.info.explain != "none"
    shown = {
        title: tuple(_case(result, int(row), samples, kind, pictures[int(row)], marked=marked) for row in each)
        for title, each in groups.items()
    }
    whats = {result.kind.shown_unit(output)[1] for output in result.output[:1]}
    legend = kind.legend(next(iter(whats), ""), explained=network.info.explain)
    return Cases(result.target, f"{capital(kind.noun)}: {result.title}", legend, shown)


def _evidence(result: Result, row: int, cleaned: Array, network: Model) -> NDArray[np.float32] | None:
    """What each place of one sample adds to the unit that is shown: from the network's own map, or by hiding places."""
    unit, _ = result.kind.shown_unit(result.output[row])
    if result.maps is not None:
        return np.asarray(result.maps[row, ..., unit])
    if network.info.explain == "occlusion":
        return occlusion(network, np.asarray(cleaned[row]))[result.target][..., unit]
    return None


def _case(result: Result, row: int, samples: pd.DataFrame, kind: InputKind, png: bytes, *, marked: bool) -> Shown:
    truth = result.truth.iloc[row] if result.known[row] else None
    described = result.kind.described(result.output[row], truth, result.fitted.decision)
    where = ", marked where the model looked" if marked else ""
    return Shown(png, f"One of the {kind.noun}, {described}{where}", f"{samples['sample_id'].iloc[row]}: {described}")
