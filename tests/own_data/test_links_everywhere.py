"""Links and pipes that only an index, a header or a batch leads to: nothing waits for ever, nothing strange is read."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wfdb
from dicoms import dicom
from films import encoded, film, patients, task, write_films
from pictures import looked_at

from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError, Unusable
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.signal import Signal
from components.lib.model_dir import Model
from components.lib.readers.dicom_files import DicomFiles
from components.lib.readers.wfdb_records import Records
from serving.batch import batch

pytestmark = pytest.mark.timeout(60)  # a pipe that is opened waits for ever


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def ingested(raw: Path, folder: Path, **source: Any) -> pd.DataFrame:
    spec = task(source={"reader": "folder", "path": "raw", "index": "index.csv", **source})
    ingest(raw, folder / "ingested", folder / "private", spec)
    return Dataset(folder / "ingested").samples()


@pytest.mark.parametrize("of", ["file", "folder", "link to a link"])
def test_a_hidden_link_that_an_index_names_is_a_way_out_too(tmp_path: Path, of: str) -> None:
    rows = patients(30)
    rows[0]["path"] = ".hidden/x.png"
    raw = write_films(tmp_path / "raw", rows)
    (raw / ".hidden/x.png").unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x.png").write_bytes(encoded(film(999)))
    if of == "file":
        (raw / ".hidden/x.png").symlink_to(tmp_path / "other/x.png")
    elif of == "folder":
        (raw / ".hidden").rmdir()
        (raw / ".hidden").symlink_to(tmp_path / "other")
    else:
        (tmp_path / "way").symlink_to(tmp_path / "other/x.png")
        (raw / ".hidden/x.png").symlink_to(tmp_path / "way")
    with pytest.raises(DataError, match="1 links to files or folders outside"):
        ingested(raw, tmp_path)
    assert len(ingested(raw, tmp_path, follow_links=True)) == 60


def test_a_hidden_file_of_its_own_and_a_link_as_the_folder_are_no_way_out(tmp_path: Path) -> None:
    rows = patients(30)
    rows[0]["path"] = ".hidden/x.png"
    raw = write_films(tmp_path / "raw", rows)
    (raw / ".hidden/loop").symlink_to("loop")
    (raw / ".hidden/up").symlink_to("..")
    (raw / ".venv").symlink_to("/usr")  # nobody names it, so nobody reads it
    (tmp_path / "link").symlink_to(raw)
    assert len(ingested(tmp_path / "link", tmp_path)) == 60


def record(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    seconds = np.arange(1500) / 250
    wfdb.wrsamp(name, 250, ["mV"], ["II"], p_signal=np.sin(seconds)[:, None], fmt=["16"], write_dir=str(folder))
    wfdb.wrann(name, "atr", np.array([250, 500, 750]), np.array(["N", "N", "V"]), write_dir=str(folder))
    return folder / name


@pytest.mark.parametrize("end", ["hea", "dat"])
def test_a_pipe_in_a_record_is_never_waited_for(tmp_path: Path, end: str) -> None:
    place = record(tmp_path / "raw", "r1")
    Path(f"{place}.{end}").unlink()
    os.mkfifo(f"{place}.{end}")
    source = Records(reader="wfdb", path=str(tmp_path / "raw"), before=0.4, after=0.6)
    with pytest.raises((DataError, Unusable), match="not a regular file"):
        source.opener(tmp_path / "raw", {})("r1", 500)


def test_beats_in_a_pipe_are_none(tmp_path: Path) -> None:
    for name in ("r1", "r2"):
        place = record(tmp_path / "raw", name)
    Path(f"{place}.atr").unlink()
    os.mkfifo(f"{place}.atr")
    inputs: dict[str, Any] = {"ecg": Signal(kind="signal", seconds=1.0, rate=125.0, leads=("II",))}
    targets: dict[str, Any] = {"beat": Multiclass(kind="multiclass", classes=("N", "V", "S"))}
    source = Records(reader="wfdb", path=str(tmp_path / "raw"), before=0.4, after=0.6)
    found = source.samples(tmp_path / "raw", inputs, targets)
    assert {*found.loc[found["beat"].notna(), "file"]} == {"r1"}


def test_a_header_that_names_a_hidden_file_is_refused(tmp_path: Path) -> None:
    place = record(tmp_path / "raw", "r1")
    secret = tmp_path / "secret"
    Path(f"{place}.dat").rename(secret)
    (tmp_path / "raw/.secret").symlink_to(secret)
    header = Path(f"{place}.hea")
    header.write_text(header.read_text().replace("r1.dat", ".secret"))
    source = Records(reader="wfdb", path=str(tmp_path / "raw"), before=0.4, after=0.6)
    with pytest.raises((DataError, Unusable), match="hidden file"):
        source.opener(tmp_path / "raw", {})("r1", 500)


def test_a_pipe_among_dicom_files_is_never_waited_for(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for name in ("none/a.dcm", "none/b", "mild/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(dicom(np.roll(ramp, len(name) * ord(name[-1])), PatientID=name))
    os.mkfifo(tmp_path / "none/pipe.dcm")
    os.mkfifo(tmp_path / "none/pipe")
    targets: dict[str, Any] = {"grade": Multiclass(kind="multiclass", classes=("none", "mild", "severe"))}
    source = DicomFiles.model_validate({"reader": "dicom", "path": str(tmp_path), "public_key": True})
    found = source.samples(tmp_path, {}, targets)
    assert {"none/a.dcm", "none/b", "mild/c"} <= {*found["file"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return looked_at(tmp_path_factory.mktemp("spot")).network


def some_films(folder: Path) -> Path:
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(encoded(film(number)))
    return folder


@pytest.mark.parametrize("of", ["file", "folder"])
def test_a_batch_reads_nothing_outside_of_its_folder_unless_it_is_allowed(
    model: Model, tmp_path: Path, of: str
) -> None:
    data, other = some_films(tmp_path / "films"), some_films(tmp_path / "other")
    (data / "x.png").symlink_to(other / "0.png") if of == "file" else (data / "more").symlink_to(other)
    with pytest.raises(DataError, match="--follow-links"):
        batch(model, None, data, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    assert batch(model, None, data, tmp_path / "out.parquet", follow_links=True).rows == (4 if of == "file" else 6)
    (tmp_path / "link").symlink_to(other)
    assert batch(model, None, tmp_path / "link", tmp_path / "linked.parquet").unusable == 0


def test_a_table_of_a_batch_reads_nothing_outside_of_its_folder(model: Model, tmp_path: Path) -> None:
    data, other = some_films(tmp_path / "films"), some_films(tmp_path / "other")
    (data / "x.png").symlink_to(other / "0.png")
    pd.DataFrame({"image": ["0.png", "x.png", "../other/0.png"]}).to_csv(data / "t.csv", index=False)
    batch(model, None, data / "t.csv", tmp_path / "out.parquet")
    errors = pd.read_parquet(tmp_path / "out.parquet")["error"]
    assert errors.notna().tolist() == [False, True, True]
    assert errors.iloc[1:].str.contains("leads out of the table's folder").all()
    batch(model, None, data / "t.csv", tmp_path / "all.parquet", follow_links=True)
    assert pd.read_parquet(tmp_path / "all.parquet")["error"].notna().tolist() == [False, False, True]


@pytest.mark.parametrize("name", ["pipe", "pipe.png", "pipe.7"])
def test_a_pipe_in_the_folder_of_a_batch_is_never_waited_for(model: Model, tmp_path: Path, name: str) -> None:
    data = some_films(tmp_path / "films")
    os.mkfifo(data / name)
    start = time.monotonic()
    totals = batch(model, None, data, tmp_path / "out.parquet")
    assert totals.rows - totals.unusable == 3
    os.mkfifo(tmp_path / "table.csv")
    with pytest.raises(DataError, match="named pipe"):
        batch(model, None, tmp_path / "table.csv", tmp_path / "table.parquet")
    assert time.monotonic() - start < 40
