"""Tables beside files, whatever their columns are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from films import encoded, film, patients, write_films
from looks import REAL, cleaned, needs, refusal, spec_of

from pipelines.look import Questions, look


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def test_an_index_as_the_reader_has_it(tmp_path: Path) -> None:
    draft = look(write_films(tmp_path, patients(30, site="A")))
    assert draft.values["source"] == {"reader": "folder", "path": str(tmp_path), "index": "index.csv"}
    assert draft.values["targets"] == {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}}
    assert draft.values["split"]["by"] == "patient"
    assert draft.found[0] == (
        "a table index.csv with 60 rows; column 'path' names the files, 'finding' is the target; 12×12, grey"
    )
    assert "column 'patient' is the patient: 30 patients in 60 rows" in draft.found


def renamed(folder: Path, names: dict[str, str], file: str = "labels.csv", **values: Any) -> pd.DataFrame:
    """Films of 40 patients, two each, with an index whose columns are called otherwise."""
    write_films(folder, patients(40, **values))
    table = pd.read_csv(folder / "index.csv").rename(columns=names)
    (folder / "index.csv").unlink()
    if file.endswith(".parquet"):
        table.to_parquet(folder / file)
    else:
        table.to_csv(folder / file, index=False)
    return table


@pytest.mark.parametrize("file", ["labels.csv", "labels.parquet", "index.parquet"])
@pytest.mark.parametrize(("path", "patient"), [("Image", "PatientID"), ("file_name", "subject"), ("x", "Case No")])
def test_columns_of_other_names_are_recognised_and_run(tmp_path: Path, path: str, patient: str, file: str) -> None:
    names = {"path": path, "patient": patient, "finding": "diagnosis", "sex": "Gender", "site": "Hospital"}
    renamed(tmp_path / "raw", names, file, sex="F", site="north", age=61)
    draft = look(tmp_path / "raw")
    columns = draft.values["source"]["columns"]
    assert (columns["path"], columns["patient"]) == (path, patient)
    assert columns["sex"] == "Gender"
    data = cleaned(tmp_path / "raw", tmp_path / "work")
    assert sum(data.info.counts.values()) == 80
    assert data.samples()["patient"].nunique() == 40
    assert {*data.samples()["sex"]} == {"F"}


def test_a_path_column_is_known_by_the_files_it_names(tmp_path: Path) -> None:
    table = renamed(tmp_path, {"path": "column_7"})
    assert look(tmp_path).values["source"]["columns"]["path"] == "column_7"
    assert table["column_7"].iloc[0] not in str(look(tmp_path))


@pytest.mark.parametrize(
    ("splits", "kept"), [(("train", "val", "test"), True), (("Training", "Testing"), True), (("train", "val"), False)]
)
def test_a_split_counts_when_it_has_train_and_test(tmp_path: Path, splits: tuple[str, ...], kept: bool) -> None:
    rows = [{**row, "fold": splits[(i // 2) % len(splits)]} for i, row in enumerate(patients(12))]
    draft = look(write_films(tmp_path, rows))
    assert (draft.values["split"]["method"] == "given") is kept
    assert draft.values["source"].get("columns") == ({"split": "fold"} if kept else None)
    spec_of(draft, tmp_path / "work")


def test_numbered_folds_are_no_split(tmp_path: Path) -> None:
    rows = [{**row, "fold": i % 5} for i, row in enumerate(patients(10))]
    assert any("called like a split" in line for line in look(write_films(tmp_path, rows)).found)


def test_patients_on_two_sides_are_taken_out_of_train(tmp_path: Path) -> None:
    rows = [{**row, "split": ("train", "val", "test")[i % 3]} for i, row in enumerate(patients(30))]
    draft = look(write_films(tmp_path / "raw", rows))
    assert draft.values["split"]["shared_patients"] == "drop_from_train"
    assert draft.found[-1].endswith("on two sides of the given split: taken out of train")


def test_ids_that_come_back_may_be_the_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed(tmp_path, {"patient": "case_id"})
    draft = look(tmp_path)
    assert draft.values["source"]["columns"]["patient"] == "case_id"
    assert any("assumed: Is 'case_id' the patient (40 values in 80 rows)? yes" in line for line in draft.found)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert look(tmp_path, Questions(ask=True)).values["split"]["unknown_patients"] == "accept"


def test_a_view_is_predicted_only_where_it_is_named(tmp_path: Path) -> None:
    rows = [{**row, "view": ("ap", "pa", "lateral")[i % 3]} for i, row in enumerate(patients(20))]
    rows = [{("effusion" if k == "finding" else k): v for k, v in row.items()} for row in rows]
    draft = look(write_films(tmp_path, rows))
    assert [*draft.values["targets"]] == ["effusion"]
    assert not any("Which column is to be predicted?" in line for line in draft.found)  # nobody predicts a view
    assert [*look(tmp_path, Questions(target="view")).values["targets"]] == ["view"]


def test_a_number_as_target(tmp_path: Path) -> None:
    rows = [{"path": row["path"], "patient": row["patient"], "thickness": i / 7} for i, row in enumerate(patients(30))]
    draft = look(write_films(tmp_path / "raw", rows))
    assert draft.values["targets"] == {"thickness": {"kind": "regression"}}
    assert sum(cleaned(tmp_path / "raw", tmp_path / "work").info.counts.values()) == 60


def test_a_grade_called_none_is_a_class(tmp_path: Path) -> None:
    rows = [{**row, "finding": ("None", "mild", "")[i % 3]} for i, row in enumerate(patients(6))]
    draft = look(write_films(tmp_path, rows))
    assert "2 classes: None (4), mild (4)" in draft.found
    assert "4 rows without a class: they teach nothing" in draft.found


def test_files_that_are_not_there_and_files_in_no_row_are_counted(tmp_path: Path) -> None:
    write_films(tmp_path, patients(20))
    next((tmp_path / "films").glob("*_normal.png")).unlink()
    (tmp_path / "films" / "more.png").write_bytes(encoded(film(5)))
    found = look(tmp_path).found
    assert "1 file of the table is not there" in found
    assert "1 further picture in no row of the table: left out" in found


def test_outlines_that_another_column_names_are_no_further_pictures(tmp_path: Path) -> None:
    table = renamed(tmp_path, {})
    (tmp_path / "masks").mkdir()
    for number in range(len(table)):
        (tmp_path / "masks" / f"{number}.png").write_bytes(encoded(film(number)))
    table.assign(mask=[f"masks/{n}.png" for n in range(len(table))]).to_csv(tmp_path / "labels.csv", index=False)
    found = look(tmp_path).found
    assert "mask: names files, too, such as outlines; not used" in found
    assert not any("further picture" in line for line in found)


def test_the_table_itself_can_be_named(tmp_path: Path) -> None:
    write_films(tmp_path, patients(10))
    draft = look(tmp_path / "index.csv")
    assert draft.values["source"]["path"] == str(tmp_path)
    assert draft.values["source"]["index"] == "index.csv"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name,finding\na.png,x\n", "name, finding"),
        ("path,patient\na.png,1\nb.png,2\n", "none of the files that column 'path' of index.csv names"),
        ("path,finding\na.png,x\nb.png,y\n", "none of the files that column 'path' of index.csv names"),
        ("", "an empty file"),
    ],
)
def test_an_index_that_names_no_file(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "index.csv").write_text(text, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("nothing")
    assert refusal(tmp_path).found == found


def test_a_target_that_is_called_otherwise_in_the_task(tmp_path: Path) -> None:
    renamed(tmp_path, {"finding": "Final Diagnosis"})
    draft = look(tmp_path)
    assert draft.values["source"]["columns"]["targets"] == {"final_diagnosis": "Final Diagnosis"}
    assert cleaned(tmp_path, tmp_path.with_name("work")).samples()["final_diagnosis"].nunique() == 2


def test_a_table_without_a_target(tmp_path: Path) -> None:
    renamed(tmp_path, {"finding": "site"})
    assert refusal(tmp_path).found == "path, patient, site"


def test_files_named_without_their_folder(tmp_path: Path) -> None:
    table = renamed(tmp_path, {})
    table["path"] = table["path"].str.removeprefix("films/")
    table.to_csv(tmp_path / "labels.csv", index=False)
    assert look(tmp_path).values["source"]["index"] == "labels.csv"
    (tmp_path / "elsewhere").mkdir()
    for name in table["path"]:
        (tmp_path / "elsewhere" / name).write_bytes((tmp_path / "films" / name).read_bytes())
    assert "could mean several files, which have one name in several folders" in refusal(tmp_path).found


def test_files_named_twice(tmp_path: Path) -> None:
    table = renamed(tmp_path, {})
    pd.concat([table, table.head(3)]).to_csv(tmp_path / "labels.csv", index=False)
    assert refusal(tmp_path).found == "3 rows that name a file again"


def test_a_table_of_boxes(tmp_path: Path) -> None:
    table = renamed(tmp_path, {})
    table.assign(xmin=1, xmax=2, ymin=1, ymax=2).to_csv(tmp_path / "labels.csv", index=False)
    assert "a table of 80 boxes" in refusal(tmp_path).found


@needs("brain_mri_4class")
def test_brain_slices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draft = look(REAL / "brain_mri_4class")
    assert draft.values["source"]["columns"] == {"path": "file", "split": "split"}
    assert draft.values["split"] == {
        "by": "patient",
        "unknown_patients": "accept",
        "method": "given",
        "validation": 0.15,
    }
    assert "column 'split' is the split: kept; it has no validation, which is made from train" in draft.found
    assert [*draft.values["targets"]] == ["class"]
    assert "4 classes: notumor (400), glioma (400), meningioma (400), pituitary (400)" in draft.found
    assert "no patient ids: each file counts as one patient, overlap can't be excluded" in draft.found
    data = cleaned(REAL / "brain_mri_4class", tmp_path / "work")
    assert sum(data.info.counts.values()) > 1500
    assert "validation made from the given train: 174 of 1,200" in capsys.readouterr().out


@needs("bccd")
def test_a_table_of_boxes_by_its_path() -> None:
    assert "a table of 4,888 boxes" in refusal(REAL / "bccd" / "test.csv").found
