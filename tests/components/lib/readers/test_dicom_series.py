"""Slices of DICOM as volumes: sorted by where they lie, refused where one is missing or of another kind."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicoms import REAL, SERIES, dataset, saved, slices
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from components.lib.errors import DataError, Unusable
from components.lib.kinds._volumes import Volume
from components.lib.kinds.multiclass import Multiclass
from components.lib.readers._dicom_series import volume_of
from components.lib.readers.dicom_files import DicomSeries

TARGETS: dict[str, Any] = {"grade": Multiclass(kind="multiclass", classes=("none", "mild", "severe"))}
SLICES = [saved(one) for one in slices()]


def series_reader(raw: Path, **sections: Any) -> DicomSeries:
    return DicomSeries.model_validate({"reader": "dicom_series", "path": str(raw), "public_key": True, **sections})


def write(folder: Path, made: list[Dataset]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(made):
        (folder / f"{random.Random(number).random()}").write_bytes(saved(one))
    return folder


def voxels(one: Dataset) -> NDArray[np.int16]:
    return np.frombuffer(one.PixelData, np.int16).reshape(one.Rows, one.Columns)


def volume(tmp_path: Path, made: list[Dataset], **sections: Any) -> Volume:
    write(tmp_path / "mild", made)
    source = series_reader(tmp_path, **sections)
    (row,) = source.samples(tmp_path, {}, TARGETS).to_dict("records")
    read = source.opener(tmp_path, {})(row["file"], row["row"])
    assert isinstance(read, Volume)
    return read


def refused(tmp_path: Path, made: list[Dataset], **sections: Any) -> str:
    with pytest.raises(Unusable) as caught:
        volume(tmp_path, made, **sections)
    assert str(tmp_path) not in str(caught.value)
    return str(caught.value)


def test_a_series_is_a_volume_in_hounsfield_units_turned_to_right_front_and_head(tmp_path: Path) -> None:
    made = slices()
    read = volume(tmp_path, made)
    stored = np.stack([voxels(one) for one in made]) * 2.0 - 1024
    # Files run to the patient's left and back, the volume to the right and front.
    np.testing.assert_array_equal(read.values, stored[:, ::-1, ::-1])
    assert read.values.dtype == np.float32
    np.testing.assert_allclose(read.spacing, (2.5, 2, 1))
    # The first voxel of the first slice lies at (-10, -20, 30) in DICOM's left, back, head.
    _, height, width = read.values.shape
    np.testing.assert_allclose(read.affine @ [width - 1, height - 1, 0, 1], [10, 20, 30, 1])
    assert read.content() == volume(tmp_path / "again", made).content()


def test_the_way_a_series_was_scanned_changes_nothing(tmp_path: Path) -> None:
    made = slices(5, shape=(4, 4))
    cube = np.stack([voxels(one) for one in made])
    turned = []
    for column in range(4):  # the same voxels as sagittal slices, from left to right: rows to the feet, columns back
        one = dataset(
            np.ascontiguousarray(cube[::-1, :, column]), SOPClassUID=made[0].SOPClassUID, Modality="CT",
            SeriesInstanceUID=SERIES, SOPInstanceUID=f"{SERIES}.{column}", PixelSpacing=[2.5, 2],
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1], ImagePositionPatient=[-10 + column, -20, 40],
            RescaleSlope="2", RescaleIntercept="-1024",
        )  # fmt: skip
        turned.append(one)
    sagittal, axial = volume(tmp_path / "s", turned), volume(tmp_path / "a", made)
    np.testing.assert_array_equal(sagittal.values, axial.values)
    np.testing.assert_allclose(sagittal.affine, axial.affine, atol=1e-9)


def without(made: list[Dataset], which: int) -> list[Dataset]:
    return made[:which] + made[which + 1 :]


def changed(made: list[Dataset], which: int = 2, **attributes: Any) -> list[Dataset]:
    for name, value in attributes.items():
        delattr(made[which], name) if value is None else setattr(made[which], name, value)
    return made


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: without(slices(), 3), "missing slice"),
        (lambda: without(slices(3), 0)[:1], "one slice"),
        (lambda: changed(slices(), PixelSpacing=[2, 2]), "several spacings"),
        (lambda: changed(slices(), ImageOrientationPatient=[0, 1, 0, 1, 0, 0]), "several directions"),
        (lambda: [*slices(3), *slices(6, shape=(4, 4))[3:]], "several shapes"),
        (lambda: changed(slices(), ImagePositionPatient=[-10, -20, 30]), "twice there"),
        (lambda: changed(slices(), ImagePositionPatient=[-10, -20, 35.4]), "uneven"),
        (lambda: changed(slices(), ImagePositionPatient=[-8, -20, 35]), "shifted"),
        (lambda: changed(slices(), ImagePositionPatient=None), "without ImagePositionPatient"),
        (lambda: changed(slices(), NumberOfFrames=2), "several frames"),
        (lambda: changed(slices(), PixelData=b"\0" * 10), "cut off"),
        (lambda: changed(slices(), BurnedInAnnotation="YES"), "burned-in"),
        (lambda: [changed([s], 0, ImagePositionPatient=[0, i, 2 * i])[0] for i, s in enumerate(slices())], "sheared"),
        (lambda: [changed([s], 0, ImageOrientationPatient=[1, 0, 0, 1, 0, 0])[0] for s in slices()], "no pair"),
    ],
)
def test_series_that_are_no_volume(tmp_path: Path, made: Any, reason: str) -> None:
    assert reason in refused(tmp_path, made())


def test_padding_is_as_low_as_the_lowest_other_voxel(tmp_path: Path) -> None:
    made = slices()
    for one in made:
        stored = voxels(one).copy()
        stored[0, 0] = -2000
        one.PixelData, one.PixelPaddingValue = stored.tobytes(), -2000
    read = volume(tmp_path, made)
    assert read.values.min() == read.values[0, -1, -1] > -2000


def test_series_in_one_folder_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "mild", [*slices(PatientID="1"), changed(slices(1), 0, SeriesInstanceUID=None)[0]])
    write(tmp_path / "severe", slices(series="1.2.3", PatientID="2"))
    table = series_reader(tmp_path).samples(tmp_path, {}, TARGETS)
    assert sorted(zip(table["grade"], table["patient"], table["file"].str.count("\n"), strict=True)) == [
        ("mild", "1", 5), ("severe", "2", 5),
    ]  # fmt: skip
    assert "left out: 1 DICOM files that name no series" in capsys.readouterr().out


def test_a_series_of_two_classes_or_two_patients_is_an_error(tmp_path: Path) -> None:
    made = slices()
    write(tmp_path / "mild", made[:3])
    write(tmp_path / "severe", made[3:])
    with pytest.raises(DataError, match="several, for 1 of 1 series"):
        series_reader(tmp_path).samples(tmp_path, {}, TARGETS)


def test_a_series_by_its_uid(tmp_path: Path) -> None:
    write(tmp_path / "anywhere", slices())
    (tmp_path / "index.csv").write_text(f"SeriesInstanceUID,grade\n{SERIES},mild\n1.2.3,none\n")
    source = series_reader(tmp_path, index="index.csv", key="SeriesInstanceUID")
    table = source.samples(tmp_path, {}, TARGETS)
    assert table["grade"].tolist() == ["none", "mild"]
    with pytest.raises(FileNotFoundError):
        source.opener(tmp_path, {})(table["file"][0], 0)
    assert source.opener(tmp_path, {})(table["file"][1], 0).values.shape == (6, 5, 4)


def test_a_real_series(tmp_path: Path) -> None:
    files = sorted((REAL / "dicomdirtests" / "98892001" / "CT5N").iterdir())
    read = volume_of([path.read_bytes() for path in files], burned_in=False)
    assert read.values.shape == (5, 16, 16)
    np.testing.assert_allclose(read.spacing, (2.5, 0.488281, 0.488281))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), max_size=4), st.floats(0, 2))
def test_damage_gives_a_volume_or_a_reason(changes: list[tuple[float, bytes]], end: float) -> None:
    raw = bytearray(SLICES[2])
    for place, content in changes:
        at = int(place * (len(raw) - 1))
        raw[at : at + len(content)] = content
    contents = [*SLICES[:2], bytes(raw[: int(end * len(raw)) if end < 1 else None]), *SLICES[3:]]
    try:
        values = volume_of(contents, burned_in=False).values
    except Unusable:
        return
    assert np.isfinite(values).all()
