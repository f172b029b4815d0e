"""Cells that aren't plain values: what a column's settings make of them, alike in training, requests and batches."""

from __future__ import annotations

import json
import math
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models.utils import _enforce_schema
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType
from pydantic import ValidationError

from components.lib.errors import Unusable
from components.lib.kinds._cells import Limit, limit_of, rule
from components.lib.kinds.table import Row, Table
from serving.batch_part import _as_asked, _spelt_out

TABLE = Table(
    kind="table", numbers=("troponin", "age", "glucose"), categories={"ward": None},
    unknown={"troponin": ("?", -999.0, "k.A."), "glucose": (0.0,), "ward": ("?", 9.0)},
    censored={"troponin": "half"}, masked_ages={"age": 90.0},
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<0.01", Limit(0.01, below=True)), (" < 0,01 ", Limit(0.01, below=True)), ("≤5", Limit(5, below=True)),
        ("＜3", Limit(3, below=True)), (">100", Limit(100, below=False)), (">= 1e3", Limit(1000, below=False)),
        ("90+", Limit(90, below=False)), ("unter 5", Limit(5, below=True)), ("Über 5,5", Limit(5.5, below=False)),
        ("größer als 7", Limit(7, below=False)), ("moins de 2", Limit(2, below=True)),
        ("más de 89", Limit(89, below=False)), ("90 und älter", Limit(90, below=False)),
        ("小于0.5", Limit(0.5, below=True)),
        ("90岁以上", Limit(90, below=False)), ("<1,000", None), ("5", None), ("<", None), ("<x", None), ("5-7", None),
        ("<LOD", None), ("", None), ("+5", None), ("<1e999", None),
    ],
)  # fmt: skip
def test_a_limit_is_read_as_it_is_written(text: str, expected: Limit | None) -> None:
    assert limit_of(text) == expected


def read(kind: Table = TABLE, **cells: Any) -> tuple[Any, ...]:
    """The cleaned row; what isn't said is a plain value."""
    row = {"troponin": "1.5", "age": "60", "glucose": "99", "ward": "A", **cells}
    return tuple(kind.clean(Row(row)).array.item())


@pytest.mark.parametrize("cell", ["?", " ? ", "K.A.", "-999", "-999.0", -999, -999.0, "NA", None, "？"])
def test_words_and_numbers_for_unknown_are_missing(cell: Any) -> None:
    assert math.isnan(read(troponin=cell)[0])


def test_each_column_has_its_own_words() -> None:
    assert math.isnan(read(glucose=0)[2])
    assert read(troponin=0)[0] == 0
    assert read(ward=" ? ")[3] == read(ward="9")[3] == read(ward="9.0")[3] == ""
    assert read(ward="99")[3] == "99"
    with pytest.raises(Unusable, match="column glucose: no number"):
        read(glucose="?")


@pytest.mark.parametrize(
    ("rule", "cell", "expected"),
    [
        ("half", "<0.01", 0.005), ("limit", "<0.01", 0.01), ("unknown", "<0.01", math.nan), ("half", ">100", 100),
        ("limit", "> 100", 100), ("unknown", ">100", math.nan), ("half", "≤ 5", 2.5), ("half", "<-5", -5),
    ],
)  # fmt: skip
def test_a_value_beyond_a_limit_becomes_what_was_chosen(rule: Any, cell: str, expected: float) -> None:
    kind = TABLE.model_copy(update={"censored": {"troponin": rule}})
    np.testing.assert_equal(read(kind, troponin=cell)[0], expected)


def test_a_limit_is_no_number_where_nobody_chose() -> None:
    with pytest.raises(Unusable, match="column glucose: no number"):
        read(glucose="<5")


@pytest.mark.parametrize("cell", [300, "300", 121, ">89", "> 89", "90+", "89 and over", "90 ans et plus", "über 89"])
def test_masked_ages_become_the_chosen_years_or_unknown(cell: Any) -> None:
    assert read(age=cell)[1] == 90
    assert math.isnan(read(TABLE.model_copy(update={"masked_ages": {"age": None}}), age=cell)[1])
    assert read(age="120")[1] == 120


def test_what_was_replaced_is_said_by_column_and_never_by_value() -> None:
    row = Row({"troponin": "<0.01", "age": 300, "glucose": "0", "ward": "?"})
    assert TABLE.replaced(row) == {"troponin": "censored", "age": "masked", "glucose": "unknown", "ward": "unknown"}
    assert TABLE.replaced(Row({"troponin": "1", "age": 3, "glucose": None, "ward": "A"})) == {}
    plain = Table(kind="table", numbers=("age",))
    assert not plain.replaces
    assert [c.type for c in plain.request_columns("x")] == ["double"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"unknown": {"aeg": ["?"]}}, "aeg is none"),
        ({"unknown": {"age": []}}, "at least one word or number for age"),
        ({"unknown": {"age": [""]}}, "at least 1 character"),
        ({"unknown": {"sex": ["M"]}}, "m is in both lists"),
        ({"censored": {"sex": "half"}}, "censored: columns in `numbers`; sex is none"),
        ({"censored": {"age": "third"}}, "'half', 'limit' or 'unknown'"),
        ({"masked_ages": {"sex": 90}}, "masked_ages: columns in `numbers`"),
    ],
)
def test_settings_that_can_not_be_meant(wrong: dict[str, Any], told: str) -> None:
    task = {"kind": "table", "numbers": ["age"], "categories": {"sex": ["m", "f"]}, **wrong}
    with pytest.raises(ValidationError, match=told):
        Table.model_validate_json(json.dumps(task))


def test_the_settings_survive_model_json() -> None:
    assert Table.model_validate_json(TABLE.model_dump_json()) == TABLE


CELLS = st.one_of(
    st.none(), st.integers(-1200, 400), st.floats(-1e6, 1e6),
    st.sampled_from(["?", "k.a.", "-999", "-999.0", "<0.01", ">100", "≤5", "90+", "> 89", "300", "n/a", "", " ", "2.5",
                     "1,5", "<LOD", "hello", "0", "0.0", "null", "true", "1e3", "01", "<1,000", "#DIV/0!"]),
)  # fmt: skip
WORDS = st.one_of(st.none(), st.sampled_from(["?", "9", "9.0", "A", "B ", "NA", "", "-"]))
ROWS = st.fixed_dictionaries({"troponin": CELLS, "age": CELLS, "glucose": CELLS, "ward": WORDS})


def outcome(kind: Table, raw: Row) -> Any:
    try:
        return kind.clean(raw).array.tobytes()
    except Unusable as refused:
        return str(refused)


@settings(deadline=None, max_examples=200)
@given(ROWS, st.sampled_from(["half", "limit", "unknown"]))
def test_one_raw_row_is_read_alike_in_training_in_a_request_and_in_a_batch(row: dict[str, Any], rule: Any) -> None:
    kind = Table.model_validate({**TABLE.model_dump(), "censored": dict.fromkeys(["troponin", "age", "glucose"], rule)})
    trained = outcome(kind, Row(row))
    columns = {column.name: column.type for column in kind.request_columns("row")}
    assert columns == {"troponin": "any", "age": "any", "glucose": "any", "ward": "string"}
    # What a request goes through: JSON, MLflow's schema, the kind.
    schema = Schema([ColSpec(AnyType() if of == "any" else of, name) for name, of in columns.items()])
    frame = pd.DataFrame([json.loads(json.dumps(kind.to_request("row", Row(row))))])
    sent = _enforce_schema(frame, schema).to_dict("records")[0]
    assert outcome(kind, kind.from_request("row", sent)) == trained
    # And what the row of a CSV goes through in a batch.
    table = pa.table({name: pa.array(["" if cell is None else str(cell)], pa.string()) for name, cell in row.items()})
    cells = pa.table({name: _as_asked(table[name], columns[name]) for name in columns}).to_pylist()[0]
    spelt = {
        name: _spelt_out(cell, is_sample=False) if columns[name] == "any" else cell for name, cell in cells.items()
    }
    try:
        batch = outcome(kind, kind.from_request("row", spelt))
    except Unusable as refused:
        batch = str(refused)
    if not isinstance(trained, str):
        assert batch == trained
    else:
        assert isinstance(batch, str)


def test_a_long_text_is_refused_before_its_characters_are_made_plain() -> None:
    """One character of three bytes becomes eighteen."""
    read, text = rule(("k.A.",), "half", True, 90.0), "\ufdfa" * 20_000_000
    begun = perf_counter()
    with pytest.raises(Unusable, match="a text of 20000000 characters"):
        read.number("troponin", text)
    with pytest.raises(Unusable, match="20000000 characters"):
        read.category("ward", text, None)
    assert perf_counter() - begun < 1
    assert read.number("troponin", "k.A.") == (pytest.approx(math.nan, nan_ok=True), "unknown")
