"""Inputs that may be known only once the target is: what clean says of the columns of a table, and what it may not."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from components.lib.giveaways import ASK, Giveaway, Table, by_line, look, names_of
from components.lib.spec import TaskSpec
from components.lib.validate.checks import Finding
from components.lib.validate.outcome import Check

RAISED_LINE, ALLOWED_LINE = "leak? ", "allowed by the task file: "
"""How lines begin, for who reads the receipt."""
SHOWN = 50
"""Rows of the table on the page."""
_ALLOW = f"{ASK}; if it is, name it under `clean.allowed`"


def finding(
    cells: Mapping[str, pd.Series], numbers: frozenset[str], samples: pd.DataFrame, spec: TaskSpec
) -> Finding:  # fmt: skip
    """Hold every column against every target, in train and in test.

    Args:
        cells: column to its cells (N), null where unknown.
        numbers: which columns hold numbers.
        samples: N rows with split (null for what doesn't count), patient and the targets.
        spec: the task.
    """
    if spec.clean.giveaways == "off":
        return Finding(())
    parts = {split: (samples["split"] == split).to_numpy() for split in ("train", "test")}
    raised, allowed, rows = list[str](), list[str](), list[dict[str, object]]()
    for target, kind in spec.targets.items():
        found = look(
            Table(cells, numbers, samples[target], not kind.class_names, samples.get("patient"), parts)
        )  # fmt: skip
        asked = [each for each in found if not {*each.columns} <= {*spec.clean.allowed}]
        raised += _lines(asked, target)
        allowed += [f"{ALLOWED_LINE}{each.name}, of {target}: {each}" for each in found if each not in asked]
        rows += [_row(each, target, asked=each in asked) for each in found]
    lines = raised + allowed or ["columns that may give a target away: none"]
    shown = (("Columns that may give a target away", pd.DataFrame(rows).head(SHOWN)),) if rows else ()
    checks = (_check(raised),) if spec.clean.giveaways == "fail" else ()
    return Finding(tuple(lines), shown, checks, warnings=tuple(raised))


def _lines(found: list[Giveaway], target: str) -> list[str]:
    single, more = by_line(found)
    lines = [f"{RAISED_LINE}{each.name} may give {target} away: {each}; {_ALLOW}" for each in single]
    if more:
        lines.append(f"{RAISED_LINE}each of {len(more):,} columns may give {target} away: {names_of(more)}; {_ALLOW}")
    return lines


def _row(found: Giveaway, target: str, *, asked: bool) -> dict[str, object]:
    scores = {f"in {part}": score.value for part, score in found.scores.items()}
    return {
        "column": found.name, "target": target, "what tells it": found.how, "class": found.truth,
        "measure": found.told or found.measure, "in train": None, "in test": None, **scores,
        "the other columns together": found.others.value or None, "allowed": "no" if asked else "yes",
    }  # fmt: skip


def _check(raised: list[str]) -> Check:
    return Check(
        "No column tells a target as if it were filled in afterwards",
        "failed" if raised else "passed",
        "; ".join(line.removeprefix(RAISED_LINE).partition("; ")[0] for line in raised) or "nothing raised",
        "take these columns out of the input, or name those that are known when the question is asked under "
        "`clean.allowed`",
    )
