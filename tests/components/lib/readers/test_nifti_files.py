"""NIfTI volumes and their masks: turned one way, brought to one spacing, or refused with the reason."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path
from typing import Any

import nibabel
import nibabel.testing
import numpy as np
import pandas as pd
import pytest
from dicoms import saved, slices
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.attacks.reading import read_apart
from components.lib.errors import DataError, Unusable
from components.lib.kinds._volumes import LARGEST
from components.lib.kinds.multiclass import Multiclass
from components.lib.readers._dicom_series import volume_of
from components.lib.readers._nifti_volumes import read_volume
from components.lib.readers.nifti_files import NiftiFiles

TARGETS: dict[str, Any] = {"grade": Multiclass(kind="multiclass", classes=("none", "mild", "severe"))}
VALUES = np.random.default_rng(0).permutation(60).reshape(3, 4, 5).astype(np.int16)
"""(W, H, D), as the format has them."""
GRID = np.array([[1.0, 0, 0, -10], [0, 2, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]])
SHIFTED = GRID + np.outer([5, 0, 0, 0], [0, 0, 0, 1])
REAL = Path(str(nibabel.testing.data_path))


def written(path: Path, values: NDArray[Any] = VALUES, grid: NDArray[Any] | None = GRID, units: str = "mm") -> Path:
    """A file."""
    image = nibabel.Nifti1Image(values, grid)
    image.header.set_xyzt_units(units)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return path


def reason(path: Path, mask: Path | None = None) -> str:
    with pytest.raises(Unusable) as caught:
        read_volume(path, mask)
    assert "Doe" not in str(caught.value)
    assert str(path.parent) not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def doe(tmp_path: Path) -> Path:
    return tmp_path / "John_Doe.nii.gz"


def test_values_are_slices_from_the_feet_up(doe: Path) -> None:
    volume = read_volume(written(doe))
    np.testing.assert_array_equal(volume.values, VALUES.transpose(2, 1, 0))
    assert volume.values.dtype == np.float32
    assert volume.spacing == (3, 2, 1)
    np.testing.assert_array_equal(volume.affine, GRID)
    assert volume.mask is None


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2), (0, 1, 2)])
def test_the_way_it_was_saved_changes_nothing(doe: Path, axes: tuple[int, ...], flips: tuple[int, ...]) -> None:
    turn = np.eye(4)[:, [*axes, 3]]
    values, grid = VALUES.transpose(axes), GRID @ turn
    for axis in flips:
        flip = np.eye(4)
        flip[axis, axis], flip[axis, 3] = -1, values.shape[axis] - 1
        values, grid = np.flip(values, axis), grid @ flip
    volume = read_volume(written(doe, np.ascontiguousarray(values), grid))
    assert volume.content() == read_volume(written(doe.with_name("plain.nii"))).content()


@pytest.mark.parametrize(("units", "scale"), [("meter", 1e3), ("micron", 1e-3), ("unknown", 1), ("mm", 1)])
def test_units_become_mm(doe: Path, units: str, scale: float) -> None:
    np.testing.assert_allclose(read_volume(written(doe, units=units)).spacing, np.array([3, 2, 1]) * scale)


def test_slope_and_intercept_of_the_file(doe: Path) -> None:
    image = nibabel.Nifti1Image(VALUES, GRID)
    image.header.set_slope_inter(0.5, -7)
    image.to_filename(doe)
    np.testing.assert_allclose(read_volume(doe).values, VALUES.transpose(2, 1, 0) * 0.5 - 7)


def test_a_mask_lies_on_the_grid_of_its_volume(doe: Path) -> None:
    mask = np.flip(VALUES > 30, 0).astype(np.uint8) * 2
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = 2
    volume = read_volume(written(doe), written(doe.with_name("mask.nii"), mask, GRID @ flip))
    np.testing.assert_array_equal(volume.mask, (volume.values > 30) * 2)
    assert volume.content() == read_volume(doe).content()


@pytest.mark.parametrize(
    ("mask", "grid", "found"),
    [
        (VALUES[:2], GRID, "another grid"),
        (VALUES, SHIFTED, "another grid"),
        (VALUES - 5, GRID, "no classes"),
        (VALUES * 9, GRID, "no classes"),
        (VALUES / np.float32(7), GRID, "no classes"),
    ],
)
def test_masks_that_are_refused(doe: Path, mask: NDArray[Any], grid: NDArray[Any], found: str) -> None:
    assert found in reason(written(doe), written(doe.with_name("John_Doe_mask.nii"), mask, grid))


def test_another_spacing(doe: Path) -> None:
    source = NiftiFiles.model_validate({"reader": "nifti", "path": "x", "spacing": (1.5, 2.0, 2.0)})
    volume = source.opener(written(doe).parent, {})(doe.name, 0)
    assert volume.values.shape == (10, 4, 2)
    np.testing.assert_allclose(volume.spacing, (1.5, 2, 2))


def test_one_volume_of_four_dimensions_is_a_volume(doe: Path) -> None:
    assert read_volume(written(doe, VALUES[..., None])).values.shape == (5, 4, 3)
    assert "no volume" in reason(written(doe, np.stack([VALUES] * 2, axis=-1)))
    assert "no volume" in reason(written(doe, VALUES[0]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(doe: Path, bad: float) -> None:
    values = VALUES.astype(np.float32)
    values[0, 0, 0] = bad
    assert "no numbers" in reason(written(doe, values))


def test_a_header_without_a_place_in_space(doe: Path) -> None:
    assert "neither sform nor qform" in reason(written(doe, VALUES, None))


def test_a_tilted_grid(doe: Path) -> None:
    tilted = GRID.copy()
    tilted[1, 2] = 1
    assert "sheared" in reason(written(doe, VALUES, tilted))


def test_a_grid_of_no_size(doe: Path) -> None:
    raw = bytearray(gzip.decompress(written(doe).read_bytes()))
    raw[280:284] = np.float32(np.nan).tobytes()
    doe.write_bytes(gzip.compress(bytes(raw)))
    assert "no spacing" in reason(doe)


def test_complex_numbers(doe: Path) -> None:
    assert "complex" in reason(written(doe, VALUES.astype(np.complex64)))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_that_is_cut_off(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, np.random.default_rng(0).random((9, 9, 9), np.float32))
    for share in (0.9, 0.3, 0.0):
        cut = tmp_path / f"John_Doe.{name.partition('.')[2]}"
        cut.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        assert "unreadable" in reason(cut)


def test_a_header_of_many_voxels_is_refused_before_they_are_read(doe: Path) -> None:
    raw = bytearray(gzip.decompress(written(doe).read_bytes()))
    raw[42:48] = np.array([32000] * 3, "<i2").tobytes()
    doe.write_bytes(gzip.compress(bytes(raw)))
    assert reason(doe) == f"too large: a volume of more than {LARGEST >> 20} million voxels"


def test_voxels_far_behind_the_header(doe: Path) -> None:
    raw = bytearray(gzip.decompress(written(doe).read_bytes()))
    raw[108:112] = np.float32(1e12).tobytes()
    doe.write_bytes(gzip.compress(bytes(raw)))
    assert "far behind" in reason(doe)


def test_what_is_no_nifti(doe: Path) -> None:
    doe.write_bytes(b"no such thing" * 100)
    assert "unreadable" in reason(doe)
    doe.unlink()
    with pytest.raises(FileNotFoundError):
        read_volume(doe)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("anatomical.nii", (25, 41, 33)), ("standard.nii.gz", (7, 5, 4)), ("reoriented_anat_moved.nii", (22, 26, 21)),
        ("functional.nii", None), ("example4d.nii.gz", None), ("example_nifti2.nii.gz", None),
        ("resampled_anat_moved.nii", None), ("row_major.dconn.nii", None),
    ],
)  # fmt: skip
def test_real_files(name: str, shape: tuple[int, ...] | None) -> None:
    if shape is None:
        reason(REAL / name)
    else:
        volume = read_volume(REAL / name)
        closest = nibabel.as_closest_canonical(nibabel.load(REAL / name))
        np.testing.assert_allclose(volume.values, closest.get_fdata().T, rtol=1e-6)
        np.testing.assert_allclose(volume.affine, closest.affine, atol=1e-6)
        assert volume.values.shape == shape


def test_nifti_2(doe: Path) -> None:
    nibabel.Nifti2Image(VALUES, GRID).to_filename(doe)
    np.testing.assert_array_equal(read_volume(doe).values, VALUES.transpose(2, 1, 0))


def test_a_series_of_dicom_and_its_nifti_are_one_volume(doe: Path) -> None:
    made = slices()
    series = volume_of([saved(one) for one in made], burned_in=False)
    stored = np.stack([np.frombuffer(one.PixelData, np.int16).reshape(5, 4) for one in made]).transpose(2, 1, 0)
    left_back = np.array([[-1.0, 0, 0, 10], [0, -2, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1]])
    assert read_volume(written(doe, (stored * 2.0 - 1024).astype(np.int16), left_back)).content() == series.content()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=4)), max_size=4), st.floats(0, 2))
def test_damage_gives_a_volume_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bytes]], end: float
) -> None:
    folder = tmp_path_factory.getbasetemp()
    raw = bytearray(written(folder / "whole.nii").read_bytes())
    for place, content in changes:
        raw[place : place + len(content)] = content
    path = folder / "damaged.nii"
    path.write_bytes(raw[: int(end * len(raw)) if end < 1 else None])
    try:
        values = read_volume(path).values
    except Unusable:
        return
    assert np.isfinite(values).all()


def index(raw: Path, **sections: Any) -> pd.DataFrame:
    source = NiftiFiles.model_validate({"reader": "nifti", "path": str(raw), **sections})
    return source.samples(raw, {}, TARGETS)


def test_folders_name_classes_and_names_pair_masks(tmp_path: Path) -> None:
    for name in (
        "mild/a.nii.gz", "mild/a_seg.nii.gz", "mild/._a.nii", "val/severe/b.nii", "val/severe/b_mask.nii.gz",
        "none/sub-07_ses-1_T1w.nii.gz", "none/alone_seg.nii",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    table = index(tmp_path)
    assert table[["file", "grade"]].to_numpy().tolist() == [
        ["mild/a.nii.gz\nmild/a_seg.nii.gz", "mild"], ["none/alone_seg.nii", "none"],
        ["none/sub-07_ses-1_T1w.nii.gz", "none"], ["val/severe/b.nii\nval/severe/b_mask.nii.gz", "severe"],
    ]  # fmt: skip
    assert table["patient"].fillna("").tolist() == ["", "", "07", ""]
    assert table["split"].fillna("").tolist() == ["", "", "", "validation"]


def test_an_index_names_volumes_and_masks(tmp_path: Path) -> None:
    written(tmp_path / "a.nii")
    written(tmp_path / "m" / "x.nii", (VALUES > 3).astype(np.uint8))
    (tmp_path / "index.csv").write_text("path,label,grade,patient\na.nii,m/x.nii,mild,1\nb.nii,,none,2\n")
    source = NiftiFiles.model_validate(
        {"reader": "nifti", "path": str(tmp_path), "index": "index.csv", "columns": {"mask": "label"}}
    )
    table = source.samples(tmp_path, {}, TARGETS)
    assert table[["file", "grade", "patient"]].to_numpy().tolist() == [
        ["a.nii\nm/x.nii", "mild", "1"], ["b.nii", "none", "2"],
    ]  # fmt: skip
    load = source.opener(tmp_path, {})
    assert load("a.nii\nm/x.nii", 0).mask is not None
    with pytest.raises(FileNotFoundError):
        load("b.nii", 0)


@pytest.mark.parametrize("text", ["path,grade\n../a.nii,mild\n", "path,grade\na.nii,mild\na.nii,none\n"])
def test_an_index_that_can_not_be_meant(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(DataError):
        index(tmp_path, index="index.csv")


def test_a_folder_without_volumes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at least one \.nii"):
        index(tmp_path)


def test_a_gzip_whose_header_never_ends_is_read_no_further_than_it_says(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.nii").read_bytes()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(plain + b"\0" * (1 << 24))
    (tmp_path / "b.nii.gz").write_bytes(packed.getvalue())
    assert read_volume(tmp_path / "b.nii.gz").content() == read_volume(tmp_path / "a.nii").content()


def test_a_header_that_states_more_voxels_than_the_file_holds_is_refused_before_room_is_made(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 8, 7), np.int16), np.eye(4)), tmp_path / "v.nii")
    raw = bytearray((tmp_path / "v.nii").read_bytes())
    raw[42:48] = struct.pack("<HHH", 800, 800, 800)
    told = read_apart("volume", [bytes(raw), gzip.compress(raw)], megabytes=4096)
    assert (told.refused, told.broken) == (2, [])
    assert told.megabytes < 50
