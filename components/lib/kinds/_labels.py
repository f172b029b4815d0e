"""When two labels mean one class: capitals, blanks, composed accents, and numbers written otherwise."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d*)?")
_BETWEEN = re.compile(r"(?<=\w)[\s_\-\u2010-\u2015]+(?=\w)")
"""Blanks, underscores and hyphens inside a label."""


def normal_form(label: str) -> str:
    """What labels of one class have in common: `No_Finding`, `no finding ` and `NO-FINDING` give `nofinding`.

    Signs that may carry meaning stay: `-1` and `1`, `1-0` and `10`, `A+` and `A-` differ. `1.0` and `01` give `1`.
    """
    text = unicodedata.normalize("NFKC", label).replace("\u2212", "-").casefold()
    text = "".join(sign for sign in text if unicodedata.category(sign) not in ("Cf", "Cc") or sign in "\t\n")
    text = text.strip(" \t\n_\u00a0")
    if _NUMBER.fullmatch(text):
        return f"{float(text):.15g}"
    return _BETWEEN.sub(lambda found: " " if _between_digits(text, found) else "", text)


def _between_digits(text: str, found: re.Match[str]) -> bool:
    return text[found.start() - 1].isdigit() and text[found.end()].isdigit()


def same_form(labels: Iterable[str]) -> dict[str, list[str]]:
    """Labels by their normal form, each list in the order of `labels`."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(normal_form(label), []).append(label)
    return groups


def class_of_each(
    labels: Iterable[str], classes: Iterable[str], spellings: Mapping[str, Iterable[str]], unknown: Iterable[str]
) -> dict[str, str | None]:
    """The class of each label, None where it means "unknown"; labels that are neither are left out.

    A label that is a class, one of its spellings or an unknown one is taken as such; any other by its normal form,
    unless that is the form of two classes.
    """
    exact: dict[str, str | None] = dict.fromkeys(unknown)
    exact |= {spelling: name for name, many in spellings.items() for spelling in many}
    exact |= {name: name for name in classes}
    by_form: dict[str, set[str | None]] = {}
    for label, name in exact.items():
        by_form.setdefault(normal_form(label), set()).add(name)
    found: dict[str, str | None] = {}
    for label in labels:
        held = {exact[label]} if label in exact else by_form.get(normal_form(label), set())
        if len(held) == 1:
            (found[label],) = held
    return found


def counted_labels(counts: Mapping[str, int], at_most: int = 5) -> str:
    """`Yes (50), YES (3) and 2 more`, the most frequent first."""
    shown = Counter(counts).most_common(at_most)
    more = f" and {len(counts) - at_most} more" if len(counts) > at_most else ""
    return ", ".join(f"{label[:40]} ({number:,})" for label, number in shown) + more


def findings_of_each(
    labels: Iterable[str], classes: tuple[str, str], *, finding: str, separator: str, others: Iterable[str],
    unknown: Iterable[str],
) -> dict[str, str | None]:  # fmt: skip
    """The class of each cell that lists findings: the second of `classes` where it names `finding`, else the first.

    None where it doesn't name it and says of another that it is unknown; cells that name what is in neither list are
    left out, unless `others` is empty.
    """
    sought, unsure = normal_form(finding), {*map(normal_form, unknown)}
    listed = {*map(normal_form, others)}
    found: dict[str, str | None] = {}
    for label in labels:
        parts = {normal_form(part) for part in label.split(separator) if part.strip()}
        if label in classes:
            found[label] = label
        elif listed and not parts <= {sought, *listed, *unsure}:
            continue
        elif sought in parts:
            found[label] = classes[1]
        else:
            found[label] = None if parts & unsure else classes[0]
    return found
