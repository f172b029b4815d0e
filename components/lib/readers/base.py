"""What every reader has: its settings in the task file, an index of the samples, and a way to read one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from components.lib.kinds import InputKind, TargetKind
from components.lib.kinds.base import Raw
from components.lib.patient_ids import PatientIds
from components.lib.places import Place, Remote, is_remote, place, refusal
from components.lib.settings import Settings

Load = Callable[[str, int], Raw]
"""Reads one sample by the file and row of its line in the index."""
Inputs = Mapping[str, InputKind]
Targets = Mapping[str, TargetKind]
ATTRIBUTES = ("patient", "split", "site", "sex", "age", "study", "date")


class Columns(Settings):
    """Names of the columns that say more of a sample, and of targets that the source calls otherwise."""

    patient: str | None = "patient"
    """Who the sample is of; null when nobody knows."""
    split: str | None = None
    """train, validation or test, for `split.method: given`."""
    site: str | None = "site"
    """Hospital or scanner."""
    sex: str | None = "sex"
    """Sex as recorded."""
    age: str | None = "age"
    """Age in years."""
    study: str | None = None
    """Examination that a sample belongs to; no study stands on two sides. Forgotten after ingest."""
    date: str | None = None
    """When the sample was taken, as 2024-01-31 or 20240131, for `split.method: time`. Forgotten after ingest."""
    targets: dict[str, str] = Field(default_factory=dict)
    """Target to its column, where it isn't called like the target: {outcome: Outcome}."""

    readers: dict[str, list[str]] = Field(default_factory=dict)
    """Per target with classes, columns in which single readers labelled it: {finding: [reader_a, reader_b]}. The report
    measures how far they agree, with one another and with the model; they never become inputs. Their names are not
    kept."""

    def __hash__(self) -> int:
        """Pydantic's own would stumble over the mapping, and what is read once a process is remembered by settings."""
        return hash(self.model_dump_json())

    def of(self, target: str) -> str:
        """The column of a target."""
        return self.targets.get(target, target)


class Source(Settings, ABC):
    """Where the raw data lie and who reads them."""

    reader: str
    path: str
    """File or folder, relative paths start at the workspace; or s3://bucket/prefix, https://host/file. Who may read a
    server's data is told by the environment (docs/data.md), never here."""
    key_fingerprint: str | None = None
    """Fingerprint of the key that pseudonymises patients; another key is an error. Null: not pinned."""
    patient_ids: PatientIds = "normal"
    """`normal`: ids that differ in blanks, capitals, leading zeros or .0 alone (7, 7.0, 0007) are one patient, and a
    word for everybody (ANONYMOUS, one id for most samples) is unknown. `exact`: every spelling is a patient of its
    own."""
    public_key: bool = False
    """Use the fixed public key: for phantoms and public data, whose patients need no protection."""
    synthetic: bool = False
    """The samples were made by a program; it shows wherever they show."""

    follow_links: bool = False
    """Read files and folders outside of `path` to which links in it lead. False: such links are an error."""

    raw_type: ClassVar[type]
    """What it reads a sample as; the input's kind must take it."""

    @field_validator("path")
    @classmethod
    def _can_be_read(cls, path: str) -> str:
        problem = refusal(path)
        if problem:  # pydantic's own words would repeat the value, with the secret that may be in it
            context = {"key": "source.path", "expected": problem[0], "found": problem[1]}
            raise PydanticCustomError("task", "{key}: expected {expected}, found {found}", context)
        return path

    @property
    def watched(self) -> str:
        """What tells whether the raw data changed: they themselves, or the index of files on a web server."""
        raw = place(self.path) if is_remote(self.path) else None
        index = self.beside
        return str(raw / index) if index and isinstance(raw, Remote) and not raw.lists else self.path

    @property
    def beside(self) -> str | None:
        """The file below `path` that says which others there are, if there is one."""
        index: str | None = getattr(self, "index", None)
        return index

    @property
    def tables(self) -> tuple[str, ...]:
        """Files below `path` that are read as a whole."""
        named = (self.beside, getattr(self, "file", None), getattr(self, "patients", None))
        return (*filter(None, named), *(getattr(self, "files", None) or {}).values())

    @abstractmethod
    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a sample.

        Args:
            raw: `path`, where it lies now.
            inputs: of the task.
            targets: of the task.

        Returns:
            columns file (relative to raw), row (place inside the file, 0 where a file is one sample), patient, split,
            site, sex, age, study, date (null = unknown), and one column per target as the raw data have it (null =
            unknown). Where something can't be used at all, also `refused`: the reason, free of names, null elsewhere.
            Such a row goes to rejected.parquet with its `place`, and is never opened.

        Raises:
            DataError: the data as a whole can't be read or lack something.
            ServerError: they lie on a server that fails.
        """

    @abstractmethod
    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """A function that reads one sample, for hashing and cleaning; called from several threads.

        It raises OSError for a file that isn't there, Unusable for a sample that can't be read, and ServerError where a
        server fails.
        """

    def place(self, file: str, row: int) -> str:
        """Where a sample stands, for people who look for it, without names; empty where only the file could say it."""
        return ""


def content(raw: Raw) -> bytes:
    """The bytes by which a raw sample is known: equal bytes are exact duplicates."""
    if isinstance(raw, bytes):
        return raw
    if isinstance(raw, np.ndarray):
        return f"{raw.shape}{raw.dtype}".encode() + np.ascontiguousarray(raw).tobytes()
    told: bytes = raw.content()
    return told
