"""Splits and classes of which cleaning left nothing: seen before anything is searched for in what is left."""

from __future__ import annotations

import pandas as pd

from components.lib.spec import SPLITS, TaskSpec
from components.lib.validate import tables
from components.lib.validate.outcome import NAMED_AT_MOST, Check
from components.lib.validate.suites import classes_of

MOST_REASONS = 3


def losses(before: pd.DataFrame, rejected: pd.DataFrame, spec: TaskSpec) -> tuple[Check, ...]:
    """One failed check for each split, and each class of a split, whose samples were all rejected.

    Args:
        before: what ingest handed on: columns sample_id, split and one per target.
        rejected: what cleaning left out: columns sample_id, split, reason and place (str).
        spec: the task.
    """
    before = tables.as_labels(before, spec)
    gone = before["sample_id"].isin(rejected["sample_id"])
    if len(before) and gone.all():
        return (_check("Cleaning leaves samples", f"all {len(before)} samples were rejected", before, rejected),)
    found = []
    for split in SPLITS:
        of_split = before[before["split"] == split]
        if _all_gone(of_split, gone):
            told = f"all {len(of_split)} samples of {split} were rejected"
            found.append(_check(f"Cleaning leaves samples of {split}", told, of_split, rejected))
            continue
        for target, classes in classes_of(spec).items():
            for label in classes:
                of_class = of_split[of_split[target] == label]
                if _all_gone(of_class, gone):
                    told = f"all {len(of_class)} samples were rejected"
                    sentence = f"Cleaning leaves samples of {split} whose {target} is {label}"
                    found.append(_check(sentence, told, of_class, rejected))
    return tuple(found)


def _all_gone(samples: pd.DataFrame, gone: pd.Series) -> bool:
    return len(samples) > 0 and bool(gone[samples.index].all())


def _check(sentence: str, told: str, samples: pd.DataFrame, rejected: pd.DataFrame) -> Check:
    reasons = tables.reasons(rejected[rejected["sample_id"].isin(samples["sample_id"])])
    counted = "; ".join(f"{row['samples']} {row['reason']}" for row in reasons.head(MOST_REASONS).to_dict("records"))
    more = f"; {len(reasons) - MOST_REASONS} more reasons" if len(reasons) > MOST_REASONS else ""
    return Check(
        sentence,
        "failed",
        f"{told}: {counted}{more}",
        "correct these samples in the source, or the settings under `inputs:` in the task file that reject them",
        tuple(samples["sample_id"].astype("str").sort_values().head(NAMED_AT_MOST)),
        len(samples),
    )
