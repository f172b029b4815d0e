"""Folders of DICOM files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicoms import dicom
from looks import cleaned, refusal

from pipelines.look import Questions, look

UID = "1.2.826.0.1.3680043.8.498"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def films(folder: Path, count: int = 60, *, folders: bool = True, suffix: str = ".dcm", each: int = 1) -> Path:
    """Films of half as many patients, in two folders of classes or in none."""
    for number in range(count):
        below = folder / (("normal", "pneumonia")[number % 2] if folders else "export")
        below.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 4096, (20, 16)).astype(np.uint16)
        (below / f"Mueller_{number}{suffix}").write_bytes(dicom(
            pixels, BitsStored=12, PatientID=f"P-{number // 2}", PatientSex="F", PatientAge="061Y",
            InstitutionName="North", StudyInstanceUID=f"{UID}.{number}", SeriesInstanceUID=f"{UID}.9.{number // each}",
        ))  # fmt: skip
    return folder


@pytest.mark.parametrize("suffix", [".dcm", ""])
def test_folders_by_class(tmp_path: Path, suffix: str) -> None:
    draft = look(films(tmp_path / "raw", suffix=suffix))
    assert draft.values["source"] == {"reader": "dicom", "path": str(tmp_path / "raw")}
    assert draft.values["split"]["by"] == "patient"
    assert draft.values["targets"]["finding"] == {"kind": "binary", "classes": ["normal", "pneumonia"]}
    assert draft.found[0] == "60 DICOM pictures of 30 patients, 60 series"
    data = cleaned(tmp_path / "raw", tmp_path / "work")
    assert sum(data.info.counts.values()) == 60
    assert data.samples()["patient"].nunique() == 30


@pytest.mark.parametrize(("key", "value"), [("path", "export/Mueller_{}.dcm"), ("StudyInstanceUID", UID + ".{}")])
@pytest.mark.parametrize("named", [True, False])
def test_a_table_beside_them(tmp_path: Path, key: str, value: str, named: bool) -> None:
    films(tmp_path / "raw", folders=False)
    column = key if named else "reference"
    lines = [f"{value.format(n)},{('effusion', 'normal')[n % 2]}" for n in range(60)]
    (tmp_path / "raw" / "list.csv").write_text("\n".join([f"{column},diagnosis", *lines]) + "\n")
    draft = look(tmp_path / "raw")
    assert draft.values["source"]["key"] == key
    assert draft.values["source"].get("columns") == (None if named else {"key": "reference"})
    assert draft.values["targets"]["diagnosis"]["classes"] == ["normal", "effusion"]
    assert "Mueller" not in str(draft)
    assert sum(cleaned(tmp_path / "raw", tmp_path / "work").info.counts.values()) == 60


def test_slices_of_a_series_are_pointed_out(tmp_path: Path) -> None:
    found = "\n".join(look(films(tmp_path, each=10)).found)
    assert "10 files a series: they are slices" in found
    assert "volumes can't be trained on yet" in found


def test_without_classes_nobody_knows_what_is_on_them(tmp_path: Path) -> None:
    error = refusal(films(tmp_path, folders=False))
    assert error.found == "60 DICOM pictures of 30 patients, 60 series, and nothing that says what is on them"
    (tmp_path / "list.csv").write_text("StudyInstanceUID,n\n" + "".join(f"{UID}.{n},{n}.5\n" for n in range(60)))
    assert refusal(tmp_path).found == "StudyInstanceUID, n"


def test_the_target_can_be_named(tmp_path: Path) -> None:
    films(tmp_path, folders=False)
    lines = [f"{UID}.{n},{'ab'[n % 2]},{'xyz'[n % 3]}" for n in range(60)]
    (tmp_path / "list.csv").write_text("\n".join(["StudyInstanceUID,view,finding", *lines]))
    assert [*look(tmp_path).values["targets"]] == ["finding"]
    assert [*look(tmp_path, Questions(target="view")).values["targets"]] == ["view"]
