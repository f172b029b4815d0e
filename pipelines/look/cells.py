"""The columns of a table: numbers, categories, and what a network must not see or can't read."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.kinds._cells import OLDEST, limit_of
from components.lib.kinds.table import WIDEST
from components.lib.physiology import never_zero
from pipelines.look import names
from pipelines.look.columns import Attributes
from pipelines.look.findings import Questions, counted, some
from pipelines.look.identifiers import is_code, is_identifier
from pipelines.look.leaks import giveaways, in_days, tells_target
from pipelines.look.sentinels import Numbers, numbers_of
from pipelines.look.unknowns import FEW, Words, listed, spelt, words_of

FEW_CODES, MANY_CODES = 10, 40
"""Different whole numbers up to which a column whose name says "type" or "code" holds categories; and one whose name
says "id", too."""
LABELS = 50
"""Different cells, numbers of two digits at most and words, up to which a column holds categories."""
DATES = "dates ("
"""How the reason begins why a column of dates is left out."""


@dataclass
class Inputs:
    """What of a table goes into the network, what doesn't, and how cells are read that aren't plain values."""

    numbers: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown: dict[str, list[str | float]] = field(default_factory=dict)
    """Column to what means "unknown" in it."""
    censored: dict[str, str] = field(default_factory=dict)
    masked_ages: dict[str, int | None] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    """Setting and column ("unknown.troponin") to its reason."""

    def settings(self) -> dict[str, Any]:
        """What of it stands in the task file, under the input."""
        every = {
            "numbers": self.numbers, "categories": dict.fromkeys(self.categories), "unknown": self.unknown,
            "censored": self.censored, "masked_ages": self.masked_ages,
        }  # fmt: skip
        return {name: value for name, value in every.items() if value}


@dataclass
class _Column:
    """What a column is."""

    kind: str = ""
    """`number` or `category`; empty: left out."""
    why: str = ""
    cells: Words = field(default_factory=Words)
    numbers: Numbers = field(default_factory=Numbers)


def inputs_of(
    table: pd.DataFrame, target: str, found: Attributes, strange: set[str], questions: Questions | None = None
) -> Inputs:
    """Which columns go into the network, and why the others don't.

    Args:
        table: text, null where unknown; rows whose target is known.
        target: the column to predict.
        found: what the columns say beside it.
        strange: columns that hold no single values.
        questions: asked what stands for masked ages and for values beyond a limit; None: the defaults are taken.
    """
    questions = questions or Questions()
    inputs = Inputs(left_out=dict.fromkeys(sorted(strange), "lists or bytes, no single value a row"))
    patient, seen_cells, moments = found.columns.get("patient"), dict[str, pd.Series](), dict[str, pd.Series]()
    for column in map(str, table.columns):
        if column == target:
            continue
        seen = _what(table[column], column, found, table[patient] if patient else None)
        cells = _read(table[column], seen)
        if seen.kind and (told := tells_target(cells, table[target], number=seen.kind == "number")):
            seen = _Column(why=told)
        if not seen.kind:
            inputs.left_out[column] = seen.why
            if seen.why.startswith(DATES):
                moments[column] = in_days(table[column])
            continue
        seen_cells[column] = cells
        (inputs.numbers if seen.kind == "number" else inputs.categories).append(column)
        _tell(inputs, column, seen)
    patients = found.patients.reindex(table.index) if found.patients is not None else None
    inputs.notes += giveaways(seen_cells, inputs.numbers, moments, table[target], patients)
    _choose(inputs, questions)
    return inputs


def _tell(inputs: Inputs, column: str, seen: _Column) -> None:
    """What a column has beside plain values, and how it is taken."""
    cells, numbers = seen.cells, seen.numbers
    if told := cells.sentence(column) if seen.kind == "number" else "":
        taken = ["these words are taken as unknown"] if cells.unknown else []
        taken += ["limits as `censored` of the input says"] if cells.limits else []
        inputs.notes.append("; ".join([told, *taken]))
    elif cells.unknown:
        inputs.notes.append(f"{column!r}: unknown in {counted(cells.unknown.total(), 'cell')}: {listed(cells.unknown)}")
    if seen.kind == "number" and cells.others:
        wrong = counted(cells.others.total(), "cell")
        inputs.notes.append(
            f"{column!r}: {wrong} no number, cleaning leaves such rows out; words that mean unknown go into "
            f"`unknown` of the input"
        )
    if meant := [*spelt(cells.unknown), *(int(each) if each == int(each) else each for each in numbers.unknown)]:
        inputs.unknown[column] = meant
        inputs.why[f"unknown.{column}"] = _why_unknown(cells, numbers)
    masks = cells.masks if _is_age(column, numbers) else 0
    if seen.kind == "number" and cells.censored > masks:
        inputs.censored[column] = ""
        inputs.why[f"censored.{column}"] = listed(cells.limits)
    if seen.kind == "number" and (masked := numbers.masked + masks):
        inputs.masked_ages[column] = None
        inputs.why[f"masked_ages.{column}"] = f"{counted(masked, 'cell')} above {OLDEST} years, or as > 89, 90+"
    for value, count in numbers.unknown.items():
        inputs.notes.append(f"{column!r}: {value:g} in {counted(count, 'cell')} can't be a value: {_reason(numbers)}")
    inputs.notes += numbers.doubtful


def _is_age(column: str, numbers: Numbers) -> bool:
    named = "age" in names.plain(column).split("_")
    return named or (numbers.measured is not None and numbers.measured.variable == "age")


def _why_unknown(cells: Words, numbers: Numbers) -> str:
    told = [listed(cells.unknown)] if cells.unknown else []
    told += [f"{value:g}: {count:,}" for value, count in numbers.unknown.items()]
    return ", ".join(told) + (f"; {_reason(numbers)}" if numbers.unknown else "")


def _reason(numbers: Numbers) -> str:
    if numbers.measured is None:
        return "far from all others, and a usual code for unknown"
    return f"{numbers.measured.variable} is {numbers.measured} ({numbers.measured.why})"


def _choose(inputs: Inputs, questions: Questions) -> None:
    """What stands for values beyond a limit and for masked ages; that cells mean "unknown" is assumed, too."""
    if inputs.unknown:
        columns: dict[str, list[str]] = {}
        for name, held in inputs.unknown.items():
            columns.setdefault(" ".join(map(str, held)), []).append(name)
        every = "; ".join(f"{held} in {some(named, 6)}" for held, named in columns.items())
        if not questions.confirm(
            f"Do these cells mean unknown ({every})?", default=True, why="words for it, or values that can't be"
        ):
            inputs.unknown = {}
    if inputs.censored:
        chosen = questions.choose(
            f"What stands for values beyond a limit in {some([*inputs.censored])}?", ["half", "limit", "unknown"],
            "half", "half the limit below one, the limit above: usual for laboratory values",
        )  # fmt: skip
        inputs.censored = dict.fromkeys(inputs.censored, chosen)
    if inputs.masked_ages:
        chosen = questions.choose(
            f"What stands for masked ages in {some([*inputs.masked_ages])}?", ["90", "unknown"], "90",
            "ages over 89 are often hidden for privacy",
        )  # fmt: skip
        inputs.masked_ages = dict.fromkeys(inputs.masked_ages, None if chosen == "unknown" else int(chosen))


def _read(column: pd.Series, seen: _Column) -> pd.Series:
    """A column as cleaning will read it, null where unknown; limits as themselves."""
    if not seen.kind:
        return column
    cells = column.str.strip()
    cells = cells.mask(cells.isin([*seen.cells.unknown]))
    if seen.kind == "category":
        return cells
    if seen.cells.limits:
        limits = {word: str(limit.value) for word in seen.cells.limits if (limit := limit_of(word)) is not None}
        cells = cells.map(limits).fillna(cells)
    numbers = pd.to_numeric(cells, errors="coerce")
    return cells.mask(numbers.isna() | numbers.isin([*seen.numbers.unknown]))


def _what(column: pd.Series, name: str, found: Attributes, patients: pd.Series | None) -> _Column:
    """What a column is, and why it is left out."""
    roles = {held: role for role, held in found.columns.items() if held}
    called, known = names.plain(name), column.dropna()
    distinct = known.nunique()
    if roles.get(name) in ("patient", "split"):
        return _Column(why=f"the {roles[name]}")
    if roles.get(name) == "study":
        return _Column(why="the examination, an id")
    if roles.get(name) == "site":
        return _Column(why="the site: a network would learn the hospital; figures are reported by it")
    if called in names.PERSON:
        return _Column(why="called like something that names a person")
    if called in names.TARGET:
        return _Column(why="called like a target, too: an answer is no input")
    if names.is_outcome(name):
        return _Column(why="called like an outcome, too: what comes out in the end is no input")
    if distinct < 2:
        return _Column(why=_always(known, name))
    places, values = pd.factorize(known)
    if (dates := np.array([names.is_date(str(value)) for value in values])[places].mean()) > 0.9:
        return _Column(why=f"{DATES}{dates:.0%} of the cells): write the days between two of them as a number")
    if told := is_identifier(name, known, patients):
        return _Column(why=told)
    return _number_or_words(known, name)


def _always(known: pd.Series, name: str) -> str:
    if known.empty:
        return "empty"
    if (variable := never_zero(name)) and plain_numbers(known).all() and float(known.iloc[0]) == 0:
        return f"0 in every row, which no {variable} can be: unknown for everybody"
    return "the same in every row"


def _number_or_words(known: pd.Series, name: str) -> _Column:
    if _matching(known, r"\s*[+-]?\d+,\d+\s*").mean() > 0.5:
        return _Column(why="decimals with a comma: write 11.2")
    plain = plain_numbers(known)
    cells, figures = words_of(known, plain, numbers=bool(plain.any())), known[plain]
    many = figures.nunique() > FEW
    if cells.codes():
        return _words(known, words_of(known, plain, numbers=False))
    if not cells.are_numbers and cells.others and known.nunique() <= LABELS and (figures.str.len() <= 2).all():
        return _words(known, words_of(known, plain, numbers=False))  # chromosomes: 1 to 22, X, Y
    if many and plain.mean() >= 0.5 and not cells.are_numbers and cells.repeated():
        cells.unknown, cells.others = cells.unknown + cells.others, Counter()
    if cells.are_numbers and (many or not cells.limits):
        return _numbers(figures, cells, name)
    if many and plain.mean() >= 0.5:
        others = cells.limits + cells.others
        return _Column(
            why=f"{plain.mean():.0%} of the cells are numbers, but {counted(others.total(), 'cell')} none, nor a word "
            f"known for unknown ({listed(others)}): correct them, or take the column up under `numbers` and these "
            "words under `unknown`"
        )
    return _words(known, words_of(known, plain, numbers=False))


def _numbers(figures: pd.Series, cells: Words, name: str) -> _Column:
    called, distinct = {*names.plain(name).split("_")}, figures.nunique()
    whole = bool(_matching(figures, r"\s*-?\d+(\.0*)?\s*").all())
    codes = Words(unknown=cells.unknown, known=cells.known)
    if distinct < 2:
        return _Column(why="the same in every row that has a number")
    if whole and distinct == len(figures) and _is_id(figures, names.plain(name)):
        return _Column(why="another number in every row: an id")
    if is_code(name):
        if distinct <= widest(len(figures)):
            return _Column("category", cells=codes)
        return _Column(why=f"codes, whose numbers are no quantities; {distinct:,} different ones are too many")
    few = MANY_CODES if called & names.ID_WORDS else FEW_CODES
    if whole and 2 < distinct <= few and called & names.CODE_WORDS and not cells.limits:
        return _Column("category", cells=codes)
    return _Column("number", cells=cells, numbers=numbers_of(name, pd.to_numeric(figures).to_numpy(np.float64)))


def _words(known: pd.Series, cells: Words) -> _Column:
    known = known[~known.str.strip().isin([*cells.unknown])]
    distinct = known.nunique()
    if distinct < 2:
        return _Column(why="the same in every row that has a value")
    if distinct > 0.9 * len(known) and distinct > 20:
        spaces = known.str.contains(r"\s").mean() > 0.5
        return _Column(why="free text" if spaces else "another word in nearly every row: an id")
    if known.str.len().mean() > 40 or known.str.len().max() > 64:
        return _Column(why="free text")
    if distinct > widest(len(known)):
        return _Column(why=f"{distinct:,} different words, too many to learn from {len(known):,} rows")
    return _Column("category", cells=Words(unknown=cells.unknown, known=cells.known))


def widest(rows: int) -> int:
    """Categories that may be learnt from so many rows."""
    return min(WIDEST, max(20, rows // 10))


def _is_id(known: pd.Series, called: str) -> bool:
    """Whole numbers that count the rows, or whose name says an id."""
    values = pd.to_numeric(known).to_numpy()
    steps = np.diff(values)
    return bool({*called.split("_")} & names.ID_WORDS) or bool(len(steps) and (steps == steps[0]).all()) or (
        called.startswith("unnamed")
    )  # fmt: skip


def share_of_numbers(column: pd.Series) -> float:
    """Share of the known cells that are plain numbers."""
    known = column.dropna()
    return 0.0 if known.empty else float(plain_numbers(known).mean())


def plain_numbers(known: pd.Series) -> NDArray[np.bool_]:
    """Which cells are plain numbers."""
    return _matching(known, r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def _matching(known: pd.Series, pattern: str) -> NDArray[np.bool_]:
    """Which cells match; equal ones are looked at once."""
    places, values = pd.factorize(known)
    form = re.compile(pattern)
    return np.array([form.fullmatch(str(value)) is not None for value in values], np.bool_)[places]
