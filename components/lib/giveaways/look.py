"""All columns of a table, alone and in pairs, held against one target; on train and on test apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from components.lib.giveaways import pairs
from components.lib.giveaways.columns import ALONE, AREA, CORRELATION, Column, Limit, View, at_most, columns_of, truths
from components.lib.giveaways.others import FEWEST_COLUMNS, MOST_ROWS, together
from components.lib.giveaways.scores import FEWEST, NOTHING, Bools, Score, Truth

ASK = "is it known when the question is asked? If not, take it out of the input"
MOST = 20_000
"""Rows of a split that are looked at."""
BETTER, BETTER_CORRELATION = Limit(0.85, 0.8), Limit(0.84, 0.75)
"""From which on a column is compared with all others together."""
NAMED = 8
"""Columns that a line names, and that get a line each."""
AHEAD = 0.1
"""By how much it must be better than these, both within their bounds."""


@dataclass(frozen=True)
class Table:
    """Rows to look at.

    Args:
        cells: column to its cells (N), null where unknown: every input, in the order of the table.
        numbers: columns of numbers; all others hold words.
        target: (N) null where unknown.
        amount: whether the target is a number; otherwise classes.
        patients: (N) whose each row is, null where unknown; None: nobody says.
        parts: name of a split to its rows (N,); that of all rows is empty.
        moments: columns that are no inputs: dates, in days. Only their differences are looked at.
    """

    cells: Mapping[str, pd.Series]
    numbers: frozenset[str]
    target: pd.Series
    amount: bool
    patients: pd.Series | None = None
    parts: Mapping[str, Bools] = field(default_factory=dict)
    moments: Mapping[str, pd.Series] = field(default_factory=dict)


@dataclass(frozen=True)
class Giveaway:
    """One column, or two, that may give a target away."""

    columns: tuple[str, ...]
    how: str
    truth: str
    """The class; empty where the target is a number."""
    measure: str
    scores: Mapping[str, Score]
    """By the name of the split."""
    told: str = ""
    """What stands in place of scores."""
    others: Score = NOTHING
    """Of all other columns that aren't raised, together."""

    @property
    def name(self) -> str:
        """Of the column, or of the pair."""
        return " and ".join(map(repr, self.columns)) if len(self.columns) > 1 else repr(self.columns[0])

    @property
    def strongest(self) -> float:
        """The largest score, for sorting; a group of rows that are all of one class counts as 1."""
        return 1.0 if self.told else max((each.value for each in self.scores.values()), default=0.0)

    def __str__(self) -> str:
        """What follows the name in a sentence."""
        if self.told:
            return f"{self.how} goes with {self.truth!r} ({self.told})"
        scores = ", ".join(
            f"{self.measure if not place else ''} {each}{f' in {part}' if part else ''}".strip()
            for place, (part, each) in enumerate(self.scores.items())
        )
        if self.others.value:
            scores = f"{scores}; the other columns together {self.others}"
        what = f"tells {self.truth!r} from the rest" if self.truth else "goes with the target"
        return f"{self.how} {what} ({scores})"


def look(table: Table) -> list[Giveaway]:
    """Every column and pair that tells the target suspiciously well, in one split or another; the strongest first."""
    known = table.target.notna().to_numpy()
    every = table.parts or {"": np.ones(len(known), bool)}
    parts = {part: at_most(rows & known, MOST) for part, rows in every.items()}
    used = np.any([*parts.values()], axis=0)
    if not used.any():
        return []
    patients = None if table.patients is None else table.patients[used]
    columns = columns_of({name: cells[used] for name, cells in table.cells.items()}, table.numbers)
    moments = columns_of({name: cells[used] for name, cells in table.moments.items()}, frozenset(table.moments))
    asked = {part: rows[used] for part, rows in parts.items() if rows.any()}
    found: list[Giveaway] = []
    for truth in truths(table.target[used], patients, amount=table.amount):
        raised = [each for each in (_alone(column, truth, asked) for column in columns) if each]
        taken = {name for each in raised for name in each.columns}
        rest = [each for each in columns if each.name not in taken]
        raised += _better(rest, truth, asked)
        taken = {name for each in raised for name in each.columns}
        rest = [each for each in columns if each.name not in taken]
        raised += _pairs(rest, moments, truth, asked)
        found += _beside_others(raised, rest, truth, asked)
    return _once(found)


def by_line(found: list[Giveaway]) -> tuple[list[Giveaway], list[Giveaway]]:
    """Those that get a line each, and those that share one: where very many tell the target, it is an easy one."""
    return (found[:NAMED], found[NAMED:]) if len(found) <= 2 * NAMED else ([], found)


def names_of(found: list[Giveaway]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return ", ".join(each.name for each in found[:NAMED]) + more


def _alone(column: Column, truth: Truth, parts: Mapping[str, Bools]) -> Giveaway | None:
    """The column in the way in which it tells most, where that is raised in some split."""
    views = {part: list(column[rows].views(truth[rows])) for part, rows in parts.items()}
    raised = [(view.score.value or view.raised, view) for each in views.values() for view in each if view.raised]
    if not raised:
        return None
    view = max(raised, key=lambda each: each[0])[1]
    if view.told:
        return Giveaway((column.name,), view.how, truth.name, truth.measure, {}, view.told)
    return Giveaway((column.name,), view.how, truth.name, truth.measure, _scores(views, view.how))


def _scores(views: Mapping[str, Iterable[View]], how: str) -> dict[str, Score]:
    """The best score in this way, by split; splits with too few rows are left out."""
    best = {
        part: max((view.score for view in each if view.how == how), key=lambda score: score.value, default=NOTHING)
        for part, each in views.items()
    }
    return {part: score for part, score in best.items() if score.n}


def _best(column: Column, truth: Truth) -> Score:
    """However the column is looked at."""
    return max((view.score for view in column.views(truth)), key=lambda score: score.value, default=NOTHING)


def _better(columns: list[Column], truth: Truth, parts: Mapping[str, Bools]) -> list[Giveaway]:
    """Columns that alone tell far more than all others together, in the first split that has enough rows."""
    if len(columns) <= FEWEST_COLUMNS:
        return []
    limit = BETTER_CORRELATION if truth.amount else BETTER
    found = []
    for rows in list(parts.values())[:1]:
        few = at_most(rows, MOST_ROWS)
        part = truth[few]
        scores = [(_best(each[few], part), each) for each in columns]
        for score, column in sorted(scores, key=lambda each: -each[0].value)[:2]:
            if not limit.reached(score):
                break
            others = together([each[few] for each in columns if each is not column], part)
            ahead = score.value - others.value >= AHEAD and score.bounds[0] > others.bounds[1]
            if others.value and ahead:
                views = {name: list(column[held].views(truth[held])) for name, held in parts.items()}
                own = {name: max((v.score for v in each), key=lambda s: s.value) for name, each in views.items()}
                own = {name: each for name, each in own.items() if each.n}
                found.append(Giveaway((column.name,), ALONE, truth.name, truth.measure, own, others=others))
    return found


def _pairs(
    columns: list[Column], moments: list[Column], truth: Truth, parts: Mapping[str, Bools]
) -> list[Giveaway]:  # fmt: skip
    """Differences, and columns by time, that tell what neither of the two does."""
    limit = CORRELATION if truth.amount else AREA
    if len(columns) + len(moments) > pairs.MOST_COLUMNS:
        return []
    found: dict[tuple[tuple[str, str], str], dict[str, Score]] = {}
    raised = set[tuple[tuple[str, str], str]]()
    for part, rows in parts.items():
        few = at_most(rows, pairs.MOST_ROWS)
        held, seen = truth[few], [each[few] for each in columns]
        if not held.amount and min(held.counts) < FEWEST:
            continue
        times = [each[few] for each in moments]
        own = {each.name: _best(each, held).value for each in (*seen, *times)}
        made = [(*each, "their difference") for each in pairs.differences([*seen, *times])]
        made += [(*each, "the first by the time that is the second") for each in pairs.by_time(seen)]
        for names, both, how in made:
            score = _best(both, held)
            found.setdefault((names, how), {})[part] = score
            if pairs.limits_of(limit, max(own[name] for name in names)).reached(score):
                raised.add((names, how))
    return [Giveaway(names, how, truth.name, truth.measure, found[names, how]) for names, how in sorted(raised)]


def _beside_others(
    raised: list[Giveaway], rest: list[Column], truth: Truth, parts: Mapping[str, Bools]
) -> list[Giveaway]:  # fmt: skip
    """The same with how well all columns that aren't raised tell the target."""
    if not raised:
        return []
    few = at_most(next(iter(parts.values())), MOST_ROWS)
    others = together([each[few] for each in rest], truth[few])
    return [each if each.others.value else replace(each, others=others) for each in raised]


def _once(found: list[Giveaway]) -> list[Giveaway]:
    """Of each column its strongest finding, whatever the class; the strongest column first."""
    best: dict[tuple[str, ...], Giveaway] = {}
    for each in found:
        if each.columns not in best or each.strongest > best[each.columns].strongest:
            best[each.columns] = each
    return sorted(best.values(), key=lambda each: (-each.strongest, each.columns))
