"""Archives of what the folder reader reads: the same index out of each."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from films import encoded, film
from odd_films import packed
from pydantic import ValidationError

from components.lib.errors import DataError
from components.lib.kinds.multiclass import Multiclass
from components.lib.readers.archive import PackedFolder
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
