"""Every reader on servers of this machine: the same samples, and the same content, as from a folder here."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import wfdb
from dicoms import dicom, saved, slices
from films import encoded, film, patients, task, write_films
from servers import Bucket, Web

from components.lib.errors import DataError, ServerError, SpecError, Unusable
from components.lib.places import Place, place
from components.lib.readers.base import content
from components.lib.readers.dicom_files import DicomFiles, DicomSeries
from components.lib.readers.folder import Folder
from components.lib.readers.nifti_files import NiftiColumns, NiftiFiles
from components.lib.spec import TaskSpec, load_spec

TABLE = "age,glucose,patient,finding\n" + "".join(
    f"{40 + n},{90 + n},p{n // 2},{'pneumonia' if n % 2 else 'normal'}\n" for n in range(20)
)
TABLE_INPUT = {"record": {"kind": "table", "numbers": ["age", "glucose"]}}
ECG_INPUT = {"ecg": {"kind": "signal", "seconds": 1.0, "rate": 100, "leads": ["II"]}}
NIFTI = NiftiFiles(reader="nifti", path="raw")
GRID = np.array([[1.0, 0, 0, -10], [0, 2, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]])


def read(spec: TaskSpec, raw: Place) -> tuple[pd.DataFrame, list[bytes | str]]:
    """The index of raw data, and what each sample's content is, or why it can't be read."""
    table = spec.source.samples(raw, spec.inputs, spec.targets)
    load = spec.source.opener(raw, spec.inputs)
    return table, [_read_one(load, file, row) for file, row in zip(table["file"], table["row"], strict=True)]


def _read_one(load: Any, file: str, row: int) -> bytes | str:
    try:
        raw = load(file, row)
    except Unusable as reason:
        return str(reason)
    return content(raw) if not hasattr(raw, "affine") else raw.values.tobytes() + raw.affine.tobytes()


def alike(spec: TaskSpec, here: Path, url: str) -> pd.DataFrame:
    """The index of both, which must be equal as the contents must be."""
    expected, found = read(spec, here), read(spec, place(url))
    pd.testing.assert_frame_equal(found[0], expected[0])
    assert found[1] == expected[1]
    assert len(expected[1]) > 1
    return found[0]


def class_folders(folder: Path) -> Path:
    """Films in folders of classes, with names that a URL must quote."""
    for number in range(6):
        path = folder / ("normal", "pneumonia")[number % 2] / f"é {number}#1?.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(film(number)))
    (folder / "normal" / ".hidden.png").write_bytes(b"")
    return folder


def test_folders_of_classes_on_s3(bucket: Bucket, tmp_path: Path) -> None:
    spec = task(source={"reader": "folder", "path": "raw"})
    folder = class_folders(tmp_path / "raw")
    assert len(alike(spec, folder, bucket.put_folder(folder, "films"))) == 6


def test_a_folder_with_an_index_on_s3(bucket: Bucket, tmp_path: Path) -> None:
    rows = patients(4)
    rows[0]["path"] = rows[0]["path"].replace("films/", "FILMS\\")  # spelt otherwise than the file is called
    folder = write_films(tmp_path / "raw", rows)
    folder.joinpath("FILMS\\Patient_000_normal.png").rename(folder / "films" / "Patient_000_normal.png")
    assert alike(task(), folder, bucket.put_folder(folder, "films"))["file"].str.startswith("films/").all()


def test_a_folder_with_an_index_on_a_web_server(web: Web) -> None:
    write_films(web.folder / "f", patients(4))
    alike(task(), web.folder / "f", f"{web.url}/f")


def test_a_folder_of_a_web_server_needs_an_index(web: Web) -> None:
    for source in (Folder(reader="folder", path="raw"), DicomFiles(reader="dicom", path="raw"), NIFTI):
        with pytest.raises(DataError, match=r"source\.index"):
            source.samples(place(web.url), {}, task().targets)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("where", ["s3", "http"])
def test_an_archive(suffix: str, where: str, bucket: Bucket, web: Web) -> None:
    folder = class_folders(web.folder / "films")
    path = Path(shutil.make_archive(str(folder), {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar"}[suffix], folder))
    spec = task(source={"reader": "archive", "path": "raw"})
    alike(spec, path, bucket.put(path.name, path.read_bytes()) if where == "s3" else f"{web.url}/{path.name}")


def test_of_a_zip_only_what_is_asked_for_is_fetched(web: Web) -> None:
    with zipfile.ZipFile(web.folder / "films.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"{('normal', 'pneumonia')[number % 2]}/{number}.png", os.urandom(1_000_000))
    spec = task(source={"reader": "archive", "path": "raw"})
    raw = place(f"{web.url}/films.zip")
    assert len(spec.source.samples(raw, spec.inputs, spec.targets)) == 4
    assert len(spec.source.opener(raw, spec.inputs)("normal/2.png", 0)) == 1_000_000  # type: ignore[arg-type]
    assert web.sent < 1_500_000


@pytest.mark.parametrize("where", ["s3", "http"])
def test_arrays(where: str, bucket: Bucket, web: Web) -> None:
    arrays = {
        f"{split}_{what}": values
        for seed, split in enumerate(("train", "val", "test"))
        for what, values in {
            "images": np.random.default_rng(seed).integers(0, 256, (9, 12, 12), np.uint8),
            "labels": np.arange(9)[:, None] % 2,
        }.items()
    }
    np.savez_compressed(web.folder / "set.npz", **arrays)
    path = web.folder / "set.npz"
    spec = task(source={"reader": "npz", "path": "raw"})
    alike(spec, path, bucket.put("set.npz", path.read_bytes()) if where == "s3" else f"{web.url}/set.npz")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
@pytest.mark.parametrize("where", ["s3", "http"])
def test_a_table(name: str, where: str, bucket: Bucket, web: Web) -> None:
    path = web.folder / name
    if name.endswith("parquet"):
        pd.DataFrame({"age": [1, 2, 3], "glucose": [4.0, 5, None], "finding": ["normal", "", "normal"]}).to_parquet(
            path
        )
    else:
        path.write_bytes(gzip.compress(TABLE.encode()) if name.endswith("gz") else TABLE.encode())
    spec = task(source={"reader": "table", "path": name}, inputs=TABLE_INPUT)
    alike(spec, path, bucket.put(name, path.read_bytes()) if where == "s3" else f"{web.url}/{name}")
    folder = task(source={"reader": "table", "path": "raw", "file": name}, inputs=TABLE_INPUT)
    alike(folder, web.folder, web.url)


@pytest.mark.parametrize("where", ["s3", "http"])
def test_dicom_files(where: str, bucket: Bucket, web: Web) -> None:
    folder = web.folder / "d"
    for number in range(4):
        path = folder / f"{number % 2}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dicom(film(number), PatientID=f"p{number}", PatientSex="F", PatientAge="044Y"))
    (folder / "note.txt").write_text("no picture")
    (folder / "index.csv").write_text("path,finding\n0/f0,normal\n0/f2,normal\n1/f1,pneumonia\n1/f3,pneumonia\n")
    source = {"reader": "dicom", "path": "raw", "index": "index.csv", "public_key": True}
    url = bucket.put_folder(folder, "d") if where == "s3" else f"{web.url}/d"
    table = alike(task(source=source), folder, url)
    assert table["patient"].tolist() == ["p0", "p2", "p1", "p3"]
    if where == "s3":
        (folder / "index.csv").write_text("path,finding\n0,normal\n1,pneumonia\n")  # folders
        alike(task(source=source), folder, bucket.put_folder(folder, "d"))
        alike(task(source=source | {"index": None}), folder, url)


def test_dicom_series_on_s3(bucket: Bucket, tmp_path: Path) -> None:
    for series, side in enumerate(("normal", "pneumonia")):
        for number, each in enumerate(slices(series=f"1.2.{series}")):
            path = tmp_path / "raw" / side / f"s{number}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(saved(each))
    spec = task().model_copy(update={"source": DicomSeries(reader="dicom_series", path="raw")})
    alike(spec, tmp_path / "raw", bucket.put_folder(tmp_path / "raw", "series"))


@pytest.mark.parametrize("where", ["s3", "http"])
def test_volumes_with_masks(where: str, bucket: Bucket, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(60).reshape(3, 4, 5)
    folder = web.folder / "v"
    folder.mkdir()
    for name in ("a.nii.gz", "b.nii"):
        nibabel.Nifti1Image(values.astype(np.int16), GRID).to_filename(folder / name)
    nibabel.Nifti1Image((values % 2).astype(np.uint8), GRID).to_filename(folder / "a_seg.nii.gz")
    (folder / "c.nii").write_bytes(b"no volume")
    (folder / "index.csv").write_text("path,outline,finding\na.nii.gz,a_seg.nii.gz,normal\nb.nii,,\nc.nii,,\n")
    source = NIFTI.model_copy(update={"index": "index.csv", "columns": NiftiColumns(mask="outline")})
    spec = task().model_copy(update={"source": source})
    scratch = web.folder.parent / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    alike(spec, folder, bucket.put_folder(folder, "v") if where == "s3" else f"{web.url}/v")
    assert not any(scratch.iterdir())


def records(folder: Path) -> TaskSpec:
    """Two records of three beats, and a task on them."""
    for seed, name in enumerate(("r1", "r2")):
        told = {"fs": 250, "units": ["mV"], "sig_name": ["II"], "fmt": ["16"], "write_dir": str(folder)}
        wfdb.wrsamp(name, p_signal=np.random.default_rng(seed).normal(0, 1, (1500, 1)), **told)
        wfdb.wrann(name, "atr", np.array([300, 600, 900]), symbol=["N", "V", "N"], write_dir=str(folder))
    (folder / "RECORDS").write_text("r1\nr2\n")
    source = {"reader": "wfdb", "path": "raw", "before": 0.5, "after": 0.5}
    return task(source=source, inputs=ECG_INPUT, targets={"beat": {"kind": "binary", "classes": ["N", "V"]}})


@pytest.mark.parametrize("where", ["s3", "http"])
def test_records(where: str, bucket: Bucket, web: Web) -> None:
    folder = web.folder / "e"
    folder.mkdir()
    spec = records(folder)
    assert len(alike(spec, folder, bucket.put_folder(folder, "e") if where == "s3" else f"{web.url}/e")) == 6


def test_a_server_that_fails_is_no_broken_record(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.lib.remote.PAUSE", 0.0)
    spec = records(web.folder)
    web.cut["r2.atr"] = 9
    with pytest.raises(ServerError, match="broke off"):
        spec.source.samples(place(web.url), spec.inputs, spec.targets)


@pytest.mark.parametrize("where", ["s3", "http"])
def test_beats_as_text(where: str, bucket: Bucket, web: Web) -> None:
    folder = web.folder / "b"
    folder.mkdir()
    for name in ("train.csv", "test.csv"):
        lines = [",".join(f"{n + k / 7:.3f}" for k in range(100)) + f",{n % 2}" for n in range(5)]
        (folder / name).write_text("\n".join(lines) + "\n")
    spec = task(
        source={"reader": "beats", "path": "raw", "rate": 100}, inputs=ECG_INPUT,
        targets={"beat": {"kind": "binary", "classes": ["N", "V"]}},
    )  # fmt: skip
    url = bucket.put_folder(folder, "b") if where == "s3" else f"{web.url}/b"
    assert len(alike(spec, folder, url)) == 10
    assert len(alike(spec, folder / "train.csv", f"{url}/train.csv")) == 5


def test_an_archive_that_is_not_there(web: Web, bucket: Bucket) -> None:
    spec = task(source={"reader": "archive", "path": "raw"})
    for url in (f"{web.url}/films.zip", f"{bucket.url}/films.zip"):
        with pytest.raises(DataError, match="No such file"):
            spec.source.samples(place(url), spec.inputs, spec.targets)


def test_a_damaged_archive_is_told_from_a_broken_connection(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.lib.remote.PAUSE", 0.0)
    with tarfile.open(web.folder / "films.tar.gz", "w:gz") as archive:
        archive.add(class_folders(web.folder / "films"), "films")
    spec = task(source={"reader": "archive", "path": "raw", "inside": "films"})
    web.cut["films.tar.gz"] = 9
    with pytest.raises(ServerError, match="broke off"):
        spec.source.samples(place(f"{web.url}/films.tar.gz"), spec.inputs, spec.targets)
    web.cut.clear()
    path = web.folder / "films.tar.gz"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match="cut off or damaged"):
        spec.source.samples(place(f"{web.url}/films.tar.gz"), spec.inputs, spec.targets)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("s4://b/x", "nearest: s3"),
        ("https://u:hunter2@h/x", "one with them"),
        ("https://h/x?sig=hunter2", "one with them"),
    ],
)
def test_a_task_file_with_such_a_path_is_refused(path: str, found: str, tmp_path: Path) -> None:
    values = json.loads(task().model_dump_json(by_alias=True, exclude_defaults=True))
    values["source"]["path"] = path
    file = tmp_path / "task.yaml"
    file.write_text(json.dumps(values))
    with pytest.raises(SpecError, match=found) as raised:
        load_spec(file)
    assert raised.value.where.endswith("source.path")
    assert "hunter2" not in str(raised.value)


def test_a_phantom_makes_nothing_on_a_server(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    source = {"reader": "folder", "path": "s3://b/x", "index": "index.csv", "synthetic": True, "public_key": True}
    values = json.loads(task().model_dump_json(by_alias=True, exclude_defaults=True))
    file.write_text(json.dumps({**values, "source": source, "phantom": {"kind": "chest"}}))
    with pytest.raises(SpecError, match="a path of this machine"):
        load_spec(file)


@pytest.mark.parametrize(
    ("source", "watched"),
    [
        ({"reader": "folder", "path": "data/raw", "index": "index.csv"}, "data/raw"),
        ({"reader": "folder", "path": "s3://b/x", "index": "index.csv"}, "s3://b/x"),
        ({"reader": "folder", "path": "https://h/x", "index": "i é.csv"}, "https://h/x/i%20%C3%A9.csv"),
        ({"reader": "archive", "path": "https://h/x.zip", "index": "index.csv"}, "https://h/x.zip"),
    ],
)
def test_what_tells_that_data_changed(source: dict[str, str], watched: str) -> None:
    assert task(source=source).source.watched == watched
