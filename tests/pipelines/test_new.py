"""A task from data: what is there is looked at, said in sentences, and written as a task file that loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from films import encoded, film, lay, patients, write_films

from components.lib.errors import DataError
from components.lib.spec import load_spec
from pipelines.look import look
from pipelines.new import create
from pipelines.workspace import workspace_name

pytestmark = pytest.mark.xdist_group("tensorflow")  # dvc.yaml is made from every step's function


def archive(path: Path, *, classes: int = 2, shape: tuple[int, ...] = (28, 28), **changes: Any) -> Path:
    arrays: dict[str, Any] = {}
    for split, count in (("train", 6), ("val", 3), ("test", 4)):
        arrays[f"{split}_images"] = np.zeros((count, *shape), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count)[:, None] % classes
    np.savez(path, **{name: array for name, array in {**arrays, **changes}.items() if array is not None})
    return path


def test_an_archive(tmp_path: Path) -> None:
    values, found = look(archive(tmp_path / "pneumoniamnist.npz"))
    assert values["source"] == {"reader": "npz", "path": str(tmp_path / "pneumoniamnist.npz")}
    assert values["inputs"]["image"] == {"kind": "image", "size": [28, 28], "channels": 1}
    assert values["targets"] == {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}}
    assert values["split"] == {"method": "given", "by": "sample"}
    assert found == [
        "a MedMNIST archive: 6 / 3 / 4 pictures of 28×28 for train / validation / test, its splits kept",
        "2 classes: normal, pneumonia",
        "no patient ids: overlap between splits can't be excluded",
    ]


def test_an_archive_in_colour_without_class_names(tmp_path: Path) -> None:
    values, found = look(archive(tmp_path / "blood.npz", classes=3, shape=(20, 30, 3)))
    assert values["inputs"]["image"] == {"kind": "image", "size": [20, 30], "channels": 3}
    assert values["targets"]["finding"] == {"kind": "multiclass", "classes": ["class_0", "class_1", "class_2"]}
    assert "3 classes: class_0, class_1, class_2 (the archive has no names for them)" in found


def test_folders_by_class(tmp_path: Path) -> None:
    values, found = look(lay(tmp_path, "pneumonia/a.png", "normal/b.png", "normal/c.png", "normal/._c.png"))
    assert "index" not in values["source"]
    assert values["targets"]["finding"] == {"kind": "binary", "classes": ["normal", "pneumonia"]}
    assert values["split"] == {"method": "hash", "by": "sample"}
    assert values["inputs"]["image"] == {"kind": "image", "size": [12, 12], "channels": 1}
    assert found == [
        "3 pictures in folders named by class",
        "2 classes: normal (2), pneumonia (1)",
        "pictures are brought to 12×12, grey",
        "no patient ids: each file counts as one patient, overlap can't be excluded",
    ]


def test_folders_by_split_and_class(tmp_path: Path) -> None:
    names = [f"{split}/{name}/a.png" for split in ("train", "val", "test") for name in ("benign", "malignant")]
    values, found = look(lay(tmp_path, *names))
    assert values["targets"]["finding"]["classes"] == ["benign", "malignant"]
    assert values["split"]["method"] == "given"
    assert "2 classes: benign (3), malignant (3)" in found


def test_an_index_with_patients(tmp_path: Path) -> None:
    values, found = look(write_films(tmp_path, patients(5, site="A")))
    assert values["source"]["index"] == "index.csv"
    assert values["targets"] == {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}}
    assert values["split"] == {"method": "hash", "by": "patient"}
    assert found[0] == "an index.csv with 10 rows; 'finding' is the target"
    assert found[-1] == "split by patient"


@pytest.mark.parametrize(("splits", "column"), [(("train", "val", "test"), "split"), (("fold1", "fold2", "x"), None)])
def test_the_split_of_an_index_counts_when_it_is_one(tmp_path: Path, splits: tuple[str, ...], column: Any) -> None:
    rows = [{**row, "split": splits[i % 3]} for i, row in enumerate(patients(6))]
    values, _ = look(write_films(tmp_path, rows))
    assert values["source"]["columns"] == {"split": column}
    assert values["split"]["method"] == ("given" if column else "hash")


def test_a_grade_called_none_is_a_class(tmp_path: Path) -> None:
    rows = [{**row, "finding": ("None", "mild", "")[i % 3]} for i, row in enumerate(patients(6))]
    _, found = look(write_films(tmp_path, rows))
    assert "2 classes: None (4), mild (4)" in found


def test_large_coloured_pictures(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        coloured = np.dstack([film(1, 200), film(2, 200), film(3, 200)])
        (tmp_path / name / "x.jpg").write_bytes(encoded(coloured, ".jpg"))
    values, _ = look(tmp_path)
    assert values["inputs"]["image"] == {"kind": "image", "size": [64, 64], "channels": 3}


def test_a_workspace_that_loads_and_is_kept(tmp_path: Path) -> None:
    data, workspace = archive(tmp_path / "breastmnist.npz"), tmp_path / "workspace"
    create(data, workspace, "breast")
    spec = load_spec(workspace / "task.yaml")
    assert spec.task == "breast"
    assert spec.targets["finding"].classes == ("malignant", "normal_or_benign")  # type: ignore[attr-defined]
    assert yaml.safe_load((workspace / "params.yaml").read_text()) == {"task": "task.yaml"}
    assert "phantom" not in yaml.safe_load((workspace / "dvc.yaml").read_text())["stages"]
    assert "no_scm = True" in (workspace / ".dvc" / "config").read_text()
    text = (workspace / "task.yaml").read_text(encoding="utf-8")
    assert "# Found in the data:\n#   a MedMNIST archive: 6 / 3 / 4 pictures" in text
    # DVC wants every section that a stage depends on to be there.
    wanted = {s for stage in yaml.safe_load((workspace / "dvc.yaml").read_text())["stages"].values()
              for sections in stage["params"][0].values() for s in sections}  # fmt: skip
    assert wanted <= {*yaml.safe_load(text)}
    edited = text.replace("train: null", "train: {epochs: 2}")
    (workspace / "task.yaml").write_text(edited, encoding="utf-8")
    assert "is there already and is kept" in create(data, workspace, "breast")[-1]
    assert (workspace / "task.yaml").read_text(encoding="utf-8") == edited


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Chest X-rays.npz", "chest_x_rays"), ("2024 scans", "task_2024_scans"), ("_a_", "a"), ("röntgen.npz", "r_ntgen")],
)
def test_a_name_from_a_path(tmp_path: Path, name: str, expected: str) -> None:
    assert workspace_name(tmp_path / name) == expected


def problem(data: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        look(data)
    assert str(data) in caught.value.where
    assert caught.value.todo
    return caught.value


def test_nothing_there_and_something_else_there(tmp_path: Path) -> None:
    assert problem(tmp_path / "none").found == "no such file or folder"
    (tmp_path / "film.png").write_bytes(encoded(film(0)))
    assert problem(tmp_path / "film.png").found == "a file of another format"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"val_labels": None}, "train_images"),
        ({"train_images": np.zeros((6, 8, 8, 8), np.uint8)}, "(6, 8, 8, 8)"),
        ({"test_labels": np.array([None, {}], dtype=object)}, "allow_pickle=False"),
        ({f"{split}_labels": np.zeros(3, int) for split in ("train", "val", "test")}, "1: class_0"),
    ],
)
def test_an_archive_that_is_no_task(tmp_path: Path, changes: Any, found: str) -> None:
    assert found in problem(archive(tmp_path / "set.npz", **changes)).found


def test_a_broken_archive(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"PK")
    assert "zip" in problem(tmp_path / "set.npz").found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file,finding\na.png,x\n", "a column 'path'"),
        ("path,patient\na.png,1\nb.png,2\n", "a column with 2 to 20 classes, named in small letters"),
        ("path,finding\n", "a column with 2 to 20 classes, named in small letters"),
        ("path,finding\na.png,x\nb.png,y\n", "pictures that can be read"),
        ("", "a CSV table in UTF-8, every row as long as the first line"),
    ],
)
def test_an_index_that_is_no_task(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "index.csv").write_text(text, encoding="utf-8")
    assert problem(tmp_path).expected == expected


def test_a_folder_of_one_class(tmp_path: Path) -> None:
    assert problem(lay(tmp_path, "normal/a.png")).found == "1: ['normal']"


def test_a_workspace_keeps_its_data_out_of_git(tmp_path: Path) -> None:
    data = archive(tmp_path / "films.npz")
    for _ in range(2):
        create(data, tmp_path / "work", "films")
    assert (tmp_path / "work/.gitignore").read_text(encoding="utf-8").splitlines() == ["/data/"]
