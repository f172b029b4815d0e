"""What a comparison of champion and challenger says: row by row, and on the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from components.lib.paired import Difference
from components.lib.settings import Settings

LEVEL = 0.05
"""Chance that an interval misses the truth; of superiority, over all measures together."""
Said = Literal["superior", "non-inferior", "inconclusive", "inferior", "not judged"]
Overall = Literal["superior", "non-inferior", "inconclusive", "inferior", "not judged", "not comparable"]


class Row(Settings):
    """One measure of one target, on the same samples of both."""

    target: str
    name: str
    """`auc`."""
    title: str
    champion: float
    challenger: float
    difference: float
    """Challenger less champion, in the measure's unit."""
    low: float
    high: float
    """Ends of its 95% interval."""
    bound: float
    """The worse end of that interval must lie on the better side of it: the margin, in the measure's unit."""
    better: Literal["higher", "lower"]
    verdict: Said
    method: str
    note: str

    @property
    def key(self) -> str:
        """TARGET.MEASURE."""
        return f"{self.target}.{self.name}"


def rows(found: Mapping[tuple[str, str], Difference], margin: float) -> tuple[Row, ...]:
    """The verdict on every measure.

    Non-inferior: the 95% interval of the difference lies on the better side of the margin. Superior: besides, it lies
    on the better side of 0 at a level that is divided by the number of measures that may show it (Bonferroni), so that
    of two equal models one is called superior in any of them with a chance of 2.5% at most. Non-inferiority is asked in
    all of them, and needs no such correction (Berger 1982, doi:10.1080/00401706.1982.10487790).

    Args:
        found: by target and measure.
        margin: of non-inferiority, as a share of each measure's scale.

    Source: non-inferiority and superiority from the same interval, Piaggio et al. 2012 (CONSORT),
    doi:10.1001/jama.2012.87802.
    """
    several = sum(each.first.gains and not each.note for each in found.values())
    return tuple(_row(*key, each, margin, LEVEL / max(several, 1)) for key, each in found.items())


def _row(target: str, name: str, found: Difference, margin: float, level: float) -> Row:
    low, high = found.interval(LEVEL)
    first = found.first
    bound = margin * first.scale * (-1 if first.better == "higher" else 1)
    own, other = first.note, found.second.note
    notes = [found.note, own if own == other else f"{own} with the champion, {other} with the challenger"]
    return Row(
        target=target, name=name, title=first.title, champion=found.values[0], challenger=found.values[1],
        difference=found.value, low=low, high=high, bound=bound, better=first.better,
        verdict=_said(found, margin, level), method=found.method, note="; ".join(filter(None, notes)),
    )  # fmt: skip


def _said(found: Difference, margin: float, level: float) -> Said:
    if found.note:
        return "not judged"
    low, high = found.gain_interval(LEVEL)
    if low > -margin:
        return "superior" if found.first.gains and found.gain_interval(level)[0] > 0 else "non-inferior"
    return "inferior" if high < 0 else "inconclusive"


def overall(judged: Sequence[Row]) -> Overall:
    """On the whole: the worst verdict of all, or superior where one is and all others are non-inferior."""
    held = [row.verdict for row in judged]
    if not held:
        return "not judged"
    for worst in ("inferior", "inconclusive", "not judged"):
        if worst in held:
            return worst
    return "superior" if "superior" in held else "non-inferior"
