"""Words in a table that mean "unknown", and values of which only a limit is known: which a column has."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.kinds._cells import YOUNGEST_MASKED, limit_of, plain_word
from pipelines.look.findings import counted


def _spelt(words: str) -> frozenset[str]:
    return frozenset(plain_word(word) for word in words.split("|"))


WORDS = _spelt(
    "?|??|???|-|--|---|–|—|.|..|...|…|*|n.a.|n. a.|n.a|n.d.|n. d.|n/d|not available|not applicable|not done"
    "|not tested|not known|not recorded|not measured|not assessed|not determined|not reported|unknown|unk|unkn"
    "|missing|no data|no result|no value|invalid|error|nil|inf|-inf|+inf|infinity|-infinity|nat|<null>|(null)|\\n|k.a."
    "|k. a.|k.a|unbekannt|unbek.|keine angabe|keine angaben|nicht bekannt|nicht gemessen|nicht bestimmt"
    "|nicht durchgeführt|nicht erhoben|nicht verfügbar|nicht vorhanden|fehlt|fehlend|n.b.|n. b.|kein wert|keine daten"
    "|inconnu|inconnue|non connu|non connue|non renseigné|non renseignée|non fait|non disponible|non mesuré|manquant"
    "|donnée manquante|desconocido|desconocida|no disponible|no realizado|no realizada|no medido|sin datos|sin dato"
    "|no consta|s/d|faltante|缺失|未知|不详|未测|未查|未做|不明|未检|未检测|未测量|未记录|暂无"
    "|#div/0!|#n/a|#value!|#ref!|#name?|#num!|#null!|#wert!|#bezug!|#zahl!|#nv|#valeur!|#nom?|#nombre!|#¡div/0!"
    "|#¡valor!|#¡num!|#¡ref!|#¿nombre?|#####|######|#######|########"
)
"""Words for "unknown" and errors of spreadsheets, as `plain_word` gives them."""
OF_NUMBERS = _spelt(
    "nd|n d|unk.|pending|refused|haemolysed|hemolyzed|haemolyzed|hemolysed|hämolytisch|haemolytisch|hémolysé"
    "|hemolizado|溶血|clotted|geronnen|insufficient|qns|无|ausstehend|xxx|/|\\|_|__|!|#|~|无数据|空"
)
"""Words that mean it in a column of numbers alone: among words they may be a category."""
FEW = 10
"""Different numbers up to which a column with other words in it holds categories."""
FEW_WORDS = 5
"""Different words up to which they are taken to mean "unknown", where most cells are numbers."""
CODE = re.compile(r"[A-Z]{1,2}\d{2,}(\.\d+)?")
SHOWN = 6
"""Words of a column that are shown."""
OFTEN, SHORT = 3, 24
"""Rows that a word stands in, and its length, where it may be shown: a name in the wrong column does neither often."""


@dataclass
class Words:
    """What a column has beside plain values, each as it is written, and in how many rows."""

    unknown: Counter[str] = field(default_factory=Counter)
    limits: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    numbers: int = 0
    """Cells that are plain numbers."""
    known: int = 0
    """Cells that aren't empty."""

    @property
    def are_numbers(self) -> bool:
        """Whether the column holds numbers, and nearly nothing else that is known."""
        meant = self.known - self.unknown.total()
        return self.numbers > 0 and self.numbers + self.limits.total() >= 0.98 * meant and self.numbers >= 0.2 * meant

    @property
    def masks(self) -> int:
        """Cells that say an age over eighty: `> 89`, `90+`."""
        return sum(count for word, count in self.limits.items() if _is_mask(word))

    @property
    def censored(self) -> int:
        """Cells that say a limit."""
        return self.limits.total()

    def codes(self) -> bool:
        """Whether most words that aren't known for anything look like codes: V57, E849, Z01.1."""
        codes = sum(count for word, count in self.others.items() if CODE.fullmatch(word))
        return len(self.others) > 1 and codes > 0.5 * self.others.total()

    def repeated(self) -> bool:
        """Whether the words that aren't known for anything are a few that come back."""
        return 0 < len(self.others) <= FEW_WORDS and min(self.others.values()) >= OFTEN

    def sentence(self, column: str) -> str:
        """`'troponin': 80% of the cells are numbers; the others: ?: 40, <0.01: 20`; empty where all are."""
        others = self.unknown + self.limits + self.others
        if not others or not self.numbers:
            return ""
        return f"{column!r}: {self.numbers / self.known:.0%} of the cells are numbers; the others: {listed(others)}"


def words_of(column: pd.Series, plain: NDArray[np.bool_], *, numbers: bool) -> Words:
    """What a column has beside plain values.

    Args:
        column: text, null where empty.
        plain: which of its known cells are plain numbers.
        numbers: whether most of the others are numbers, so that more words mean "unknown".
    """
    known = column.dropna()
    found = Words(numbers=int(plain.sum()), known=len(known))
    words = WORDS | OF_NUMBERS if numbers else WORDS
    cells = known if not numbers else known[~plain]
    signs = {plain_word(str(word)) for word in cells.unique()} if not numbers else set()
    for word, count in cells.str.strip().value_counts().items():
        text, spelt = str(word), plain_word(str(word))
        if spelt in words and not (set(spelt) <= {"-", "–"} and signs & {"+", "++", "+++", "(+)", "pos", "positive"}):
            found.unknown[text] += int(count)
        elif numbers and limit_of(text):
            found.limits[text] += int(count)
        else:
            found.others[text] += int(count)
    return found


def listed(words: Counter[str]) -> str:
    """The commonest words with their counts; of rare or long ones only how many cells there are."""
    shown = [(word, count) for word, count in words.most_common() if _may_show(word, count)]
    told = [f"{word}: {count:,}" for word, count in shown[:SHOWN]]
    rest = words.total() - sum(count for _, count in shown[:SHOWN])
    return ", ".join([*told, *([f"{counted(rest, 'cell')} of other words"] if rest else [])])


def spelt(words: Counter[str]) -> list[str]:
    """Words for the task file, each once whatever its case, the commonest first."""
    return list({plain_word(word): word for word, _ in reversed(words.most_common())}.values())[::-1]


def _may_show(word: str, count: int) -> bool:
    told = plain_word(word)
    return told in WORDS | OF_NUMBERS or bool(limit_of(word)) or (count >= OFTEN and len(word) <= SHORT)


def _is_mask(word: str) -> bool:
    limit = limit_of(word)
    return limit is not None and not limit.below and limit.value >= YOUNGEST_MASKED
