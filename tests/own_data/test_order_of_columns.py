"""What is known by its position keeps it: through model.json, dataset.json and interrupted work, whatever its names."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.errors import DataError, ModelError
from components.lib.kinds import InputKind, TargetKind
from components.lib.kinds.binary import Binary
from components.lib.kinds.image import Image
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.signal import Signal
from components.lib.kinds.table import Row, Table
from components.lib.model_dir import ModelInfo, TargetFigures, read_model_json, write_model_json
from components.lib.output import partial_of
from components.lib.positions import apart, by_name, listed, reordered

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda word: word.strip()
)
NAMES = st.lists(WORDS, min_size=4, max_size=8, unique=True)
CATEGORIES = ("zulu", "alpha", "Mike", "été", "男")
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table of 0 to 2 columns of numbers and 2 or more of categories, in any order, some with their categories."""
    names = draw(NAMES)
    numbers, words = names[: draw(st.integers(0, 2))], names[2:]
    allowed = st.none() | st.permutations(CATEGORIES).map(tuple)
    return Table(kind="table", numbers=tuple(numbers), categories={name: draw(allowed) for name in words}, rare=1)


@st.composite
def targets(draw: st.DrawFn) -> dict[str, TargetKind]:
    """One to three targets, their classes in any order."""
    found: dict[str, TargetKind] = {}
    for name in draw(st.lists(WORDS, min_size=1, max_size=3, unique=True)):
        classes = tuple(draw(st.permutations(("zero", "Acute", "mild"))))
        binary = draw(st.booleans())
        found[name] = Binary(kind="binary", classes=classes[:2]) if binary else Multiclass(kind="multiclass",
                                                                                           classes=classes)  # fmt: skip
    return found


def some_rows(kind: Table, count: int = 30) -> np.ndarray:
    generator = np.random.default_rng(0)
    cells = [
        {name: float(generator.normal()) for name in kind.numbers}
        | {name: str(generator.choice(CATEGORIES)) for name in kind.categories}
        for _ in range(count)
    ]
    return np.stack([kind.clean(Row(row)).array for row in cells])


def info_of(inputs: Mapping[str, InputKind], kinds: Mapping[str, TargetKind], fitted: dict[str, Any]) -> ModelInfo:
    figures = TargetFigures(scaling={"temperature": 1.0}, decision={"threshold": 0.5}, validation_score=0.5)
    return ModelInfo(
        task="ward", architecture="mlp", inputs=dict(inputs), targets=dict(kinds), fitted_inputs=fitted,
        fitted=dict.fromkeys(kinds, figures), explain="none", reference={}, synthetic=False, epochs=1,
        precision="float32", parameters=1, lineage={}, digest=hashlib.sha256(b"").hexdigest(),
    )  # fmt: skip


@SLOW
@given(tables(), targets())
def test_a_model_that_was_read_gives_the_network_what_it_was_trained_on(
    tmp_path_factory: pytest.TempPathFactory, kind: Table, kinds: dict[str, TargetKind]
) -> None:
    rows, folder = some_rows(kind), tmp_path_factory.mktemp("model")
    fitted = kind.fit([rows])
    written = info_of({"record": kind}, kinds, {"record": fitted})
    write_model_json(folder, written)
    read = read_model_json(folder / "model.json")
    again = read.inputs["record"]
    assert apart(read.inputs, written.inputs) == apart(read.targets, written.targets) == []
    assert again.columns == kind.columns
    assert [each.class_names for each in read.targets.values()] == [each.class_names for each in kinds.values()]
    assert isinstance(again, Table)
    assert again.feature_names(read.fitted_inputs["record"]) == kind.feature_names(fitted)
    np.testing.assert_array_equal(again.to_network(rows, read.fitted_inputs["record"]), kind.to_network(rows, fitted))


@SLOW
@given(tables(), st.randoms(use_true_random=False))
def test_columns_in_another_order_are_other_inputs(kind: Table, chance: random.Random) -> None:
    names = list(kind.categories)
    chance.shuffle(names)
    other = kind.model_copy(update={"categories": {name: kind.categories[name] for name in names}})
    moved = names != list(kind.categories)
    assert apart({"record": kind}, {"record": other}) == (["record"] if moved else [])
    assert reordered({"record": kind}, {"record": other}) == moved


def test_inputs_and_targets_in_another_order_are_other_ones() -> None:
    one, two = Binary(kind="binary", classes=("no", "yes")), Binary(kind="binary", classes=("yes", "no"))
    assert apart({"b": one, "a": one}, {"a": one, "b": one}) == ["b", "a"]
    assert reordered({"b": one, "a": one}, {"a": one, "b": one})
    assert apart({"b": one, "a": one}, {"b": one, "a": two}) == ["a"]
    assert not reordered({"b": one, "a": one}, {"b": one, "a": two})
    assert apart({"a": one}, {"b": one}) == ["a", "b"]


def test_settings_that_no_position_depends_on_may_come_in_any_order() -> None:
    bounds: dict[str, tuple[float, float]] = {"a": (0, 1), "b": (0, 2)}
    one = Table(kind="table", numbers=("a", "b"), ranges=bounds)
    assert apart({"x": one}, {"x": one.model_copy(update={"ranges": dict(reversed(bounds.items()))})}) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"record": {}}, "a list of objects"),
        ([{"kind": "table"}], "with a name"),
        ([{"name": "a", "kind": "table"}, {"name": "a", "kind": "table"}], "occurs once"),
        ([{"name": "a", "kind": "table", "categories": {"b": None}}], "a list of objects"),
        ([{"name": "a", "kind": "table", "categories": [{"name": "b", "value": None}]}], "categories: .*allowed"),
    ],
)
def test_a_list_that_somebody_changed_is_refused(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_name(wrong, [Table])


def test_the_lists_are_readable() -> None:
    kind = Table(kind="table", numbers=("age",), categories={"sex": ("m", "f"), "aim": None})
    (found,) = listed({"record": kind})
    assert (found["name"], found["numbers"]) == ("record", ["age"])
    assert found["categories"] == [{"name": "sex", "allowed": ["m", "f"]}, {"name": "aim", "allowed": None}]


def write_dataset(folder: Path, kind: Table) -> Dataset:
    rows = some_rows(kind)
    names = [f"s{row:02d}" for row in range(len(rows))]
    samples = pd.DataFrame({"sample_id": names, "patient": names, "split": "train"})
    writer = DatasetWriter(folder)
    writer.write_part(0, samples, {"record": rows})
    writer.finish(task="ward", step="clean", parts=1, synthetic=False, key_fingerprint=None, lineage={}, targets={},
                  arrays={"record": ArrayInfo.of(kind)})  # fmt: skip
    return Dataset(folder)


WARD = Table(kind="table", numbers=("age",), categories={"sex": None, "site": None, "discharge": None})


def test_a_dataset_is_not_read_by_a_task_file_whose_columns_moved(tmp_path: Path) -> None:
    """DVC compares mappings without their order: it doesn't clean again by itself."""
    data = write_dataset(tmp_path, WARD)
    data.require({"record": WARD})
    moved = WARD.model_copy(update={"categories": dict.fromkeys(("discharge", "sex", "site"))})
    with pytest.raises(DataError, match="the same in another order: age, sex, site, discharge") as caught:
        data.require({"record": moved})
    assert "age, discharge, sex, site" in caught.value.expected
    assert "dvc repro --force clean" in caught.value.todo


def test_a_dataset_of_other_columns_is_not_read(tmp_path: Path) -> None:
    data = write_dataset(tmp_path, WARD)
    renamed = WARD.model_copy(update={"categories": dict.fromkeys(("sex", "ward", "discharge"))})
    with pytest.raises(DataError, match="others: without ward and with site"):
        data.require({"record": renamed})
    with pytest.raises(DataError, match="no such array"):
        data.require({"other": WARD})


def test_leads_are_columns_too() -> None:
    kind = Signal(kind="signal", seconds=2.0, rate=100, leads=("V1", "II"))
    assert ArrayInfo.of(kind).columns == ("V1", "II")


def test_interrupted_work_of_another_order_is_not_continued(tmp_path: Path) -> None:
    moved = WARD.model_copy(update={"categories": dict.fromkeys(("discharge", "sex", "site"))})
    one, other = ({"inputs": {"record": kind.model_dump(mode="json")}} for kind in (WARD, moved))
    assert partial_of(tmp_path / "cleaned", one) != partial_of(tmp_path / "cleaned", other)


# Models of format 2, whose keys were sorted.


def old_model(folder: Path, kind: Table) -> Path:
    """A model.json as it was written before."""
    info = info_of({"record": kind}, {"sepsis": Binary(kind="binary", classes=("no", "yes"))}, {})
    figures = {name: {"mean": 1.0, "deviation": 2.0, "missing": name == "b"} for name in kind.numbers}
    words = {name: ["x", "y"] for name in kind.categories}
    values = info.model_dump() | {
        "format": 2, "fitted_inputs": {"record": {"numbers": figures, "categories": words}},
    }  # fmt: skip
    values["inputs"]["record"]["rare"] = 10
    file = folder / "model.json"
    file.write_text(json.dumps(values, sort_keys=True), encoding="utf-8")
    return file


def test_an_old_model_whose_columns_may_be_confused_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="record has 3 columns of categories") as caught:
        read_model_json(old_model(tmp_path, WARD))
    assert "dvc repro --force train" in caught.value.todo


def test_an_old_model_that_was_measured_on_rows_its_server_refuses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="server refuses rows that evaluate counts"):
        read_model_json(old_model(tmp_path, Table(kind="table", numbers=("age",), categories={"sex": None})))


def test_an_old_model_of_numbers_is_read_as_it_was(tmp_path: Path) -> None:
    kind = Table(kind="table", numbers=("b", "a"))
    read = read_model_json(old_model(tmp_path, kind))
    assert read.inputs == {"record": kind}
    assert read.fitted_inputs["record"]["numbers"] == [
        {"name": "b", "mean": 1.0, "deviation": 2.0, "missing": True},
        {"name": "a", "mean": 1.0, "deviation": 2.0, "missing": False},
    ]
    assert kind.feature_names(read.fitted_inputs["record"]) == ("b", "a", "b missing")


def test_an_old_model_of_pictures_is_read_as_it_was(tmp_path: Path) -> None:
    """Only category columns were known by position and written as an object."""
    kind = Image(kind="image", size=(8, 8), channels=1)
    kinds: dict[str, TargetKind] = {"view": Multiclass(kind="multiclass", classes=("pa", "ap", "lateral"))}
    values = info_of({"film": kind}, kinds, {"film": {}}).model_dump() | {"format": 2}
    (tmp_path / "model.json").write_text(json.dumps(values, sort_keys=True), encoding="utf-8")
    assert read_model_json(tmp_path / "model.json") == info_of({"film": kind}, kinds, {"film": {}})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 3}', '{"format": 3, "inputs": {}}'])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"format 3 of medpipe's model\.json"):
        read_model_json(tmp_path / "model.json")
