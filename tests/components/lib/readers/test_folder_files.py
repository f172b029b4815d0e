"""What lies in a folder of pictures: links, pipes, files and folders that are closed, odd names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from films import encoded, film, lay
from permissions import obeyed

from components.lib.errors import DataError, Unusable
from components.lib.kinds.multiclass import Multiclass
from components.lib.readers import folder
from components.lib.readers.folder import Folder

TARGETS: dict[str, Any] = {"grade": Multiclass(kind="multiclass", classes=("mild", "severe"))}


def listed(raw: Path) -> list[str]:
    """The files of a folder of classes."""
    return list(Folder(reader="folder", path=str(raw)).samples(raw, {}, TARGETS)["file"])


def problem(raw: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        listed(raw)
    return caught.value


def load(raw: Path, file: str) -> Any:
    return Folder(reader="folder", path=str(raw)).opener(raw, {})(file, 0)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    lay(tmp_path, "mild/a.png", "severe/b.png")
    (tmp_path / "mild" / "up").symlink_to(tmp_path)
    (tmp_path / "mild" / "other").symlink_to(tmp_path / "severe")
    (tmp_path / "severe" / "other").symlink_to(tmp_path / "mild")
    assert listed(tmp_path) == ["mild/a.png", "severe/b.png"]


def test_a_link_to_a_folder_of_films_is_a_class(tmp_path: Path) -> None:
    lay(tmp_path, "elsewhere/a.png", "raw/severe/b.png")
    (tmp_path / "raw" / "mild").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "raw" / "mild again").symlink_to(tmp_path / "elsewhere")
    assert listed(tmp_path / "raw") == ["mild/a.png", "severe/b.png"]


def test_a_link_to_itself_and_one_to_nothing(tmp_path: Path) -> None:
    lay(tmp_path, "mild/a.png")
    (tmp_path / "mild" / "b.png").symlink_to(tmp_path / "mild" / "b.png")
    (tmp_path / "mild" / "c.png").symlink_to(tmp_path / "none.png")
    assert len(listed(tmp_path)) == 3
    with pytest.raises(Unusable, match="unreadable: Too many levels of symbolic links"):
        load(tmp_path, "mild/b.png")
    with pytest.raises(FileNotFoundError):
        load(tmp_path, "mild/c.png")


def test_a_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    lay(tmp_path, "mild/a.png", "severe/b.png")
    (tmp_path / "severe").chmod(0)
    try:
        with obeyed():
            error = problem(tmp_path)
    finally:
        (tmp_path / "severe").chmod(0o700)
    assert (error.where, error.found) == (str(tmp_path / "severe"), "Permission denied")


def test_a_file_that_may_not_be_read_is_a_finding_about_it(tmp_path: Path) -> None:
    lay(tmp_path, "mild/a.png", "mild/b.png")
    (tmp_path / "mild" / "a.png").chmod(0)
    with obeyed():
        assert len(listed(tmp_path)) == 2
        with pytest.raises(Unusable, match="unreadable: Permission denied"):
            load(tmp_path, "mild/a.png")
        assert load(tmp_path, "mild/b.png") == encoded(film(1))


def test_what_is_no_plain_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "mild/a.png", "mild/b.png")
    os.mkfifo(tmp_path / "mild" / "pipe.png")
    with pytest.raises(Unusable, match="unreadable: not a regular file"):
        load(tmp_path, "mild/pipe.png")
    with pytest.raises(IsADirectoryError):
        load(tmp_path, "mild")
    with pytest.raises(FileNotFoundError):
        load(tmp_path, "mild/a.png/b.png\0")
    with pytest.raises(NotADirectoryError):
        load(tmp_path, "mild/a.png/b.png")
    with pytest.raises(Unusable, match="unreadable: File name too long"):
        load(tmp_path, "x" * 300 + ".png")
    monkeypatch.setattr(folder, "LARGEST", 10)
    with pytest.raises(Unusable, match="too large"):
        load(tmp_path, "mild/a.png")


def test_names_in_another_encoding(tmp_path: Path) -> None:
    lay(tmp_path, "mild/a.png")
    (tmp_path / "mild" / os.fsdecode(b"r\xf6ntgen.png")).write_bytes(b"")
    error = problem(tmp_path)
    assert (error.expected, error.found) == ("names of files in UTF-8", "1 in another encoding")
