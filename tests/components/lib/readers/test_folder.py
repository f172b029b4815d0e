"""Folders of pictures: by class, by split and class, or by an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from films import lay

from components.lib.errors import DataError
from components.lib.kinds.multiclass import Multiclass
from components.lib.readers.folder import Folder, FolderColumns, leads_outside

TARGETS: dict[str, Any] = {"grade": Multiclass(kind="multiclass", classes=("None", "mild", "severe"))}


def index(raw: Path, text: str | None = None, *, targets: dict[str, Any] = TARGETS, **columns: Any) -> pd.DataFrame:
    """The table of a folder; with a text, by the index.csv that it becomes."""
    if text is not None:
        (raw / "index.csv").write_text(text, encoding="utf-8")
    name = None if text is None else "index.csv"
    source = Folder(reader="folder", path=str(raw), index=name, columns=FolderColumns(**columns))
    return source.samples(raw, {}, targets)


def problem(*arguments: Any, **columns: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        index(*arguments, **columns)
    return caught.value


def test_a_folder_is_a_class(tmp_path: Path) -> None:
    lay(tmp_path, "severe/b.png", "mild/a.JPG", "mild/deeper/c.tiff", "mild/._a.JPG", "notes.txt")
    table = index(tmp_path)
    assert table[["file", "grade"]].to_numpy().tolist() == [
        ["mild/a.JPG", "mild"], ["mild/deeper/c.tiff", "mild"], ["severe/b.png", "severe"],
    ]  # fmt: skip
    assert table[["patient", "split", "site", "sex", "age"]].isna().all().all()
    assert set(table["row"]) == {0}


def test_splits_above_the_classes(tmp_path: Path) -> None:
    lay(tmp_path, "Train/mild/a.png", "val/mild/b.png", "testing/severe/c.png", "valid/severe/d.png")
    table = index(tmp_path).set_index("file")
    assert table["split"].to_dict() == {
        "Train/mild/a.png": "train", "val/mild/b.png": "validation",
        "testing/severe/c.png": "test", "valid/severe/d.png": "validation",
    }  # fmt: skip
    assert list(table["grade"]) == ["mild", "severe", "mild", "severe"]


def test_a_film_outside_the_class_folders_has_no_known_class(tmp_path: Path) -> None:
    table = index(lay(tmp_path, "a.png", "mild/b.png"))
    assert pd.isna(table["grade"][0])


def test_an_index_with_every_column(tmp_path: Path) -> None:
    text = "path,grade,patient,split,site,sex,age,more\nb.png,mild,p2,val,A,f,70,x\n a.png , severe,p1,TRAIN,B,m,,y\n"
    table = index(tmp_path, text, split="split")
    first, second = table.to_dict("records")
    assert (first["file"], first["grade"], first["patient"], first["split"]) == ("a.png", "severe", "p1", "train")
    assert (second["split"], second["site"], second["sex"], second["age"]) == ("validation", "A", "f", "70")
    assert pd.isna(first["age"])
    assert "more" not in table


def test_columns_of_other_names(tmp_path: Path) -> None:
    table = index(tmp_path, "file,grade,subject\na.png,mild,p1\n", path="file", patient="subject")
    assert (table["file"][0], table["patient"][0]) == ("a.png", "p1")


def test_patients_are_unknown_when_nobody_names_them(tmp_path: Path) -> None:
    assert index(tmp_path, "path,grade,patient\na.png,mild,p1\n", patient=None)["patient"].isna().all()


def test_the_split_column_counts_only_when_it_is_named(tmp_path: Path) -> None:
    assert index(tmp_path, "path,grade,split\na.png,mild,fold3\n")["split"].isna().all()


def test_words_for_unknown_are_unknown_but_a_class_is_a_class(tmp_path: Path) -> None:
    text = "path,grade,patient\na.png,None,p1\nb.png,NA,nan\nc.png,,  \nd.png,none,NULL\n"
    table = index(tmp_path, text)
    assert table["grade"][0] == "None"
    assert table["grade"][1:].isna().all()
    assert table["patient"].notna().tolist() == [True, False, False, False]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert len(index(tmp_path, "\ufeffpath,grade\na.png,mild\n")) == 1


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("paths,grade\na.png,mild\n", "a column 'path'", "paths, grade; nearest: paths"),
        ("path,Grade\na.png,mild\n", "a column 'grade'", "path, Grade; nearest: Grade"),
        ("path;grade\na.png;mild\n", "a column 'path'", "path;grade"),
    ],
)
def test_a_missing_column_names_what_is_there(tmp_path: Path, text: str, expected: str, found: str) -> None:
    error = problem(tmp_path, text)
    assert error.where == f"{tmp_path / 'index.csv'}, first line"
    assert (error.expected, error.found.split("; nearest: p")[0]) == (expected, found.split("; nearest: p")[0])


@pytest.mark.parametrize("path", ["../a.png", "/etc/a.png", "films/../../a.png", "", "   "])
def test_a_path_stays_inside_the_folder(tmp_path: Path, path: str) -> None:
    error = problem(tmp_path, f"path,grade\nb.png,mild\n{path},mild\n")
    assert error.found == "1 empty or leading outside"
    assert "a.png" not in str(error)  # a file's name may name a patient


def test_a_split_nobody_knows_names_its_line(tmp_path: Path) -> None:
    error = problem(tmp_path, "path,grade,split\na.png,mild,train\nb.png,mild,holdout\n", split="split")
    assert error.where.endswith("index.csv, line 3")
    assert error.found == "holdout"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "the table is empty"),
        ('path,grade\n"a.png,mild\n', "EOF inside string"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str, found: str) -> None:
    error = problem(tmp_path, text)
    assert error.where == str(tmp_path / "index.csv")
    assert found in error.found


def test_a_row_longer_than_the_names_is_named_by_its_line(tmp_path: Path) -> None:
    error = problem(tmp_path, "path,grade\na.png,mild,,\nb.png,mild,1,2\n")
    assert error.where == f"{tmp_path / 'index.csv'}, line 3"
    assert error.found == "4"


def test_an_index_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_bytes("path,grade\nröntgen.png,mild\n".encode("latin-1"))
    source = Folder(reader="folder", path=str(tmp_path), index="index.csv")
    with pytest.raises(DataError, match="a CSV table in UTF-8"):
        source.samples(tmp_path, {}, TARGETS)


def test_a_named_index_that_is_not_there(tmp_path: Path) -> None:
    source = Folder(reader="folder", path=str(tmp_path), index="labels.csv")
    with pytest.raises(DataError, match=r"labels\.csv[\s\S]*No such file"):
        source.samples(tmp_path, {}, TARGETS)


def test_no_folder_a_file_and_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert problem(tmp_path / "none").found == "no such folder"
    assert problem(tmp_path / "file").found == "a file"
    assert problem(tmp_path / "empty").expected == "at least one PNG, JPEG, TIFF, BMP or DICOM file"
    assert problem(tmp_path / "empty", "path,grade\n").found == "none"


def test_folders_name_one_target_alone(tmp_path: Path) -> None:
    lay(tmp_path, "mild/a.png")
    error = problem(tmp_path, targets={**TARGETS, "side": TARGETS["grade"]})
    assert error.found == "grade, side"
    assert "index CSV" in error.todo


def test_a_link_is_read_as_what_it_points_to(tmp_path: Path) -> None:
    """Stated, not judged: who lays links into the folder decides what is read."""
    lay(tmp_path, "outside/a.png", "raw/mild/b.png")
    (tmp_path / "raw" / "mild" / "a.png").symlink_to(tmp_path / "outside" / "a.png")
    table = index(tmp_path / "raw")
    assert list(table["file"]) == ["mild/a.png", "mild/b.png"]
    assert (
        Folder(reader="folder", path="raw").opener(tmp_path / "raw", {})("mild/a.png", 0)
        == (tmp_path / "outside" / "a.png").read_bytes()
    )


def test_an_index_as_parquet_is_that_of_a_csv(tmp_path: Path) -> None:
    rows = pd.DataFrame({"path": ["b.png", "a.png"], "grade": ["mild", None], "patient": [7, 12], "age": [70.5, None]})
    rows.to_parquet(tmp_path / "index.Parquet")
    table = Folder(reader="folder", path="raw", index="index.Parquet").samples(tmp_path, {}, TARGETS)
    pd.testing.assert_frame_equal(table, index(tmp_path, "path,grade,patient,age\nb.png,mild,7,70.5\na.png,,12,\n"))


@pytest.mark.parametrize("content", [b"", b"path,grade\na.png,mild\n", b"PAR1 and no more PAR1"])
def test_a_damaged_parquet_index(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "index.parquet").write_bytes(content)
    with pytest.raises(DataError, match="a Parquet table"):
        Folder(reader="folder", path="raw", index="index.parquet").samples(tmp_path, {}, TARGETS)


def test_files_of_any_case_and_format_are_found(tmp_path: Path) -> None:
    names = ["A.PNG", "b.Jpg", "c.TIFF", "d.dcm", "e.DICOM", "f.bmp", "g.gif", "scan.webp"]
    table = index(lay(tmp_path, *(f"mild/{name}" for name in names), "mild/notes.txt", "mild/noSuffix"))
    assert [Path(file).name for file in table["file"]] == names


def test_what_is_hidden_is_left_out(tmp_path: Path) -> None:
    lay(tmp_path, "mild/a.png", "mild/.b.png", ".git/mild/c.png", "__MACOSX/mild/d.png", "mild/.deep/e.png")
    assert list(index(tmp_path)["file"]) == ["mild/a.png"]


def test_names_with_blanks_accents_and_signs(tmp_path: Path) -> None:
    names = [
        "mild/Müller, Jörg 1.png",
        "mild/胸部 X線.png",
        "mild/a'b\"c;d.png",
        "mild/Mu\u0308ller.png",
        "mild/🩻.png",
    ]
    lay(tmp_path, *names)
    assert sorted(index(tmp_path)["file"]) == sorted(names)
    load = Folder(reader="folder", path="raw").opener(tmp_path, {})
    assert all(load(name, 0) == (tmp_path / name).read_bytes() for name in names)


def test_a_path_spelt_otherwise_is_found_where_one_file_can_be_meant(tmp_path: Path) -> None:
    lay(tmp_path, "films/Mu\u0308ller.JPG", "films/a.png", "Two.png", "two.png")
    text = "path,grade\nfilms\\MÜLLER.jpg,mild\n./films//A.png,mild\nTWO.png,mild\nlost.png,mild\n"
    files = set(index(tmp_path, text)["file"])
    assert files == {"films/Mu\u0308ller.JPG", "films/a.png", "TWO.png", "lost.png"}


@pytest.mark.parametrize("again", ["a.png", "./a.png", "A.PNG", " a.png "])
def test_a_file_that_stands_twice_in_the_index(tmp_path: Path, again: str) -> None:
    lay(tmp_path, "a.png", "b.png")
    error = problem(tmp_path, f"path,grade\na.png,mild\nb.png,mild\n{again},severe\n")
    assert error.expected == "every file once"
    assert "rows 1, 3 below the names" in error.found
    assert "a.png" not in str(error)


def test_many_repeated_rows_are_counted(tmp_path: Path) -> None:
    error = problem(lay(tmp_path, "a.png"), "path,grade\n" + "a.png,mild\n" * 9)
    assert error.found.startswith("9 rows")
    assert "rows 1, 2, 3, 4, 5, … below" in error.found


@pytest.mark.parametrize(
    ("path", "outside"),
    [
        ("", True), ("/a", True), ("..", True), ("a/../b", True), ("\\a", True), ("..\\a", True), ("C:\\a", True),
        ("C:/a", True), ("a..b/c", False), ("./a", False), ("a", False), ("...", False),
    ],
)  # fmt: skip
def test_paths_that_lead_outside_on_any_system(path: str, outside: bool) -> None:
    assert leads_outside(path) is outside
