"""Step `evaluate` on a tiny dataset and a tiny ONNX graph: a film is called positive when it is bright."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from components.evaluate import evaluate
from components.evaluate.gates import judge
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.errors import DataError, ModelError
from components.lib.kinds.binary import Binary
from components.lib.kinds.image import Image
from components.lib.model_dir import ModelInfo, TargetFigures, write_model_json
from components.lib.openings import Opening
from components.lib.spec import TaskSpec
from components.lib.statistics import Estimate

SIDE = 8
IMAGE = Image(kind="image", size=(SIDE, SIDE))
FINDING = Binary(kind="binary", classes=("normal", "pneumonia"))
KINDS = {"finding": FINDING}
Workspace = Callable[..., tuple[Path, Path, Path]]


def task(**evaluate_settings: Any) -> TaskSpec:
    return TaskSpec.model_validate_json(
        json.dumps(
            {
                "task": "chest_test",
                "source": {"reader": "folder", "path": "raw"},
                "inputs": {"image": IMAGE.model_dump()},
                "targets": {"finding": FINDING.model_dump()},
                "evaluate": evaluate_settings,
            }
        )
    )


def write_dataset(path: Path, *, synthetic: bool, labels: Sequence[str | None]) -> str:
    """Two splits of len(labels) films; pneumonia is brighter, with some overlap."""
    path.mkdir()
    generator = np.random.default_rng(0)
    truth = [*labels, *labels]
    level = np.where(np.array(truth) == "pneumonia", 140, 115) + generator.normal(0, 15, len(truth))
    films = generator.normal(level[:, None, None, None], 30, (len(truth), SIDE, SIDE, 1)).clip(0, 255).astype(np.uint8)
    samples = pd.DataFrame(
        {
            "sample_id": [f"s{i:04d}" for i in range(len(truth))],
            "patient": [f"p{i:04d}" for i in range(len(truth))],
            "split": ["train"] * len(labels) + ["test"] * len(labels),
            "finding": pd.Series(truth, dtype="str"),
            "sex": ["f", "m"] * len(labels),
            "site": ["a", None] * len(labels),
            "sha256": [hashlib.sha256(film.tobytes()).hexdigest() for film in films],
        }
    )
    writer = DatasetWriter(path)
    writer.write_part(0, samples, {"image": films})
    info = writer.finish(
        task="chest_test",
        step="clean",
        parts=1,
        synthetic=synthetic,
        key_fingerprint=None,
        lineage={},
        arrays={"image": ArrayInfo(shape=IMAGE.shape, dtype="uint8", kind="image")},
        targets={"finding": {}},
    )
    return info.digest


def write_model(path: Path, *, dataset_digest: str, synthetic: bool, gain: float, classes: tuple[str, str]) -> None:
    """sigmoid(gain · (brightness - .5)), with the map before pooling."""
    path.mkdir()

    def constant(name: str, *values: float) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(values, np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["image", "half"], ["centred"]),
            helper.make_node("Mul", ["centred", "gain"], ["finding_map"]),
            helper.make_node("ReduceMean", ["finding_map"], ["logit"], axes=[1, 2], keepdims=0),
            helper.make_node("Sigmoid", ["logit"], ["finding"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", SIDE, SIDE, 1])],
        [
            helper.make_tensor_value_info("finding", TensorProto.FLOAT, ["N", 1]),
            helper.make_tensor_value_info("finding_map", TensorProto.FLOAT, ["N", SIDE, SIDE, 1]),
        ],
        [constant("half", 0.5), constant("gain", gain)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    (path / "model.onnx").write_bytes(model.SerializeToString())
    write_model_json(
        path,
        ModelInfo(
            task="chest_test",
            architecture="tiny",
            inputs={"image": IMAGE},
            targets={"finding": Binary(kind="binary", classes=classes)},
            fitted={
                "finding": TargetFigures(
                    scaling={"temperature": 1.0}, decision={"threshold": 0.5}, validation_score=0.9
                )
            },
            explain="class_activation_map",
            fitted_inputs={"image": {}},
            reference={},
            synthetic=synthetic,
            epochs=1,
            precision="float32",
            parameters=2,
            lineage={"dataset": dataset_digest},
            digest=hashlib.sha256((path / "model.onnx").read_bytes()).hexdigest(),
        ),
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    def make(
        *,
        synthetic: bool = True,
        labels: Sequence[str | None] | None = None,
        gain: float = 20.0,
        classes: tuple[str, str] = ("normal", "pneumonia"),
    ) -> tuple[Path, Path, Path]:
        dataset, model = tmp_path / "dataset", tmp_path / "model"
        digest = write_dataset(dataset, synthetic=synthetic, labels=labels or ["normal"] * 30 + ["pneumonia"] * 30)
        write_model(model, dataset_digest=digest, synthetic=synthetic, gain=gain, classes=classes)
        return dataset, model, tmp_path / "evaluation"

    return make


class Recorder:
    """Stands in for an MLflow run: making a store takes ten seconds, and what it does is tested with tracking."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        self.files: set[str] = set()

    def log_metrics(self, figures: dict[str, float]) -> None:
        self.metrics |= figures

    def log_directory(self, folder: Path, name: str) -> None:
        self.files |= {f"{name}/{path.name}" for path in folder.iterdir()}

    def log_file(self, file: Path, folder: str) -> None:
        self.files.add(f"{folder}/{file.name}")

    def set_tags(self, tags: dict[str, str]) -> None:
        self.tags = tags

    def log_dataset(self, dataset: Dataset, context: str) -> None:
        assert context == "test"


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr("components.evaluate.step.run_of", lambda *_: recorder)
    monkeypatch.setattr(
        "components.evaluate.ledger.record", lambda *_, **__: Opening(60, 1, 58, 0, 0, 2, 3)
    )  # it needs a store, too
    return recorder


def read(out: Path, name: str) -> Any:
    return json.loads((out / name).read_text(encoding="utf-8"))


def test_writes_everything_that_later_steps_read(workspace: Workspace) -> None:
    dataset, model, out = workspace(labels=["normal"] * 30 + ["pneumonia"] * 29 + [None])
    evaluate(dataset, model, out, task())
    charts = ["roc", "precision_recall", "confusion", "reliability", "histogram", "calibration", "calibration_curve",
              "decision_curve", "robustness"]  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [
            "SHA256SUMS",
            "evaluation.json",
            "figures",
            "metrics.json",
            "model_card.md",
            "predictions.parquet",
            "report.html",
        ]
        + [f"finding_{chart}.csv" for chart in charts]
    )
    groups = ["surest_of_those_called_right", "surest_of_those_called_wrongly", "least_sure"]
    films = [f"finding_{group}_{i}.png" for group in groups for i in (1, 2, 3, 4)]
    assert {path.name for path in (out / "figures").iterdir()} == {f"finding_{c}.png" for c in charts} | {*films}
    metrics = read(out, "metrics.json")
    assert metrics["test"] == {"samples": 60, "patients": 60}
    assert metrics["finding"]["n"] == 59
    assert metrics["finding"]["auc"]["low"] < metrics["finding"]["auc"]["value"] < metrics["finding"]["auc"]["high"]


def test_predictions_hold_the_test_split_and_no_patient(workspace: Workspace) -> None:
    dataset, model, out = workspace(labels=["normal"] * 30 + ["pneumonia"] * 29 + [None])
    evaluate(dataset, model, out, task())
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert list(predictions) == ["sample_id", "split", "target", "truth", "label", "probability", "output"]
    assert set(predictions["split"]) == {"test"}
    assert predictions["truth"].isna().sum() == 1
    called = np.where(predictions["probability"] >= 0.5, "pneumonia", "normal")
    assert (predictions["label"] == called).all()


def test_repeats_byte_for_byte(workspace: Workspace, tmp_path: Path) -> None:
    dataset, model, out = workspace()
    evaluate(dataset, model, out, task())
    evaluate(dataset, model, tmp_path / "again", task())
    files = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
    assert [str(f) for f in files if (out / f).read_bytes() != (tmp_path / "again" / f).read_bytes()] == []


def estimate(low: float, value: float, high: float, **other: Any) -> dict[str, dict[str, Estimate]]:
    return {"finding": {"auc": Estimate(value, low, high, 100, "test", **other)}}


@pytest.mark.parametrize(("bound", "passed"), [(0.85, True), (0.9, True), (0.91, False), (0.95, False)])
def test_a_gate_is_held_against_the_lower_end(bound: float, passed: bool) -> None:
    (gate,) = judge(estimate(0.9, 0.95, 0.98), {"finding.auc": bound}, KINDS)
    assert (gate.passed, gate.found) == (passed, 0.9)


@pytest.mark.parametrize(("bound", "passed"), [(0.3, True), (0.25, False)])
def test_a_gate_on_an_error_is_held_against_the_upper_end(bound: float, passed: bool) -> None:
    (gate,) = judge(estimate(0.1, 0.2, 0.3, better="lower"), {"finding.auc": bound}, KINDS)
    assert (gate.passed, gate.found) == (passed, 0.3)


def test_a_figure_on_too_few_samples_passes_no_gate() -> None:
    (gate,) = judge(estimate(0.9, 0.95, 0.98, note="too few: 10 samples"), {"finding.auc": 0.1}, KINDS)
    assert (gate.passed, gate.found) == (False, None)
    assert "too few" in gate.text


def test_chance_itself_is_not_enough() -> None:
    assert [judge(estimate(low, 0.9, 1.0), {}, KINDS)[0].passed for low in (0.5, 0.51)] == [False, True]


@pytest.mark.parametrize(
    ("low", "high", "within", "overlaps"),
    [(0.9, 1.1, True, True), (0.8, 1.25, True, True), (0.7, 1.1, False, True), (1.1, 1.4, False, True),
     (0.5, 0.8, False, True), (0.5, 0.79, False, False), (1.26, 2.0, False, False), (0.1, 9.0, False, True)],
)  # fmt: skip
def test_a_range_holds_the_whole_interval_or_meets_it(low: float, high: float, within: bool, overlaps: bool) -> None:
    found = {"finding": {"calibration_slope": Estimate((low + high) / 2, low, high, 100, "test", better="between")}}
    ends = (0.8, 1.25)
    for bound, passed in ((ends, within), ({"overlaps": ends}, overlaps)):
        (gate,) = judge(found, {"finding.calibration_slope": bound}, KINDS)
        assert (gate.passed, gate.found) == (passed, (low, high)), gate.text


def test_a_model_whose_task_names_no_gate_must_be_calibrated_too() -> None:
    found = estimate(0.8, 0.9, 0.95)
    found["finding"] |= {
        "calibration_slope": Estimate(1.0, 0.7, 1.3, 100, "test"),
        "observed_expected": Estimate(0.06, 0.04, 0.1, 100, "test"),  # balanced class weights at 2%, not undone
    }
    auc, slope, ratio = judge(found, {}, KINDS)
    assert (auc.passed, slope.passed, ratio.passed) == (True, True, False)
    assert ratio.text.endswith("the interval lies wholly outside 0.8 to 1.25")
    assert not judge(estimate(0.8, 0.9, 0.95), {}, KINDS)[1].passed, "what wasn't measured isn't promised"


def test_a_failing_gate_is_written_down_not_raised(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, model, out = workspace(gain=-20.0)
    evaluate(dataset, model, out, task(gates={"finding.auc": 0.6, "finding.brier": 0.99}))
    verdict = read(out, "evaluation.json")
    assert not verdict["passed"]
    assert [gate["passed"] for gate in verdict["gates"]] == [False, True]
    assert verdict["gates"][0]["found"] == read(out, "metrics.json")["finding"]["auc"]["low"]
    assert "Failed" in (out / "report.html").read_text(encoding="utf-8")
    assert "gate FAILED: finding.auc" in capsys.readouterr().out


def test_one_class_in_test_is_reported_not_a_crash(workspace: Workspace) -> None:
    dataset, model, out = workspace(labels=["normal"] * 20)
    evaluate(dataset, model, out, task())
    assert read(out, "metrics.json")["finding"]["auc"] == {"value": None, "low": None, "high": None}
    assert not read(out, "evaluation.json")["passed"]
    assert (out / "finding_roc.csv").read_text(encoding="utf-8") == "false_positive_rate,true_positive_rate\n"


def test_predictions_that_are_no_number_are_counted_and_named(workspace: Workspace) -> None:
    dataset, model, out = workspace(gain=float("nan"))
    with pytest.raises(ModelError, match=r"NaN or infinity for 60 of 60 samples: s0060, .* and 55 more"):
        evaluate(dataset, model, out, task())


def test_a_model_of_another_task_is_refused(workspace: Workspace) -> None:
    dataset, model, out = workspace(classes=("healthy", "ill"))
    with pytest.raises(ModelError, match="train again"):
        evaluate(dataset, model, out, task())


def test_no_test_sample_is_an_error(workspace: Workspace) -> None:
    dataset, model, out = workspace()
    part = dataset / "part-00000" / "samples.parquet"
    pd.read_parquet(part).assign(split="train").to_parquet(part)
    with pytest.raises(DataError, match="samples in the test split"):
        evaluate(dataset, model, out, task())


def test_the_report_stands_alone(workspace: Workspace) -> None:
    dataset, model, out = workspace()
    evaluate(dataset, model, out, task())
    html = (out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|https?:|url\(", html)
    assert all(re.match(r"data:image/png;base64,", src) for src in re.findall(r'src="([^"]{0,40})', html))
    assert "not a medical device" in html
    assert "Patients shared: 0 (60 / 0 / 60)" in html
    assert "p0001" not in html


def test_groups_large_enough_are_compared(workspace: Workspace) -> None:
    dataset, model, out = workspace()
    evaluate(dataset, model, out, task())
    html = (out / "report.html").read_text(encoding="utf-8")
    assert '<th scope="col">Sex</th>' in html
    assert '<th scope="col">Site</th>' not in html


def test_synthetic_films_are_shown_and_called_synthetic(workspace: Workspace) -> None:
    dataset, model, out = workspace(synthetic=True)
    evaluate(dataset, model, out, task())
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "Synthetic data" in html
    assert html.count("<figure>") > 5


@pytest.mark.parametrize("thumbnails", [False, True])
def test_real_films_are_shown_only_on_request(workspace: Workspace, thumbnails: bool) -> None:
    dataset, model, out = workspace(synthetic=False)
    evaluate(dataset, model, out, task(thumbnails=thumbnails))
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "Synthetic data" not in html
    charts = len(list(out.glob("*.csv")))
    assert (html.count("<figure>") > charts) == thumbnails
    assert ("One of the films" in html) == thumbnails
    assert ("evaluate.thumbnails" in html) != thumbnails
    assert any("sure" in path.name for path in (out / "figures").iterdir()) == thumbnails


def test_figures_go_into_the_models_run_but_no_predictions(workspace: Workspace, run: Recorder) -> None:
    dataset, model, out = workspace()
    evaluate(dataset, model, out, task())
    low = read(out, "metrics.json")["finding"]["auc"]["low"]
    assert run.metrics["test/finding/auc_low"] == pytest.approx(low, abs=1e-6)
    assert {"evaluation/report.html", "figures/finding_roc.png"} <= run.files
    assert not [name for name in run.files if "predictions" in name]
    assert run.tags["synthetic"] == "true"
    assert run.tags["mlflow.note.content"].startswith("**Synthetic data**")


def test_the_report_of_a_second_model_on_real_data_begins_with_a_warning(
    workspace: Workspace, run: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, model, out = workspace(synthetic=False)
    evaluate(dataset, model, out, task())
    said = "58 of these 60 films were evaluated for 1 other model before."
    assert said in (out / "report.html").read_text(encoding="utf-8")
    assert "for 1 other model before; opened 3 times in all, for 2 models" in capsys.readouterr().out
    assert said in (out / "model_card.md").read_text(encoding="utf-8")
