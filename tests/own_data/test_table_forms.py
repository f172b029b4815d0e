"""Tables as programs write them: any delimiter, encoding, decimal sign, title, header or none."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from films import patients, task, write_films
from looks import spec_of

from components.ingest import ingest
from components.lib.errors import DataError
from components.lib.readers.table import TableFile
from components.lib.tables import TableForm, read_text, recognise
from pipelines.look import Questions, look

WORDS = {
    "utf-8": ["肺炎", "größer, links", "sain; aigu", "normal"], "utf-8-sig": ["肺炎", "gesund"],
    "utf-16": ["Lungenentzündung", "normal"], "cp1252": ["Lungenentzündung", "gesund", "pneumonie aiguë; gauche"],
    "gb18030": ["肺炎", "正常", "高血压，糖尿病"], "cp932": ["肺炎", "正常", "ベッド上"],
}  # fmt: skip
DOSE = {"record": {"kind": "table", "numbers": ["dose"], "categories": {}}}
NAMES = ["patient", "alter", "sex", "creatinine", "befund", "outcome"]


def rows_of(draw: random.Random, count: int, words: list[str]) -> list[list[str]]:
    two = draw.sample(words, 2)
    return [
        [f"P{i:03d}", str(draw.randint(20, 90)), draw.choice("mf"), f"{draw.gauss(90, 20):.1f}", two[i % 2],
         f"{abs(draw.gauss(4, 2)):.2f}"]
        for i in range(count)
    ]  # fmt: skip


def written(draw: random.Random, path: Path) -> tuple[list[str], list[list[str]], int]:
    """A table of random form: its names, its rows, and how many empty ones stand at its end."""
    encoding, delimiter, decimal = draw.choice([*WORDS]), draw.choice(",;\t|"), draw.choice(".,")
    rows = rows_of(draw, draw.choice([8, 20, 150]), WORDS[encoding])
    header, empty, extra = draw.random() < 0.8, draw.choice([0, 0, 3]), draw.choice([0, 0, 1, 2])
    end = draw.choice(["\n", "\r\n"])
    above = ["", f"Station 7{end}", f"Station 7{delimiter * 5}{end}", f"sep={delimiter}{end}", f"# from the ward{end}"]
    text = io.StringIO(newline="")
    text.write(draw.choice(above))
    out: Any = csv.writer(
        text, delimiter=delimiter, quoting=draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), lineterminator=end
    )
    if header:
        out.writerow(NAMES + [""] * (extra == 2))
    for row in rows:
        out.writerow([cell.replace(".", decimal) for cell in row] + [""] * (extra > 0))
    text.write((delimiter * 5 + end) * empty)
    path.write_bytes(text.getvalue().encode(encoding))
    return NAMES if header else [f"column_{at}" for at in range(1, 7)], rows, empty


@pytest.mark.parametrize("seed", range(40))
def test_a_table_of_any_form_is_read_as_it_is_meant(tmp_path: Path, seed: int) -> None:
    names, rows, empty = written(random.Random(seed), tmp_path / "t.csv")
    known = recognise(tmp_path / "t.csv")
    held = read_text(tmp_path / "t.csv", known.form)
    assert [*held.cells.columns] == names
    assert held.cells.to_numpy().tolist() == rows
    assert (held.empty, known.unclear) == (empty, {})


@pytest.mark.parametrize("seed", range(4))
def test_ingest_reads_what_new_accepted(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    names, rows, empty = written(random.Random(seed), tmp_path / "t.csv")
    draft = look(tmp_path / "t.csv", Questions(target=names[4]))
    spec = spec_of(draft, tmp_path / "work")
    assert isinstance(spec.source, TableFile)
    found = spec.source.samples(tmp_path / "t.csv", spec.inputs, spec.targets)
    assert len(found) == len(rows)
    load = spec.source.opener(tmp_path / "t.csv", spec.inputs)
    assert load("table", 7).values[names[3]] == rows[7][3]
    if empty:
        assert f"empty rows of the table left out: {empty}" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["table", "index"])
def test_the_receipt_counts_empty_rows(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "0" * 32)
    rows = [{**row, "dose": str(at)} for at, row in enumerate(patients(30))]
    raw = write_films(tmp_path / "raw", rows)
    source = {"reader": "folder", "path": "raw", "index": "index.csv"}
    own = {"reader": "table", "path": "raw/index.csv"}
    spec = task(source=source) if kind == "index" else task(source=own, inputs=DOSE)
    header, *lines = (raw / "index.csv").read_text(encoding="utf-8").splitlines()
    empty, found = "," * header.count(","), raw if kind == "index" else raw / "index.csv"
    receipts = []
    for count in (0, random.randint(1, 9)):
        told = lines + [empty] * count
        random.shuffle(told)
        (raw / "index.csv").write_text("\n".join([header, *told, ""]), encoding="utf-8")
        ingest(found, tmp_path / f"ingested{count}", tmp_path / f"private{count}", spec)
        receipt = json.loads((tmp_path / f"ingested{count}/validation.json").read_text(encoding="utf-8"))["receipt"]
        receipts.append([line for line in receipt if "empty" in line])
    assert receipts == [[], [f"empty rows of the table left out: {count}"]]
    assert capsys.readouterr().out.count("empty rows") == 1


def table(path: Path, column: list[str], delimiter: str = ";", other: list[str] | None = None) -> Path:
    with path.open("w", newline="") as file:
        out = csv.writer(file, delimiter=delimiter)
        out.writerow(["patient", "ferritin", "dose", "died"])
        for at in range(40):
            out.writerow([f"P{at}", column[at % len(column)], (other or ["1", "2"])[at // 3 % 2], at // 5 % 2])
    return path


@pytest.mark.parametrize(
    ("column", "other", "delimiter", "first"),
    [
        (["1.234,5", "987,25"], None, ";", "1234.5"),
        (["1.234.567", "987"], None, ";", "1234567"),
        (["1,234.5", "987.25"], None, ",", "1234.5"),
        (["1.234", "987"], ["4,3", "12,75"], ";", "1234"),  # the other column proves the decimal comma
        (["1.234", "987,5"], None, ";", "1234"),
        (["1 234,5", "987,25"], None, ";", "1234.5"),
        (["1\u202f234,5", "987,25"], None, ";", "1234.5"),
        (["1'234.5", "987.25"], None, ";", "1234.5"),
        (["12,34,567", "987"], None, ",", "1234567"),
        (["0.123", "0.987"], None, ",", "0.123"),
        (["1.234", "2.345"], ["4.3", "12.75"], ",", "1.234"),
        (["1,2", "1,2,4"], ["4,3", "12,75"], ";", "1,2"),  # lists of codes are no numbers
    ],
)
def test_signs_in_numbers(
    tmp_path: Path, column: list[str], other: list[str] | None, delimiter: str, first: str
) -> None:
    path = table(tmp_path / "t.csv", column, delimiter, other)
    known = recognise(path)
    assert known.unclear == {}
    assert read_text(path, known.form).cells["ferritin"][0] == first


@pytest.mark.parametrize(
    ("column", "other", "delimiter"),
    [
        (["1.234", "987"], None, ";"),
        (["1,234", "987"], None, ","),
        (["1.234", "2.345"], None, ";"),
        (["1.234", "987"], ["4.3", "12.75"], ";"),  # points are decimal there, and here they look like thousands
        (["1.234", "2,345"], None, ";"),
    ],
)
def test_a_sign_that_may_separate_thousands_is_not_taken_for_the_decimal_one(
    tmp_path: Path, column: list[str], other: list[str] | None, delimiter: str
) -> None:
    path = table(tmp_path / "t.csv", column, delimiter, other)
    assert [*recognise(path).unclear] == ["ferritin"]
    draft = look(path, Questions(target="died")) if other else None
    if draft:
        assert "may be decimal or separate thousands" in draft.left_out["ferritin"]
    with pytest.raises(DataError, match="can be read in one way"):
        look(path, Questions(target="ferritin"))


def test_an_answer_for_one_column_stands_in_the_task_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "t.csv", ["1.234", "987"])
    monkeypatch.setattr(
        "builtins.input", lambda prompt: "it separates thousands" if "leave the column out" in prompt else ""
    )
    draft = look(path, Questions(ask=True, target="died"))
    assert draft.values["source"]["format"]["columns"] == {"ferritin": {"decimal": ",", "thousands": "."}}
    assert draft.values["inputs"]["row"]["numbers"] == ["ferritin", "dose"]


def test_a_table_without_names_never_takes_a_patient_for_them(tmp_path: Path) -> None:
    lines = [f"P{at},ward{at % 3},{'mild' if at % 2 else 'severe'}" for at in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    draft = look(tmp_path / "t.csv")
    assert draft.values["source"]["format"] == {"header": False}
    assert "P0" not in str(draft.values)
    assert any("first line" in sentence for sentence in draft.assumed)


def workbook(file: Path) -> None:
    book = openpyxl.Workbook()
    for name in ("Stays", "Labs"):
        sheet = book.create_sheet(name)
        sheet.append(["patient", "age", "died"])
        for at in range(40):
            sheet.append([f"P{at}", 40.5 + at, at % 2])
    book.save(file)


def test_sheets_of_a_workbook(tmp_path: Path) -> None:
    workbook(tmp_path / "t.xlsx")
    with pytest.raises(DataError, match="'Stays', 'Labs'"):
        look(tmp_path / "t.xlsx")
    draft = look(tmp_path / "t.xlsx", Questions(sheet="Labs", target="died"))
    assert draft.values["source"]["format"]["sheet"] == "Labs"
    held = read_text(tmp_path / "t.xlsx", TableForm(sheet="Labs"))
    assert held.cells["age"][0] == "40.5"
    spec = spec_of(draft, tmp_path / "work")
    assert len(spec.source.samples(tmp_path / "t.xlsx", spec.inputs, spec.targets)) == 40


def test_the_sheet_is_asked_for_where_somebody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workbook(tmp_path / "t.xlsx")
    answers = iter(["Labs"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers, ""))
    draft = look(tmp_path / "t.xlsx", Questions(ask=True, target="died"))
    assert draft.values["source"]["format"]["sheet"] == "Labs"


def test_films_with_a_table_of_semicolons(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    draw, lines = np.random.default_rng(1), ["Ward 7;;", "path;patient;label"]
    for at in range(40):
        label = "pneumonia" if at % 3 == 0 else "normal"
        (tmp_path / "films" / label).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "films" / label / f"{at}.png"), draw.integers(0, 255, (64, 64), dtype=np.uint8))
        lines.append(f"{label}/{at}.png;P{at % 20};{label}")
    (tmp_path / "films" / "patients.csv").write_text("\n".join([*lines, ";;", ";;"]), encoding="utf-8")
    draft = look(tmp_path / "films", Questions(target="label"))
    assert draft.values["source"]["format"] == {"delimiter": ";", "skip_rows": 1}
    spec = spec_of(draft, tmp_path / "work")
    assert spec.source.samples(tmp_path / "films", spec.inputs, spec.targets)["patient"].nunique() == 20


def test_a_folder_of_many_tables_says_how_many(tmp_path: Path) -> None:
    for at in range(22):
        (tmp_path / f"t{at}.csv").write_text("subject,item\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="23 tables"):
        look(tmp_path)


def test_the_former_key_names_the_new_one() -> None:
    with pytest.raises(ValueError, match=r"source\.format\.delimiter"):
        TableFile.model_validate({"reader": "table", "path": "t.csv", "separator": ";"})
