"""Limits on sizes, classes and unknown values: told by default, stopping the run where the task says so."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from films import task

from components.lib.spec import TaskSpec
from components.lib.validate import LeakAudit, check_cleaned, check_ingested

GENEROUS: dict[str, Any] = {"samples": 3, "per_class": 1, "balance": 0.1}
"""Limits that the sound table keeps."""


def limited(spec: TaskSpec, **limits: Any) -> TaskSpec:
    settings = spec.split.limits.model_copy(update={**GENEROUS, **limits})
    return spec.model_copy(update={"split": spec.split.model_copy(update={"limits": settings})})


def one_kind(samples: pd.DataFrame) -> pd.DataFrame:
    """One pneumonia of six in train."""
    return samples.assign(finding=["normal", "pneumonia"] + ["normal"] * 4 + ["normal", "pneumonia", "normal"] * 2)


def unknown(samples: pd.DataFrame) -> pd.DataFrame:
    """Four findings of six in train are unknown, and one patient."""
    changed = samples.assign(finding=samples["finding"].where(~samples.index.isin([2, 3, 4, 5])))
    return changed.assign(patient=samples["patient"].where(samples.index != 7))


BAD = [
    ({"samples": 4}, "Every side has at least 4 samples", "validation 3, test 3", (), "split.limits.samples"),
    ({"per_class": 2}, "Every side has at least 2 samples of each finding", "train pneumonia 1, ", (), "per_class"),
    ({"balance": 0.2}, "Every finding is at least 20% of each side", "train pneumonia 1 of 6", (), "stratified"),
]
UNKNOWN = [
    ({}, "finding is unknown in at most 50% of each side", "train 4 of 6", ("s02", "s03", "s04", "s05")),
    ({"missing": {"finding": 0.7, "patient": 0.2}}, "patient is unknown in at most 20% of each side",
     "validation 1 of 3", ("s07",)),
]  # fmt: skip


def test_a_table_that_keeps_its_limits(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    outcome = check_ingested(samples, limited(spec, policy="fail", missing={"patient": 0.0}), findings)
    assert outcome.passed
    assert not [line for line in outcome.receipt if line.startswith("not kept")]


@pytest.mark.parametrize(("limits", "sentence", "found", "ids", "todo"), BAD)
def test_too_little_stops_the_run_where_the_task_says_so(
    limits: dict[str, Any], sentence: str, found: str, ids: tuple[str, ...], todo: str,
    samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit,
) -> None:  # fmt: skip
    outcome = check_ingested(one_kind(samples), limited(spec, policy="fail", **limits), findings)
    (check,) = outcome.failures
    assert (check.sentence, check.sample_ids) == (sentence, ids)
    assert check.found.startswith(found)
    assert todo in check.todo


@pytest.mark.parametrize(("limits", "sentence", "found", "ids"), UNKNOWN)
def test_unknown_values_name_their_samples(
    limits: dict[str, Any], sentence: str, found: str, ids: tuple[str, ...],
    samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit,
) -> None:  # fmt: skip
    settings = limited(spec, policy="fail", **limits)
    checks = {check.sentence: check for check in check_ingested(unknown(samples), settings, findings).failures}
    assert (checks[sentence].found, checks[sentence].sample_ids) == (found, ids)


def test_by_default_it_is_told_and_taken(
    cleaned: pd.DataFrame, rejected: pd.DataFrame, spec: TaskSpec, findings: LeakAudit
) -> None:
    for outcome in (check_ingested(cleaned, spec, findings), check_cleaned(cleaned, rejected, spec)):
        assert outcome.passed
        assert outcome.receipt[-2:] == (
            "not kept: every side has at least 10 samples (train 6, validation 3, test 3)",
            "not kept: every side has at least 5 samples of each finding "
            "(train normal 4, train pneumonia 2, validation normal 2, validation pneumonia 1, test normal 2, "
            "test pneumonia 1)",
        )


def test_a_column_that_is_not_there_is_no_pass(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    outcome = check_ingested(samples, limited(spec, missing={"site": 0.1}), findings)
    assert [(check.sentence, check.status) for check in outcome.failures] == [
        ("site is unknown in at most 10% of each side", "could not run")
    ]


def test_a_limit_on_what_the_task_does_not_have() -> None:
    with pytest.raises(ValueError, match=r"split.limits.missing.findings.*nearest: finding"):
        task(split={"limits": {"missing": {"findings": 0.1}}})
