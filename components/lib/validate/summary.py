"""The one page a person looks at after a gate: verdict, receipt, checks in plain sentences, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from components.lib.page import Section, page, paragraph, table, verdict, warning

if TYPE_CHECKING:
    from components.lib.validate.outcome import Check, Outcome

BANNER = "Synthetic data: these samples were made by a program."


def summary_page(outcome: Outcome) -> str:
    """An outcome as one HTML page. No date and no run id: equal outcomes give equal bytes.

    Checks that hold come last: what was found says more.
    """
    raised = [line for line in outcome.receipt if line in outcome.warnings]
    others = [line for line in outcome.receipt if line not in outcome.warnings]
    checks = Section("Checks", (table(_checks_table(outcome)),))
    sections = [
        Section(
            "Verdict",
            (
                verdict(outcome.passed, _verdict(outcome), warnings=len(raised)),
                *(warning(line) for line in raised),
                *(paragraph(line) for line in others),
            ),
        ),
        *([] if outcome.passed else [checks]),
        *(Section(title, (table(frame) if len(frame) else paragraph("None."),)) for title, frame in outcome.tables),
        *outcome.sections,
        *([checks] if outcome.passed else []),
    ]
    return page(
        f"{outcome.task}: {outcome.name} dataset",
        "What must hold before the next step reads it",
        sections,
        banner=BANNER if outcome.synthetic else "",
    )


def _verdict(outcome: Outcome) -> str:
    """One line: how many checks hold, and which don't."""
    total, failures = len(outcome.checks), outcome.failures
    if outcome.passed:
        return f"All {total} checks hold."
    listed = "; ".join(f"{check.sentence} ({check.status})" for check in failures[:3])
    more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
    return f"{len(failures)} of {total} checks don't hold: {listed}{more}."


def _checks_table(outcome: Outcome) -> pd.DataFrame:
    """Failed checks first, then the rest, each in the suite's order."""
    checks = sorted(outcome.checks, key=lambda check: check.status == "passed")
    return pd.DataFrame(
        {
            "what must hold": [check.sentence for check in checks],
            "result": [check.status for check in checks],
            "found": [check.found_with_ids for check in checks],
            "what to do": [_todo(check) for check in checks],
        }
    )


def _todo(check: Check) -> str:
    return "" if check.status == "passed" else check.todo
