"""DICOM through ingest and clean: what names somebody in a header or a path is written nowhere but in private/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dicoms import CAPTURE, dicom
from films import CLASSES, SIDE, task

from components.clean import clean
from components.ingest import ingest
from components.lib.dataset import Dataset

SECRETS = ("Zwingli", "Q77341", "Mercyhill", "OsloStation", "1931", "ACC9021", "Kestrel", "2.25.777")
"""Planted in names of files and folders, and in headers."""
PER_CLASS = 30


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def write(raw: Path, **odd: Any) -> Path:
    """Films of 30 patients in two class folders; the first has other attributes."""
    for number in range(2 * PER_CLASS):
        patient = number // 2
        film = np.random.default_rng(number).integers(0, 4096, (20, 16)).astype(np.uint16)
        path = raw / CLASSES[number % 2] / f"Zwingli_{patient}" / f"Q77341-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            dicom(
                film, BitsStored=12, PatientName=f"Zwingli^{patient}", PatientID=f"Q77341-{patient}",
                PatientBirthDate="19310203", StudyDate="20240506", PatientSex="F", InstitutionName="Mercyhill",
                StationName="OsloStation", AccessionNumber="ACC9021", ReferringPhysicianName="Kestrel",
                StudyInstanceUID=f"2.25.777{patient}", ImageComments="Zwingli was here", WindowCenter="2048",
                WindowWidth="4096", **(odd if number == 0 else {}),
            )
        )  # fmt: skip
    (raw / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM Zwingli")
    return raw


def run(folder: Path, **source: Any) -> Dataset:
    spec = task(source={"reader": "dicom", "path": "raw", **source})
    ingest(folder / "raw", folder / "ingested", folder / "private", spec)
    clean(folder / "raw", folder / "ingested", folder / "private", folder / "cleaned", spec)
    return Dataset(folder / "cleaned")


def told(folder: Path) -> str:
    """All that lies below a folder, Parquet files unpacked, with the names of files."""
    parts = []
    for path in sorted(folder.rglob("*")):
        parts.append(path.name)
        if path.suffix == ".parquet":
            parts.append(pd.read_parquet(path).to_csv())
        if path.is_file():
            parts.append(path.read_bytes().decode("latin1"))
    return "\n".join(parts)


def test_films_become_arrays_and_no_name_is_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "raw")
    dataset = run(tmp_path)
    samples = dataset.samples()
    assert dataset.parts[0].array("image").shape == (2 * PER_CLASS, SIDE, SIDE, 1)
    assert samples["patient"].nunique() == PER_CLASS
    assert (samples["age"] == 90).all()
    assert (samples["sex"] == "F").all()
    assert samples["site"].str.fullmatch("site-[0-9a-f]{8}").all()
    written = told(tmp_path / "ingested") + told(tmp_path / "cleaned") + "".join(capfd.readouterr())
    assert [secret for secret in SECRETS if secret in written] == []
    assert "Zwingli" in told(tmp_path / "private")


def test_films_that_can_not_be_used_are_told_without_a_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    raw = write(tmp_path / "raw", SOPClassUID=CAPTURE)
    damaged = raw / CLASSES[1] / "Zwingli_0" / "Q77341-1"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    rejected = run(tmp_path).rejected()
    assert sorted(reason.partition(":")[0] for reason in rejected["reason"]) == ["likely burned-in text", "unreadable"]
    written = told(tmp_path / "ingested") + told(tmp_path / "cleaned") + "".join(capfd.readouterr())
    assert [secret for secret in SECRETS if secret in written] == []


def test_an_index_by_accession_number_is_forgotten_after_ingest(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw")
    rows = [f"Q77341-{patient},{CLASSES[patient % 2]}" for patient in range(PER_CLASS)]
    (raw / "index.csv").write_text("\n".join(["PatientID,finding", *rows]))
    samples = run(tmp_path, index="index.csv", key="PatientID").samples()
    assert samples.groupby("patient")["finding"].nunique().max() == 1
    assert len(samples) == 2 * PER_CLASS
    assert "Q77341" not in told(tmp_path / "ingested") + told(tmp_path / "cleaned")
