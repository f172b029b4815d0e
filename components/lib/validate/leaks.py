"""The leak audit: does a patient, a study or the same content stand on two sides of the split, or in two folds?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.errors import GateError
from components.lib.spec import SPLITS, Split
from components.lib.validate.outcome import name_some

PATIENTS_UNKNOWN = "patients unknown: overlap can't be excluded"
"""The line where no sample names its patient; it stands first wherever figures are read."""
# SPLITS stand in the order in which rows give way: train to the other two, validation to test.


@dataclass(frozen=True)
class Duplicates:
    """Distinct samples (bytes of a film, values of a row) that stand in two splits, `first` being what gives way."""

    first: str
    second: str
    samples: int
    rows: int
    """Rows of `first` that hold one of these."""


@dataclass(frozen=True)
class Folds:
    """Folds of the samples of train and validation."""

    rows: tuple[int, ...]
    """Rows of each fold."""
    shared_patients: int
    """Known patients in more than one of them."""
    duplicates: int
    """Contents in more than one of them."""
    shared_studies: int | None = None
    """Known studies in more than one of them; None: the source knows none."""
    shared_study_ids: tuple[str, ...] = ()
    """sample_ids of those studies, sorted."""


@dataclass(frozen=True)
class Order:
    """The sides in time: train, validation, test."""

    kept: bool
    """Every patient of one side was first seen before every one of the next."""
    later: Mapping[str, int]
    """Rows of train that are no earlier than the first of validation or test, and rows of validation that are no
    earlier than the first of test: patients who came again, since a patient's first sample decides."""


@dataclass(frozen=True)
class LeakAudit:
    """What the audit found in a samples table."""

    rows: Mapping[str, int]
    """Rows per split."""
    patients: Mapping[str, int]
    """Known patients per split."""
    unknown_patients: int
    """Rows whose patient nobody knows."""
    shared_patients: int
    """Known patients that stand in more than one split."""
    shared_patient_ids: tuple[str, ...]
    """sample_ids of those patients, sorted."""
    duplicates: tuple[Duplicates, ...]
    """One entry per pair of splits that share contents."""
    duplicate_ids: tuple[str, ...]
    """sample_ids of contents that stand in more than one split, sorted."""
    repeats: Mapping[str, int]
    """Per split, rows beyond the first with the same content."""
    studies: Mapping[str, int] | None = None
    """Known studies per split; None: the source knows none."""
    shared_studies: int = 0
    """Known studies that stand in more than one split."""
    shared_study_ids: tuple[str, ...] = ()
    """sample_ids of those studies, sorted."""
    folds: Folds | None = None
    """The folds of train and validation; None: the task has none."""
    order: Order | None = None
    """Whether the sides follow each other in time; None: the split doesn't go by time."""


def audit(samples: pd.DataFrame, times: pd.DataFrame | None = None) -> LeakAudit:
    """Look for patients, studies and exact duplicates on two sides of the split and in two folds.

    Args:
        samples: columns sample_id, patient (null = unknown), split and sha256 (digest of the raw sample; equal
            digests are exact duplicates), all of dtype str; study (null = unknown) and fold, where there are some.
        times: columns taken (when each sample was) and first (the first sample of who may not be torn apart), where
            the split goes by time.
    """
    by_split = {split: samples[samples["split"] == split] for split in SPLITS}
    shared_patients = _stands_twice(samples, "patient")
    return LeakAudit(
        rows={split: len(table) for split, table in by_split.items()},
        patients={split: int(table["patient"].nunique()) for split, table in by_split.items()},
        unknown_patients=int(samples["patient"].isna().sum()),
        shared_patients=int(samples.loc[shared_patients, "patient"].nunique()),
        shared_patient_ids=_ids(samples, shared_patients),
        duplicates=_duplicates({split: table["sha256"].dropna() for split, table in by_split.items()}),
        duplicate_ids=_ids(samples, _stands_twice(samples, "sha256")),
        repeats={split: int(table["sha256"].dropna().duplicated().sum()) for split, table in by_split.items()},
        folds=_folds(samples) if "fold" in samples else None,
        order=None if times is None else _order(samples["split"], times),
        **_studies(samples),
    )


def receipt(audit: LeakAudit) -> list[str]:
    """The audit in lines for people, one fact each."""
    duplicates = [_describe(pair) for pair in audit.duplicates] or ["duplicates across splits: 0"]
    repeats = ", ".join(f"{split} {count}" for split, count in audit.repeats.items())
    return [_patients_line(audit), *duplicates, f"repeats inside: {repeats}", *_further(audit)]


def raised(audit: LeakAudit, split: Split) -> list[str]:
    """Those lines of the receipt that a person should act on: what the policies leave as it is."""
    lines = []
    if audit.unknown_patients or (audit.shared_patients and split.shared_patients == "report"):
        lines.append(_patients_line(audit))
    if split.exact_duplicates == "report":
        lines += [_describe(pair) for pair in audit.duplicates]
    torn = audit.folds is not None and (audit.folds.shared_patients or audit.folds.shared_studies)
    late = audit.order is not None and not audit.order.kept
    if torn or late or (audit.shared_studies and split.shared_patients == "report"):
        lines += _further(audit)
    return lines


def apply_policy(samples: pd.DataFrame, audit: LeakAudit, split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Do what the task file says about patients and exact duplicates on two sides of the split.

    `drop_from_train` takes out the train rows that also stand in validation or test. Rows that stand in validation
    and test leave validation, so that test stays whole whatever the policy. Repeats inside one split stay.

    Args:
        samples: the table that was audited.
        audit: what `audit` said about it.
        split: `shared_patients` (for studies, too) and `exact_duplicates` are report, drop_from_train or fail.

    Returns:
        The rows that stay, in their order, and the dropped ones with columns sample_id, split and reason (str).

    Raises:
        GateError: a policy is `fail` and the audit found what it forbids.
    """
    rules = (
        ("patient", split.shared_patients, "its patient also stands in"),
        ("study", split.shared_patients if audit.studies else "report", "its study also stands in"),
        ("sha256", split.exact_duplicates, "its exact duplicate stands in"),
    )
    _refuse(audit, split)
    kept, dropped = samples, []
    for column, policy, reason in rules:
        if policy == "drop_from_train":
            elsewhere = _gives_way_to(kept, column)
            leaves = (elsewhere != "").to_numpy()
            dropped.append(
                kept.loc[leaves, ["sample_id", "split"]].assign(reason=f"{reason} " + elsewhere[leaves], place="")
            )
            kept = kept[~leaves]
    empty = samples.iloc[:0][["sample_id", "split"]].assign(reason=pd.Series(dtype="str"), place=pd.Series(dtype="str"))
    return kept.reset_index(drop=True), pd.concat([empty, *dropped], ignore_index=True)


def _stands_twice(samples: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    """Rows whose known value in `column` stands in more than one split."""
    splits = samples.groupby(column)["split"].transform("nunique")
    return (splits > 1).to_numpy()


def _ids(samples: pd.DataFrame, rows: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(sorted(str(sample_id) for sample_id in samples.loc[rows, "sample_id"]))


def _duplicates(digests: Mapping[str, pd.Series]) -> tuple[Duplicates, ...]:
    """The pairs of splits that share contents."""
    pairs = []
    for first, second in combinations(SPLITS, 2):
        common = digests[first][digests[first].isin(digests[second])]
        if len(common):
            pairs.append(Duplicates(first, second, samples=int(common.nunique()), rows=len(common)))
    return tuple(pairs)


def _studies(samples: pd.DataFrame) -> dict[str, Any]:
    """What the audit says of studies, where some are known."""
    if "study" not in samples or samples["study"].isna().all():
        return {}
    shared = _stands_twice(samples, "study")
    return {
        "studies": {split: int(samples.loc[samples["split"] == split, "study"].nunique()) for split in SPLITS},
        "shared_studies": int(samples.loc[shared, "study"].nunique()),
        "shared_study_ids": _ids(samples, shared),
    }


def _folds(samples: pd.DataFrame) -> Folds:
    used = samples[samples["fold"].notna()]
    twice = {column: int((used.groupby(column)["fold"].nunique() > 1).sum()) for column in ("patient", "sha256")}
    rows = tuple(used["fold"].value_counts().sort_index().astype(int))
    if "study" not in used or used["study"].isna().all():
        return Folds(rows, twice["patient"], twice["sha256"])
    torn = (used.groupby("study")["fold"].transform("nunique") > 1).to_numpy()
    studies = int(used.loc[torn, "study"].nunique())
    return Folds(rows, twice["patient"], twice["sha256"], studies, _ids(used, torn))


def _order(sides: pd.Series, times: pd.DataFrame) -> Order:
    by_side = [times.loc[sides == split, "first"] for split in SPLITS]
    kept = all(bool(before.max() < after.min()) for before, after in pairwise(by_side))
    begins = [times.loc[sides.isin(SPLITS[place + 1 :]), "taken"].min() for place in range(2)]
    later = {
        side: int((times.loc[sides == side, "taken"] >= begin).sum())
        for side, begin in zip(SPLITS[:2], begins, strict=True)
    }
    return Order(kept, later)


def _gives_way_to(samples: pd.DataFrame, column: str) -> pd.Series:
    """Per row the later splits that hold the same known value: "", "validation", "test" or "validation and test"."""
    held = {split: samples.loc[samples["split"] == split, column].dropna().unique() for split in SPLITS}
    in_validation = (samples["split"] == "train") & samples[column].isin(held["validation"])
    in_test = (samples["split"] != "test") & samples[column].isin(held["test"])
    where = np.select(
        [in_validation & in_test, in_validation, in_test], ["validation and test", "validation", "test"], default=""
    )
    return pd.Series(where, index=samples.index, dtype="str")


def _patients_line(audit: LeakAudit) -> str:
    total = sum(audit.rows.values())
    if not any(audit.patients.values()):
        return PATIENTS_UNKNOWN
    known = " / ".join(str(audit.patients[split]) for split in SPLITS)
    unknown = f"; unknown in {audit.unknown_patients} of {total} samples: overlap can't be excluded there"
    return f"patients shared: {audit.shared_patients} ({known})" + (unknown if audit.unknown_patients else "")


def _further(audit: LeakAudit) -> list[str]:
    """Lines about studies, folds and time, where the audit looked at them."""
    lines = []
    if audit.studies:
        known = " / ".join(str(audit.studies[split]) for split in SPLITS)
        lines.append(f"studies shared: {audit.shared_studies} ({known})")
    if audit.folds:
        rows = audit.folds.rows
        shared = f"patients shared {audit.folds.shared_patients}, duplicates {audit.folds.duplicates}"
        shared += "" if audit.folds.shared_studies is None else f", studies shared {audit.folds.shared_studies}"
        lines.append(f"folds: {len(rows)} of {min(rows)} to {max(rows)} samples; across folds: {shared}")
    if audit.order:
        told = "train, validation, test" if audit.order.kept else "NOT kept"
        came_again = ", ".join(f"{side} {count}" for side, count in audit.order.later.items() if count)
        lines.append(f"time order of first samples: {told}; later samples of earlier patients: {came_again or 'none'}")
    return lines


def _describe(pair: Duplicates) -> str:
    samples, rows = (
        f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((pair.samples, "sample"), (pair.rows, f"{pair.first} row"))
    )
    return f"duplicates across splits: {samples} in {pair.first} and {pair.second} ({rows})"


def _refuse(audit: LeakAudit, split: Split) -> None:
    """Raise where the policy is `fail` and the audit found what it forbids."""
    if split.shared_patients == "fail" and audit.shared_patients:
        raise GateError(
            "split.shared_patients: fail",
            expected="every patient on one side of the split",
            found=f"{_patients_line(audit)}; sample_ids: {name_some(audit.shared_patient_ids)}",
            todo="let medpipe split (`split: {by: patient, method: hash}`), mend the source's own split, or set "
            "`split.shared_patients: drop_from_train`",
        )
    if split.shared_patients == "fail" and audit.shared_studies:
        raise GateError(
            "split.shared_patients: fail",
            expected="every study on one side of the split",
            found=f"{'; '.join(_further(audit)[:1])}; sample_ids: {name_some(audit.shared_study_ids)}",
            todo="let medpipe split (`split: {by: patient, method: hash}`), mend the source's own split, or set "
            "`split.shared_patients: drop_from_train`",
        )
    if split.exact_duplicates == "fail" and audit.duplicates:
        raise GateError(
            "split.exact_duplicates: fail",
            expected="every sample on one side of the split",
            found=f"{'; '.join(map(_describe, audit.duplicates))}; sample_ids: {name_some(audit.duplicate_ids)}",
            todo="take the copies out of the source, or set `split.exact_duplicates: drop_from_train`",
        )
