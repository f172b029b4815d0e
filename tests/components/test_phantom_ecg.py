"""The ECG phantom: equal bytes for equal settings, hearts that beat as their annotations say, faults that are there."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import wfdb
from pydantic import ValidationError

from components.lib.errors import DataError
from components.lib.phantoms.ecg import EcgFaults, EcgPhantom
from components.phantom.ecg import ecg

FAULTS = EcgFaults(flat=2, clipped=1, truncated=1, missing_signal=2)


class Record(NamedTuple):
    signal: np.ndarray  # mV (samples, 2)
    samples: np.ndarray  # of the beats
    symbols: np.ndarray
    fibrillating: np.ndarray  # at each beat

    def around(self, chosen: np.ndarray, first: float, last: float, lead: int) -> np.ndarray:
        """Stretches of a lead, one a row, from `first` to `last` seconds around chosen beats."""
        offsets = np.arange(round(first * 250), round(last * 250))
        places = self.samples[chosen][:, None] + offsets
        return self.signal[places[(places[:, 0] >= 0) & (places[:, -1] < len(self.signal))], lead]


def make(out: Path, **settings: object) -> dict[str, bytes]:
    ecg(EcgPhantom.model_validate({"patients": 12, "seconds": 20, **settings}), out)
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def read(out: Path, name: str) -> Record:
    annotation = wfdb.rdann(str(out / name), "atr")
    symbols, notes = np.array(annotation.symbol), [note.rstrip("\0") for note in annotation.aux_note]
    starts = np.flatnonzero(symbols == "+")
    last = np.searchsorted(starts, np.arange(len(symbols)), side="right") - 1
    ill = np.array([notes[starts[at]] == "(AFIB" for at in last])
    beats = symbols != "+"
    return Record(wfdb.rdrecord(str(out / name)).p_signal, annotation.sample[beats], symbols[beats], ill[beats])


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Records without noise, in which the heart alone is seen."""
    out = tmp_path_factory.mktemp("clean")
    make(out, patients=40, seconds=60, noise=0.0, wander=0.0, fibrillation=0.4)
    return [read(out, name) for name in (out / "RECORDS").read_text().split()]


@pytest.fixture(scope="module")
def sinus(clean: list[Record]) -> list[Record]:
    return [record for record in clean if not record.fibrillating.any()]


@pytest.fixture(scope="module")
def fibrillation(clean: list[Record]) -> list[Record]:
    return [record for record in clean if record.fibrillating.all()]


def intervals(record: Record) -> np.ndarray:
    """Seconds between beats that are normal, as are their neighbours."""
    calm = np.array(["".join(record.symbols[at - 1 : at + 3]) == "NNNN" for at in range(1, len(record.symbols) - 2)])
    return np.diff(record.samples)[1:-1][calm] / 250


def test_equal_settings_give_equal_bytes_and_more_patients_leave_the_first_alone(tmp_path: Path) -> None:
    first, again, more = make(tmp_path / "1"), make(tmp_path / "2"), make(tmp_path / "3", patients=17)
    assert first == again
    assert first["index.csv"].splitlines() == more["index.csv"].splitlines()[:13]
    assert {name: content for name, content in first.items() if name[-4:] in (".dat", ".hea", ".atr")}.items() <= (
        more.items()
    )


def test_another_seed_gives_another_heart(tmp_path: Path) -> None:
    first, second = make(tmp_path / "1", patients=1), make(tmp_path / "2", patients=1, seed=1)
    assert first["ecg0000.dat"] != second["ecg0000.dat"]
    assert first["ecg0000.atr"] != second["ecg0000.atr"]


def test_records_are_listed_and_readable(tmp_path: Path) -> None:
    files = make(tmp_path)
    with (tmp_path / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["record"] for row in rows] == files["RECORDS"].decode().split()
    assert [row["patient"] for row in rows] == [f"PHANTOM-{number:04d}" for number in range(12)]
    assert all(18 <= int(row["age"]) <= 94 and row["sex"] in "FM" and row["site"] in "ABC" for row in rows)
    for row in rows:
        record = wfdb.rdrecord(str(tmp_path / row["record"]))
        assert (record.sig_name, record.units, record.fs, record.sig_len) == (["II", "V1"], ["mV", "mV"], 250, 5000)
        assert record.base_date is None
        assert record.base_time is None
        annotation = wfdb.rdann(str(tmp_path / row["record"]), "atr")
        assert (annotation.sample[0], annotation.symbol[0], annotation.fs) == (0, "+", 250)
        assert set(annotation.symbol) <= set("NAV+")
        assert 0 < annotation.sample[1] <= annotation.sample[-1] < 5000


def test_rate_and_length_are_as_asked_for(tmp_path: Path) -> None:
    make(tmp_path, patients=1, rate=500, seconds=12)
    record, annotation = wfdb.rdrecord(str(tmp_path / "ecg0000")), wfdb.rdann(str(tmp_path / "ecg0000"), "atr")
    assert (record.fs, record.sig_len, annotation.fs) == (500, 6000, 500)
    assert 10 < len(annotation.sample) < 30


def test_amplitudes_are_plausible(tmp_path: Path) -> None:
    for name in (name for name in make(tmp_path) if name.endswith(".dat")):
        signal = read(tmp_path, name.removesuffix(".dat")).signal
        assert np.isfinite(signal).all()
        assert (np.ptp(signal, axis=0) > 0.3).all()
        assert np.abs(signal).max() < 4


def test_shares_are_as_asked_for(clean: list[Record]) -> None:
    symbols, ill = (np.concatenate([record[at] for record in clean]) for at in (2, 3))
    assert np.mean([record.fibrillating.any() for record in clean]) == pytest.approx(0.4, abs=0.05)
    assert np.mean(symbols == "V") == pytest.approx(0.08, abs=0.03)
    assert np.mean(symbols[~ill] == "A") == pytest.approx(0.1, abs=0.04)
    assert not (symbols[ill] == "A").any()


def test_none_of_what_was_not_asked_for(tmp_path: Path) -> None:
    make(tmp_path, fibrillation=0.0, ventricular=0.0, supraventricular=0.0)
    for name in (tmp_path / "RECORDS").read_text().split():
        record = read(tmp_path, name)
        assert set(record.symbols) == {"N"}
        assert not record.fibrillating.any()


def test_some_hearts_start_or_stop_fibrillating(clean: list[Record]) -> None:
    assert any(record.fibrillating.any() and not record.fibrillating.all() for record in clean)


def test_normal_beats_are_annotated_at_the_peak_of_lead_ii(sinus: list[Record]) -> None:
    for record in sinus:
        assert (np.argmax(record.around(record.symbols == "N", -0.06, 0.06, 0), axis=1) - 15 == 0).mean() > 0.8


def test_ventricular_beats_are_wider_than_normal_ones(clean: list[Record]) -> None:
    def width(record: Record, symbol: str) -> float:
        beats = np.abs(record.around(record.symbols == symbol, -0.12, 0.16, 0))
        return float(np.median((beats > 0.3 * beats.max(axis=1, keepdims=True)).sum(axis=1)))

    both = [record for record in clean if (record.symbols == "V").sum() > 1]
    assert len(both) > 10
    assert all(width(record, "V") > 1.4 * width(record, "N") for record in both)


def test_ectopic_beats_are_early_and_only_ventricular_ones_compensate(sinus: list[Record]) -> None:
    spans: dict[str, list[float]] = {"A": [], "V": []}
    for record in sinus:
        gaps = np.diff(record.samples) / 250
        for at in np.flatnonzero(record.symbols != "N"):
            if 0 < at < len(gaps) and len(usual := intervals(record)):
                assert gaps[at - 1] < 0.86 * gaps[at]
                spans[record.symbols[at]].append((gaps[at - 1] + gaps[at]) / np.median(usual))
    assert np.median(spans["V"]) == pytest.approx(2, abs=0.05)
    assert np.median(spans["A"]) < 1.85


def test_fibrillation_is_irregular(sinus: list[Record], fibrillation: list[Record]) -> None:
    def variation(records: list[Record]) -> list[float]:
        return [gaps.std() / gaps.mean() for record in records if len(gaps := intervals(record)) > 10]

    assert max(variation(sinus)) < 0.1 < 0.14 < min(variation(fibrillation))


def test_p_waves_are_there_in_sinus_rhythm_alone(sinus: list[Record], fibrillation: list[Record]) -> None:
    def height(record: Record) -> float:
        chosen = record.symbols == "N"
        chosen[1:] &= record.symbols[:-1] == "N"
        mean = np.median(record.around(chosen, -0.23, -0.05, 0), axis=0)
        return float(mean[5:35].max() - (mean[0] + mean[-5]) / 2)

    assert min(map(height, sinus)) > 0.05
    assert np.median([height(record) for record in fibrillation]) < 0.03


def test_fibrillatory_waves_are_seen_between_the_beats_best_in_v1(
    sinus: list[Record], fibrillation: list[Record]
) -> None:
    def restless(records: list[Record], lead: int) -> list[float]:
        """Deviation, mV, from half a second after beats to a quarter before the next."""
        found = []
        for record in records:
            gaps = np.append(np.diff(record.samples), 0) / 250
            chosen = (gaps > 0.95) & (record.symbols == "N")
            if chosen.sum() > 1:
                found.append(float(record.around(chosen, 0.52, 0.7, lead).std(axis=1).mean()))
        return found

    assert min(restless(fibrillation, 1)) > 2 * max(restless(sinus, 1))
    assert np.mean(restless(fibrillation, 1)) > 1.3 * np.mean(restless(fibrillation, 0))


def test_faults_are_there_in_the_stated_number(tmp_path: Path) -> None:
    make(tmp_path, faults=FAULTS)
    found = dict.fromkeys(EcgFaults.model_fields, 0)
    for name in (tmp_path / "RECORDS").read_text().split():
        samples = tmp_path / f"{name}.dat"
        assert (tmp_path / f"{name}.atr").exists()
        if not samples.exists():
            found["missing_signal"] += 1
        elif samples.stat().st_size < 20 * 250 * 2 * 2:
            found["truncated"] += 1
            with pytest.raises(ValueError, match=r".+"):
                wfdb.rdrecord(str(tmp_path / name))
        else:
            signal = wfdb.rdrecord(str(tmp_path / name)).p_signal
            found["flat"] += bool((np.ptp(signal, axis=0) == 0).any())
            found["clipped"] += bool((np.abs(signal) == 5).mean() > 0.5)
    assert found == FAULTS.model_dump()


def test_more_faults_than_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        make(tmp_path / "out", patients=3, faults=EcgFaults(flat=2, truncated=2))
    assert error.value.where == "phantom.faults.truncated"
    assert "at most 1" in error.value.expected
    assert error.value.found == "2"
    assert "phantom.patients" in error.value.todo
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"patients": 0}, {"seconds": 5}, {"rate": 50}, {"fibrillation": 1.1}, {"ventricular": 0.5}, {"noise": -0.1},
        {"faults": {"flat": -1}}, {"hertz": 250},
    ],
)  # fmt: skip
def test_settings_out_of_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EcgPhantom.model_validate(wrong)
