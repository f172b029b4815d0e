"""MedMNIST archives: read as they are, and refused with the array's name when they are not."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from films import film

from components.lib.errors import DataError
from components.lib.kinds.binary import Binary
from components.lib.kinds.image import Image
from components.lib.readers import npz
from components.lib.readers.npz import Archive

ROOT = Path(__file__).parents[4]
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", ROOT.parent / "shared" / "data")) / "adrenalmnist3d.npz"
INPUTS: dict[str, Any] = {"film": Image(kind="image", size=(8, 8))}
TARGETS: dict[str, Any] = {"finding": Binary(kind="binary", classes=("normal", "pneumonia"))}
SIZES = {"train": 4, "val": 2, "test": 2}


def arrays() -> dict[str, np.ndarray]:
    """Pictures and labels, as MedMNIST has them."""
    images = {f"{split}_images": np.stack([film(i) for i in range(n)]) for split, n in SIZES.items()}
    return images | {f"{split}_labels": (np.arange(n) % 2)[:, None] for split, n in SIZES.items()}


def archive(folder: Path, **changes: Any) -> Path:
    """An archive on disk; an array given as None is left out."""
    path = folder / "set.npz"
    np.savez(path, **{name: array for name, array in {**arrays(), **changes}.items() if array is not None})
    return path


class Volumes(Image):
    """An input that takes volumes: all that the reader asks of it."""

    volumes: ClassVar[bool] = True


def index(raw: Path, inputs: dict[str, Any] = INPUTS) -> Any:
    return Archive(reader="npz", path=str(raw)).samples(raw, inputs, TARGETS)


def problem(raw: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        index(raw)
    assert str(raw) in caught.value.where
    return caught.value


def test_every_picture_is_a_row_with_its_split_and_class(tmp_path: Path) -> None:
    table = index(archive(tmp_path))
    assert list(table["split"]) == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    assert list(table["finding"]) == ["normal", "pneumonia"] * 4
    assert list(table["file"].unique()) == ["train_images", "val_images", "test_images"]
    assert table[["patient", "site", "sex", "age"]].isna().all().all()


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array([[0], [1]], np.uint8), np.array([0.0, 1.0])])
def test_labels_come_in_several_forms(tmp_path: Path, labels: np.ndarray) -> None:
    table = index(archive(tmp_path, test_labels=labels))
    assert list(table["finding"][-2:]) == ["normal", "pneumonia"]


def test_a_picture_is_opened_by_file_and_row(tmp_path: Path) -> None:
    load = Archive(reader="npz", path="set.npz").opener(archive(tmp_path), {})
    np.testing.assert_array_equal(load("val_images", 1), arrays()["val_images"][1])


@pytest.mark.parametrize(
    ("changes", "where", "found"),
    [
        ({"val_labels": None}, "set.npz", "train_images"),
        ({"train_images": np.zeros((4, 8, 8, 8), np.uint8)}, "train_images", "(4, 8, 8, 8)"),
        ({"train_images": np.zeros(4, np.uint8)}, "train_images", "(4,)"),
        ({"test_labels": np.zeros((2, 14), int)}, "test_labels", "(2, 14)"),
        ({"test_labels": np.zeros(3, int)}, "test_labels", "(3,)"),
        ({"test_labels": np.array([0, 2])}, "test_labels", "2"),
        ({"test_labels": np.array([-1, 0])}, "test_labels", "-1"),
        ({"test_labels": np.array([0.5, 1.0])}, "test_labels", "0.5"),
        ({"test_labels": np.array(["normal", "pneumonia"])}, "test_labels", "normal"),
    ],
)
def test_what_is_no_medmnist_set_is_told(tmp_path: Path, changes: Any, where: str, found: str) -> None:
    error = problem(archive(tmp_path, **changes))
    assert error.where.endswith(where)
    assert found in error.found


def test_an_archive_without_validation_has_two_splits(tmp_path: Path) -> None:
    whole, without = index(archive(tmp_path)), index(archive(tmp_path, val_images=None, val_labels=None))
    assert {*without["split"]} == {"train", "test"}
    pd.testing.assert_frame_equal(without, whole[whole["split"] != "validation"].reset_index(drop=True))


def test_a_label_without_a_class_names_the_classes(tmp_path: Path) -> None:
    error = problem(archive(tmp_path, train_labels=np.array([0, 1, 2, 3])))
    assert error.expected == "labels 0 to 1, for normal, pneumonia"
    assert error.found == "2, 3"


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    labels = np.array([{"un": "pickled"}, None], dtype=object)
    error = problem(archive(tmp_path, test_labels=labels))
    assert "allow_pickle=False" in error.found
    assert "Python objects are refused" in error.todo


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"no archive at all"])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    assert problem(path).expected == "a readable .npz archive of plain arrays"


def test_a_plain_array_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    with path.open("wb") as file:
        np.save(file, film(0))
    assert problem(path).found == "File is not a zip file"


@pytest.mark.parametrize("compressed", [True, False])
def test_a_damaged_archive(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "set.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays())
    content = bytearray(path.read_bytes())
    content[200:260] = b"\xff" * 60
    path.write_bytes(content)
    assert problem(path).where.endswith("train_images")


def test_no_file(tmp_path: Path) -> None:
    assert "No such file" in problem(tmp_path / "none.npz").found


def test_one_target_alone(tmp_path: Path) -> None:
    two = {**TARGETS, "side": TARGETS["finding"]}
    with pytest.raises(DataError, match="finding, side"):
        Archive(reader="npz", path="set.npz").samples(archive(tmp_path), {}, two)


def volumes(folder: Path) -> Path:
    return archive(folder, **{f"{split}_images": np.zeros((n, 5, 6, 7), np.uint8) for split, n in SIZES.items()})


def test_volumes_are_refused_for_an_input_of_pictures(tmp_path: Path) -> None:
    error = problem(volumes(tmp_path))
    assert error.where.endswith("train_images")
    assert error.expected.endswith("for input film, of kind image")
    assert error.found == "volumes: an array of shape (4, 5, 6, 7)"
    assert "volumes need an input of kind volume" in error.todo


def test_volumes_are_read_for_an_input_that_takes_them(tmp_path: Path) -> None:
    raw = volumes(tmp_path)
    assert len(index(raw, {"scan": Volumes(kind="image", size=(8, 8))})) == 8
    assert Archive(reader="npz", path="set.npz").opener(raw, {})("val_images", 1).shape == (5, 6, 7)


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 3)])
def test_a_last_axis_of_1_or_3_is_one_of_colours(tmp_path: Path, shape: tuple[int, ...]) -> None:
    raw = archive(tmp_path, **{f"{split}_images": np.zeros((n, *shape), np.uint8) for split, n in SIZES.items()})
    assert len(index(raw)) == 8


def test_threads_unpack_a_split_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, asked = archive(tmp_path), list[str]()
    whole = npz.read_array
    monkeypatch.setattr(npz, "read_array", lambda path, name: asked.append(name) or whole(path, name))
    load = Archive(reader="npz", path="set.npz").opener(raw, {})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda row: load("train_images", row % 4), range(200)))
    assert asked == ["train_images"]


@pytest.mark.skipif(not REAL.exists(), reason=f"real data are not there: {REAL.name}; set MEDPIPE_REAL_DATA")
def test_a_real_set_of_volumes() -> None:
    assert problem(REAL).found == "volumes: an array of shape (1188, 28, 28, 28)"
    table = index(REAL, {"scan": Volumes(kind="image", size=(8, 8))})
    assert table["split"].value_counts().to_dict() == {"train": 1188, "validation": 98, "test": 298}
    scan = Archive(reader="npz", path=str(REAL)).opener(REAL, {})("test_images", 297)
    assert (scan.shape, scan.dtype) == ((28, 28, 28), np.uint8)
