"""What a gate found: checks in plain sentences, with the samples they are about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from components.lib.errors import GateError
from components.lib.page import Section
from components.lib.validate.summary import summary_page

Status = Literal["passed", "failed", "could not run"]
NAMED_AT_MOST = 10


def receipt_beside(dataset: Path) -> tuple[str, ...] | None:
    """The receipt that a gate left inside a dataset directory; None where there is none that can be read."""
    try:
        told = json.loads((dataset / "validation.json").read_text(encoding="utf-8"))["receipt"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return tuple(map(str, told))


def name_some(sample_ids: Sequence[str], count: int | None = None) -> str:
    """The first ten sample_ids and how many more there are: "a, b and 3 more".

    Args:
        sample_ids: the ones that are known.
        count: how many there are in all; None: as many as are known.
    """
    named = list(sample_ids[:NAMED_AT_MOST])
    more = (len(sample_ids) if count is None else count) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class Check:
    """One check: what should hold, and what was found."""

    sentence: str
    """What should hold, for people."""
    status: Status
    found: str
    """What was found, without sample_ids."""
    todo: str = "mend the raw data and run the step again"
    """What to change when it failed."""
    sample_ids: tuple[str, ...] = ()
    """Up to ten samples that it is about."""
    count: int = 0
    """How many samples it is about."""

    @property
    def found_with_ids(self) -> str:
        """What was found, and in which samples."""
        return f"{self.found}; sample_ids: {name_some(self.sample_ids, self.count)}" if self.sample_ids else self.found


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the gate behind one step found.

    `eq` is off because tables have no plain truth value; compare `to_json()`.
    """

    name: str
    """Which dataset: "ingested", "cleaned", "augmented"."""
    task: str
    """The task it belongs to."""
    checks: tuple[Check, ...]
    receipt: tuple[str, ...] = ()
    """Lines for people: patients and duplicates across splits."""
    tables: tuple[tuple[str, pd.DataFrame], ...] = ()
    """Title and table of what else the page shows."""
    synthetic: bool = False
    """The samples were made by a program; the page says so."""
    warnings: tuple[str, ...] = ()
    """Those lines of the receipt that a person should act on."""
    sections: tuple[Section, ...] = ()
    """What else the page shows: pictures, where they may be shown."""

    @property
    def failures(self) -> list[Check]:
        """Every check that isn't known to hold; one that could not run is among them."""
        return [check for check in self.checks if check.status != "passed"]

    @property
    def passed(self) -> bool:
        """Whether checks ran and every one of them holds."""
        return bool(self.checks) and not self.failures

    def page(self) -> str:
        """The outcome as one HTML page; equal outcomes give equal bytes."""
        return summary_page(self)

    def to_json(self) -> dict[str, object]:
        """The outcome for programs: name, task, passed, receipt, warnings and checks, in a fixed order."""
        checks = [
            {
                "sentence": check.sentence,
                "status": check.status,
                "found": check.found,
                "sample_ids": list(check.sample_ids),
                "count": check.count,
            }
            for check in self.checks
        ]
        return {
            "name": self.name,
            "task": self.task,
            "passed": self.passed,
            "receipt": list(self.receipt),
            "warnings": list(self.warnings),
            "checks": checks,
        }

    def write(self, folder: Path) -> None:
        """Write validation.html, for people, and validation.json, for programs."""
        (folder / "validation.html").write_text(self.page(), encoding="utf-8")
        (folder / "validation.json").write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    def require(self, page: Path) -> None:
        """Stop the run unless every check holds, and leave the page to look at.

        Args:
            page: where the outcome's page is written when a check doesn't hold; an earlier one goes when all hold.

        Raises:
            GateError: a check failed or could not run; it names the first one and its sample_ids.
        """
        if self.passed:
            page.unlink(missing_ok=True)
            return
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(self.page(), encoding="utf-8")
        first = (self.failures or [Check("at least one check", "could not run", "no check at all")])[0]
        others = f" (and {len(self.failures) - 1} more checks don't hold)" if len(self.failures) > 1 else ""
        found = first.found_with_ids if first.status == "failed" else f"the check could not run: {first.found}"
        raise GateError(
            f"{self.name} dataset of {self.task}",
            expected=first.sentence,
            found=found + others,
            todo=f"look at the page {page}, then {first.todo}",
        )
