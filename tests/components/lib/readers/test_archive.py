"""Archives of what the folder reader reads: the same index out of each."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dicoms import dicom, real
from films import encoded, film
from odd_films import packed
from pydantic import ValidationError

from components.lib.errors import DataError, Unusable
from components.lib.kinds.multiclass import Multiclass
from components.lib.pseudonyms import PUBLIC_KEY, pseudonym
from components.lib.readers.archive import PackedFolder
from components.lib.readers.dicom_files import DicomFiles
from components.lib.readers.folder import Folder

TARGETS: dict[str, Any] = {"grade": Multiclass(kind="multiclass", classes=("mild", "severe"))}
FORMS = ["set.zip", "set.tar", "set.tar.gz", "set.tgz"]
FILMS = {f"{grade}/{name}": encoded(film(n)) for n, (grade, name) in enumerate(
    [("mild", "a.png"), ("severe", "Müller 1.PNG"), ("mild", "deeper/b.png"), ("severe", "c.dcm")]
)}  # fmt: skip
CLUTTER = {"notes.txt": b"x", "mild/._a.png": b"x", "__MACOSX/mild/a.png": b"x", ".git/mild/a.png": b"x"}
ALL = FILMS | CLUTTER
INDEX = "path,grade,patient\nmild/a.png,mild,p1\nsevere/müller 1.png,severe,p2\nlost.png,mild,p3\n"


def source(raw: Path, **values: Any) -> PackedFolder:
    return PackedFolder(reader="archive", path=str(raw), **values)


def index(raw: Path, **values: Any) -> pd.DataFrame:
    return source(raw, **values).samples(raw, {}, TARGETS)


def problem(raw: Path, **values: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        index(raw, **values)
    assert str(raw) in caught.value.where
    assert "Secret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, form: str) -> None:
    for name, content in (FILMS | CLUTTER).items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(content)
    raw = packed(tmp_path / form, ALL)
    table = index(raw)
    expected = Folder(reader="folder", path="raw").samples(tmp_path / "raw", {}, TARGETS)
    pd.testing.assert_frame_equal(table, expected)
    load = source(raw).opener(raw, {})
    assert {file: load(file, 0) for file in table["file"]} == FILMS


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_an_index_inside(tmp_path: Path, form: str, suffix: str) -> None:
    table = pd.read_csv(io.StringIO(INDEX))
    content = {
        ".csv": INDEX.encode(),
        ".csv.gz": zlib.compress(INDEX.encode(), wbits=31),
        ".parquet": table.to_parquet(),
    }
    raw = packed(tmp_path / form, {**FILMS, f"index{suffix}": content[suffix]}, start="export 1/")
    rows = index(raw, inside="export 1/", index=f"index{suffix}")
    assert list(rows["file"]) == ["lost.png", "mild/a.png", "severe/Müller 1.PNG"]  # spelt as it lies
    assert list(rows["patient"]) == ["p3", "p1", "p2"]
    load = source(raw, inside="export 1").opener(raw, {})
    assert load("mild/a.png", 0) == FILMS["mild/a.png"]
    with pytest.raises(FileNotFoundError):
        load("lost.png", 0)


def test_what_is_not_inside(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.zip", ALL, start="export/")
    assert problem(raw, inside="exports").found == "none of that name; at the top is export"
    assert problem(raw, index="index.csv").found == "no such file in it"
    assert problem(packed(tmp_path / "none.tar", {"a.txt": b"x"})).found == "none"
    for wrong in ("../export", "/export", ""):
        with pytest.raises(ValidationError):
            source(raw, inside=wrong)


def test_a_file_twice_in_the_index_of_an_archive(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.zip", {**FILMS, "index.csv": INDEX.encode() + b"MILD/a.png,severe,p4\n"})
    assert problem(raw, index="index.csv").expected == "every file once"


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_text("<html>not found</html>")
    assert "no such archive" in problem(tmp_path / "set.zip").found
    assert problem(tmp_path / "none.zip").found == "No such file or directory"
    assert problem(tmp_path).found == "a folder; the folder reader reads it"
    os.mkfifo(tmp_path / "pipe.zip")
    assert problem(tmp_path / "pipe.zip").found == "no plain file"


def test_names_written_on_windows(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.zip", {"mild\\a.png": b"x", "severe\\b.png": b"y"})
    assert list(index(raw)["grade"]) == ["mild", "severe"]


def test_an_archive_that_changed_is_looked_through_again(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.zip", ALL)
    assert len(index(raw)) == 4
    packed(raw, {"mild/a.png": b"x"})
    assert len(index(raw)) == 1


def scans() -> dict[str, bytes]:
    """DICOM of two patients, a real one of pydicom's, and a PNG, by path."""
    said = {
        "PatientID": "12", "IssuerOfPatientID": "East", "PatientSex": "F", "PatientAge": "043Y",
        "StudyInstanceUID": "1.2.3", "InstitutionName": "St Mary",
    }  # fmt: skip
    return {
        "mild/a.dcm": dicom(film(1), PatientName="Secret^Name", **said),
        "severe/b.DICOM": dicom(film(2), PatientID="13", BurnedInAnnotation="YES"),
        "severe/c.dcm": real("CT_small.dcm"),
        "mild/d.png": encoded(film(3)),
        "mild/e.dcm": dicom(film(4), PatientID="14")[:200],
    }


@pytest.mark.parametrize("form", FORMS)
def test_headers_of_dicom_files_say_whose_they_are(tmp_path: Path, form: str) -> None:
    raw = packed(tmp_path / form, scans())
    table = index(raw, public_key=True).set_index("file")
    first = table.loc["mild/a.dcm"]
    assert (first["patient"], first["sex"], first["age"], first["study"]) == ("East\\12", "F", 43, "1.2.3")
    assert first["site"] == f"site-{pseudonym(PUBLIC_KEY, 'site st mary')[:8]}"
    assert table["patient"].fillna("").to_dict() == {
        "mild/a.dcm": "East\\12", "mild/d.png": "", "mild/e.dcm": "", "severe/b.DICOM": "13", "severe/c.dcm": "1CT1",
    }  # fmt: skip
    assert "Secret" not in table.to_csv()
    assert table["grade"].tolist() == ["mild", "mild", "mild", "severe", "severe"]


def test_the_same_headers_as_from_a_folder(tmp_path: Path) -> None:
    files = {name: content for name, content in scans().items() if not name.endswith(".png")}
    for name, content in files.items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(content)
    folder = DicomFiles(reader="dicom", path="raw", public_key=True).samples(tmp_path / "raw", {}, TARGETS)
    table = index(packed(tmp_path / "set.zip", files), public_key=True)
    pd.testing.assert_frame_equal(table[folder.columns], folder, check_dtype=False)


def test_what_an_index_tells_comes_from_it_and_the_rest_from_headers(tmp_path: Path) -> None:
    text = "path,grade,sex\nmild/a.dcm,mild,m\nsevere/b.DICOM,severe,\nmild/d.png,mild,f\nlost.dcm,mild,f\n"
    raw = packed(tmp_path / "set.zip", {**scans(), "index.csv": text.encode()})
    table = index(raw, index="index.csv", public_key=True).set_index("file")
    assert table["sex"].fillna("").to_dict() == {
        "lost.dcm": "f", "mild/a.dcm": "m", "mild/d.png": "f", "severe/b.DICOM": "",
    }  # fmt: skip
    assert table["patient"].fillna("").tolist() == ["", "East\\12", "", "13"]


def test_burned_in_text_in_an_archive(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.tar", scans())
    with pytest.raises(Unusable, match="likely burned-in text"):
        source(raw).opener(raw, {})("severe/b.DICOM", 0)
    assert source(raw, burned_in="keep").opener(raw, {})("severe/b.DICOM", 0) == scans()["severe/b.DICOM"]
    assert source(raw).opener(raw, {})("mild/a.dcm", 0) == scans()["mild/a.dcm"]


def test_a_site_needs_the_hospitals_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = packed(tmp_path / "set.zip", scans())
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("MEDPIPE_PATIENT_KEY", raising=False)
    with pytest.raises(DataError, match="a key of at least 32 characters"):
        index(raw)
    assert index(raw, site=None)["site"].isna().all()
