"""The diabetes table: the set that comes with scikit-learn, in the form a study would hand it over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

from components.lib.kinds.table import Table
from components.lib.phantoms import Phantom
from components.lib.phantoms.diabetes import Diabetes
from components.lib.readers.base import Columns
from components.lib.readers.table import TableFile
from components.phantom.diabetes import COLUMNS, diabetes


def test_it_is_the_set_and_equal_each_time(tmp_path: Path) -> None:
    diabetes(Diabetes(), tmp_path / "one")
    diabetes(Diabetes(), tmp_path / "two")
    content = (tmp_path / "one" / "diabetes.csv").read_bytes()
    assert content == (tmp_path / "two" / "diabetes.csv").read_bytes()
    assert content.splitlines()[1] == b"D-001,59,2,32.1,101,157,93.2,38,4,4.8598,87,151"
    table = pd.read_csv(tmp_path / "one" / "diabetes.csv")
    values, progression = load_diabetes(return_X_y=True, scaled=False)
    np.testing.assert_array_equal(table[list(COLUMNS)].to_numpy(), values)
    np.testing.assert_array_equal(table["progression"], progression)
    assert table["patient"].tolist() == [f"D-{number:03d}" for number in range(1, 443)]
    assert max(map(len, content.decode().replace("\n", ",").split(","))) == len("triglycerides_log")


def test_it_is_real() -> None:
    assert not Diabetes.synthetic
    assert Phantom.synthetic


def test_it_reads_and_cleans(tmp_path: Path) -> None:
    diabetes(Diabetes(), tmp_path)
    numbers = tuple(column for column in COLUMNS if column != "sex")
    inputs = {"record": Table(kind="table", numbers=numbers, categories={"sex": ("1", "2")})}
    source = TableFile(reader="table", path=str(tmp_path), file="diabetes.csv", columns=Columns())
    table = source.samples(tmp_path, inputs, {})
    load = source.opener(tmp_path, inputs)
    cleaned = [inputs["record"].clean(load("table", row)) for row in table["row"]]
    assert len(cleaned) == 442
    assert {one.quality["missing"] for one in cleaned} == {0.0}
    assert set(table["sex"]) == {"1", "2"}
    assert table["patient"].is_unique
