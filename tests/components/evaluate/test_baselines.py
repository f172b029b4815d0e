"""Baselines beside the network: scikit-learn's diabetes data, a table as input, and a linear ONNX graph as network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_diabetes
from threadpoolctl import threadpool_limits

from components.evaluate import baselines as module
from components.evaluate.baselines import Baseline, baselines, lines, sections
from components.evaluate.results import Result, measure
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.kinds import Array, TargetKind
from components.lib.kinds.binary import Binary
from components.lib.kinds.image import Image
from components.lib.kinds.regression import Regression
from components.lib.kinds.table import Row, Table
from components.lib.model_dir import Model, ModelInfo, TargetFigures, write_model_json
from components.lib.statistics import Estimate

PROGRESSION = Regression(kind="regression", unit="points")
ROWS = Table(kind="table", numbers=("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"))
ARRAYS = {"rows": ArrayInfo.of(ROWS)}
FITTED = {"numbers": [{"name": name, "mean": 0.0, "deviation": 0.05, "missing": False} for name in ROWS.numbers],
          "categories": []}  # fmt: skip
DECISION = {f"q{level:02d}": float(level - 50) for level in range(5, 100, 5)}
DECISION |= {"low": -80.0, "high": 80.0, "coverage": 0.9}
Given = tuple[Dataset, Model, tuple[Result, ...], Mapping[str, Array]]


def write_dataset(path: Path, known: NDArray[np.bool_], kind: TargetKind = PROGRESSION) -> None:
    features, truth = load_diabetes(return_X_y=True)
    values = pd.Series(np.where(truth > 140, "high", "low") if kind.class_names else truth)
    rows = np.stack([ROWS.clean(Row(dict(zip(ROWS.numbers, row, strict=True)))).array for row in features.tolist()])
    samples = pd.DataFrame(
        {
            "sample_id": [f"s{i:04d}" for i in range(len(truth))],
            "patient": [f"p{i:04d}" for i in range(len(truth))],
            "split": np.where(np.arange(len(truth)) % 3 == 2, "test", "train"),
            "progression": kind.column(values.where(known)),
            "sha256": "0",
        }
    )
    path.mkdir()
    writer = DatasetWriter(path)
    writer.write_part(0, samples, {"rows": rows})
    writer.finish(task="diabetes", step="clean", parts=1, synthetic=False, key_fingerprint=None, lineage={},
                  arrays=ARRAYS, targets={"progression": {}})  # fmt: skip


def write_model(path: Path, weights: NDArray[np.floating], kind: TargetKind = PROGRESSION) -> None:
    """152 + weights · standardised row; for classes the sigmoid of weights · standardised row."""
    mean = 0.0 if kind.class_names else 152.0
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["rows", "weights"], ["product"]),
            helper.make_node("Add", ["product", "mean"], ["logit"]),
            helper.make_node("Sigmoid" if kind.class_names else "Identity", ["logit"], ["progression"]),
        ],
        "linear",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", len(weights)])],
        [helper.make_tensor_value_info("progression", TensorProto.FLOAT, ["N", 1])],
        [
            numpy_helper.from_array(weights.astype(np.float32)[:, None], "weights"),
            numpy_helper.from_array(np.array([mean], np.float32), "mean"),
        ],
    )
    path.mkdir()
    file = path / "model.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file.write_bytes(made.SerializeToString())
    info = ModelInfo(
        task="diabetes",
        architecture="linear",
        inputs={"rows": ROWS},
        targets={"progression": kind},
        fitted_inputs={"rows": FITTED},
        fitted={"progression": TargetFigures(scaling={}, decision=DECISION | {"threshold": 0.5}, validation_score=0.5)},
        explain="none",
        reference={},
        synthetic=False,
        epochs=1,
        precision="float32",
        parameters=11,
        lineage={},
        digest=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    write_model_json(path, info)
    onnx.checker.check_model(made)


@pytest.fixture
def given(tmp_path: Path) -> Callable[..., Given]:
    def make(
        weights: NDArray[np.floating], *, known: NDArray[np.bool_] | None = None, kind: TargetKind = PROGRESSION
    ) -> Given:
        write_dataset(tmp_path / "data", np.full(442, True) if known is None else known, kind)
        write_model(tmp_path / "model", weights, kind)
        data, network = Dataset(tmp_path / "data"), Model(tmp_path / "model")
        samples, arrays = data.select("test", ["rows"])
        return data, network, measure(network, samples, arrays), arrays

    return make


NOTHING = np.zeros(10)
"""A network that says the mean to everybody."""
LEAST_SQUARES = np.array([-0.5, -11.4, 24.8, 15.4, -37.7, 22.7, 4.8, 8.4, 35.7, 3.2])
"""Least squares on all 442 samples, test included."""


def test_a_baseline_that_is_better_is_recommended(given: Callable[..., Given]) -> None:
    found = baselines(*given(NOTHING))
    assert [each.name for each in found] == ["ridge", "gradient-boosted trees"]
    ridge = found[0]
    assert ridge.finding == "better"
    assert list(ridge.metrics) == ["mae", "rmse", "r2"]
    assert ridge.difference.value == pytest.approx(ridge.metrics["mae"].value - ridge.network["mae"].value)
    assert 0.35 < ridge.metrics["r2"].value < 0.6
    assert ridge.rows == ridge.of == 295
    page = str(sections(found)[0].blocks[0])
    assert "Ridge: mean absolute error is lower by " in page
    assert "Consider it in place of the network." in page
    assert "Passed" not in page


def test_no_difference_is_no_victory(given: Callable[..., Given]) -> None:
    found = baselines(*given(LEAST_SQUARES))
    assert {each.finding for each in found} == {"alike"}
    text = str(sections(found)[0].blocks[0])
    assert "The network can&#39;t be told from ridge, whose mean absolute error is higher by" in text
    assert "the interval of the difference holds 0" in text


def test_a_network_that_beats_all_is_told_so(given: Callable[..., Given]) -> None:
    few_in_train = (np.arange(442) % 3 == 2) | (np.arange(442) < 15)
    found = baselines(*given(LEAST_SQUARES, known=few_in_train))
    assert {each.finding for each in found} == {"worse"}
    text = str(sections(found)[0].blocks[0])
    assert "The network does better than every baseline: with ridge the mean absolute error is higher by" in text


def test_classes_are_compared_by_auc(given: Callable[..., Given]) -> None:
    finding = Binary(kind="binary", classes=("low", "high"))
    found = baselines(*given(np.eye(10)[4], kind=finding))
    assert [each.name for each in found] == ["logistic regression", "gradient-boosted trees"]
    assert list(found[0].metrics) == ["auc", "average_precision", "brier"]
    assert {each.finding for each in found} == {"better"}
    assert found[0].difference.value == pytest.approx(found[0].metrics["auc"].value - found[0].network["auc"].value)
    assert "AUC is higher by 0." in str(sections(found)[0].blocks[0])


def test_report_and_terminal_show_all_models(given: Callable[..., Given]) -> None:
    found = baselines(*given(NOTHING))
    section = sections(found)[0]
    assert section.title == "Network and baselines: Progression"
    assert str(section.blocks[1]).count("<tr>") == 4
    assert "the 295 training samples" in section.blocks[2]
    (line,) = lines(found)
    assert line.startswith("progression: mean absolute error of the network ")
    assert "ridge" in line
    assert line.endswith(": better)")
    assert (sections(()), lines(())) == ([], [])


def test_equal_work_gives_equal_figures_on_any_number_of_cores(given: Callable[..., Given]) -> None:
    case = given(NOTHING)
    found = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            found.append(baselines(*case, seed=3))
    assert found[0] == found[1]


def test_samples_without_truth_are_left_out(given: Callable[..., Given]) -> None:
    known = np.arange(442) % 4 != 0
    found = baselines(*given(NOTHING, known=known))
    assert found[0].of == sum(known[i] for i in range(442) if i % 3 != 2)
    assert found[0].metrics["mae"].n == sum(known[i] for i in range(442) if i % 3 == 2)


def test_no_truth_in_train_means_no_baseline(given: Callable[..., Given]) -> None:
    assert baselines(*given(NOTHING, known=np.arange(442) % 3 == 2)) == ()


def test_no_truth_in_test_means_no_baseline(given: Callable[..., Given]) -> None:
    train = np.arange(442) % 3 != 2
    assert baselines(*given(NOTHING, known=train)) == ()


@pytest.mark.parametrize("n", [1, 5])
def test_few_test_samples_judge_nobody(given: Callable[..., Given], n: int) -> None:
    found = baselines(*given(NOTHING, known=(np.arange(442) % 3 != 2) | (np.arange(442) < 3 * n)))
    assert {each.finding for each in found} == {"unknown"}
    assert "can&#39;t be compared: too few" in str(sections(found)[0].blocks[0])
    assert "too few" in lines(found)[0]


def test_many_rows_are_sampled_and_that_is_told(given: Callable[..., Given], monkeypatch: pytest.MonkeyPatch) -> None:
    case = given(NOTHING)
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    found = baselines(*case)
    assert (found[0].rows, found[0].of) == (100, 295)
    assert "on 100 of the 295 training samples" in sections(found)[0].blocks[2]
    assert found == baselines(*case)
    assert found[0].metrics != baselines(*case, seed=1)[0].metrics


def test_inputs_that_are_no_columns_are_left_out(given: Callable[..., Given]) -> None:
    data, network, results, arrays = given(NOTHING)
    image = Image(kind="image", size=(8, 8))
    films = np.zeros((len(arrays["rows"]), *image.shape), image.dtype)
    both = {"film": image} | network.info.inputs
    network.info = network.info.model_copy(update={"inputs": both, "fitted_inputs": {"film": {}, "rows": FITTED}})
    found = baselines(data, network, results, {"film": films, **arrays})
    assert (found[0].inputs, found[0].left_out) == (("rows",), ("film",))
    assert "from rows alone, without film" in sections(found)[0].blocks[2]
    network.info = network.info.model_copy(update={"inputs": {"film": image}})
    assert baselines(data, network, results, {"film": films}) == ()


@pytest.mark.parametrize(
    ("better", "ends", "finding"),
    [
        ("lower", (-3, -1), "better"), ("lower", (1, 3), "worse"), ("lower", (-1, 2), "alike"),
        ("higher", (1, 3), "better"), ("higher", (-3, -1), "worse"), ("higher", (0, 1), "alike"),
    ],
)  # fmt: skip
def test_finding_follows_the_interval(better: str, ends: tuple[float, float], finding: str) -> None:
    figure = Estimate(5, 4, 6, 100, "", better=better)  # type: ignore[arg-type]
    difference = Estimate(sum(ends) / 2, *ends, 100, "")
    each = Baseline("t", "T", "ridge", ("rows",), (), 9, 9, {"m": figure}, {"m": figure}, difference)
    assert each.finding == finding
    assert replace(each, difference=replace(difference, note="too few")).finding == "unknown"
