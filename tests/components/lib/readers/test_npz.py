"""MedMNIST archives: read as they are, and refused with the array's name when they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import film

from components.lib.errors import DataError
from components.lib.kinds.binary import Binary
from components.lib.readers.npz import Archive

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


def index(raw: Path) -> Any:
    return Archive(reader="npz", path=str(raw)).samples(raw, {}, TARGETS)


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
