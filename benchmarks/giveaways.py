"""How many tables without a leak are asked about, and how many planted leaks are found.

    python -m benchmarks.giveaways [TABLES]      default 400 clean tables; exit status 1 when a goal is missed

Clean tables: 60 to 3,000 rows, 4 to 24 columns that say something or nothing of the target, one patient or several rows
each, categories of a quarter as many words as there are rows, cells that are empty more often in the ill. Leaks: a
column of a random name among these, the target 2%, 10% or half of the rows, or a number.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.giveaways import Giveaway, Table, look
from components.lib.statistics import wilson

TABLES, LEAKS = 400, 20
MOST_FALSE, LEAST_FOUND = 0.01, 0.95
ROWS = {0.02: 2500, 0.1: 500, 0.5: 200}
"""Share of positives to rows: fifty positives, and a hundred."""
Floats = NDArray[np.float64]


@dataclass
class Drawn:
    """A table, its columns by name."""

    target: Floats
    """0 and 1, or a number."""
    amount: bool
    cells: dict[str, pd.Series] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    patients: pd.Series | None = None

    def add(self, name: str, cells: NDArray[np.generic], *, number: bool) -> str:
        """A column more."""
        self.cells[name] = pd.Series(cells)
        if number:
            self.numbers.add(name)
        return name

    def found(self, chance: np.random.Generator) -> list[Giveaway]:
        """What is raised with a fifth of the rows in test."""
        truth = self.target if self.amount else np.where(self.target > 0, "yes", "no")
        test = chance.random(len(truth)) < 0.2
        parts = {"train": ~test, "test": test}
        return look(
            Table(self.cells, frozenset(self.numbers), pd.Series(truth), self.amount, self.patients, parts)
        )  # fmt: skip


def name_of(chance: np.random.Generator) -> str:
    """A name that says nothing."""
    return "".join(chance.choice([*"abcdefgkqrstuvä; ß$"], 7))


def clean(rows: int, share: float | None, chance: np.random.Generator) -> Drawn:
    """A table without a leak: no column's AUC is above .80. `share` of positives; None: a number."""
    target = chance.normal(size=rows) if share is None else (chance.random(rows) < share).astype(np.float64)
    table = Drawn(target, amount=share is None)
    table.patients = pd.Series(chance.integers(0, max(2, int(0.7 * rows)), rows).astype(str))
    for place in range(int(chance.integers(4, 25))):
        strength = min(abs(chance.normal(0, 0.4)), 1.2) if chance.random() < 0.6 else 0.0
        name, values, form = f"{name_of(chance)}{place}", strength * target + chance.normal(size=rows), chance.random()
        empty = chance.random(rows) < np.clip(chance.uniform(0.02, 0.9) + 0.1 * chance.normal() * target, 0, 0.95)
        empty &= chance.random() < 0.4
        if form < 0.6:
            values = np.where(empty, np.nan, values if chance.random() < 0.5 else np.exp(values))
            table.add(name, values, number=True)
            continue
        words = np.digitize(values, [-1, 0, 1]) if form < 0.8 else chance.integers(0, max(2, rows // 4), rows)
        table.add(name, np.where(empty, None, words.astype(str).astype(object)), number=False)
    return table


def copied(table: Drawn, chance: np.random.Generator) -> str:
    """The target under another name."""
    return table.add(name_of(chance), table.target, number=True)


def agreeing(table: Drawn, chance: np.random.Generator) -> str:
    """Words that are right in 95 of 100 rows."""
    wrong = chance.random(len(table.target)) < 0.05
    return table.add(name_of(chance), np.where((table.target > 0) ^ wrong, "home", "ward"), number=False)


def empty_if_positive(table: Drawn, chance: np.random.Generator) -> str:
    """A number that no positive has."""
    values = np.where(table.target > 0, np.nan, chance.normal(size=len(table.target)))
    return table.add(name_of(chance), values, number=True)


def often_empty_if_positive(table: Drawn, chance: np.random.Generator) -> str:
    """A number that most positives lack, and no negative."""
    empty = (table.target > 0) & (chance.random(len(table.target)) < 0.7)
    return table.add(name_of(chance), np.where(empty, np.nan, chance.normal(size=len(empty))), number=True)


def filled_in_afterwards(table: Drawn, chance: np.random.Generator) -> str:
    """Hours to something that positives alone have."""
    hours = chance.exponential(5, len(table.target))
    return table.add(name_of(chance), np.where(table.target > 0, hours, np.nan), number=True)


def monotone(table: Drawn, chance: np.random.Generator) -> str:
    """The target, curved and turned round."""
    noise = 0.02 * chance.normal(size=len(table.target))
    return table.add(name_of(chance), -np.exp(2 * table.target + noise), number=True)


def folded(table: Drawn, chance: np.random.Generator) -> str:
    """Codes as numbers, with the positives at both ends: their order says nothing."""
    ends = chance.choice([1.0, 3.0], len(table.target))
    return table.add(name_of(chance), np.where(table.target > 0, ends, 2.0), number=True)


def coded(table: Drawn, chance: np.random.Generator) -> str:
    """Several words for positives, and others for negatives."""
    ill, well = (chance.choice(words, len(table.target)) for words in (["x7", "k2", "m4"], ["b1", "b2", "b3", "q9"]))
    return table.add(name_of(chance), np.where(table.target > 0, ill, well), number=False)


def two_times(table: Drawn, chance: np.random.Generator) -> str:
    """Two moments in six years, each of which says nothing, and the days between them."""
    rows = len(table.target)
    start, few = chance.uniform(0, 2000, rows), chance.uniform(0, 5, rows)
    days = 10 * (table.target - table.target.min()) if table.amount else np.where(
        table.target > 0, few, chance.uniform(20, 60, rows)
    )  # fmt: skip
    table.add(f"{name_of(chance)}0", start, number=True)
    return table.add(f"{name_of(chance)}1", start + days, number=True)


def other_meaning_later(table: Drawn, chance: np.random.Generator) -> str:
    """A code that was turned round in 2015."""
    year = chance.integers(2010, 2020, len(table.target))
    wrong = chance.random(len(year)) < 0.02
    table.add(f"{name_of(chance)}0", year.astype(np.float64), number=True)
    words = np.where((table.target > 0) ^ (year >= 2015) ^ wrong, "A", "B")
    return table.add(f"{name_of(chance)}1", words, number=False)


Plant = Callable[[Drawn, np.random.Generator], str]
PLANTED: dict[str, Plant] = {
    "the target itself": copied,
    "right in 95% of the rows": agreeing,
    "empty in the positives": empty_if_positive,
    "empty in 7 of 10 positives": often_empty_if_positive,
    "filled in for positives alone": filled_in_afterwards,
    "a monotone function of it": monotone,
    "codes, positives at both ends": folded,
    "words that stand for it": coded,
    "the time between two moments": two_times,
    "another meaning by the year": other_meaning_later,
}
OF_AMOUNTS = (copied, monotone, two_times)


def planted(plant: Plant, share: float | None, seed: int) -> tuple[str, list[Giveaway]]:
    """The name of the column that leaks, and what is raised."""
    chance = np.random.default_rng([seed, [*PLANTED.values()].index(plant)])
    table = clean(300 if share is None else ROWS[share], share, chance)
    table.patients = None
    return plant(table, chance), table.found(chance)


def falsely_raised(tables: int) -> int:
    """How many of so many clean tables are asked about."""
    raised = 0
    for seed in range(tables):
        chance = np.random.default_rng([seed, 99])
        rows, share = int(chance.choice([60, 150, 400, 1000, 3000])), chance.choice([0.02, 0.1, 0.3, 0.5, 0])
        raised += bool(clean(rows, float(share) or None, chance).found(chance))
    return raised


def main(tables: int) -> int:
    """Print the table of planted leaks, and the figures against their goals."""
    start, shares = time.monotonic(), (0.02, 0.1, 0.5, None)
    print("| planted leak | 2% positive | 10% | 50% | a number |\n|---|---|---|---|---|")
    worst = 1.0
    for name, plant in PLANTED.items():
        cells = []
        for share in shares:
            if share is None and plant not in OF_AMOUNTS:
                cells.append("")
                continue
            told = [planted(plant, share, seed) for seed in range(LEAKS)]
            hits = sum(any(column in each.columns for each in found) for column, found in told)
            worst = min(worst, hits / LEAKS)
            cells.append(f"{hits} of {LEAKS}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    raised = falsely_raised(tables)
    share = wilson(raised, tables)
    reached = raised / tables <= MOST_FALSE and worst >= LEAST_FOUND
    print(
        f"{raised} of {tables} clean tables asked about ({100 * share.value:.1f}%, {100 * share.low:.1f} to "
        f"{100 * share.high:.1f}), goal at most {MOST_FALSE:.0%}; the planted leak found least often in {worst:.0%}, "
        f"goal {LEAST_FOUND:.0%}; {time.monotonic() - start:.0f} s: {'reached' if reached else 'not reached'}"
    )
    return int(not reached)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else TABLES))
