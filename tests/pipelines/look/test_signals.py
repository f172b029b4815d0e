"""ECG records and beats as text."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from looks import REAL, cleaned, needs, refusal

from pipelines.look import look


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def record(
    folder: Path, name: str, *, leads: tuple[str, ...] = ("MLII", "V5", "RESP"), rate: int = 250, symbols: str = "NVN",
    annotator: str | None = "atr",
) -> None:  # fmt: skip
    """A record of noise, 20 beats a second apart whose symbols come in turns."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(zlib.crc32(name.encode())).normal(0, 0.2, (22 * rate, len(leads)))
    units = ["NU" if lead == "RESP" else "mV" for lead in leads]
    wfdb.wrsamp(name, fs=rate, units=units, sig_name=[*leads], p_signal=noise, fmt=["16"] * len(leads),
                write_dir=str(folder))  # fmt: skip
    if annotator:
        marks = [symbols[n % len(symbols)] for n in range(20)]
        wfdb.wrann(name, annotator, rate * np.arange(1, 21), symbol=marks, fs=rate, write_dir=str(folder))


def records(folder: Path, count: int = 30, **changes: Any) -> Path:
    """That many records."""
    for number in range(count):
        record(folder, f"r{number:02d}", **changes)
    return folder


def test_records_are_cut_into_beats(tmp_path: Path) -> None:
    draft = look(records(tmp_path / "raw"))
    assert draft.values["source"] == {
        "reader": "wfdb", "path": str(tmp_path / "raw"), "before": 0.5, "after": 0.7,
    }  # fmt: skip
    assert draft.values["inputs"]["ecg"] == {"kind": "signal", "seconds": 1.2, "rate": 125.0, "leads": ["MLII", "V5"]}
    assert draft.values["targets"] == {"beat": {"kind": "binary", "classes": ["N", "V"]}}
    assert draft.values["split"]["by"] == "patient"
    assert draft.found[0] == "30 ECG records (WFDB), 30 of them with annotated beats"
    assert "no index says whose the records are: each record counts as one patient" in draft.found
    data = cleaned(tmp_path / "raw", tmp_path / "work")
    assert sum(data.info.counts.values()) == 600


def test_a_lead_of_two_names_is_one(tmp_path: Path) -> None:
    records(tmp_path, 4, leads=("MLII", "V1"))
    record(tmp_path, "x", leads=("V1", "II"), rate=100)
    ecg = look(tmp_path).values["inputs"]["ecg"]
    assert ecg["leads"] == ["II|MLII", "V1"] or ecg["leads"] == ["MLII|II", "V1"]
    assert ecg["rate"] == 100


def test_an_index_says_whose_records_they_are(tmp_path: Path) -> None:
    records(tmp_path / "raw", 20)
    lines = [f"r{n:02d},P{n // 2},{60 + n},F,A" for n in range(20)]
    (tmp_path / "raw" / "who.csv").write_text("\n".join(["rec,PatientID,age,sex,site", *lines]) + "\n")
    draft = look(tmp_path / "raw")
    assert draft.values["source"]["index"] == "who.csv"
    assert draft.values["source"]["columns"] == {"record": "rec", "patient": "PatientID"}
    assert "column 'PatientID' is the patient: 10 patients in 20 rows" in draft.found
    data = cleaned(tmp_path / "raw", tmp_path / "work")
    assert data.samples()["patient"].nunique() == 10


def test_groups_that_are_too_rare_are_left_out_and_others_stay(tmp_path: Path) -> None:
    records(tmp_path, 6, symbols="NVNA")
    record(tmp_path, "x", symbols="NVFF")
    draft = look(tmp_path)
    assert draft.values["targets"]["beat"] == {"kind": "multiclass", "classes": ["N", "S", "V"]}
    assert "F left out: 10 in 1 record, too few to split" in draft.found


def test_other_annotators(tmp_path: Path) -> None:
    assert look(records(tmp_path, 5, annotator="ecg")).values["source"]["annotator"] == "ecg"


@pytest.mark.parametrize(
    ("count", "changes", "found"),
    [
        (5, {"annotator": None}, "5 records without annotations"),
        (2, {}, "2 of 2 records with annotated beats, of 2 patients"),
        (5, {"symbols": "N"}, "N: 100 in 5 records"),
        (5, {"leads": ("RESP",)}, "none"),
    ],
)
def test_records_that_are_no_task(tmp_path: Path, count: int, changes: Any, found: str) -> None:
    assert refusal(records(tmp_path, count, **changes)).found == found


def test_records_without_annotations_among_others(tmp_path: Path) -> None:
    records(tmp_path, 5)
    record(tmp_path, "x", annotator=None)
    record(tmp_path, "y")
    (tmp_path / "y.atr").write_bytes(b"\1\2\3")
    assert "2 records without annotations, or with a header or annotations that can't be read" in str(
        look(tmp_path).found
    )
    data = cleaned(tmp_path, tmp_path.with_name("work"))
    assert sum(data.info.counts.values()) == 100
    (tmp_path / "RECORDS").write_text("\n".join(f"r{n:02d}" for n in range(5)))
    assert "can't be read" not in str(look(tmp_path).found)


def beats(path: Path, lines: int = 120, *, values: int = 60, labels: tuple[Any, ...] = (0, 1, 1, 2)) -> Path:
    """Beats as text."""
    path.parent.mkdir(exist_ok=True, parents=True)
    noise = np.random.default_rng(lines + values).random((lines, values))
    told = [",".join(f"{x:.4f}" for x in row) + f",{labels[n % len(labels)]}" for n, row in enumerate(noise)]
    path.write_text("\n".join(told) + "\n")
    return path


def test_beats_as_text(tmp_path: Path) -> None:
    draft = look(beats(tmp_path / "b.csv"))
    assert draft.values["inputs"]["ecg"] == {"kind": "signal", "seconds": 0.48, "rate": 125.0, "leads": ["II"]}
    assert draft.values["targets"]["beat"]["classes"] == ["class_0", "class_1", "class_2"]
    assert any("assumed: How many values a second" in line for line in draft.found)
    assert any("people stand on both sides" in line for line in draft.found)
    assert sum(cleaned(tmp_path / "b.csv", tmp_path / "work").info.counts.values()) == 120


def test_beats_of_mit_bih_as_they_are_passed_on(tmp_path: Path) -> None:
    draft = look(beats(tmp_path / "b.csv", values=187, labels=("0.0", "1.0", "2.0", "3.0", "4.0")))
    assert draft.values["targets"]["beat"]["classes"] == ["N", "S", "V", "F", "Q"]
    assert draft.values["inputs"]["ecg"]["seconds"] == 187 / 125


def test_a_folder_of_beats_keeps_its_split(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "val", "test")):
        beats(tmp_path / "raw" / f"{name}.csv", 40 + number, labels=("other", "ectopic"))
    draft = look(tmp_path / "raw")
    assert draft.values["split"] == {"by": "patient", "unknown_patients": "accept", "method": "given"}
    assert draft.values["targets"]["beat"] == {"kind": "binary", "classes": ["other", "ectopic"]}
    assert cleaned(tmp_path / "raw", tmp_path / "work").info.counts == {"train": 40, "validation": 41, "test": 42}
    (tmp_path / "raw" / "val.csv").unlink()
    assert look(tmp_path / "raw").values["split"] == {
        "by": "patient",
        "unknown_patients": "accept",
        "method": "given",
        "validation": 0.15,
    }
    (tmp_path / "raw" / "test.csv").unlink()
    assert refusal(tmp_path / "raw").found == "train.csv"


@needs("ecg_wfdb")
def test_records_of_physionet() -> None:
    assert refusal(REAL / "ecg_wfdb").found == "1 of 5 records with annotated beats, of 1 patient"
