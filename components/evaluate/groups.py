"""Does the model serve everybody alike? The headline figures by sex and by site."""

from __future__ import annotations

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.results import Result, words
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Estimate

COLUMNS = ("sex", "site")
FEWEST = 20
"""Samples below which a group isn't shown: its intervals would say nothing, and it could point at a person."""
MOST = 8
"""Groups of a column that are shown, the largest first."""


def groups(result: Result, samples: pd.DataFrame) -> Section | None:
    """One row a group of one target; None where no column has two groups large enough."""
    tables: list[Markup] = []
    for column in COLUMNS:
        sizes = samples.loc[result.known, column].value_counts() if column in samples else pd.Series(dtype=int)
        names = list(sizes[sizes >= FEWEST].index[:MOST])
        if len(names) > 1:
            rows = {str(name): _figures(result, (samples[column] == name).to_numpy()) for name in sorted(names)}
            tables.append(_table(column, rows))
    if not tables:
        return None
    note = paragraph(
        f"Groups of {FEWEST} samples or more. With several groups, one of them looks different by chance "
        "now and then; intervals that lie far apart are worth a look."
    )
    return Section(f"By group: {result.title}", (*tables, note))


def _figures(result: Result, member: NDArray[np.bool_]) -> dict[str, Estimate]:
    """For one group: what stands at the top of the report, and the figure that is held against chance."""
    rows = np.flatnonzero(member & result.known)
    encoded, _ = result.kind.encode(result.truth.iloc[rows])
    found = result.kind.metrics(result.output[rows], encoded, result.fitted.decision)
    return {name: estimate for name, estimate in found.items() if estimate.headline or name == result.kind.chance[0]}


def _table(column: str, rows: dict[str, dict[str, Estimate]]) -> Markup:
    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    frame = pd.DataFrame(
        {
            column.capitalize(): list(rows),
            **{words(name): [_cell(found.get(name)) for found in rows.values()] for name in names},
        }
    )
    return table(frame)


def _cell(estimate: Estimate | None) -> str:
    """A figure with its interval and the samples it rests on."""
    if estimate is None or not estimate.known:
        return "–"
    return f"{estimate}, n {estimate.n}"
