"""A table of patients alone beside class folders: the folders say the class, the table whose the film is."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from films import encoded, film
from looks import cleaned, spec_of
from pydantic import ValidationError

from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.readers.folder import Folder
from pipelines.look import Questions, look


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def films(
    folder: Path, seed: int, *, sides: tuple[str, ...] = ("",), extra: str = "", spelt: str = "{}", rows: float = 1.0
) -> dict[str, str]:
    """Films in class folders and a table of whose they are; returns file to patient."""
    draw = random.Random(seed)
    found = {}
    for number in range(120):
        side = sides[(number % 40 + (number < 2)) % len(sides)]  # two patients are in both
        name = f"{side}{'pneumonia' if number % 3 == 0 else 'normal'}/{number:04d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(film(number)))
        found[name] = f"P{number % 40:03d}"
    listed = draw.sample([*found], round(rows * len(found)))
    sign = draw.choice(",;\t")
    lines = [sign.join(["file", "patient", "sex", *([extra] if extra else [])])]
    for name in listed:
        cells = [spelt.format(name), found[name], draw.choice("MF")] + ([draw.choice(["A3", "B1"])] if extra else [])
        lines.append(sign.join(cells))
    (folder / "patients.csv").write_text("\n".join(lines) + "\n")
    return {name: found[name] for name in listed}


def ingested(folder: Path, work: Path, questions: Questions | None = None) -> Any:
    spec = spec_of(look(folder, questions), work)
    ingest(raw=folder, dataset=work / "ingested", private=work / "private", spec=spec)
    return Dataset(work / "ingested").samples()


@pytest.mark.parametrize(
    ("seed", "spelt"),
    [
        (1, "{}"),
        *(pytest.param(*each, marks=pytest.mark.accept) for each in ((2, "./{}"), (3, "films\\{}"), (4, "FILMS/{}"))),
    ],
)
def test_patients_come_from_the_table_and_classes_from_the_folders(tmp_path: Path, seed: int, spelt: str) -> None:
    films(tmp_path / "films", seed, spelt=spelt)
    draft = look(tmp_path / "films")
    assert draft.values["source"]["patients"] == "patients.csv"
    assert "index" not in draft.values["source"]
    assert draft.values["targets"]["finding"]["classes"] == ["normal", "pneumonia"]
    assert any("patients.csv says whose the files are" in line for line in draft.found)
    samples = ingested(tmp_path / "films", tmp_path / "work")
    assert samples["patient"].nunique() == 40
    assert samples.groupby("patient")["split"].nunique().max() == 1
    assert samples["finding"].value_counts().to_dict() == {"normal": 80, "pneumonia": 40}
    assert set(samples["sex"]) == {"M", "F"}


def test_a_given_split_is_kept_and_patients_in_two_of_it_leave_train(tmp_path: Path) -> None:
    films(tmp_path / "films", 5, sides=("train/", "test/"))
    draft = look(tmp_path / "films")
    assert draft.values["split"]["shared_patients"] == "drop_from_train"
    samples = ingested(tmp_path / "films", tmp_path / "work")
    assert samples.groupby("patient")["split"].nunique().max() == 1


def test_a_column_that_could_be_predicted_is_asked_about_and_the_folders_are_the_default(tmp_path: Path) -> None:
    films(tmp_path / "films", 6, extra="ward")
    draft = look(tmp_path / "films")
    assert "patients" in draft.values["source"]
    assert any("What is to be predicted? the folders: normal, pneumonia" in line for line in draft.assumed)
    named = look(tmp_path / "films", Questions(target="ward"))
    assert named.values["source"]["index"] == "patients.csv"
    films(tmp_path / "others", 6, extra="diagnosis")
    assert look(tmp_path / "others").values["source"]["index"] == "patients.csv"


def test_films_in_no_row_are_counted(tmp_path: Path) -> None:
    films(tmp_path / "films", 7, rows=0.6)
    draft = look(tmp_path / "films")
    assert any("48 pictures in no row of it" in line for line in draft.found)
    assert draft.values["split"]["unknown_patients"] == "accept"
    assert ingested(tmp_path / "films", tmp_path / "work")["patient"].isna().sum() == 48


def test_inside_an_archive(tmp_path: Path) -> None:
    films(tmp_path / "films", 8)
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        for path in sorted((tmp_path / "films").rglob("*.*")):
            archive.write(path, path.relative_to(tmp_path))
    data = cleaned(tmp_path / "films.zip", tmp_path / "work")
    assert data.samples()["patient"].nunique() == 40


def test_two_rows_that_differ_about_a_file_are_refused(tmp_path: Path) -> None:
    films(tmp_path / "films", 9)
    spec = spec_of(look(tmp_path / "films"), tmp_path / "work")
    table = tmp_path / "films/patients.csv"
    lines = table.read_text().splitlines()
    sign = next(each for each in ",;\t" if each in lines[0])
    cells = lines[1].split(sign)
    table.write_text("\n".join([*lines, sign.join([cells[0], "P999", cells[2]]), lines[2]]) + "\n")
    with pytest.raises(DataError, match="2 rows about a file of which another row says something else"):
        spec.source.samples(tmp_path / "films", spec.inputs, spec.targets)


@pytest.mark.parametrize("more", [{"index": "a.csv"}, {"patient_from": "(?P<patient>a)"}])
def test_a_table_of_patients_stands_alone(more: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="that alone"):
        Folder(reader="folder", path="x", patients="p.csv", **more)
