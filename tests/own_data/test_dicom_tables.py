"""Tables beside DICOM that don't fit letter by letter: they are read, or the message says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicoms import dicom
from looks import refusal, spec_of

from pipelines.look import look

UID = "1.2.826.0.1.3680043.8.498"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def films(folder: Path, patient: str = "{:06d}", count: int = 45, below: str = "train") -> Path:
    for n in range(count):
        file = folder / below.format(n) / f"a{n:04d}.dicom"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 255, (16, 16)).astype(np.uint16)
        file.write_bytes(dicom(
            pixels, PatientID=patient.format(n + 1), StudyInstanceUID=f"{UID}.{n}", SeriesInstanceUID=f"{UID}.9.{n}"
        ))  # fmt: skip
    return folder


def write(folder: Path, column: str, values: list[str]) -> None:
    lines = [f"{value},{('normal', 'pneumonia')[n % 3 == 0]}" for n, value in enumerate(values)]
    (folder / "labels.csv").write_text("\n".join([f"{column},diagnosis", *lines]) + "\n")


@pytest.mark.parametrize(
    ("column", "value", "key"),
    [("image_id", "a{0:04d}", "path"), ("PatientID", "{1}", "PatientID"), ("patient", "{1}.0", "PatientID")],
)
def test_a_table_that_names_them_otherwise_is_read(tmp_path: Path, column: str, value: str, key: str) -> None:
    write(films(tmp_path), column, [value.format(n, n + 1) for n in range(45)])
    draft = look(tmp_path)
    assert draft.values["source"]["key"] == key
    spec = spec_of(draft, tmp_path)
    index = spec.source.samples(tmp_path, spec.inputs, spec.targets)
    truth = {f"train/a{n:04d}.dicom": ("normal", "pneumonia")[n % 3 == 0] for n in range(45)}
    assert dict(zip(index["file"], index["diagnosis"], strict=True)) == truth


def test_several_rows_a_patient_are_told_of(tmp_path: Path) -> None:
    write(films(tmp_path), "PatientID", [str(n // 2 + 1) for n in range(90)])
    error = refusal(tmp_path)
    assert (
        "labels.csv names them in column 'PatientID' (PatientID), but several rows name one: 45 rows too many"
        in error.found
    )


def test_a_table_that_does_not_fit_is_named_with_the_forms(tmp_path: Path) -> None:
    write(films(tmp_path, patient="KH-{:06d}"), "PatientID", [str(n + 1) for n in range(45)])
    error = refusal(tmp_path)
    assert (
        "the table labels.csv, of which none of its rows fit: column 'PatientID' has PatientID as `99`" in error.found
    )
    assert "the headers have it as `AA-000099`" in error.found


def test_a_folder_a_patient_is_no_class(tmp_path: Path) -> None:
    error = refusal(films(tmp_path, count=6, below="{}"))
    assert "6 folders, each of which is one patient" in error.found


def test_one_id_for_everybody_is_nobody(tmp_path: Path) -> None:
    films(tmp_path / "all", patient="X-1", count=60)
    for n, file in enumerate(sorted((tmp_path / "all" / "train").iterdir())):
        below = tmp_path / "raw" / ("ill", "well")[n % 2]
        below.mkdir(parents=True, exist_ok=True)
        file.rename(below / file.name)
    draft = look(tmp_path / "raw")
    assert draft.values["split"]["unknown_patients"] == "accept"
    assert any("one id for 60 of 60 samples, as an anonymiser writes it" in each for each in draft.found)
