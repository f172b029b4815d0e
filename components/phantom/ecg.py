"""A folder of synthetic electrocardiograms, WFDB records with an index, as an archive might hand it over."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import wfdb

from components.lib.errors import DataError
from components.lib.phantoms.ecg import EcgPhantom
from components.lib.progress import progress
from components.phantom.heart import Patient, Rhythm, patient, rhythm
from components.phantom.leads import LEADS, RAIL, Signal, leads

GAIN = 200.0  # steps of the converter for a mV


def _faults(settings: EcgPhantom) -> dict[int, str]:
    """The fault of each patient who gets one, always the same for a seed."""
    generator = np.random.default_rng([settings.seed, settings.patients, 0xFA017])
    free, planted = generator.permutation(settings.patients).tolist(), {}
    for fault, wanted in settings.faults.model_dump().items():
        if wanted > len(free):
            raise DataError(f"phantom.faults.{fault}", found=str(wanted),
                            expected=f"at most {len(free)}, the records still free of faults",
                            todo="raise phantom.patients or plant fewer faults")  # fmt: skip
        planted.update({free.pop(): fault for _ in range(wanted)})
    return planted


def _spoil(signal: Signal, rate: int, fault: str) -> Signal:
    """The signal (samples, 2) with a fault of the electrodes; other faults leave it as it is."""
    if fault == "flat":
        return signal * (1, 0)
    if fault == "clipped":  # a loose electrode, whose voltage swings slowly and far beyond what the amplifier takes
        swing = 3 * RAIL * np.sin(2 * np.pi * 0.11 * np.arange(len(signal)) / rate + 0.7)
        return np.clip(signal + swing[:, None], -RAIL, RAIL)
    return signal


def _annotate(who: Patient, heart: Rhythm, settings: EcgPhantom, out: Path, name: str) -> None:
    """Write the annotations: a symbol at each R peak inside the record, and the rhythm where it starts."""
    changes = [0.0, *(time for time in who.fibrillation if 0 < time < settings.seconds)]
    rhythms = [(time, "+", "(AFIB" if who.fibrillates(time) else "(N") for time in changes]
    last = settings.seconds - 0.5 / settings.rate
    peaks = [(beat.time, beat.symbol, "") for beat in heart.beats if 0 < beat.time < last]
    times, symbols, notes = zip(*sorted(rhythms + peaks), strict=True)
    samples = np.rint(np.array(times) * settings.rate).astype(np.int64)
    wfdb.wrann(name, "atr", samples, symbol=list(symbols), aux_note=list(notes), fs=settings.rate, write_dir=str(out))


def _record(settings: EcgPhantom, number: int, out: Path, fault: str) -> dict[str, str]:
    """Write the record of one patient and return its row of the index."""
    who, name = patient(settings, number), f"ecg{number:04d}"
    heart = rhythm(settings, who)
    signal = _spoil(leads(settings, who, heart), settings.rate, fault)
    wfdb.wrsamp(name, fs=settings.rate, units=["mV"] * 2, sig_name=list(LEADS), p_signal=signal, fmt=["16"] * 2,
                adc_gain=[GAIN] * 2, baseline=[0] * 2, comments=["synthetic"], write_dir=str(out))  # fmt: skip
    _annotate(who, heart, settings, out, name)
    samples = out / f"{name}.dat"
    if fault == "truncated":
        samples.write_bytes(samples.read_bytes()[: samples.stat().st_size // 2])
    elif fault == "missing_signal":
        samples.unlink()
    return {"record": name, "patient": f"PHANTOM-{number:04d}", "age": str(who.age), "sex": who.sex, "site": who.site}


def ecg(settings: EcgPhantom, out: Path) -> None:
    """Write WFDB records, `RECORDS` and `index.csv` into the fresh folder `out`; equal settings give equal bytes.

    A record has leads II and V1 in mV, and annotations `atr`: N, A or V at each R peak, `+` where a rhythm starts.
    Raises DataError where there are more faults than records.
    """
    faults = _faults(settings)
    out.mkdir(parents=True, exist_ok=True)
    numbers = progress(range(settings.patients), "phantom")
    rows = [_record(settings, number, out, faults.get(number, "")) for number in numbers]
    (out / "RECORDS").write_text("".join(f"{row['record']}\n" for row in rows), encoding="utf-8")
    with (out / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
