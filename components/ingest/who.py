"""Who the samples are of: ids in their normal form, and no silent run without any."""

from __future__ import annotations

import pandas as pd

from components.lib.errors import DataError
from components.lib.patient_ids import ACCEPTED, identify
from components.lib.spec import TaskSpec
from components.lib.validate.leaks import PATIENTS_UNKNOWN


def known_patients(table: pd.DataFrame, spec: TaskSpec) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table with patient ids in their normal form, null where nobody knows; and sentences about them.

    Args:
        table: columns patient, study and file, as the reader gave them.
        spec: the task.

    Raises:
        DataError: `split.by: patient`, and no patient is known, or too few, and the task file doesn't accept that.
    """
    units = table["file"] if spec.source.reader == "wfdb" else table["study"]
    found = identify(table["patient"], units, spec.source.patient_ids)
    table = table.assign(patient=found.ids)
    unknown = int(found.ids.isna().sum())
    refused = spec.split.by == "patient" and spec.split.unknown_patients == "refuse"
    if refused and unknown > ACCEPTED * len(table):
        some = "no sample names its patient" if unknown == len(table) else "their patients are unknown"
        crowd = f"; {found.sentences[-1]}" if found.nobody else ""
        raise DataError(
            "split.by: patient",
            expected=f"a patient for every sample, or for {1 - ACCEPTED:.0%} of them",
            found=f"{unknown:,} of {len(table):,} samples without one: {some}{crowd}",
            todo="name the column in source.columns.patient, or the part of the path in source.patient_from; if nobody "
            "can know, write split.unknown_patients: accept into the task file, and read its figures with that in mind",
        )
    return table, found.sentences


def unknown_lines(table: pd.DataFrame) -> list[str]:
    """What stands at the very top of the receipt where no patient is known; nothing else."""
    return [PATIENTS_UNKNOWN] if len(table) and table["patient"].isna().all() else []
