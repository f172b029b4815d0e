"""Tables with one sample a row: CSV and Parquet."""

from __future__ import annotations

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from components.lib.errors import DataError, Unusable
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.table import Row, Table
from components.lib.readers.base import Columns
from components.lib.readers.table import TableFile

ROOT = Path(__file__).parents[4]
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", ROOT.parent / "shared" / "data")) / "california_housing.csv"
RECORD = Table(kind="table", numbers=("age", "bmi"), categories={"sex": None})
INPUTS = {"record": RECORD}
TARGETS: dict[str, Any] = {"grade": Multiclass(kind="multiclass", classes=("None", "mild", "severe"))}
CSV = "patient,age,bmi,sex,grade,note\nP-1,59,32.1,F,mild,x\nP-2, NA ,,M,None,y\n,40,20,F,,z\n"


def source(path: Path, **more: Any) -> TableFile:
    return TableFile(reader="table", path=str(path), **more)


def index(
    path: Path, *, targets: dict[str, Any] = TARGETS, inputs: dict[str, Any] = INPUTS, **more: Any
) -> pd.DataFrame:
    return source(path, **more).samples(path, inputs, targets)


def problem(path: Path, **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        index(path, **more)
    return str(caught.value)


def written(folder: Path, text: str = CSV, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def parquet(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "t.parquet")
    return folder / "t.parquet"


def test_a_row_is_a_sample(tmp_path: Path) -> None:
    table = index(written(tmp_path))
    known = table.astype("object").where(table.notna(), None)
    assert known[["file", "row", "patient", "age", "sex", "grade"]].to_numpy().tolist() == [
        ["table", 0, "P-1", "59", "F", "mild"], ["table", 1, "P-2", None, "M", "None"],
        ["table", 2, None, "40", "F", None],
    ]  # fmt: skip
    assert table[["split", "site"]].isna().all().all()
    assert "note" not in table


def test_one_row_of_the_inputs_columns_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    load = source(path).opener(path, INPUTS)
    assert load("table", 0) == Row({"age": "59", "bmi": "32.1", "sex": "F"})
    assert RECORD.clean(load("table", 1)).quality["missing"] == pytest.approx(2 / 3)
    with pytest.raises(Unusable, match="no such row"):
        load("table", 3)
    with pytest.raises(FileNotFoundError):
        source(tmp_path / "no.csv").opener(tmp_path / "no.csv", INPUTS)("table", 0)


def test_many_threads_read_the_table_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "age,bmi,sex\n" + "".join(f"{i},{i / 2},F\n" for i in range(500))
    path, reads, original = written(tmp_path, text), [], TableFile._read
    monkeypatch.setattr(
        TableFile, "_read", lambda self, *rest, **more: reads.append(1) or original(self, *rest, **more)
    )
    load = source(path).opener(path, INPUTS)
    with ThreadPoolExecutor(8) as pool:
        ages = [row.values["age"] for row in pool.map(lambda at: load("table", at), range(500))]
    assert ages == [str(i) for i in range(500)]
    assert source(path).opener(path, INPUTS)("table", 7).values["age"] == "7"
    assert len(reads) == 1
    path.write_text("age,bmi,sex\n1,2,M\n")
    assert source(path).opener(path, INPUTS)("table", 0).values["sex"] == "M"


def test_gzip_semicolons_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(CSV.replace(",", ";").encode("utf-8-sig")))
    table = index(tmp_path, file="t.csv.gz", format={"delimiter": ";"})
    assert table["patient"].dropna().tolist() == ["P-1", "P-2"]
    load = source(tmp_path, file="t.csv.gz", format={"delimiter": ";"}).opener(tmp_path, INPUTS)
    assert load("table", 2).values == {"age": "40", "bmi": "20", "sex": "F"}
    (tmp_path / "cut.csv.gz").write_bytes((tmp_path / "t.csv.gz").read_bytes()[:40])
    assert "a CSV table in UTF-8" in problem(tmp_path / "cut.csv.gz")


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = parquet(
        tmp_path, patient=["P-1", "P-2"], age=[59, None], bmi=["32.1", "NA"], sex=pa.array([1.0, 2.0]),
        grade=pa.array(["mild", None]).dictionary_encode(), split=["train", "test"], note=[[1], []],
    )  # fmt: skip
    table = index(path, columns=Columns(split="split"))
    assert table["split"].tolist() == ["train", "test"]
    assert table["age"].tolist()[0] == "59"
    assert table["sex"].tolist() == ["1", "2"]
    assert table["grade"].tolist()[0] == "mild"
    load = source(path).opener(path, INPUTS)
    assert load("table", 0).values == {"age": 59.0, "bmi": "32.1", "sex": "1"}
    assert load("table", 1).values == {"age": None, "bmi": "NA", "sex": "2"}
    assert RECORD.clean(load("table", 0)).array.item() == (59.0, 32.1, "1")


def test_numbers_of_every_type(tmp_path: Path) -> None:
    made = pa.array([1, 0, None]), pa.array([True, False, None]), pa.array([1.5, 0.25, None]).cast(pa.decimal128(5, 2))
    names = ("whole", "yes", "decimal", "empty", "big")
    path = parquet(tmp_path, **dict(zip(names, (*made, pa.nulls(3), [2**60 + 1, 0, None]), strict=True)), sex=["a"] * 3)
    inputs = {"x": Table(kind="table", numbers=names, categories={"sex": None})}
    load = source(path).opener(path, inputs)
    assert index(path, inputs=inputs, targets={}).shape[0] == 3
    assert load("table", 0).values == {
        "whole": 1.0, "yes": 1.0, "decimal": 1.5, "empty": None, "big": float(2**60), "sex": "a",
    }  # fmt: skip
    assert set(load("table", 2).values.values()) == {None, "a"}


@pytest.mark.parametrize("cells", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"a", b"b"], pd.to_datetime(["2020-01-01"] * 2)])
def test_columns_that_are_no_numbers_are_refused(tmp_path: Path, cells: Any) -> None:
    path = parquet(tmp_path, age=pa.array(cells), bmi=[1.0, 2.0], sex=["F", "M"], grade=["mild", "mild"])
    told = problem(path, columns=Columns(age=None))
    assert "column age" in told
    assert "expected: numbers, or text" in told


def test_places_for_people(tmp_path: Path) -> None:
    assert source(tmp_path / "t.csv").place("table", 0) == "row 2"
    assert source(tmp_path / "t.parquet").place("table", 0) == "row 1"


def test_a_split_that_is_none_names_its_line(tmp_path: Path) -> None:
    columns = Columns(split="split")
    text = "age,bmi,sex,grade,split\n1,2,F,mild,train\n1,2,F,mild,tset\n"
    assert "t.csv, line 3" in problem(written(tmp_path, text), columns=columns)
    cells = {"age": [1, 1], "bmi": [2, 2], "sex": ["F", "F"], "grade": ["mild"] * 2, "split": ["train", "tset"]}
    assert "t.parquet, line 2" in problem(parquet(tmp_path, **cells), columns=columns)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Age,bmi,sex,grade\n1,2,F,mild\n", "a column 'age'\n  found:    Age, bmi, sex, grade; nearest: Age"),
        ("age,bmi,sex,grad\n1,2,F,mild\n", "nearest: grad"),
        ("age,bmi,sex,grade\n", "at least one row"),
        ("", "a CSV table in UTF-8"),
        ("age,bmi,sex,grade\n1,2,F,mild,more\n", "line 2\n  expected: at most 4 cells"),
        ("age;bmi;sex;grade\n1;2;F;mild\n", "set source.format.delimiter"),
        ("age,age,bmi,sex,grade\n1,2,3,F,mild\n", "age twice"),
    ],
)
def test_tables_that_lack_something(tmp_path: Path, text: str, told: str) -> None:
    assert told in problem(written(tmp_path, text))


def test_no_table_there(tmp_path: Path) -> None:
    assert "no such file" in problem(tmp_path / "t.csv")
    (tmp_path / "d.csv").mkdir()
    assert "name the table in it by `source.file`" in problem(tmp_path / "d.csv")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    assert "a Parquet table" in problem(tmp_path / "t.parquet")
    with pytest.raises(ValidationError, match=r"a table that ends in \.csv, \.tsv"):
        TableFile.model_validate_json(json.dumps({"reader": "table", "path": "data/raw"}))


def test_a_target_or_a_patient_is_no_input(tmp_path: Path) -> None:
    inputs = {"record": Table(kind="table", numbers=("age",), categories={"grade": None})}
    assert "inputs, column grade" in problem(written(tmp_path), inputs=inputs)
    inputs = {"record": Table(kind="table", numbers=("age",), categories={"patient": None})}
    assert "the column of patients" in problem(written(tmp_path), inputs=inputs)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_target_whose_column_is_called_otherwise(tmp_path: Path, form: str) -> None:
    columns = {"Blood Sugar": [99, 130, 180], "Outcome": ["mild", "None", ""], "age": [50, 60, 70]}
    path = tmp_path / f"t.{form}"
    pd.DataFrame(columns).to_parquet(path) if form == "parquet" else pd.DataFrame(columns).to_csv(path, index=False)
    inputs = {"record": Table(kind="table", numbers=("Blood Sugar",))}
    table = index(path, inputs=inputs, columns=Columns(targets={"grade": "Outcome"}))
    assert table["grade"].fillna("").tolist() == ["mild", "None", ""]
    assert "Outcome" not in table
    load = source(path, columns=Columns(targets={"grade": "Outcome"})).opener(path, inputs)
    assert load("table", 2).content() == Row({"Blood Sugar": 180.0 if form == "parquet" else "180"}).content()
    told = problem(path, inputs=inputs, columns=Columns(targets={"grade": "Outcom"}))
    assert "a column 'Outcom'" in told
    assert "nearest: Outcome" in told
    leaking = {"record": Table(kind="table", numbers=("age",), categories={"Outcome": None})}
    assert "a target of this task" in problem(path, inputs=leaking, columns=Columns(targets={"grade": "Outcome"}))


@pytest.mark.skipif(not REAL.exists(), reason=f"real data are not there: {REAL.name}; set MEDPIPE_REAL_DATA")
def test_california() -> None:
    numbers = ("longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms", "population",
               "households", "median_income")  # fmt: skip
    kind = Table(kind="table", numbers=numbers, categories={"ocean_proximity": None})
    table = index(REAL, inputs={"district": kind}, targets={"median_house_value": next(iter(TARGETS.values()))})
    assert len(table) == 20640
    assert pd.to_numeric(table["median_house_value"]).mean() == pytest.approx(206855.8, abs=0.1)
    load = source(REAL).opener(REAL, {"district": kind})
    cleaned = np.stack([kind.clean(load("table", row)).array for row in range(len(table))])
    fitted = kind.model_copy(update={"rare": 1}).fit(np.array_split(cleaned, 3))
    assert np.isnan(cleaned["f4"]).sum() == 207
    assert [each["name"] for each in fitted["numbers"] if each["missing"]] == ["total_bedrooms"]
    assert fitted["categories"][0]["known"] == ["<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN"]
    assert "ISLAND" not in kind.fit([cleaned])["categories"][0]["known"]  # five districts
    seen = kind.to_network(cleaned, fitted)
    assert seen.shape == (20640, 8 + 1 + 5)
    np.testing.assert_allclose(seen[:, :3].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(seen[:, :3].std(axis=0), 1, atol=1e-3)
