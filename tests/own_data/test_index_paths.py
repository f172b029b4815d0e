"""Paths of an index, spelt otherwise than the files: readers and pipelines.new find the same ones."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from films import patients, task, write_films

from components.lib.readers._paths import Names
from pipelines.look import look

WAYS: dict[str, Callable[[str, Path], str]] = {
    "as they are": lambda file, at: file,
    "backslashes": lambda file, at: file.replace("/", "\\"),
    "a dot": lambda file, at: f"./{file}",
    "a dot and backslashes": lambda file, at: ".\\" + file.replace("/", "\\"),
    "own name": lambda file, at: f"{at.name}/{file}",
    "another folder's name": lambda file, at: f"Set-v1.0/{file}",
    "capitals": lambda file, at: file.upper(),
    "absolute": lambda file, at: str(at / file),
    "absolute elsewhere": lambda file, at: f"C:\\export\\2024\\{file}",
    "bare names": lambda file, at: file.rpartition("/")[2],
    "no extension": lambda file, at: file.rpartition("/")[2].removesuffix(".png"),
    "in quotes": lambda file, at: f'"{file}"',
    "percent": lambda file, at: file.replace("_", "%5F"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_path_spelt_otherwise_is_the_file_it_means(way: str, tmp_path: Path) -> None:
    raw = write_films(tmp_path / "set", patients(30))
    table = pd.read_csv(raw / "index.csv")
    files = table["path"].tolist()
    table.assign(path=[WAYS[way](file, raw) for file in files]).to_csv(raw / "index.csv", index=False)
    draft = look(raw)
    assert draft.values["source"]["index"] == "index.csv"
    spec = task()
    index = spec.source.samples(raw, spec.inputs, spec.targets)
    assert sorted(index["file"]) == sorted(files)
    assert dict(zip(index["file"], index["patient"], strict=True)) == dict(zip(files, table["patient"], strict=True))


def test_where_two_files_could_be_meant_none_is_taken() -> None:
    names = Names(["a/1.png", "b/1.png", "b/2.png"])
    told = names.resolve(["1.png", "2.png", "c/2.png", "3.png"])
    assert told.files == ["1.png", "b/2.png", "c/2.png", "3.png"]
    assert (told.found, told.ambiguous) == ([False, True, False, False], 1)


def test_paths_that_lead_outside_are_never_found(tmp_path: Path) -> None:
    names = Names(["passwd", "a/passwd"], tmp_path)
    assert names.resolve(["../passwd", "/passwd", "a/../../passwd", ""]).found == [False] * 4


def test_accents_in_either_composition() -> None:
    name = "Müller/ä.png"
    assert Names([unicodedata.normalize("NFD", name)]).resolve([name]).found == [True]
