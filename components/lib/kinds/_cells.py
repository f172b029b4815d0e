"""Cells that aren't plain values: words and numbers for "unknown", values beyond a limit, masked ages.

What a column's cells mean stands in the task file and travels with the model, so that a cell is read alike in
training, serving and batch predictions.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field

from components.lib.errors import Unusable
from components.lib.kinds._rows import LARGEST, category, is_missing, number

Word = Annotated[str, Field(min_length=1, max_length=64)] | Annotated[float, Field(allow_inf_nan=False)]
"""A word, or a number, that stands for "unknown"."""
Censored = Literal["half", "limit", "unknown"]
"""What stands for a value below a limit: half the limit, the limit, or nothing."""
OLDEST = 120
"""Years; a larger age is a mask: only one person (Jeanne Calment, 122) is known to have lived longer."""
LONGEST = 4096
"""Characters of a cell that means "unknown", or is a number."""
YOUNGEST_MASKED = 80
"""Years from which "> 89" or "90+" is a mask: privacy rules hide ages over 89 (45 CFR 164.514(b)(2)(i)(C))."""

BELOW = ("<=", "<", "≤", "⩽", "≦", "less than", "below", "under", "unter", "kleiner als", "kleiner", "weniger als",
         "inférieur à", "moins de", "menor que", "menos de", "inferior a", "小于", "低于", "少于", "不到")  # fmt: skip
ABOVE = (">=", ">", "≥", "⩾", "≧", "more than", "greater than", "above", "over", "über", "ueber", "größer als",
         "grösser als", "groesser als", "größer", "mehr als", "supérieur à", "plus de", "mayor que", "más de", "mas de",
         "superior a", "大于", "高于", "超过", "多于")  # fmt: skip
AND_OVER = ("+", "and over", "and older", "and above", "or older", "or over", "or more", "und älter", "und mehr",
            "oder älter", "oder mehr", "et plus", "ans et plus", "ou plus", "o más", "y más", "o mayor", "años o más",
            "岁以上", "以上", "岁及以上")  # fmt: skip

_NUMBER = r"[+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:e[+-]?\d+)?"


def plain_word(text: str) -> str:
    """A word in small letters, its blanks and widths made one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _any(words: tuple[str, ...]) -> str:
    return "|".join(re.escape(plain_word(each)) for each in sorted(words, key=len, reverse=True))


_LIMIT = re.compile(
    rf"(?:(?P<below>{_any(BELOW)})|(?P<above>{_any(ABOVE)}))\s*(?P<limit>{_NUMBER})"
    rf"|(?P<least>{_NUMBER})\s*(?:{_any(AND_OVER)})"
)


@dataclass(frozen=True)
class Limit:
    """A value of which only a limit is known."""

    value: float
    below: bool
    """The value lies below the limit; else above."""


def limit_of(text: str) -> Limit | None:
    """The limit that a cell names: `<0.01`, `≤ 5`, `> 100`, `90+`, `unter 5`; None where it names none.

    A comma is a decimal sign unless exactly three digits follow other digits than 0: `<1,000` names no limit that
    could be trusted.
    """
    found = _LIMIT.fullmatch(plain_word(text))
    if found is None:
        return None
    written = found["limit"] or found["least"]
    if re.match(r"[+-]?[1-9]\d*,\d{3}(?!\d)", written):
        return None
    value = float(written.replace(",", "."))
    return Limit(value, found["below"] is not None) if abs(value) <= LARGEST else None


@dataclass(frozen=True)
class Rule:
    """How the cells of one column are read."""

    words: frozenset[str] = frozenset()
    """That mean "unknown", as `plain_word` gives them."""
    numbers: tuple[float, ...] = ()
    """That mean "unknown"."""
    censored: Censored | None = None
    """What becomes of values beyond a limit; None: such text is no number."""
    masks: bool = False
    """Ages that are masks are replaced by `age`."""
    age: float | None = None

    def number(self, column: str, value: object) -> tuple[float, str]:
        """A cell as float64, NaN where unknown; and why it isn't what stands there: "" where it is.

        Raises:
            Unusable: text that is no number, or beyond `LARGEST`.
        """
        if is_missing(value):
            return math.nan, ""
        if isinstance(value, str):
            if len(value) > LONGEST:
                raise Unusable(f"column {column}: no number; a text of {len(value)} characters")
            if plain_word(value) in self.words:
                return math.nan, "unknown"
            limit = limit_of(value) if self.censored or self.masks else None
            if limit and self.masks and not limit.below and limit.value >= YOUNGEST_MASKED:
                return self._age(), "masked"
            if limit and self.censored:
                return self._censored(limit), "censored"
        told = number(column, value)
        if any(_equal(told, each) for each in self.numbers):
            return math.nan, "unknown"
        if self.masks and told > OLDEST:
            return self._age(), "masked"
        return told, ""

    def category(self, column: str, value: object, allowed: tuple[str, ...] | None) -> tuple[str, str]:
        """A cell as a category, empty where unknown; and why it isn't what stands there.

        Raises:
            Unusable: as `_rows.category`.
        """
        # Some characters become eighteen in `plain_word`.
        short = value if isinstance(value, str) and len(value) <= LONGEST else None
        if short is not None and (plain_word(short) in self.words or self._is_number(short)):
            return "", "unknown"
        return category(column, value, allowed), ""

    def _is_number(self, text: str) -> bool:
        try:
            told = number("", text) if self.numbers else math.nan
        except Unusable:
            return False
        return any(_equal(told, each) for each in self.numbers)

    def _age(self) -> float:
        return math.nan if self.age is None else self.age

    def _censored(self, limit: Limit) -> float:
        if self.censored == "unknown":
            return math.nan
        return limit.value / 2 if self.censored == "half" and limit.below and limit.value > 0 else limit.value


@lru_cache(maxsize=4096)
def rule(words: tuple[str | float, ...], censored: Censored | None, masks: bool, age: float | None) -> Rule:
    """The rule of a column, as its settings give it; a number written as text is a number, too."""
    texts = frozenset(plain_word(each) for each in words if isinstance(each, str))
    figures = [float(each) for each in words if not isinstance(each, str)]
    for each in sorted(texts):
        try:
            figures.append(number("", each))
        except Unusable:
            continue
    return Rule(texts, tuple(each for each in figures if each == each), censored, masks, age)


def check_rules(
    numbers: tuple[str, ...], categories: Mapping[str, tuple[str, ...] | None],
    unknown: Mapping[str, tuple[str | float, ...]], censored: Mapping[str, Censored], ages: Mapping[str, float | None],
) -> None:  # fmt: skip
    """Refuse settings of cells that the task file can't mean.

    Raises:
        ValueError: a column that isn't there or holds no numbers, no word at all, or a word that is a category, too.
    """
    for setting, columns, allowed in (
        ("unknown", unknown, (*numbers, *categories)), ("censored", censored, numbers), ("masked_ages", ages, numbers),
    ):  # fmt: skip
        for column in columns:
            if column not in allowed:
                kind = "`numbers` or `categories`" if setting == "unknown" else "`numbers`"
                raise ValueError(f"{setting}: columns in {kind}; {column} is none")
    for column, words in unknown.items():
        if not words:
            raise ValueError(f"unknown: at least one word or number for {column}")
        made = rule(words, None, False, None)
        for each in categories.get(column) or ():
            if made.category(column, each, None)[1]:
                raise ValueError(f"unknown: no category of {column}; {each} is in both lists")


def _equal(told: float, sentinel: float) -> bool:
    """Equal, or as near as a float32 of the same number is."""
    return math.isclose(told, sentinel, rel_tol=1e-6, abs_tol=0.0)
