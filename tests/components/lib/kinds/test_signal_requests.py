"""What a caller may send for a signal: an array, an object, a packed WFDB record; and what is said of all else."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces import beats

from components.lib.errors import Unusable
from components.lib.kinds.signal import Signal, Waveform

KIND = Signal(kind="signal", seconds=2.0, rate=125.0, leads=("II|MLII", "V1"))
ONE = Signal(kind="signal", seconds=2.0, rate=125.0, leads=("II",))


def answer(value: Any, kind: Signal = KIND) -> str:
    """What a caller is told about a value that can't be used."""
    with pytest.raises(Unusable) as caught:
        kind.clean(kind.from_request("ecg", {"ecg": value}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_request_is_an_array_or_an_object() -> None:
    expected = KIND.clean(beats()).array
    long, rate = beats(250.0, 6.0), 250.0
    for value in (
        beats().tolist(),
        beats(),
        {"values": beats().tolist()},
        {"values": (beats()[:, ::-1] * 1000).tolist(), "leads": ["V1", "mlii"], "unit": "uV", "rate": 125},
        {"values": beats().tolist(), "rate": None, "leads": None, "unit": None, "at": None},
        {"values": long.tolist(), "rate": rate},
        {"values": long.tolist(), "rate": rate, "at": 1},
        {"values": long.tolist(), "rate": rate, "at": 5.0},
    ):
        cleaned = KIND.clean(KIND.from_request("ecg", {"ecg": value})).array
        assert np.abs(cleaned - expected)[2:-2].max() < 0.02
    flat = {"values": [row[0] for row in beats().tolist()], "leads": ["II"]}
    np.testing.assert_array_equal(ONE.clean(ONE.from_request("ecg", {"ecg": flat})).array, expected[:, :1])


def test_null_is_a_gap() -> None:
    values = beats().tolist()
    values[3][1] = None
    assert KIND.clean(KIND.from_request("ecg", {"ecg": values})).quality["missing"] == 1 / 250


@pytest.mark.parametrize("rate", [125.0, 360.0, 257.3])
def test_a_request_made_of_a_signal_gives_the_same_array(rate: float) -> None:
    values = beats(rate)
    values[1, 0] = np.nan
    raw = Waveform(np.hstack([values * 1000, values]), rate, ("mlii", "V1", "x", "y"), ("uV", "µV", "mmHg", "NU"))
    request = json.loads(json.dumps(KIND.to_request("ecg", raw), allow_nan=False))
    np.testing.assert_array_equal(KIND.clean(KIND.from_request("ecg", request)).array, KIND.clean(raw).array)
    assert KIND.clean(KIND.from_request("ecg", KIND.to_request("ecg", beats()))).array.shape == KIND.shape
    assert [column.name for column in KIND.request_columns("ecg")] == ["ecg"]


LONG = beats(250.0, 6.0).tolist()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "found nothing"),
        ("", "found nothing"),
        (np.nan, "expected an array of numbers in mV"),
        (7, "found one number"),
        ([], "expected numbers"),
        ([[]], "expected numbers"),
        ([[1, 2], [3]], "as many in every row"),
        ([1, [2]], "as many in every row"),
        (["1", "2"], "expected numbers"),
        ([True, False], "expected numbers"),
        ([[[1.0]]], "expected numbers"),
        ([[10**400, 1]], "expected numbers"),
        ([0.1] * 250, "expected values of 2 leads (II, V1), (T, 2); found 1: name the leads"),
        ([[0.0, 1.0]] * 1080, "expected 250 values (2 s at 125 Hz), found 1080: name the rate"),
        ({"values": LONG, "at": 1}, "name the rate"),
        ({}, "an object without `values`"),
        ({"value": []}, "an object without `values`"),
        ({"values": LONG, "frequency": 1}, "found 'frequency'"),
        ({"values": LONG, "rates": 250}, "found 'rates'; nearest: rate"),
        ({"values": LONG, "rate": "250"}, "expected a number under `rate`"),
        ({"values": LONG, "rate": True}, "expected a number under `rate`"),
        ({"values": LONG, "rate": 0}, "wrong rate: 0 Hz"),
        ({"values": LONG, "rate": 250, "at": np.inf}, "no finite number"),
        ({"values": LONG, "rate": 250, "at": 0.2}, "expected `at` between 1 and 5 s"),
        ({"values": LONG, "rate": 250, "at": 5.5}, "inside a signal of 6 s; found 5.5"),
        ({"values": LONG[:250], "rate": 250}, "expected 500 values (2 s at 250 Hz), found 250"),
        ({"values": LONG[:250], "rate": 250, "at": 0.5}, "expected `at`"),
        ({"values": LONG, "rate": 250, "leads": "II"}, "expected a list of names"),
        ({"values": LONG, "rate": 250, "leads": ["II"]}, "a name for each of 2 leads under `leads`, found 1"),
        ({"values": LONG, "rate": 250, "leads": ["II", 1]}, "expected a list of names"),
        ({"values": LONG, "rate": 250, "leads": ["II", "V5"]}, "missing lead: expected V1"),
        ({"values": LONG, "rate": 250, "unit": "volt"}, "wrong unit"),
        ({"values": LONG, "rate": 250, "unit": 1}, "under `unit`"),
        ({"wfdb": 1}, "as a base64 string under `wfdb`"),
        ({"wfdb": "", "rate": 1}, "found 'rate'"),
        ("***", "no valid base64"),
        ("Röntgen", "no valid base64"),
        ("AAAA" * (3 << 20), "at most 8 MB"),
        (base64.b64encode(b"no ZIP").decode(), "expected a ZIP file"),
    ],
)
def test_other_requests_are_told_what_is_wanted(value: object, reason: str) -> None:
    assert reason in answer(value)


NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    NUMBERS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
NEARLY = st.fixed_dictionaries(
    {"values": JSON | st.just(LONG) | st.lists(st.lists(st.floats(), min_size=2, max_size=2), min_size=16)},
    optional={
        "rate": JSON | st.just(250.0), "leads": JSON | st.just(["II", "V1"]), "unit": JSON | st.just("uV"),
        "at": JSON | st.floats(0, 6), "wfdb": JSON,
    },
)  # fmt: skip


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(JSON | NEARLY | st.fixed_dictionaries({"wfdb": JSON | st.binary().map(lambda b: base64.b64encode(b).decode())}))
def test_no_value_does_anything_but_clean_or_be_refused(value: Any) -> None:
    try:
        cleaned = KIND.clean(KIND.from_request("ecg", {"ecg": value}))
    except Unusable:
        return
    assert cleaned.array.shape == KIND.shape


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a record of six seconds at 250 Hz."""
    folder = tmp_path_factory.mktemp("record")
    wfdb.wrsamp("r1", fs=250, units=["mV"] * 2, sig_name=["MLII", "V1"], p_signal=beats(250.0, 6.0), fmt=["16"] * 2,
                adc_gain=[1000.0] * 2, baseline=[0] * 2, write_dir=str(folder))  # fmt: skip
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def packed(files: dict[str, bytes]) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize("folder", ["", "a folder/"])
def test_a_packed_record_is_a_request(record: dict[str, bytes], folder: str) -> None:
    text = packed({folder + name: content for name, content in record.items()} | {"__MACOSX/._r1.hea": b"junk"})
    wrapped = "data:application/zip;base64," + "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    expected = KIND.clean(beats()).array
    for value in (text, wrapped, {"wfdb": text}, {"wfdb": text, "at": 5}):
        assert np.abs(KIND.clean(KIND.from_request("ecg", {"ecg": value})).array - expected)[2:-2].max() < 0.02
    assert "expected `at` between 1 and 5 s" in answer({"wfdb": text, "at": 0})


def test_records_that_are_none(record: dict[str, bytes]) -> None:
    header, signal = record["r1.hea"], record["r1.dat"]

    def told(**changes: bytes | None) -> str:
        files = {"r1.hea": header, "r1.dat": signal} | {name.replace("_", "."): c for name, c in changes.items()}
        return answer(packed({name: content for name, content in files.items() if content is not None}))

    assert "one .hea file, found 0" in told(r1_hea=None)
    assert "one .hea file, found 2" in told(r2_hea=header)
    assert "1 missing" in told(r1_dat=None)
    assert "cut off" in told(r1_dat=signal[:100])
    assert "header is damaged" in told(r1_hea=b"\xff\x00 nothing")
    assert "header is damaged" in told(r1_hea=b"")
    assert "1 missing" in told(r1_hea=header.replace(b"r1.dat", b"other.dat"))
    assert "header is damaged" in told(r1_hea=header.replace(b"r1.dat", b"/etc/passwd"))
    assert "header is damaged" in told(r1_hea=header.replace(b"r1.dat", b"../../r1.dat"))
    assert "values in the record" in told(r1_hea=header.replace(b" 1500", b" 150000000"))
    assert "at most 8 MB unpacked" in told(big_dat=bytes(9 << 20))
    assert "describes 2 signals" in told(r1_hea=header.replace(b"r1 2 ", b"r1 2225041500 "))
    assert "wrong rate" in told(r1_hea=header.replace(b" 250 ", b" 20001 "))
    assert "one segment" in told(r1_hea=b"r1/2 2 250 3000\nr2 1500\nr3 1500\n")


@pytest.mark.parametrize("name", ["../r1.dat", "/r1.dat", "a/../r1.dat", "r1", "r 1.dat", "..", "r1.dat::http", ".dat"])
def test_files_that_would_escape(record: dict[str, bytes], name: str) -> None:
    assert "plain names" in answer(packed({"r1.hea": record["r1.hea"], name: record["r1.dat"]}))


def test_links_and_encrypted_files_are_refused(record: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("r1.hea", record["r1.hea"])
        link = zipfile.ZipInfo("r1.dat")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "found a link" in answer(base64.b64encode(buffer.getvalue()).decode())
    plain = bytearray(base64.b64decode(packed(record)))
    plain[plain.index(b"PK\x01\x02") + 8] |= 1
    assert "expected a ZIP file" in answer(base64.b64encode(plain).decode())


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_record_goes_unanswered(record: dict[str, bytes], data: st.DataObject) -> None:
    content = bytearray(record["r1.hea"])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(
            st.sampled_from(b"0123456789 /\n:+-.x()ab\xff")
        )
    text = packed({"r1.hea": bytes(content), "r1.dat": record["r1.dat"]})
    try:
        KIND.clean(KIND.from_request("ecg", {"ecg": text}))
    except Unusable:
        return
