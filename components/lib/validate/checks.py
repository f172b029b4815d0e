"""The two gates that the steps call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from components.lib.kinds import TargetKind
from components.lib.page import Section
from components.lib.spec import SPLITS, TaskSpec
from components.lib.validate import tables
from components.lib.validate.gate import validate
from components.lib.validate.leaks import LeakAudit, raised, receipt
from components.lib.validate.limits import judged, limits
from components.lib.validate.outcome import NAMED_AT_MOST, Check, Outcome
from components.lib.validate.suites import cleaned_suite, ingested_suite

NEAR = "near duplicate of"
"""How the reason of a sample begins that was dropped for the sake of the split."""


@dataclass(frozen=True, eq=False)
class Finding:
    """What one search in the cleaned samples has to say."""

    lines: tuple[str, ...]
    """For the receipt."""
    tables: tuple[tuple[str, pd.DataFrame], ...] = ()
    """For the page: title and table."""
    checks: tuple[Check, ...] = ()
    """What must hold, where the task file says so."""
    warnings: tuple[str, ...] = ()
    """Those of the lines that a person should act on."""
    sections: tuple[Section, ...] = ()
    """For the page: pictures, where they may be shown."""


def check_ingested(samples: pd.DataFrame, spec: TaskSpec, audit: LeakAudit) -> Outcome:
    """Look at the table that ingest is about to hand on.

    Args:
        samples: the rows that stay after `leaks.apply_policy`; columns sample_id, patient, split, sha256 (str, patient
            null where unknown) and one per target (null where unknown); study and fold, where there are some.
        spec: the task.
        audit: `leaks.audit` of the table as it was read, before anything was dropped.
    """
    samples = tables.as_labels(samples, spec)
    checks = [
        *validate(samples, ingested_suite(spec)),
        *_target_checks(samples, spec),
        *_study_check(samples, spec),
        *_fold_check(audit, spec),
        *_order_check(audit),
    ]
    kept, short = judged(limits(samples, spec), spec)
    return Outcome(
        "ingested",
        spec.task,
        (*checks, *kept),
        receipt=(*receipt(audit), *_dropped(samples, audit), *short),
        tables=(("Samples per split", tables.counts(samples, spec)),),
        synthetic=spec.source.synthetic,
        warnings=(*raised(audit, spec.split_rules), *short),
    )


def check_cleaned(
    samples: pd.DataFrame,
    rejected: pd.DataFrame,
    spec: TaskSpec,
    array_rows: Mapping[str, int] | None = None,
    findings: Sequence[Finding] = (),
    lost: Sequence[Check] = (),
) -> Outcome:
    """Look at the dataset that clean is about to hand on.

    Args:
        samples: the cleaned samples: the ingested columns and quality figures named <input>_<figure> (float).
        rejected: what clean (not ingest) left out; columns sample_id, split, reason and place (str).
        spec: the task.
        array_rows: rows of each named array, all parts together, to compare with the table.
        findings: what else was looked for in the cleaned samples.
        lost: splits and classes of which nothing is left; they explain what fails after them.
    """
    samples = tables.as_labels(samples, spec)
    checks = [
        *lost,
        *validate(samples, cleaned_suite(spec, array_rows)),
        *_target_checks(samples, spec),
        _rejected_check(samples, rejected, spec.clean.maximum_rejected),
        *(check for finding in findings for check in finding.checks),
    ]
    kept, short = judged(limits(samples, spec), spec)
    shown = (
        ("Samples per split", tables.counts(samples, spec)),
        ("Quality figures", tables.quality(samples, spec)),
        ("Rejected samples by reason", tables.reasons(rejected)),
        *(table for finding in findings for table in finding.tables),
    )
    lines = (
        f"rejected: {len(rejected)} of {len(samples) + len(rejected)} samples",
        *(line for finding in findings for line in finding.lines),
        *short,
    )
    return Outcome(
        "cleaned",
        spec.task,
        (*checks, *kept),
        receipt=lines,
        tables=shown,
        synthetic=spec.source.synthetic,
        warnings=(*(line for finding in findings for line in finding.warnings), *short),
        sections=tuple(section for finding in findings for section in finding.sections),
    )


def _target_checks(samples: pd.DataFrame, spec: TaskSpec) -> list[Check]:
    """Ask each target kind about its column: only the kind knows what it can take."""
    return [_target_check(samples.get(name), name, kind) for name, kind in spec.targets.items()]


def _target_check(column: pd.Series | None, name: str, kind: TargetKind) -> Check:
    sentence, todo = f"{name} can be a {kind.kind} target", f"correct the labels, or `targets.{name}` in the task file"
    if column is None:
        return Check(sentence, "could not run", f'The column "{name}" does not exist.', todo)
    problem = kind.problem(column)
    return Check(sentence, "failed" if problem else "passed", problem or "nothing against it", todo)


def _study_check(samples: pd.DataFrame, spec: TaskSpec) -> list[Check]:
    """No suite can ask for it: the column is there in ingest alone, and only where the source has one."""
    if "study" not in samples or samples["study"].isna().all() or spec.split.shared_patients == "report":
        return []
    twice = samples.loc[samples.groupby("study")["split"].transform("nunique") > 1, "sample_id"]
    return [
        Check(
            "No known study stands on two sides of the split",
            "failed" if len(twice) else "passed",
            f"{len(twice)} of {len(samples)} samples",
            "mend the split, or set `split.shared_patients: drop_from_train` in the task file",
            tuple(twice.astype(str).sort_values().head(NAMED_AT_MOST)),
            len(twice),
        )
    ]


def _fold_check(audit: LeakAudit, spec: TaskSpec) -> list[Check]:
    """Patients and duplicates are columns of what is written, so the suite asks for them; studies are forgotten."""
    if audit.folds is None or audit.folds.shared_studies is None:
        return []
    if spec.split.by != "patient" or spec.split.shared_patients == "report":
        return []
    torn = audit.folds.shared_studies
    return [
        Check(
            "No known study stands in two folds",
            "failed" if torn else "passed",
            f"{torn} studies",
            "correct the patients of these studies in the source: a study is of one patient",
            audit.folds.shared_study_ids[:NAMED_AT_MOST],
            len(audit.folds.shared_study_ids),
        )
    ]


def _order_check(audit: LeakAudit) -> list[Check]:
    if audit.order is None:
        return []
    sentence = "Patients of train were first seen before those of validation, and these before those of test"
    todo = "look at the column of dates, and at `split:` in the task file"
    kept = audit.order.kept
    return [Check(sentence, "passed" if kept else "failed", "all patients" if kept else "not all patients", todo)]


def _rejected_check(samples: pd.DataFrame, rejected: pd.DataFrame, highest: float) -> Check:
    """Whether cleaning left out no more than the task allows; no expectation of one table can say it."""
    # A near duplicate was usable: it left for the sake of the split.
    rejected = rejected[~rejected["reason"].astype("str").str.startswith(NEAR)]
    total, left_out = len(samples) + len(rejected), len(rejected)
    share = left_out / total if total else 0.0
    commonest = "; ".join(_told(row) for row in tables.reasons(rejected).head(3).to_dict("records"))
    return Check(
        f"At most {100 * highest:.3g}% of the samples are rejected",
        "passed" if share <= highest else "failed",
        f"{left_out} of {total} samples ({100 * share:.3g}%)" + (f": {commonest}" if commonest else ""),
        "mend the samples that were left out, or raise `clean.maximum_rejected` in the task file",
        tuple(rejected["sample_id"].astype(str).sort_values().head(NAMED_AT_MOST)) if share > highest else (),
        left_out,
    )


def _dropped(samples: pd.DataFrame, audit: LeakAudit) -> list[str]:
    """How many rows the policy took out of each split, when it took any."""
    kept = samples["split"].value_counts() if "split" in samples else pd.Series(dtype="int64")
    gone = {split: audit.rows[split] - int(kept.get(split, 0)) for split in SPLITS}
    listed = ", ".join(f"{split} {count}" for split, count in gone.items() if count > 0)
    return [f"dropped to keep the splits apart: {listed}"] if listed else []


def _told(reason: Mapping[Any, Any]) -> str:
    where = reason.get("first at")
    return f"{reason['samples']} {reason['reason']}" + (f" ({where})" if where else "")
