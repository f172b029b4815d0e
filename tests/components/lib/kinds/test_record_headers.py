"""A WFDB header is measured before wfdb parses it: neither its lines nor what it states may hold a worker."""

from __future__ import annotations

import base64
import io
import resource
import zipfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import wfdb
from traces import beats

from components.lib.errors import DataError, Unusable
from components.lib.kinds._record_headers import MOST_HEADER, MOST_LINE, check_record, record_header
from components.lib.kinds.signal import Signal, read_record
from components.lib.readers._wfdb_files import annotations_of, comments_of, header_of

KIND = Signal(kind="signal", seconds=2.0, rate=125.0, leads=("II|MLII", "V1"))
FORMATS = ("16", "24", "32", "80", "212", "516")


def record(folder: Path, form: str = "16") -> Path:
    wfdb.wrsamp("r1", fs=125, units=["mV"] * 2, sig_name=["MLII", "V1"], p_signal=beats(), fmt=[form] * 2,
                adc_gain=[50.0] * 2, baseline=[0] * 2, write_dir=str(folder))  # fmt: skip
    return folder / "r1"


def packed(header: bytes, compression: int = zipfile.ZIP_DEFLATED) -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        archive.writestr("r.hea", header)
    return base64.b64encode(content.getvalue()).decode()


LINES = {
    "digits": "1{}", "a signal of digits": "r 1 100 10\n1{}", "digits and a word": "r 1 100 10\n{0} x{0}",
    "a segment of letters": "r/2 1 100 20\na{}", "blanks": "r 1 100 10\na.dat{}".replace("{}", " {} x"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_long_line_is_refused_at_once(name: str) -> None:
    """Thirty thousand digits, packed into a request of 348 characters, held a worker for nine seconds."""
    text = packed(LINES[name].format("1" * 30_000).encode())
    assert len(text) < 600
    begun = perf_counter()
    with pytest.raises(Unusable, match="more than 512 characters"):
        KIND.from_request("ecg", {"ecg": text})
    assert perf_counter() - begun < 1


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_a_comment_hides_no_long_line(tmp_path: Path, end: str) -> None:
    (tmp_path / "r.hea").write_text(f"# told{end}{'1' * (MOST_LINE + 1)}", newline="")
    with pytest.raises(Unusable, match="characters"):
        record_header(tmp_path / "r")


def test_time_grows_with_the_header_alone(tmp_path: Path) -> None:
    times = []
    for lines in (400, 1600):
        (tmp_path / "r.hea").write_text(f"r {lines} 100 10\n" + ("1" * MOST_LINE + "\n") * lines)
        begun = perf_counter()
        with pytest.raises(Exception, match=r".*"):
            record_header(tmp_path / "r")
        times.append(perf_counter() - begun)
    assert times[1] < 8 * times[0] + 0.2


def test_comments_may_be_long(tmp_path: Path) -> None:
    path = record(tmp_path)
    header = tmp_path / "r1.hea"
    header.write_text(header.read_text() + f"# Findings: {'long ' * 1000}\n")
    assert comments_of(path)["Findings"].startswith("long long")
    assert len(read_record(path).values) == 250


@pytest.mark.parametrize("form", FORMATS)
def test_a_record_of_any_format_is_read(tmp_path: Path, form: str) -> None:
    path = record(tmp_path, form)
    check_record(path)
    assert np.abs(read_record(path).values - beats()).max() < 0.02


@pytest.mark.parametrize("form", FORMATS)
def test_a_header_that_states_more_than_the_file_holds_is_refused(tmp_path: Path, form: str) -> None:
    path = record(tmp_path, form)
    header = tmp_path / "r1.hea"
    for length in ("100000000", "999999999999"):
        header.write_text(header.read_text().replace(" 250\n", f" {length}\n"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if form == "516" and length == "100000000":  # what FLAC holds is known when it was unpacked
            continue
        with pytest.raises(Unusable, match=r"cut off|values in the record"):
            read_record(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
        header.write_text(header.read_text().replace(f" {length}\n", " 250\n"))


def test_segments_are_counted_before_room_is_made(tmp_path: Path) -> None:
    record(tmp_path)
    for name, text in {
        "long": "long/2 2 125 4000000000\nr1 250\n~ 3999999750\n",
        "nested": "nested/1 2 125 250\nnested 250\n",
        "outside": "outside/1 2 125 250\n-missing 250\n",
    }.items():
        (tmp_path / f"{name}.hea").write_text(text)
        with pytest.raises((Unusable, FileNotFoundError)):
            read_record(tmp_path / name)


def test_a_header_of_megabytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_bytes(b"#\n" * MOST_HEADER)
    with pytest.raises(DataError, match="header has more than"):
        header_of(tmp_path / "r")
    with pytest.raises(DataError, match="header has more than"):
        annotations_of(tmp_path / "r", "atr", 125.0)


def test_a_zip_of_many_names_or_another_compression_is_refused() -> None:
    with pytest.raises(Unusable, match="another compression"):
        KIND.from_request("ecg", {"ecg": packed(b"r 1 100 10\n", zipfile.ZIP_LZMA)})
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(1000):
            archive.writestr(f"__MACOSX/{number}", b"")
    with pytest.raises(Unusable, match="many more"):
        KIND.from_request("ecg", {"ecg": base64.b64encode(content.getvalue()).decode()})
