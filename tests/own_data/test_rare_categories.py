"""Categories that training has rarely or never: the same for training, evaluation, server and batch, and said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from components.evaluate import unknown
from components.evaluate.ledger import split_digest
from components.evaluate.part import Evaluated
from components.evaluate.results import measure
from components.lib.answers import UNKNOWN_CATEGORY, answers
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.errors import DataError, Unusable
from components.lib.kinds.binary import Binary
from components.lib.kinds.table import Row, Table
from components.lib.model_dir import Model, ModelInfo, TargetFigures, write_model_json
from components.lib.spec import TaskSpec
from serving.batch import batch

WARDS = ["ICU"] * 30 + ["Geburtshilfe"] * 17 + ["急诊科"] * 2 + ["hospice"]
"""Of training: of 50 rows a category needs three."""
TEST = ["ICU", "急诊科", "new wing", "", "Geburtshilfe", "hospice"]
SAID = f"record: column ward: {UNKNOWN_CATEGORY}"
TARGET = Binary(kind="binary", classes=("no", "yes"))


def record(how: Literal["allow", "reject"] = "allow") -> Table:
    return Table(kind="table", numbers=("age",), categories={"ward": None}, unknown_categories=how)


def cleaned(kind: Table, wards: Sequence[str]) -> np.ndarray:
    return np.stack([kind.clean(Row({"age": 40 + row, "ward": ward})).array for row, ward in enumerate(wards)])


def model(folder: Path, kind: Table) -> Model:
    """A real graph, the sigmoid of 1.5 · age + 2 · one ward − the other, as it would be after training on WARDS."""
    fitted = kind.fit([cleaned(kind, WARDS)])
    assert kind.feature_names(fitted) == ("age", "ward = Geburtshilfe", "ward = ICU")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["record", "weights"], ["logit"]), helper.make_node("Sigmoid", ["logit"], ["ill"])],
        "linear",
        [helper.make_tensor_value_info("record", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("ill", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(np.array([[1.5], [2], [-1]], np.float32), "weights")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    figures = TargetFigures(scaling={"temperature": 1.0}, decision={"threshold": 0.5}, validation_score=0.5)
    write_model_json(folder, ModelInfo(
        task="ward", architecture="linear", inputs={"record": kind}, targets={"ill": TARGET},
        fitted_inputs={"record": fitted}, fitted={"ill": figures}, explain="none", reference={}, synthetic=True,
        epochs=1, precision="float32", parameters=3, lineage={},
        digest=hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest(),
    ))  # fmt: skip
    return Model(folder)


def evaluated(folder: Path, how: Literal["allow", "reject"] = "allow") -> Evaluated:
    """The model on TEST, five times over."""
    kind = record(how)
    network, rows = model(folder / "artifacts/model", kind), cleaned(kind, TEST * 5)
    names = [f"s{row:02d}" for row in range(len(rows))]
    table = pd.DataFrame({"sample_id": names, "patient": names, "split": "test", "sha256": names})
    table["ill"] = TARGET.column(pd.Series(["no", "yes"] * 15, dtype=object))
    (folder / "data").mkdir()
    writer = DatasetWriter(folder / "data")
    writer.write_part(0, table, {"record": rows})
    writer.finish(task="ward", step="clean", parts=1, synthetic=True, key_fingerprint=None, lineage={},
                  arrays={"record": ArrayInfo.of(kind)}, targets={"ill": {}})  # fmt: skip
    data = Dataset(folder / "data")
    samples, arrays, refused = unknown.served(network, *data.select("test", ["record"]))
    task = {
        "task": "ward", "source": {"reader": "table", "path": "data/raw", "file": "ward.csv"},
        "inputs": {"record": kind.model_dump()}, "targets": {"ill": TARGET.model_dump()},
    }  # fmt: skip
    spec = TaskSpec.model_validate_json(json.dumps(task))
    return Evaluated(spec, data, network, samples, arrays, measure(network, samples, arrays), refused)


def test_a_rare_or_new_category_is_answered_as_an_unknown_one_and_the_answer_says_so(tmp_path: Path) -> None:
    network = model(tmp_path / "model", record())
    said = answers(network, {"record": cleaned(record(), TEST)})
    assert said["warnings"].tolist() == ["", SAID, SAID, "", "", SAID]
    same_age = np.stack([record().clean(Row({"age": 50, "ward": ward})).array for ward in ("new wing", "", "hospice")])
    assert len(set(network.predict({"record": same_age})["ill"][:, 0].tolist())) == 1


def test_batch_and_evaluation_say_the_same_of_such_rows(tmp_path: Path) -> None:
    found = evaluated(tmp_path)
    known = found.results[0].output[: len(TEST), 0]
    rows = pd.DataFrame({"age": [40.0 + row for row in range(len(TEST))], "ward": [word or None for word in TEST]})
    rows.to_csv(tmp_path / "new.csv", index=False)
    batch(found.network, None, tmp_path / "new.csv", tmp_path / "out.parquet")
    said = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(said["probability"], known, atol=1e-6)
    assert said["warnings"].tolist() == ["", SAID, SAID, "", "", SAID]


def test_evaluate_counts_them_by_column(tmp_path: Path) -> None:
    found = evaluated(tmp_path)
    assert (len(found.samples), found.refused) == (30, None)
    assert unknown.lines(found) == [
        "categories that training has rarely or never: 15 of 30 test samples, counted as unknown"
    ]
    part = unknown.part(found)
    page = "".join(map(str, part.sections[0].blocks))
    assert "15 of 30 test samples have a category that training has rarely or never" in page
    assert "Input record: categories in fewer than 3 training rows count as unknown." in page
    assert not any(word in page for word in ("hospice", "new wing", "急诊科"))
    (warning,) = part.warnings
    assert warning.startswith("15 of 30 test samples")


def test_without_such_rows_there_is_no_warning(tmp_path: Path) -> None:
    found = evaluated(tmp_path)
    rows = np.flatnonzero(np.tile([word in ("ICU", "Geburtshilfe") for word in TEST], 5))
    arrays = {"record": found.arrays["record"][rows]}
    few = replace(found, samples=found.samples.iloc[rows], arrays=arrays)
    assert unknown.lines(few) == ["categories that training has rarely or never: in none of 10 test samples"]
    assert unknown.part(few).warnings == ()


def test_where_a_server_refuses_them_they_are_not_measured(tmp_path: Path) -> None:
    allowed, found = evaluated(tmp_path / "allow"), evaluated(tmp_path / "reject", "reject")
    assert found.refused is not None
    assert (len(found.samples), len(found.refused)) == (15, 15)
    assert len(found.results[0].output) == 15
    assert unknown.lines(found) == [
        "categories that training has rarely or never: a server refuses 15 of 30 test samples; they are not measured"
    ]
    (warning,) = unknown.part(found).warnings
    assert warning.startswith("A server of this model refuses 15 of 30 test samples")
    with pytest.raises(Unusable, match=r"column ward: unknown category \(training has it in fewer than 3 rows"):
        found.network.info.inputs["record"].refuse_unknown(
            cleaned(record("reject"), ["new wing"])[0], found.network.info.fitted_inputs["record"]
        )
    assert split_digest(found) == split_digest(allowed)  # the same split was used, whatever a model refuses of it


def test_a_split_that_a_server_refuses_as_a_whole_is_an_error(tmp_path: Path) -> None:
    kind = record("reject")
    network = model(tmp_path / "model", kind)
    with pytest.raises(DataError, match="unknown_categories: allow"):
        unknown.served(network, pd.DataFrame({"sample_id": ["a"]}), {"record": cleaned(kind, ["new wing"])})
