"""Tables saved by spreadsheet programs as .xls and .ods: the same rows as the CSV, through the same reader."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
import xlwt
from looks import spec_of

from components.lib.kinds.table import Table
from components.lib.readers.table import TableFile
from pipelines.look import Questions, look

MIME = "application/vnd.oasis.opendocument.spreadsheet"
ODS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2">
<office:body><office:spreadsheet>{}</office:spreadsheet></office:body></office:document-content>"""
MANIFEST = f"""<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">
<manifest:file-entry manifest:full-path="/" manifest:media-type="{MIME}"/>
<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>"""

Cells = list[list[str | float]]


def rows_of(seed: int) -> Cells:
    """Names and rows, an empty one in between."""
    draw = random.Random(seed)
    names: list[str | float] = ["patient", "Größe", "Kreatinin", "Sepsis"]
    rows: Cells = [
        [f"P{i:03d}", float(draw.randint(150, 199)), round(draw.gauss(1, 0.2), 2), draw.choice(["ja", "nein"])]
        for i in range(40)
    ]
    return [names, *rows[:20], ["", "", "", ""], *rows[20:]]


def write_xls(path: Path, sheets: dict[str, Cells]) -> None:
    book = xlwt.Workbook()
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                if cell != "":
                    sheet.write(at, column, cell)
    book.save(str(path))


def write_ods(path: Path, sheets: dict[str, Cells]) -> None:
    def cell(value: str | float) -> str:
        if value == "":
            return "<table:table-cell/>"
        if isinstance(value, float):
            told = f'office:value-type="float" office:value="{value}"'
        else:
            told = 'office:value-type="string"'
        return f"<table:table-cell {told}><text:p>{escape(str(value))}</text:p></table:table-cell>"

    tables = "".join(
        f'<table:table table:name="{escape(name)}">'
        + "".join("<table:table-row>" + "".join(map(cell, row)) + "</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MIME)
        archive.writestr("META-INF/manifest.xml", MANIFEST)
        archive.writestr("content.xml", ODS.format(tables))


@pytest.mark.parametrize("ending", [".xls", ".ods"])
def test_a_sheet_is_read_as_its_cells_are(tmp_path: Path, ending: str) -> None:
    rows = rows_of(1)
    path = tmp_path / f"Labor{ending}"
    write = write_xls if ending == ".xls" else write_ods
    write(path, {"Tabelle1": rows, "Notizen": [["nichts"]]})
    draft = look(path, Questions())
    spec = spec_of(draft, tmp_path / "work")
    assert isinstance(spec.source, TableFile)
    assert any("1 empty row left out" in line for line in draft.found)
    assert [*spec.targets] == ["sepsis"]
    samples = spec.source.samples(path, spec.inputs, spec.targets)
    load = spec.source.opener(path, spec.inputs)
    known = [row for row in rows[1:] if row[0] != ""]
    assert samples["patient"].tolist() == [row[0] for row in known]
    assert samples["sepsis"].tolist() == [row[3] for row in known]
    (kind,) = spec.inputs.values()
    assert isinstance(kind, Table)
    assert kind.numbers == ("Größe", "Kreatinin")
    for at in (0, 25, 39):
        told = kind.to_request("record", load(samples["file"][at], int(samples["row"][at])))
        assert [round(float(told[name]), 2) for name in kind.numbers] == [known[at][1], known[at][2]]


@pytest.mark.parametrize("ending", [".xls", ".ods"])
def test_of_two_sheets_with_tables_one_is_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"Labor{ending}"
    (write_xls if ending == ".xls" else write_ods)(path, {"2023": rows_of(1), "2024": rows_of(2)})
    draft = look(path, Questions(sheet="2024"))
    assert draft.values["source"]["format"]["sheet"] == "2024"
    with pytest.raises(Exception, match="--sheet"):
        look(path, Questions())
