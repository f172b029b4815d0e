"""Which samples and patients a model was developed on, so that a later test split can be searched for them.

Beside model.onnx lies development.npy: eight bytes for every sample of train and validation, and eight for every known
patient, each the start of a SHA-256. Nobody can be read off them; whoever holds the very file of a sample, or its
patient's pseudonym, can find out that it is among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.errors import ModelError
from components.lib.settings import Settings

FILE = "development.npy"
SPLITS = ("train", "validation")
Marks = NDArray[np.uint64]


class DevelopmentRecord(Settings):
    """What model.json says of development.npy."""

    samples: int
    """Different samples, of train and validation; their marks come first in the file."""
    patients: int
    """Known patients among them."""
    key_fingerprint: str | None
    """Of the key behind their pseudonyms: under another key the same patient has another mark; null: none is known."""
    digest: str
    """SHA-256 of the file."""


@dataclass(frozen=True)
class Developed:
    """Marks, sorted."""

    samples: Marks
    patients: Marks


def write_development(folder: Path, table: pd.DataFrame, key_fingerprint: str | None) -> DevelopmentRecord:
    """Write the marks of a dataset's train and validation samples.

    Args:
        folder: the model directory.
        table: of the dataset: columns split, sha256 and patient (null: unknown).
        key_fingerprint: of the dataset.
    """
    learnt = table[table["split"].isin(SPLITS)]
    samples = np.unique(sample_marks(learnt["sha256"]))
    patients = np.unique(patient_marks(learnt["patient"].dropna()))
    np.save(folder / FILE, np.concatenate([samples, patients]), allow_pickle=False)
    digest = hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    key = key_fingerprint if len(patients) else None
    return DevelopmentRecord(samples=len(samples), patients=len(patients), key_fingerprint=key, digest=digest)


def read_development(folder: Path, record: DevelopmentRecord) -> Developed:
    """What `write_development` wrote.

    Raises:
        ModelError: the file is missing, or isn't the one that model.json speaks of.
    """
    file = folder / FILE
    content = file.read_bytes() if file.is_file() else b""
    if hashlib.sha256(content).hexdigest() != record.digest:
        raise ModelError(
            str(file),
            expected=f"the file with SHA-256 {record.digest[:12]}…, as model.json says",
            found="another one" if content else "no such file",
            todo="register the model again: dvc repro train register",
        )
    marks: Marks = np.load(file, allow_pickle=False)
    return Developed(marks[: record.samples], marks[record.samples :])


def sample_marks(digests: Iterable[str]) -> Marks:
    """Marks of samples (N,), from the SHA-256 of their raw content."""
    return _marks("sample", digests)


def patient_marks(pseudonyms: Iterable[str]) -> Marks:
    """Marks of patients (N,), from their pseudonyms."""
    return _marks("patient", pseudonyms)


def _marks(what: str, names: Iterable[str]) -> Marks:
    starts = b"".join(hashlib.sha256(f"medpipe {what}: {name}".encode()).digest()[:8] for name in names)
    return np.frombuffer(starts, "<u8").astype(np.uint64)
