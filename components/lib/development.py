"""Which samples and patients a model was developed on, so that a later test split can be searched for them.

Beside model.onnx lies development.npy: the marks (`lib.marks`, eight bytes each) of every sample of train and
validation, and of every known patient.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from components.lib.errors import ModelError
from components.lib.marks import Marked, Marks, eight_bytes
from components.lib.settings import Settings

FILE = "development.npy"
SPLITS = ("train", "validation")


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


def write_development(folder: Path, table: pd.DataFrame, key_fingerprint: str | None) -> DevelopmentRecord:
    """Write the marks of a dataset's train and validation samples.

    Args:
        folder: the model directory.
        table: of the dataset: columns split, sha256 and patient (null: unknown).
        key_fingerprint: of the dataset.
    """
    samples, patients = developed(table).each_once
    np.save(folder / FILE, np.concatenate([samples, patients]), allow_pickle=False)
    digest = hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    key = key_fingerprint if len(patients) else None
    return DevelopmentRecord(samples=len(samples), patients=len(patients), key_fingerprint=key, digest=digest)


def developed(table: pd.DataFrame) -> Marked:
    """The marks of train and validation in a dataset's table."""
    return Marked.of(table[table["split"].isin(SPLITS)], eight_bytes)


def read_development(folder: Path, record: DevelopmentRecord) -> Marked:
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
    return Marked(marks[: record.samples], marks[record.samples :])
