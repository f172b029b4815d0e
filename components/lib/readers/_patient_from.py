"""Patients in the names of files and folders: `source.patient_from`, a regular expression."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from abc import ABC
from collections.abc import Sequence
from typing import Annotated

import pandas as pd
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from components.lib.errors import SpecError
from components.lib.readers.base import Source

LONGEST = 500
GROUP = "patient"
SECONDS = 10.0
"""What matching may take, and a second more for every `A_SECOND` names."""
A_SECOND = 20_000
MATCH = """
import json, re, sys
pattern, names = json.load(sys.stdin)
find = re.compile(pattern).search
json.dump([(found.groupdict().get("patient"), found.groupdict().get("study")) if (found := find(name)) else None
           for name in names], sys.stdout)
"""


class FileSource(Source, ABC):
    """A source whose samples are files, the names of which may say who they are of."""

    patient_from: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = None
    """Regular expression with a group `(?P<patient>…)`, searched for in each file's path below `path`. It alone then
    says who the patient is; of a file that it doesn't match the patient is unknown. A group `(?P<study>…)` is the
    examination. Null: names say nothing."""

    @field_validator("patient_from")
    @classmethod
    def _has_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groupindex
        except (re.error, OverflowError, RecursionError) as error:
            raise _wrong(f"an invalid one: {error}") from None
        if GROUP not in groups:
            raise _wrong(f"no group of that name; groups: {', '.join(groups) or 'none'}")
        return pattern

    def whose(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the patients, and examinations, that the paths in its column `file` name.

        Raises:
            SpecError: the expression takes too long.
        """
        if self.patient_from is None:
            return table
        found = matches(self.patient_from, [name.partition("\n")[0] for name in table["file"].fillna("")])
        table = table.assign(patient=pd.Series([each[0] for each in found], table.index, dtype="object"))
        if "study" in re.compile(self.patient_from).groupindex:
            table["study"] = pd.Series([each[1] for each in found], table.index, dtype="object")
        return table


def matches(pattern: str, names: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """The patient and the examination that each path names; None where it names none.

    A process of its own does it: nothing else can stop an expression that runs for years.

    Args:
        pattern: valid, with a group `patient`; perhaps one `study`.
        names: paths with "/" between the parts.

    Raises:
        SpecError: it takes longer than 10 seconds and one for every 20,000 names.
    """
    limit = SECONDS + len(names) / A_SECOND
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", MATCH],
            input=json.dumps([pattern, list(names)]), capture_output=True, text=True, timeout=limit, check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise SpecError(
            "source.patient_from",
            expected=f"an expression that is done with {len(names):,} paths in {limit:.0f} seconds",
            found="one that isn't: a repeat inside a repeat, such as (a+)+, can take for ever",
            todo="write it without nested repeats: (?P<patient>patient\\d+)",
        ) from None
    found = [(each[0], each[1]) if each else (None, None) for each in json.loads(done.stdout)]
    return [
        (patient or None, f"{patient}/{study}" if patient and study else None) for patient, study in found
    ]  # fmt: skip


def _wrong(found: str) -> PydanticCustomError:
    context = {
        "key": "source.patient_from", "found": found,
        "expected": r"a regular expression with a group called patient, such as (?P<patient>person\d+)_",
    }  # fmt: skip
    return PydanticCustomError("task", "{key}: expected {expected}, found {found}", context)
