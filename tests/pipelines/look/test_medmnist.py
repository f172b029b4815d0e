"""MedMNIST archives, and volumes, which can't be trained on yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from looks import REAL, cleaned, needs, refusal, spec_of

from pipelines.look import look


def archive(path: Path, *, classes: int = 2, shape: tuple[int, ...] = (28, 28), each: int = 6, **changes: Any) -> Path:
    arrays: dict[str, Any] = {}
    chance = np.random.default_rng(1)
    for split, count in (("train", each), ("val", each // 2), ("test", each // 2 + 1)):
        arrays[f"{split}_images"] = chance.integers(0, 256, (count, *shape), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count)[:, None] % classes
    np.savez(path, **{name: array for name, array in {**arrays, **changes}.items() if array is not None})
    return path


def test_an_archive(tmp_path: Path) -> None:
    draft = look(archive(tmp_path / "pneumoniamnist.npz"))
    assert draft.values["source"] == {"reader": "npz", "path": str(tmp_path / "pneumoniamnist.npz")}
    assert draft.values["inputs"]["image"] == {"kind": "image", "size": [28, 28], "channels": 1}
    assert draft.values["targets"] == {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}}
    assert draft.values["split"] == {"by": "patient", "unknown_patients": "accept", "method": "given"}
    assert draft.found[:3] == [
        "a MedMNIST archive: 6 / 3 / 4 pictures of 28×28 for train / validation / test, its splits kept",
        "2 classes: normal (7), pneumonia (6)",
        "no patient ids: overlap between splits can't be excluded",
    ]
    assert sum(cleaned(tmp_path / "pneumoniamnist.npz", tmp_path / "work").info.counts.values()) == 13


def test_an_archive_without_validation(tmp_path: Path) -> None:
    draft = look(archive(tmp_path / "set.npz", each=60, val_images=None, val_labels=None))
    assert draft.values["split"] == {
        "by": "patient",
        "unknown_patients": "accept",
        "method": "given",
        "validation": 0.15,
    }
    assert "60 / 31 pictures" in draft.found[0]
    assert "for train / test, its splits kept; it has no validation" in draft.found[0]
    counts = cleaned(tmp_path / "set.npz", tmp_path / "work").info.counts
    assert counts["test"] == 31
    assert counts["train"] + counts["validation"] == 60


def test_an_archive_in_colour_without_class_names(tmp_path: Path) -> None:
    draft = look(archive(tmp_path / "blood.npz", classes=3, shape=(20, 30, 3)))
    assert draft.values["inputs"]["image"] == {"kind": "image", "size": [20, 30], "channels": 3}
    assert draft.values["targets"]["finding"] == {"kind": "multiclass", "classes": ["class_0", "class_1", "class_2"]}
    assert "3 classes: class_0 (5), class_1 (4), class_2 (4) (the data have no names for them)" in draft.found


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    draft = look(archive(tmp_path / "large.npz", shape=(224, 224)))
    assert draft.values["inputs"]["image"]["size"] == [64, 64]
    assert "pictures are brought to 64×64" in draft.found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"val_labels": None}, "train_images"),
        ({"train_images": np.zeros((6, 8, 8, 8), np.uint8)}, "(6, 8, 8, 8): volumes, which can't be trained on yet"),
        ({"train_labels": np.zeros((6, 14), int)}, "14: several findings at once"),
        ({"test_labels": np.array([None, {}], dtype=object)}, "allow_pickle=False"),
        ({f"{split}_labels": np.zeros(3, int) for split in ("train", "val", "test")}, "1 class"),
    ],
)
def test_an_archive_that_is_no_task(tmp_path: Path, changes: Any, found: str) -> None:
    assert found in refusal(archive(tmp_path / "set.npz", **changes)).found


def test_a_broken_archive_and_one_of_other_arrays(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"PK")
    assert "zip" in refusal(tmp_path / "set.npz").found
    np.savez(tmp_path / "other.npz", x=np.zeros(3), y=np.zeros(3))
    assert refusal(tmp_path / "other.npz").found == "2 arrays of other names"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd"])
def test_volumes_cannot_be_trained_on_yet(tmp_path: Path, name: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_bytes(b"volume")
    for data in (tmp_path / "set", tmp_path / "set" / name):
        assert refusal(data).found.endswith("volume, which can't be trained on yet")


def test_nothing_there_and_something_else_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none").found == "no such file or folder"
    (tmp_path / "s.sav").write_bytes(b"sheet")
    error = refusal(tmp_path / "s.sav")
    assert error.found == "a file of another format"
    assert error.todo.startswith("save it as CSV")
    assert "docs/new-task.md" in error.todo


def test_a_folder_in_which_nothing_is_known(tmp_path: Path) -> None:
    assert refusal(tmp_path).found == "an empty folder"
    (tmp_path / "a.docx").write_bytes(b"letter")
    (tmp_path / "b.docx").write_bytes(b"letter")
    error = refusal(tmp_path)
    assert error.found == "2 .docx"
    assert "pictures (PNG, JPEG, TIFF, BMP) or DICOM files" in error.expected


def test_a_folder_of_archives(tmp_path: Path) -> None:
    archive(tmp_path / "set.npz")
    assert refusal(tmp_path).todo.startswith("name one of them by its path")


@needs("pneumoniamnist_assembled.npz")
def test_pneumonia(tmp_path: Path) -> None:
    draft = look(REAL / "pneumoniamnist_assembled.npz")
    assert draft.found[0].startswith("a MedMNIST archive: 4708 / 524 / 624 pictures of 28×28")
    assert draft.why["augment.online.image.horizontal_flip"] == "no mirror: the heart has a side"
    assert spec_of(draft, tmp_path).train.batch_size == 64


@needs("adrenalmnist3d.npz")
def test_adrenal_glands() -> None:
    error = refusal(REAL / "adrenalmnist3d.npz")
    assert error.found == "an array of shape (1188, 28, 28, 28): volumes, which can't be trained on yet"
