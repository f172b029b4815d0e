"""WFDB records: a row a beat with its class, a window around it, and clear words for what is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wfdb
from pydantic import ValidationError

from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError, Unusable
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.signal import Signal
from components.lib.readers.wfdb_records import Records
from components.lib.spec import TaskSpec

ROOT = Path(__file__).parents[4]
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", ROOT.parent / "shared" / "data")) / "ecg_wfdb"
RATE = 250
INPUTS: dict[str, Any] = {"ecg": Signal(kind="signal", seconds=1.0, rate=125.0, leads=("II", "V1"))}
TARGETS: dict[str, Any] = {"beat": Multiclass(kind="multiclass", classes=("N", "S", "V"))}
MARKS = [(10, "+", "(N"), (50, "N", ""), (250, "L", ""), (500, "A", ""), (600, "+", "(AFIB"), (750, "V", ""),
         (800, "T", ""), (1000, "N", ""), (1100, "F", ""), (1200, "+", "(N"), (1250, "N", ""), (1300, "|", ""),
         (1495, "V", "")]  # fmt: skip
"""Annotations of a record of six seconds: sample number, symbol, note."""


def signal(seed: int = 0) -> np.ndarray:
    """(1500, 2) mV, six seconds with a beat a second, and a ramp that tells the places apart."""
    time = np.arange(1500) / RATE
    wave = np.exp(-(((time % 1) / 0.03) ** 2)) + np.random.default_rng(seed).normal(0, 0.01, 1500)
    return np.stack([wave, -wave], axis=1) + 0.1 * time[:, None]


def write(folder: Path, name: str = "r1", marks: Any = MARKS, **changes: Any) -> Path:
    """A record with its annotations; `marks` None: without."""
    place = folder / Path(name).parent
    place.mkdir(parents=True, exist_ok=True)
    told = {
        "p_signal": signal(),
        "fs": RATE,
        "units": ["mV"] * 2,
        "sig_name": ["II", "V1"],
        "fmt": ["16"] * 2,
        **changes,
    }
    wfdb.wrsamp(Path(name).name, write_dir=str(place), **told)
    if marks:
        samples, symbols, notes = zip(*marks, strict=True)
        wfdb.wrann(Path(name).name, "atr", np.array(samples), symbol=list(symbols), aux_note=list(notes), fs=RATE,
                   write_dir=str(place))  # fmt: skip
    return folder


def source(folder: Path, **changes: Any) -> Records:
    return Records(**{"reader": "wfdb", "path": str(folder), "before": 0.4, "after": 0.6, **changes})


def rows(folder: Path, targets: Mapping[str, Any] = TARGETS, **changes: Any) -> pd.DataFrame:
    return source(folder, **changes).samples(folder, INPUTS, targets)


def problem(folder: Path, targets: Mapping[str, Any] = TARGETS, **changes: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        rows(folder, targets, **changes)
    return caught.value


def test_a_beat_is_a_row_with_its_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(write(tmp_path))
    assert list(zip(table["row"], table["beat"], strict=True)) == [
        (250, "N"), (500, "S"), (750, "V"), (1000, "N"), (1250, "N"),
    ]  # fmt: skip
    assert (table["file"].unique().tolist(), table["patient"].unique().tolist()) == (["r1"], ["r1"])
    assert table[["split", "site", "sex", "age"]].isna().all().all()
    said = capsys.readouterr().out
    assert said == "beats: 5 of 8; left out: 2 whose window reaches past an end of the record, 1 of no class\n"


def test_the_first_and_last_beat_whose_window_fits_are_kept(tmp_path: Path) -> None:
    table = rows(write(tmp_path, marks=[(99, "N", ""), (100, "N", ""), (1350, "N", ""), (1351, "N", "")]))
    assert table["row"].tolist() == [100, 1350]
    load = source(tmp_path).opener(tmp_path, INPUTS)
    assert [len(load("r1", row).values) for row in table["row"]] == [250, 250]


def test_labels_name_symbols_and_rhythms_and_the_last_match_counts(tmp_path: Path) -> None:
    write(tmp_path)
    classes: dict[str, Any] = {"beat": Binary(kind="binary", classes=("sinus", "fibrillation"))}
    beats = ("N", "L", "A", "V", "F")
    both = rows(tmp_path, classes, labels={"sinus": beats, "fibrillation": ("(AFIB",)})
    assert both["beat"].tolist() == ["sinus", "sinus", *["fibrillation"] * 3, "sinus"]
    turned = rows(tmp_path, classes, labels={"fibrillation": ("(AFIB",), "sinus": beats})
    assert set(turned["beat"]) == {"sinus"}
    only = rows(tmp_path, classes, labels={"sinus": ("(N",), "fibrillation": ("(AFIB",)})
    assert only["beat"].tolist() == ["sinus", "sinus", *["fibrillation"] * 3, "sinus"]


def test_every_aami_group(tmp_path: Path) -> None:
    symbols = "NLRejAaJSVEF/fQ"
    write(tmp_path, marks=[(150 + 50 * place, symbol, "") for place, symbol in enumerate(symbols)])
    table = rows(tmp_path, {"beat": Multiclass(kind="multiclass", classes=tuple("NSVFQ"))})
    assert "".join(table["beat"]) == "NNNNNSSSSVVFQQQ"


def test_a_window_has_all_leads_at_the_records_rate(tmp_path: Path) -> None:
    write(tmp_path, units=["uV", "mV"], adc_gain=[1000.0, 1000.0], baseline=[0, 0])
    window = source(tmp_path).opener(tmp_path, INPUTS)("r1", 750)
    assert (window.rate, window.leads, window.units) == (250, ("II", "V1"), ("uV", "mV"))
    np.testing.assert_allclose(window.values, signal()[650:900], atol=1e-3)


def test_windows_come_out_clean_and_the_r_peak_keeps_its_place(tmp_path: Path) -> None:
    table = rows(write(tmp_path))
    load, kind = source(tmp_path).opener(tmp_path, INPUTS), INPUTS["ecg"]
    for row in table["row"]:
        assert abs(int(kind.clean(load("r1", row)).array[:, 0].argmax()) - 0.4 * 125) <= 1


def test_threads_read_the_same(tmp_path: Path) -> None:
    for number in range(7):
        write(tmp_path, f"r{number}", p_signal=signal(number))
    table = rows(tmp_path).sample(frac=1, random_state=0)
    load = source(tmp_path).opener(tmp_path, INPUTS)
    items = list(zip(table["file"], table["row"], strict=True))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda item: load(*item).content(), items))
    assert found == [load(*item).content() for item in items]
    assert len({*found}) == len(items)


def test_signals_of_two_rates_come_at_the_rate_of_the_frames(tmp_path: Path) -> None:
    fast = np.rint(np.repeat(signal()[:, 0], 2) * 1000).astype(np.int64)
    slow = np.rint(signal()[:, 1] * 1000).astype(np.int64)
    write(tmp_path)
    record = wfdb.Record(record_name="r1", n_sig=2, fs=RATE, sig_len=1500, samps_per_frame=[2, 1], fmt=["16", "16"],
                         file_name=["r1.dat"] * 2, adc_gain=[1000.0] * 2, baseline=[0, 0], units=["mV"] * 2,
                         sig_name=["II", "V1"], e_d_signal=[fast, slow], byte_offset=[None] * 2, adc_res=[16] * 2,
                         adc_zero=[0, 0], init_value=[int(fast[0]), int(slow[0])], block_size=[0, 0])  # fmt: skip
    record.checksum = record.calc_checksum(expanded=True)
    record.wrsamp(expanded=True, write_dir=str(tmp_path))
    window = source(tmp_path).opener(tmp_path, INPUTS)("r1", 750)
    np.testing.assert_allclose(window.values, signal()[650:900], atol=2e-3)


def test_an_index_says_who_and_where(tmp_path: Path) -> None:
    write(write(tmp_path, "a/r1"), "a/r2")
    write(tmp_path, "left_out")
    index = "record,patient,split,sex,age,hospital,ill\na/r2,P2,test,F,70,H,1\na/r1,,train,,NA,H,0\n"
    (tmp_path / "index.csv").write_text(index)
    targets = {**TARGETS, "ill": Binary(kind="binary", classes=("0", "1"))}
    assert "2: beat, ill" in problem(tmp_path, targets, index="index.csv").found
    columns = {"record": "record", "split": "split", "site": "hospital"}
    table = rows(tmp_path, index="index.csv", columns=columns)
    assert table.groupby("file")["row"].count().to_dict() == {"a/r1": 5, "a/r2": 5}
    per_record = table.drop_duplicates("file").set_index("file")
    assert per_record["patient"].to_dict() == {"a/r1": "a/r1", "a/r2": "P2"}
    assert per_record["split"].to_dict() == {"a/r1": "train", "a/r2": "test"}
    assert per_record.loc["a/r2", ["site", "sex", "age"]].tolist() == ["H", "F", "70"]


def test_a_list_of_records_comes_before_the_headers_there_are(tmp_path: Path) -> None:
    write(write(tmp_path, "r1"), "deep/r2")
    assert set(rows(tmp_path)["file"]) == {"r1", "deep/r2"}
    (tmp_path / "RECORDS").write_text("deep/r2\n")
    assert set(rows(tmp_path)["file"]) == {"deep/r2"}


@pytest.mark.parametrize("listed", ["../r1", "/r1", "r1\nr1", ""])
def test_records_outside_the_folder_or_named_twice(tmp_path: Path, listed: str) -> None:
    (write(tmp_path) / "RECORDS").write_text(listed)
    assert str(tmp_path / "RECORDS") in problem(tmp_path).where


def test_missing_files_are_told_by_name(tmp_path: Path) -> None:
    (write(tmp_path) / "r1.atr").rename(tmp_path / "r1.qrs")
    error = problem(tmp_path)
    assert (error.where, error.found) == (str(tmp_path / "r1.atr"), "no such file")
    assert len(rows(tmp_path, annotator="qrs")) == 5
    (tmp_path / "RECORDS").write_text("r2")
    error = problem(tmp_path)
    assert (error.where, error.found) == (str(tmp_path / "r2.hea"), "no such file")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"# comment alone\n", b"r1 0 250 100\n", b"r1 2 0 1500\n", b"r1 900 250 1500\n"]
)
def test_a_damaged_header(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path) / "r1.hea").write_bytes(content)
    assert problem(tmp_path).where == str(tmp_path / "r1.hea")


def test_damaged_annotations(tmp_path: Path) -> None:
    (write(tmp_path) / "r1.atr").write_bytes(b"\x01\x02\x03")
    assert problem(tmp_path).where == str(tmp_path / "r1.atr")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file.with_suffix(".atr").unlink(), "annotations of a WFDB record: no such file"),
        (lambda file: file.with_suffix(".atr").write_bytes(b"\1\2\3"), "annotations of a WFDB record: [A-Za-z]+"),
        (lambda file: file.with_suffix(".hea").write_bytes(b"Secret"), "header of a WFDB record with signals: [A-Z].+"),
    ],
)
def test_one_record_that_cannot_be_read_is_one_row_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Any, reason: str
) -> None:
    for name in ("r1", "Secret-Name", "r3"):
        write(tmp_path, name)
    spoil(tmp_path / "Secret-Name.x")
    table = rows(tmp_path)
    good, (bad,) = table[table["refused"].isna()], table[table["refused"].notna()].to_dict("records")
    assert good.groupby("file").size().to_dict() == {"r1": 5, "r3": 5}
    assert re.fullmatch(f"unreadable: (the )?{reason}", bad["refused"])
    assert source(tmp_path).place(bad["file"], bad["row"]) == "record 1, by name"
    assert capsys.readouterr().out.startswith("beats: 10 of 16;")


def test_a_record_that_cannot_be_read_goes_to_the_rejected_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        write(tmp_path / "raw", f"Secret-{number:02d}", p_signal=signal(number), marks=None if number == 4 else MARKS)
    task = {
        "task": "beats", "source": source(tmp_path / "raw", public_key=True).model_dump(),
        "inputs": {"ecg": INPUTS["ecg"].model_dump()}, "targets": {"beat": TARGETS["beat"].model_dump()},
        "split": {"validation": 0.3, "test": 0.3, "seed": 3},
    }  # fmt: skip
    spec = TaskSpec.model_validate_json(json.dumps(task))
    ingest(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", spec)
    dataset = Dataset(tmp_path / "ingested")
    assert dataset.samples()["patient"].nunique() == 11
    (row,) = dataset.rejected().to_dict("records")
    assert (row["sample_id"], row["place"]) == ("refused-0", "record 5, by name")
    assert row["reason"] == "unreadable: annotations of a WFDB record: no such file"
    said = capsys.readouterr().out
    assert f"left out: 1 {row['reason']}; see rejected.parquet" in said
    assert "Secret" not in said


def test_where_no_record_can_be_read_it_is_an_error(tmp_path: Path) -> None:
    for name in ("r1", "r2"):
        write(tmp_path, name, marks=None)
    assert problem(tmp_path).where == str(tmp_path / "r1.atr")


def test_no_folder_and_no_record(tmp_path: Path) -> None:
    assert problem(tmp_path / "none").found == "no such folder"
    assert problem(tmp_path).found == "no record"


def test_no_beat_is_left(tmp_path: Path) -> None:
    assert "none in 1 records" in problem(write(tmp_path, marks=[(50, "N", ""), (500, "F", "")])).found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "unreadable: the record's signal files are cut off"),
        (lambda path: path.write_bytes(b""), "unreadable"),
    ],
)
def test_a_cut_off_signal_is_a_finding_about_its_beats(tmp_path: Path, change: Any, reason: str) -> None:
    change(write(tmp_path) / "r1.dat")
    table, load = rows(tmp_path), source(tmp_path).opener(tmp_path, INPUTS)
    for row in table["row"]:
        with pytest.raises(Unusable, match=reason) as caught:
            load("r1", row)
        assert "r1" not in str(caught.value)


def test_a_header_without_its_signal_is_a_missing_file(tmp_path: Path) -> None:
    (write(tmp_path) / "r1.dat").unlink()
    table, load = rows(tmp_path), source(tmp_path).opener(tmp_path, INPUTS)
    for row in table["row"]:
        with pytest.raises(FileNotFoundError):
            load("r1", row)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (signal() * [1, 0], "flat"),
        (np.clip(signal(), -0.3, 0.9), "clipped"),
        (np.where(np.arange(1500)[:, None] % 40 == 0, np.nan, signal()), "gaps"),
    ],
)
def test_bad_electrodes_are_refused_in_cleaning(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    write(tmp_path, p_signal=values, adc_gain=[200.0] * 2, baseline=[0] * 2)
    window = source(tmp_path).opener(tmp_path, INPUTS)("r1", 750)
    with pytest.raises(Unusable, match=reason):
        INPUTS["ecg"].clean(window)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"N": ("N",), "S": ("A",), "W": ("V",)}, "'W', which is not among the classes"),
        ({"N": ("N",), "S": ("A",)}, "'V', which is not among the labels"),
        ({"N": ("N",), "S": ("A",), "V": ("normal",)}, "'normal'"),
        ({"N": ("N",), "S": ("A",), "V": ()}, "an empty list"),
    ],
)
def test_labels_that_fit_no_class(tmp_path: Path, labels: Any, found: str) -> None:
    assert found in problem(write(tmp_path), labels=labels).found


def test_a_misspelt_class_is_told_with_the_nearest(tmp_path: Path) -> None:
    targets: dict[str, Any] = {"beat": Binary(kind="binary", classes=("normal", "ventricular"))}
    labels = {"normal": ("N",), "ventriclar": ("V",)}
    assert (
        "'ventriclar', which is not among the classes; nearest: ventricular"
        in problem(write(tmp_path), targets, labels=labels).found
    )
    assert "class 'normal'" in problem(tmp_path, targets).found


def test_targets_that_annotations_do_not_give(tmp_path: Path) -> None:
    write(tmp_path)
    assert problem(tmp_path, {**TARGETS, "other": TARGETS["beat"]}).found == "2: beat, other"
    assert problem(tmp_path, {}).found == "none"


def test_a_window_of_another_length_than_the_inputs(tmp_path: Path) -> None:
    error = problem(write(tmp_path), before=0.5)
    assert (error.where, error.found) == ("source.before, source.after and inputs.ecg.seconds", "0.5 + 0.6 = 1.1 s")


def test_a_place_names_nobody(tmp_path: Path) -> None:
    assert source(tmp_path).place("r1", 250) == ""


@pytest.mark.parametrize(
    "wrong", [{"before": -1.0}, {"after": 0.0}, {"annotator": "../atr"}, {"index": 3}, {"rate": 1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(Path(), **wrong)


@pytest.mark.skipif(not REAL.exists(), reason=f"real data are not there: {REAL.name}; set MEDPIPE_REAL_DATA")
def test_a_real_record_has_its_published_beats(tmp_path: Path) -> None:
    for suffix in ("hea", "dat", "atr"):
        shutil.copy(REAL / f"100.{suffix}", tmp_path)
    kind = Signal(kind="signal", seconds=1.0, rate=125.0, leads=("II|MLII", "V5"))
    table = source(tmp_path).samples(tmp_path, {"ecg": kind}, TARGETS)
    # 2239 normal, 33 atrial and 1 ventricular beat; the first and last ones are too near to the ends
    assert table["beat"].value_counts().to_dict() == {"N": 2237, "S": 33, "V": 1}
    load = source(tmp_path).opener(tmp_path, {"ecg": kind})
    cleaned = [kind.clean(load(file, row)) for file, row in zip(table["file"], table["row"], strict=True)]
    assert {piece.array.shape for piece in cleaned} == {kind.shape}
