"""What one column holds, in a line: without ids, and without a value that few rows have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.look import names

BINS = 12
FEWEST = 5
"""Rows of a value below which it is not written on the page: it may tell who somebody is."""
SHOWN_VALUES, SHOWN_FORMS = 6, 3
SHARE_OF_NUMBERS = 0.9


@dataclass(frozen=True)
class Column:
    """One column of a table, or one attribute of the samples."""

    name: str
    role: str
    """What the task uses it for."""
    holds: str
    """numbers, words, dates …"""
    known: float
    """Share of rows in which it is known, 0 to 1."""
    distinct: int
    values: str
    """A summary: quantiles of numbers, frequent words with counts, forms of ids."""
    bars: tuple[int, ...] = ()
    """Rows per equal step from the 1st to the 99th percentile of its numbers; () for anything else."""
    why: str = ""
    """Why it is not used."""


def describe(name: str, column: pd.Series, role: str, why: str) -> Column:
    """One column, without a value that fewer than five rows have.

    Args:
        name: of the column.
        column: text, null where unknown.
        role: what the task uses it for.
        why: why it is not used.
    """
    known = column.dropna().astype("str")
    share, distinct = len(known) / max(len(column), 1), int(known.nunique())
    secret = (
        names.plain(name) in names.PERSON or role in ("patient", "study", "date") or role.startswith("names the sample")
    )
    numbers = pd.to_numeric(known, errors="coerce").dropna()
    if known.empty:
        return Column(name, role, "nothing", share, distinct, "", (), why)
    if secret or (role == "not used" and distinct > 20 and len(numbers) < SHARE_OF_NUMBERS * len(known)):
        return Column(name, role, "ids or text", share, distinct, f"such as {_forms(known)}", (), why)
    if len(numbers) >= SHARE_OF_NUMBERS * len(known) and distinct > 10:
        return Column(name, role, "numbers", share, distinct, _quantiles(numbers), _bars(numbers), why)
    frequent = known.value_counts()
    shown = frequent[frequent >= FEWEST].head(SHOWN_VALUES)
    listed = ", ".join(f"{str(value)[:40]} ({count:,})" for value, count in shown.items())
    rest = len(frequent) - len(shown)
    more = f"{', ' if listed else ''}{rest:,} {'other' if listed else 'different'} value{'' if rest == 1 else 's'}"
    return Column(name, role, "categories", share, distinct, listed + (more if rest else ""), (), why)


def _quantiles(numbers: pd.Series) -> str:
    low, middle, high = (float(numbers.quantile(share)) for share in (0.05, 0.5, 0.95))
    return f"median {middle:.4g}, 90% from {low:.4g} to {high:.4g}"


def _bars(numbers: pd.Series) -> tuple[int, ...]:
    values = numbers.to_numpy(np.float64)
    low, high = np.quantile(values, [0.01, 0.99])
    counts, _ = np.histogram(np.clip(values, low, high), BINS, (low, high if high > low else low + 1))
    return tuple(int(count) for count in counts)


def _forms(values: pd.Series) -> str:
    """The commonest forms of some ids: letters as a and A, digits as 9."""
    counts = Counter(form(value) for value in values)
    more = f" and {len(counts) - SHOWN_FORMS:,} other forms" if len(counts) > SHOWN_FORMS else ""
    return ", ".join(f"{each} ({count:,})" for each, count in counts.most_common(SHOWN_FORMS)) + more


def form(value: str) -> str:
    """What an id looks like, without what it says: `PAT-0042` becomes `A-9`, `7.0` becomes `9.0`."""
    tail = ".0" if re.fullmatch(r"\d+\.0", value) else ""
    text = value.removesuffix(tail) if tail else value
    for letters, shown in ((r"[^\W\d_]*[^\W\d_A-Z][^\W\d_]*", "a"), (r"[A-Z]+", "A"), (r"\d+", "9"), (r"\s+", " ")):
        text = re.sub(letters, shown, text)
    text = re.sub(r"[^\w\s./\\:-]", "?", text)
    return (text if len(text) <= 40 else f"{text[:39]}…") + tail


def file_forms(files: Sequence[str], at_most: int = 5) -> list[tuple[str, int]]:
    """Forms of file names and how many files have each, the commonest first."""
    return Counter(form(file) for file in files).most_common(at_most)
