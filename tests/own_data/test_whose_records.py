"""Whose WFDB records are: by folders, names and comments of the headers, with evidence; and rhythms spelt otherwise."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from looks import spec_of
from pydantic import ValidationError

from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.kinds.binary import Binary
from components.lib.kinds.signal import Signal
from components.lib.readers.wfdb_records import Records
from pipelines.look import look

RATE = 100


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def record(folder: Path, name: str, comments: Sequence[str] = (), rhythms: Sequence[str] = ()) -> None:
    """A short record of noise with six beats, and a rhythm from each of the first ones on."""
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(zlib.crc32(name.encode())).normal(0, 0.2, (8 * RATE, 1))
    wfdb.wrsamp(place.name, fs=RATE, units=["mV"], sig_name=["II"], p_signal=noise, fmt=["16"],
                write_dir=str(place.parent), comments=[*comments])  # fmt: skip
    peaks = RATE * np.arange(1, 7)
    samples = np.concatenate([peaks - 20 if rhythms else np.zeros(0, int), peaks])
    symbols = ["+"] * (6 if rhythms else 0) + ["N", "V", "N", "N", "V", "N"]
    notes = [rhythms[at % len(rhythms)] for at in range(6)] if rhythms else []
    order = np.argsort(samples, kind="stable")
    wfdb.wrann(place.name, "atr", samples[order], symbol=[symbols[at] for at in order],
               aux_note=[[*notes, *[""] * 6][at] for at in order], fs=RATE, write_dir=str(place.parent))  # fmt: skip


def patients_of(folder: Path, work: Path) -> tuple[dict[str, Any], int]:
    draft = look(folder)
    spec = spec_of(draft, work)
    ingest(raw=folder, dataset=work / "ingested", private=work / "private", spec=spec)
    samples = Dataset(work / "ingested").samples()
    assert samples.groupby("patient")["split"].nunique().max() == 1
    return draft.values["source"], samples["patient"].nunique()


def test_a_folder_a_patient(tmp_path: Path) -> None:
    for number in range(24):
        record(tmp_path / "ecg", f"patient{number // 2:03d}/s{number:04d}_re")
    source, patients = patients_of(tmp_path / "ecg", tmp_path / "work")
    assert source["patient_from"] == "^(?P<patient>[^/]+)/"
    assert patients == 12


@pytest.mark.accept
def test_a_patient_in_the_names_of_records(tmp_path: Path) -> None:
    for number in range(24):
        record(tmp_path / "ecg", f"subject{number // 3 + 1}_{number % 3 + 1}")
    source, patients = patients_of(tmp_path / "ecg", tmp_path / "work")
    assert "patient_from" in source
    assert patients == 8


@pytest.mark.parametrize(
    "name",
    ["Patient ID", *(pytest.param(each, marks=pytest.mark.accept) for each in ("subject_id", "Patientennummer"))],
)
def test_a_comment_in_the_headers(tmp_path: Path, name: str) -> None:
    for number in range(20):
        record(tmp_path / "ecg", f"r{number:02d}", ["age: 70", f"{name}: {number // 2 + 1}"])
    source, patients = patients_of(tmp_path / "ecg", tmp_path / "work")
    assert source["patient_comment"] == name
    assert patients == 10


def test_numbers_of_records_are_no_patients(tmp_path: Path) -> None:
    for number in range(20):
        record(tmp_path / "ecg", str(100 + number), ["69 M 1085 1629 x1", "Patient: anonymous"])
    draft = look(tmp_path / "ecg")
    assert not {"patient_from", "patient_comment"} & {*draft.values["source"]}
    assert "no index says whose the records are: each record counts as one patient" in draft.found


def test_rhythms_spelt_otherwise_are_the_same_and_spellings_add_some(tmp_path: Path) -> None:
    record(tmp_path, "a", rhythms=["(AFIB", "(N", "(afib ", "(VFL", "(Afib", "(n"])
    source = Records(reader="wfdb", path=str(tmp_path), before=0.3, after=0.3,
                     labels={"sinus": ("(N",), "fibrillation": ("(AFIB",)})  # fmt: skip
    inputs = {"ecg": Signal(kind="signal", seconds=0.6, rate=100.0, leads=("II",))}
    plain = Binary(kind="binary", classes=("sinus", "fibrillation"))
    told = source.samples(tmp_path, inputs, {"rhythm": plain})["rhythm"].tolist()
    assert told == ["fibrillation", "sinus", "fibrillation", "fibrillation", "sinus"]
    wider = Binary(kind="binary", classes=("sinus", "fibrillation"), spellings={"fibrillation": ("(VFL",)})
    told = source.samples(tmp_path, inputs, {"rhythm": wider})["rhythm"].tolist()
    assert told == ["fibrillation", "sinus", "fibrillation", "fibrillation", "fibrillation", "sinus"]


def test_a_comment_and_an_expression_at_once_are_refused() -> None:
    with pytest.raises(ValidationError, match="that alone"):
        Records(reader="wfdb", path="x", before=0.3, after=0.3, patient_comment="id", patient_from="(?P<patient>a)")
