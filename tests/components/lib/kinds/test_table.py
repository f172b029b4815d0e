"""Rows of a table: what is read, what is refused, what a network sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError

from components.lib.errors import DataError, Unusable
from components.lib.kinds.table import Row, Table, TablePolicy

TABLE = Table(
    kind="table", numbers=("age", "bmi"), categories={"sex": ("male", "female"), "ward": None},
    ranges={"bmi": (10, 80)}, rare=2,
)  # fmt: skip
STRICT = TABLE.model_copy(update={"missing": "reject"})
GOOD: dict[str, Any] = {"age": "59", "bmi": 32.1, "sex": "female", "ward": "A 1"}


def rows(kind: Table, *values: dict[str, Any]) -> np.ndarray:
    """Cleaned rows (N,); what a row doesn't say is as in GOOD."""
    return np.stack([kind.clean(Row({**GOOD, **each})).array for each in values])


def reason(kind: Table = TABLE, **values: Any) -> str:
    with pytest.raises(Unusable) as caught:
        kind.clean(Row({**GOOD, **values}))
    return str(caught.value)


def test_a_row_becomes_a_structured_array(tmp_path: Path) -> None:
    cleaned = TABLE.clean(Row(GOOD))
    assert cleaned.array.shape == TABLE.shape == ()
    assert cleaned.array.dtype == np.dtype(TABLE.dtype)
    assert cleaned.array.item() == (59.0, 32.1, "female", "A 1")
    assert cleaned.quality == {"missing": 0.0}
    together = rows(TABLE, {}, {"age": None}, {"age": 3})
    np.save(tmp_path / "a.npy", together)
    read = np.load(tmp_path / "a.npy", mmap_mode="r", allow_pickle=False)
    assert read[np.array([2, 0])]["f0"].tolist() == [3, 59]


@pytest.mark.parametrize("kind", [Table(kind="table", numbers=("a",)), Table(kind="table", categories={"a": None})])
def test_one_column_alone_is_a_field_too(kind: Table) -> None:
    array = np.stack([kind.clean(Row({"a": "5"})).array] * 10)
    assert array.dtype == np.dtype(kind.dtype)
    assert array.dtype.names == ("f0",)
    assert kind.to_network(array, kind.fit([array])).shape == (10, 1)


@pytest.mark.parametrize("text", ["5", " 5.0 ", "+5", "5e0", "0.5e1", 5, 5.0, np.float32(5), np.int64(5)])
def test_numbers_as_tables_have_them(text: Any) -> None:
    assert TABLE.clean(Row({**GOOD, "age": text})).array["f0"] == 5


@pytest.mark.parametrize(
    "word", ["", "  ", "NA", "n/a", "#N/A", "NaN", "-nan", "None", "null", "<NA>", None, float("nan")]
)
def test_words_for_unknown_are_missing(word: Any) -> None:
    cleaned = TABLE.clean(Row({**GOOD, "age": word}))
    assert np.isnan(cleaned.array["f0"])
    assert cleaned.quality == {"missing": 0.25}
    assert reason(STRICT, age=word) == "column age: missing"
    if word != "-nan":
        assert TABLE.clean(Row({**GOOD, "ward": word})).array["f3"] == ""


@pytest.mark.parametrize("secret", ["1,5", "1_000", "Smith", "５", "0x10", True, [1], "1 2"])
def test_a_number_that_is_none_is_refused_without_its_text(secret: Any) -> None:
    told = reason(age=secret)
    assert told.startswith("column age: no number")
    assert str(secret) not in told.removeprefix("column age: no number; write it with a point, as 1.5")


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e999", float("inf"), 10**400, 2e100])
def test_infinite_numbers_are_refused(value: Any) -> None:
    assert reason(age=value) == "column age: infinite, or beyond 1e+100"


def test_what_else_is_refused() -> None:
    assert reason(bmi="9.9") == "column bmi: outside its range, 10 to 80"
    assert reason(bmi=80.1) == "column bmi: outside its range, 10 to 80"
    assert reason(sex="Mael") == "column sex: unknown category; nearest: male; known: male, female"
    assert reason(sex="Jane Roe") == "column sex: unknown category; known: male, female"
    assert reason(sex=1) == "column sex: no text; a category is sent as text"
    assert reason(ward="x" * 65) == "column ward: a category of 65 characters; at most 64 are taken"
    assert reason(ward="a\0") == "column ward: text with a null character"
    assert reason(**dict.fromkeys(GOOD)) == "every column is missing"
    with pytest.raises(Unusable, match="column age: not in the row; nearest: Age"):
        TABLE.clean(Row({"Age": 1, "bmi": 20, "sex": "male", "ward": "A"}))


def test_a_class_that_reads_as_unknown_is_one_where_it_is_listed() -> None:
    kind = Table(kind="table", categories={"symptoms": ("none", "some")})
    assert kind.clean(Row({"symptoms": "none"})).array["f0"] == "none"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "at least one column"),
        ({"numbers": ["a", "a"]}, "a stands there twice"),
        ({"numbers": ["a"], "categories": {"a": None}}, "a stands there twice"),
        ({"numbers": ["age"], "ranges": {"aeg": [0, 1]}}, "aeg is none; nearest: age"),
        ({"numbers": ["a"], "ranges": {"a": [1, 1]}}, r"\[lowest, highest\]; it is \[1, 1\]"),
        ({"categories": {"a": []}}, "at least one category of a"),
        ({"categories": {"a": ["x", "x"]}}, "x stands there twice"),
        ({"categories": {"a": [" x"]}}, "without blanks"),
        ({"numbers": ["a"], "rare": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_can_not_be_meant(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Table.model_validate_json(json.dumps({"kind": "table", **wrong}))


def test_what_is_fitted() -> None:
    changed = {10: {}, 20: {"bmi": None}, 30: {"ward": "B"}, 40: {"ward": "rare"}, 50: {"ward": "B"}}
    piece = rows(TABLE, *({"age": age, **change} for age, change in changed.items()))
    fitted = TABLE.fit([piece])
    assert json.loads(json.dumps(fitted)) == fitted
    assert fitted["numbers"] == [
        {"name": "age", "mean": 30.0, "deviation": pytest.approx(200**0.5), "missing": False},
        {"name": "bmi", "mean": 32.1, "deviation": 1.0, "missing": True},
    ]
    assert fitted["categories"] == [
        {"name": "sex", "known": ["male", "female"]},
        {"name": "ward", "known": ["A 1", "B"]},
    ]
    assert TABLE.feature_names(fitted) == (
        "age", "bmi", "bmi missing", "sex = male", "sex = female", "ward = A 1", "ward = B",
    )  # fmt: skip
    assert TABLE.network_shape(fitted) == (7,)
    seen = TABLE.to_network(rows(TABLE, {"age": 1e9, "bmi": None}, {"age": None, "sex": None, "ward": "rare"}), fitted)
    np.testing.assert_array_equal(seen, [[10, 0, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]])
    assert seen.dtype == np.float32
    assert TABLE.features(seen) is seen


def test_a_constant_has_no_deviation_however_it_rounds() -> None:
    kind = Table(kind="table", numbers=("a",))
    piece = np.stack([kind.clean(Row({"a": 0.1})).array] * 1000)
    fitted = kind.fit([piece[:7], piece[7:]])
    assert fitted["numbers"] == [{"name": "a", "mean": 0.1, "deviation": 1.0, "missing": False}]


def test_a_large_mean_leaves_the_deviation_alone() -> None:
    kind = Table(kind="table", numbers=("time",))
    array = np.zeros(1_000_000, kind.dtype)
    array["f0"] = 1.6e9 + np.random.default_rng(0).normal(0, 0.5, len(array)).round(3)
    fitted = kind.fit(np.array_split(array, 9))["numbers"][0]
    assert fitted["deviation"] == pytest.approx((array["f0"] - 1.6e9).std(), rel=1e-9)


def test_categories_must_be_few_and_some() -> None:
    kind = Table(kind="table", categories={"name": None}, rare=1)
    array = np.array([(f"n{i}",) for i in range(257)], kind.dtype)
    with pytest.raises(DataError, match="at most 256 categories of 1 rows"):
        kind.fit([array])
    with pytest.raises(DataError, match="lower `rare`"):
        Table(kind="table", categories={"name": None}).fit([array])


@pytest.mark.parametrize(
    ("rows", "few"), [(20, 3), (150, 3), (301, 7), (500, 10), (876, 10), (100_000, 10), (1_000_000, 100)]
)
def test_how_many_rows_a_category_needs_follows_the_number_of_rows(rows: int, few: int) -> None:
    kind = Table(kind="table", categories={"ward": None})
    array = np.full(rows, ("A",), kind.dtype)
    array["f0"][:few], array["f0"][few : 2 * few - 1] = "enough", "rare"
    fitted = kind.fit([array])
    assert fitted["rare"] == few
    assert "enough" in fitted["categories"][0]["known"]
    assert "rare" not in fitted["categories"][0]["known"]
    assert kind.fitted_text(fitted) == f"categories in fewer than {few} training rows count as unknown"


def test_where_a_category_counts_as_unknown() -> None:
    array = rows(TABLE, {}, {"ward": "B"}, {"ward": "B"}, {"ward": None}, {"ward": "C"})
    fitted = TABLE.fit([array])
    found = TABLE.unknown_categories_of(array, fitted)
    assert {name: each.tolist() for name, each in found.items()} == {
        "sex": [False] * 5, "ward": [True, False, False, False, True],
    }  # fmt: skip
    assert TABLE.unknown_categories_of(array[:0], fitted)["ward"].tolist() == []


def test_a_request_with_a_category_that_training_never_saw_is_refused_where_the_task_file_says_so() -> None:
    known = {"sex": ["male", "female"], "ward": ["INLAND", "NEAR BAY"]}
    words = [{"name": name, "known": words} for name, words in known.items()]
    fitted = {"numbers": [], "categories": words, "rare": 2}
    kind = TABLE.model_copy(update={"unknown_categories": "reject"})
    for ward in ("INLAND", None):
        kind.refuse_unknown(kind.clean(Row({**GOOD, "ward": ward})).array, fitted)
    TABLE.refuse_unknown(TABLE.clean(Row({**GOOD, "ward": "inlnd"})).array, fitted)
    with pytest.raises(Unusable) as caught:
        kind.refuse_unknown(kind.clean(Row({**GOOD, "ward": "inlnd"})).array, fitted)
    assert str(caught.value) == (
        "column ward: unknown category (training has it in fewer than 2 rows, or not at all); nearest: INLAND; "
        "known: INLAND, NEAR BAY"
    )


def test_the_columns_of_a_request() -> None:
    told = [(c.name, c.type, c.required, c.meaning) for c in TABLE.request_columns("x")]
    assert told == [
        ("age", "double", True, "a number; null where unknown"),
        ("bmi", "double", True, "a number, 10 to 80; null where unknown"),
        ("sex", "string", True, "one of male, female; null where unknown"),
        ("ward", "string", True, "a category; null where unknown"),
    ]
    assert not any("null" in column.meaning for column in STRICT.request_columns("x"))
    with pytest.raises(Unusable, match="column age: not in the request; nearest: Age"):
        STRICT.from_request("x", {"Age": 1})
    assert TABLE.from_request("x", {"age": 1, "other": 2}).values == {"age": 1, "bmi": None, "sex": None, "ward": None}


CELLS = st.one_of(
    st.none(), st.floats(), st.integers(), st.text(max_size=70),
    st.sampled_from(["", "na", " 7 ", "male", "female", "A", "inf", "1e400", 20, 59.5]),
)  # fmt: skip
JSON = st.recursive(
    CELLS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
FITTED = TABLE.fit([rows(TABLE, {}, {"age": None, "ward": "B"}, {"age": 3, "ward": "B"}, {})])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the first text takes a second
@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), JSON), st.sampled_from([TABLE, STRICT]))
def test_no_request_does_worse_than_be_refused(row: dict[str, Any], kind: Table) -> None:
    try:
        raw = kind.from_request("x", row)
        raw.content()
        cleaned = kind.clean(raw).array
        kind.refuse_unknown(cleaned, FITTED)
    except Unusable:
        return
    seen = kind.to_network(cleaned[None], FITTED)
    assert np.isfinite(seen).all()
    assert np.abs(seen).max() <= 10


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries(dict.fromkeys(GOOD, CELLS)))
def test_a_row_sent_as_a_request_cleans_to_the_same(values: dict[str, Any]) -> None:
    def outcome(raw: Row) -> Any:
        try:
            return TABLE.clean(raw).array.tobytes()
        except Unusable as refused:
            return str(refused)

    sent = TABLE.to_request("x", Row(values))
    json.dumps(sent, allow_nan=True)
    assert outcome(TABLE.from_request("x", sent)) == outcome(Row(values))


NUMBERS = st.floats(-1e100, 1e100) | st.just(float("nan")) | st.sampled_from([0.0, 0.1, 1e-300, 5e-324])


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.just(2)), elements=NUMBERS), st.lists(st.integers(0, 40))
)
def test_fitted_in_pieces_is_fitted_in_one_and_the_network_sees_finite_numbers(
    values: np.ndarray, cuts: list[int]
) -> None:
    kind = Table(kind="table", numbers=("a", "b"), categories={"c": None}, rare=1)
    array = np.array([(*row, str(int(at % 3))) for at, row in enumerate(values.tolist())], kind.dtype)
    whole, pieces = kind.fit([array]), kind.fit(np.split(array, sorted(cuts)))
    assert pieces["categories"] == whole["categories"]
    for name, one, other in zip("ab", whole["numbers"], pieces["numbers"], strict=True):
        assert one["name"] == other["name"] == name
        assert other["missing"] == one["missing"]
        size = np.nanmax([1.0, *np.abs(array[f"f{'ab'.index(name)}"])])
        assert other["mean"] == pytest.approx(one["mean"], rel=1e-9, abs=1e-9 * size)
        assert other["deviation"] == pytest.approx(one["deviation"], rel=1e-6, abs=1e-9 * size)
    seen = kind.to_network(array, whole)
    assert seen.shape == (len(array), *kind.network_shape(whole)) == (len(array), len(kind.feature_names(whole)))
    assert np.isfinite(seen).all()
    assert np.abs(seen).max() <= 10


def test_pieces_of_no_rows_change_nothing() -> None:
    array = rows(TABLE, {}, {"age": 3}, {"age": None})
    assert TABLE.fit([array[:0], array, array[:0]]) == TABLE.fit([array])


def test_augmentation_touches_the_numbers_alone_and_only_in_training() -> None:
    seen = np.tile(np.float32([1, -1, 1, 0, 1]), (4000, 1))
    assert TABLE.random_layers(TablePolicy(), seed=1) == []
    assert Table(kind="table", categories={"a": None}).random_layers(TablePolicy(noise=1), seed=1) == []
    (layer,) = TABLE.random_layers(TablePolicy(noise=0.5, drop=0.25), seed=1)
    np.testing.assert_array_equal(layer(seen, training=False), seen)
    changed = np.asarray(layer(seen, training=True))
    np.testing.assert_array_equal(changed[:, 2:], seen[:, 2:])
    assert (changed[:, :2] == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert np.std(changed[:, 0][changed[:, 0] != 0]) == pytest.approx(0.5, abs=0.03)
    (again,) = TABLE.random_layers(TablePolicy(noise=0.5, drop=0.25), seed=1)
    np.testing.assert_array_equal(again(seen, training=True), changed)
    (other,) = TABLE.random_layers(TablePolicy(noise=0.5, drop=0.25), seed=2)
    assert not np.array_equal(other(seen, training=True), changed)


def test_a_copy_is_equal_and_its_own() -> None:
    array = rows(TABLE, {"age": None}, {})
    copy = TABLE.random_copy(array[1], TablePolicy(noise=1), np.random.default_rng(0))
    assert copy.tobytes() == array[1].tobytes()
    assert (copy.shape, copy.dtype) == (TABLE.shape, np.dtype(TABLE.dtype))


def test_the_same_cells_have_the_same_content() -> None:
    assert Row({"a": "1", "b": None}).content() == Row({"b": None, "a": "1"}).content()
    assert Row({"a": "1"}).content() != Row({"a": "2"}).content()
    assert Row({"a": "\ud800"}).content()


def test_a_picture_is_png_and_equal_rows_give_equal_bytes() -> None:
    odd = TABLE.clean(Row({**GOOD, "age": None, "ward": "no $x_1 中文\n<b>" + "w" * 40})).array
    plain = TABLE.picture(odd, None, 1)
    assert plain.startswith(b"\x89PNG")
    assert plain == TABLE.picture(odd, None, 1)
    assert plain != TABLE.picture(odd, np.array([1, -1, 0.2, 0]), 1)
    assert plain == TABLE.picture(odd, np.zeros((3, 3)), 1)
    wide = Table(kind="table", numbers=tuple(f"n{i}" for i in range(40)))
    assert wide.picture(wide.clean(Row({f"n{i}": i for i in range(40)})).array, None, 1).startswith(b"\x89PNG")
    assert "for pneumonia" in TABLE.legend("for pneumonia", explained="class_activation_map")
    assert "dot" not in wide.legend("", explained="none")
