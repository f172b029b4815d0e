"""Folders of DICOM files: who a picture is of, what an index says of it, and slices as volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dicoms import CAPTURE, REAL, dataset, dicom, saved
from pydicom import uid

from components.lib.errors import DataError, Unusable
from components.lib.kinds._dicom import PICTURE_TAGS
from components.lib.kinds.multiclass import Multiclass
from components.lib.pseudonyms import PUBLIC_KEY, pseudonym
from components.lib.readers._dicom_headers import HEADER_TAGS, age
from components.lib.readers.dicom_files import DicomFiles

TARGETS: dict[str, Any] = {"grade": Multiclass(kind="multiclass", classes=("none", "mild", "severe"))}
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def reader(raw: Path, **sections: Any) -> DicomFiles:
    return DicomFiles.model_validate({"reader": "dicom", "path": str(raw), "public_key": True, **sections})


def lay(raw: Path, **files: dict[str, Any]) -> Path:
    """Pictures by path (`__` between folders) with these attributes."""
    for number, (name, attributes) in enumerate(files.items()):
        path = raw / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dicom(np.roll(RAMP, number), **attributes))
    return raw


def index(raw: Path, **sections: Any) -> pd.DataFrame:
    return reader(raw, **sections).samples(raw, {}, TARGETS)


def test_folders_name_classes_and_headers_the_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(
        tmp_path,
        mild__IM1={
            "PatientID": " 12 ", "IssuerOfPatientID": "East", "PatientSex": "F ", "PatientAge": "043Y",
            "StudyInstanceUID": "1.2.3", "StudyDate": "20240131",
        },
        train__severe__deeper__IM2={"PatientID": "13"},
        IM3={},
    )  # fmt: skip
    (tmp_path / "DICOMDIR").write_bytes(dicom(RAMP))
    (tmp_path / "notes.txt").write_text("of John Doe")
    (tmp_path / "mild" / "report").write_bytes(dicom(None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"))
    table = index(tmp_path)
    assert table["file"].tolist() == ["IM3", "mild/IM1", "train/severe/deeper/IM2"]
    alone, first, second = table.to_dict("records")
    assert (first["grade"], first["patient"], first["sex"], first["age"]) == ("mild", "East\\12", "F", 43)
    assert (first["study"], first["date"]) == ("1.2.3", "20240131")
    assert (second["grade"], second["patient"], second["split"]) == ("severe", "13", "train")
    assert pd.isna([alone["grade"], alone["patient"], alone["split"], alone["sex"], alone["age"], alone["site"]]).all()
    assert capsys.readouterr().out == "left out: 1 DICOM objects without a picture\n"


@pytest.mark.parametrize("name", ["", "0", "ANONYMOUS", "Anonymized", "unknown"])
def test_an_id_that_stands_for_nobody_is_no_patient(tmp_path: Path, name: str) -> None:
    assert index(lay(tmp_path, mild__a={"PatientID": name}))["patient"].isna().all()


@pytest.mark.parametrize(
    ("stated", "born", "studied", "expected"),
    [
        ("045Y", None, None, 45),
        ("018M", None, None, 1.5),
        ("003W", None, None, 0.06),
        ("095Y", None, None, 90),
        ("Y45", "19800615", "20240614", 43),
        (None, "19800615", "20240615", 44),
        (None, "20230101", "20230715", 0.5),
        (None, "19000101", "20240101", 90),
        (None, "20240102", "20240101", None),
        (None, "1980", "20240101", None),
        (None, None, None, None),
    ],
)
def test_ages_are_years_and_never_above_90(
    stated: str | None, born: str | None, studied: str | None, expected: float | None
) -> None:
    assert age(stated, born, studied) == expected


def test_the_institution_is_a_keyed_pseudonym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(
        tmp_path, mild__a={"InstitutionName": "St Mary"}, mild__b={"InstitutionName": "ST MARY "},
        mild__c={"InstitutionName": "East", "StationName": "R1"}, mild__d={},
    )  # fmt: skip
    sites = index(tmp_path)["site"].tolist()
    assert sites[:2] == [f"site-{pseudonym(PUBLIC_KEY, 'site st mary')[:8]}"] * 2
    assert sites[2] not in (None, sites[0])
    assert pd.isna(sites[3])
    assert index(tmp_path, site="station")["site"].notna().tolist() == [False, False, True, False]
    assert index(tmp_path, site=None)["site"].isna().all()
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)
    assert index(tmp_path, public_key=False)["site"][0] not in sites


def test_an_index_by_path_of_files_and_folders(tmp_path: Path) -> None:
    lay(tmp_path, x__a={"PatientID": "1"}, x__b={"PatientID": "2"}, y={"PatientID": "3"}, z={"PatientID": "4"})
    (tmp_path / "w").write_text("no picture")
    (tmp_path / "index.csv").write_text("path,grade,sex\nx,mild,m\ny,severe,\ngone,none,f\nw,none,f\n")
    table = index(tmp_path, index="index.csv").set_index("file")
    assert table["grade"].to_dict() == {"gone": "none", "w": "none", "x/a": "mild", "x/b": "mild", "y": "severe"}
    assert table.loc[["x/a", "x/b", "y"], "patient"].tolist() == ["1", "2", "3"]
    assert table["sex"].fillna("").to_dict() == {"gone": "f", "w": "f", "x/a": "m", "x/b": "m", "y": ""}


@pytest.mark.parametrize("key", ["StudyInstanceUID", "SeriesInstanceUID", "AccessionNumber", "PatientID"])
def test_an_index_by_a_value_of_the_header(tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path, a={key: "1.1"}, b={key: "1.2"}, c={key: "1.1"}, d={key: "1.4"}, e={})
    pd.DataFrame({"uid": ["1.2", "1.1", "1.3"], "grade": ["none", "mild", "severe"]}).to_parquet(
        tmp_path / "targets.parquet"
    )
    source = reader(tmp_path, index="targets.parquet", key=key, columns={"key": "uid"})
    table = source.samples(tmp_path, {}, TARGETS)
    assert table[["file", "grade"]].to_numpy().tolist() == [["", "severe"], ["a", "mild"], ["b", "none"], ["c", "mild"]]
    assert capsys.readouterr().out == "not in the index: 2 of 5 DICOM pictures\n"
    with pytest.raises(FileNotFoundError):
        source.opener(tmp_path, {})("", 0)


def test_what_an_index_has_a_column_for_comes_from_it_alone(tmp_path: Path) -> None:
    lay(tmp_path, a={"PatientID": "1"}, b={"PatientID": "2"})
    (tmp_path / "index.csv").write_text("path,grade,patient,age\na,mild,Q,77\nb,mild,,\n")
    table = index(tmp_path, index="index.csv")
    assert table["patient"].fillna("").tolist() == ["Q", ""]
    assert table["age"].fillna("").tolist() == ["77", ""]


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("path,grade\n../a,mild\n", "path", "1 empty or leading outside"),
        ("path,grade\n/a,mild\n", "path", "1 empty or leading outside"),
        ("path,grade\na,mild\na,none\n", "path", "1 files named again"),
        ("path,grade\nx,mild\nx/b,none\n", "path", "1 files named again"),
        ("PatientID,grade\n1,mild\n1,none\n", "PatientID", "1 values of PatientID"),
        ("Study,grade\n1,mild\n", "StudyInstanceUID", "Study, grade"),
    ],
)
def test_an_index_that_can_not_be_meant(tmp_path: Path, text: str, key: str, found: str) -> None:
    lay(tmp_path, a={}, x__b={})
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        index(tmp_path, index="index.csv", key=key)
    assert found in caught.value.found


def test_a_folder_without_dicom(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match="at least one DICOM file"):
        index(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        index(tmp_path / "gone")


def test_a_damaged_header_is_a_sample_of_unknown_patient(tmp_path: Path) -> None:
    lay(tmp_path, mild__a={"PatientID": "1"})
    raw = (tmp_path / "mild" / "a").read_bytes()
    (tmp_path / "mild" / "b").write_bytes(raw[:140])
    (tmp_path / "mild" / "c").write_bytes(saved(dataset(RAMP), uid.DeflatedExplicitVRLittleEndian)[:-40])
    assert index(tmp_path)["patient"].fillna("").tolist() == ["1", "", ""]


@pytest.mark.parametrize(
    "attributes",
    [
        {"BurnedInAnnotation": "YES"},
        {"SOPClassUID": CAPTURE},
        {"SOPClassUID": f"{CAPTURE}.2"},
        {"Modality": "US"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"},
        {"ConversionType": "SD"},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
    ],
)
def test_likely_burned_in_text_is_refused_unless_it_is_wanted(tmp_path: Path, attributes: dict[str, Any]) -> None:
    lay(tmp_path, mild__a=attributes)
    with pytest.raises(Unusable, match="likely burned-in text"):
        reader(tmp_path).opener(tmp_path, {})("mild/a", 0)
    raw = (tmp_path / "mild" / "a").read_bytes()
    assert reader(tmp_path, burned_in="keep").opener(tmp_path, {})("mild/a", 0) == raw
    if attributes != {"BurnedInAnnotation": "YES"}:
        lay(tmp_path, mild__a={**attributes, "BurnedInAnnotation": "NO"})
        assert reader(tmp_path).opener(tmp_path, {})("mild/a", 0)


def test_a_plain_film_is_its_bytes(tmp_path: Path) -> None:
    lay(tmp_path, mild__a={"ImageType": ["DERIVED", "SECONDARY"]})
    assert reader(tmp_path).opener(tmp_path, {})("mild/a", 0) == (tmp_path / "mild" / "a").read_bytes()
    (tmp_path / "b").write_text("no picture")
    with pytest.raises(Unusable, match="no DICOM file"):
        reader(tmp_path).opener(tmp_path, {})("b", 0)


def test_nothing_that_names_somebody_is_on_the_whitelist_of_pictures() -> None:
    forbidden = ("Patient", "Name", "Date", "Time", "Institution", "Physician", "Comment", "Description", "UID", "ID")
    allowed = {"PatientOrientation"}
    assert [tag for tag in PICTURE_TAGS if any(word in tag for word in forbidden) and tag not in allowed] == []
    assert "PatientName" not in HEADER_TAGS


def test_a_real_export_of_an_archive(capsys: pytest.CaptureFixture[str]) -> None:
    table = index(REAL / "dicomdirtests")
    assert len(table) == 81
    assert table["patient"].nunique() == 3
    assert table["study"].nunique() > 3
    assert "left out: 6 DICOM objects without a picture" in capsys.readouterr().out  # DICOMDIR under other names
