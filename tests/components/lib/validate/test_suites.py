"""Every planted fault is caught with a sentence, and names its samples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.lib.spec import TaskSpec
from components.lib.validate import Check, LeakAudit, audit, check_cleaned, check_ingested

Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def put(row: int, column: str, value: object) -> Spoil:
    """Write one value into one row."""

    def spoil(samples: pd.DataFrame) -> pd.DataFrame:
        values = [value if place == row else old for place, old in enumerate(samples[column])]
        return samples.assign(**{column: pd.Series(values)})

    return spoil


def failed(checks: tuple[Check, ...]) -> dict[str, Check]:
    """The failed checks by sentence."""
    return {check.sentence: check for check in checks if check.status == "failed"}


def with_settings(spec: TaskSpec, section: str, **settings: Any) -> TaskSpec:
    return spec.model_copy(update={section: getattr(spec, section).model_copy(update=settings)})


def test_sound_tables_pass(
    samples: pd.DataFrame, cleaned: pd.DataFrame, rejected: pd.DataFrame, spec: TaskSpec, findings: LeakAudit
) -> None:
    assert check_ingested(samples, spec, findings).passed
    assert check_cleaned(cleaned, rejected, spec, {"image": 12}).passed


@pytest.mark.parametrize(
    ("spoil", "sentence", "sample_ids"),
    [
        (put(3, "sample_id", "s04"), "No two samples share a sample_id", ("s04",)),
        (
            put(3, "sample_id", "Anna Müller.png"),
            "Every sample_id is at most 64 letters, digits, hyphens and underscores",
            ("Anna Müller.png",),
        ),
        (put(3, "sample_id", None), "Every sample has a sample_id", ()),
        (put(3, "split", "trian"), "Every split is train, validation or test", ("s03",)),
        (put(3, "split", None), "Every sample has a split", ("s03",)),
        (put(3, "sha256", None), "Every sample has the digest of its raw bytes (sha256)", ("s03",)),
        (put(3, "finding", "pnuemonia"), "Every known finding is one of normal, pneumonia", ("s03",)),
        (put(3, "patient", "patient9"), "No known patient stands on two sides of the split", ("s03", "s09")),
        (put(3, "sha256", f"{9:064x}"), "No exact duplicate stands on two sides of the split", ("s03", "s09")),
    ],
)
def test_ingested_faults(
    spoil: Spoil, sentence: str, sample_ids: tuple[str, ...], samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit
) -> None:
    check = failed(check_ingested(spoil(samples), spec, findings).checks)[sentence]
    assert check.sample_ids == sample_ids


def test_a_class_missing_in_a_split(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    one_class = samples.assign(finding=samples["finding"].mask(samples["split"] == "test", "normal"))
    checks = failed(check_ingested(one_class, spec, findings).checks)
    assert list(checks) == ["The test split has every class of finding: normal, pneumonia"]
    assert checks.popitem()[1].found == "missing: pneumonia"


def test_an_empty_split(samples: pd.DataFrame, spec: TaskSpec) -> None:
    rest = samples[samples["split"] != "validation"]
    check = failed(check_ingested(rest, spec, audit(rest)).checks)["The validation split has samples"]
    assert check.found == "0 samples"


def test_an_empty_table(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    outcome = check_ingested(samples.iloc[:0], spec, findings)
    assert outcome.failures[0].sentence == "There are samples"


def test_unknown_targets_and_patients_are_allowed(samples: pd.DataFrame, spec: TaskSpec) -> None:
    unknown = put(2, "finding", None)(samples).assign(patient=pd.Series([None] * 12, dtype="str"))
    outcome = check_ingested(unknown, spec, audit(unknown))
    assert outcome.passed
    found = {check.sentence: check.found for check in outcome.checks}
    assert found["No known patient stands on two sides of the split"] == (
        "unknown in all 12 samples: nothing to compare"
    )
    assert found["Every known finding is one of normal, pneumonia"] == "all 11 samples where it is known, of 12"


def test_labels_may_be_numbers(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    target = spec.targets["finding"].model_copy(update={"classes": ("0", "1")})
    numbered = samples.assign(finding=[0.0, 1.0, np.nan] * 4)
    assert check_ingested(numbered, spec.model_copy(update={"targets": {"finding": target}}), findings).passed


def test_what_is_only_reported_does_not_fail(samples: pd.DataFrame, spec: TaskSpec) -> None:
    shared = put(3, "patient", "patient9")(samples)
    lenient = with_settings(spec, "split", shared_patients="report")
    outcome = check_ingested(shared, lenient, audit(shared))
    assert outcome.passed
    assert outcome.receipt[0] == "patients shared: 1 (6 / 3 / 3)"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.nan, "image_mean is a number for every sample"),
        (256.0, "image_mean lies in 0 to 255 for every sample"),
        (np.inf, "image_mean lies in 0 to 255 for every sample"),
    ],
)
def test_quality_faults(
    value: float, sentence: str, cleaned: pd.DataFrame, rejected: pd.DataFrame, spec: TaskSpec
) -> None:
    checks = failed(check_cleaned(put(5, "image_mean", value)(cleaned), rejected, spec).checks)
    assert list(checks) == [sentence]
    assert checks[sentence].sample_ids == ("s05",)


def test_too_many_rejected(cleaned: pd.DataFrame, spec: TaskSpec) -> None:
    rejected = pd.DataFrame({"sample_id": ["r1", "r0"], "split": "train", "reason": "blank film", "place": ""})
    check = failed(check_cleaned(cleaned, rejected, spec).checks)["At most 5% of the samples are rejected"]
    assert check.found == "2 of 14 samples (14.3%): 2 blank film"
    assert check.sample_ids == ("r0", "r1")


def test_as_many_rejected_as_allowed(cleaned: pd.DataFrame, spec: TaskSpec) -> None:
    rejected = pd.DataFrame({"sample_id": ["r0"], "split": "train", "reason": "blank film", "place": ""})
    assert check_cleaned(cleaned, rejected, with_settings(spec, "clean", maximum_rejected=1 / 13)).passed


def test_table_and_arrays_of_different_length(cleaned: pd.DataFrame, rejected: pd.DataFrame, spec: TaskSpec) -> None:
    checks = failed(check_cleaned(cleaned, rejected, spec, {"image": 11}).checks)
    assert list(checks) == ["The table has as many rows as the array image: 11"]
