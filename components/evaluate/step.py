"""The model on the test split, once."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from components.evaluate.baselines import Baseline, baselines, lines
from components.evaluate.cases import Cases, choose_cases
from components.evaluate.figures import draw
from components.evaluate.gates import Gate, judge
from components.evaluate.report import Facts, report
from components.evaluate.results import Result, measure, predictions
from components.lib.dataset import Dataset
from components.lib.errors import DataError, ModelError
from components.lib.kinds import Array
from components.lib.model_dir import Model
from components.lib.output import output
from components.lib.spec import TaskSpec
from components.lib.statistics import Estimate
from components.lib.tracking import run_of
from components.lib.validate import audit, receipt

BASELINE_SEED = 0


def evaluate(dataset: Path, model: Path, out: Path, spec: TaskSpec) -> None:
    """Metrics with 95% intervals on the test split, gates, figures and a report. A failing gate doesn't raise.

    Args:
        dataset: what clean wrote.
        model: the model directory.
        out: a directory with metrics.json, evaluation.json, predictions.parquet, report.html, <target>_<chart>.csv and
            figures/<target>_<chart>.png.
        spec: the task.

    Raises:
        DataError: no test sample, or the dataset is of another task.
        ModelError: the model is of another task file, or predicts what is no number.
    """
    data, network = Dataset(dataset), Model(model)
    samples, arrays = _test_samples(data, network, spec)
    work = {"dataset": data.info.digest, "model": network.digest, "evaluate": spec.evaluate.model_dump()}
    with output(out, work) as partial:
        results = measure(network, samples, arrays)
        gates = judge({each.target: each.metrics for each in results}, spec.evaluate.gates, network.info.targets)
        everything = data.samples()
        facts = Facts(data.info, network.info, network.digest, everything, tuple(receipt(audit(everything))))
        figures = _write_charts(partial, results)
        predictions(samples, results).to_parquet(partial / "predictions.parquet", index=False)
        cases = _cases(spec, facts, results, samples, arrays)
        for name, png in ((name, png) for each in cases or () for name, png in each.files.items()):
            (partial / "figures" / name).write_bytes(png)
        plain = baselines(data, network, results, arrays, seed=BASELINE_SEED)
        page = report(spec, facts, results, gates, figures, cases, plain, samples)
        (partial / "report.html").write_text(page, encoding="utf-8")
        _write_json(partial / "metrics.json", _metrics(samples, results, gates))
        _write_json(partial / "evaluation.json", _verdict(data, network, gates))
        told = [f"gate {'passed' if g.passed else 'FAILED'}: {g.text}" for g in gates]
        summary = [*facts.receipt, *lines(plain), *told]
        _track(model, data, spec, partial, results, plain, summary)
    print("\n".join(summary))


def _cases(
    spec: TaskSpec, facts: Facts, results: tuple[Result, ...], samples: pd.DataFrame, arrays: dict[str, Array]
) -> list[Cases] | None:
    """Single samples: of phantoms always, of real patients only when the task asks for them; None otherwise."""
    if not (facts.dataset.synthetic or spec.evaluate.thumbnails):
        return None
    return [choose_cases(result, samples, arrays, facts.model.inputs) for result in results]


def _test_samples(data: Dataset, network: Model, spec: TaskSpec) -> tuple[pd.DataFrame, dict[str, Array]]:
    """Table and arrays of the test split, after a look at whether dataset, model and task belong together."""
    info = network.info
    if info.inputs != spec.inputs or info.targets != spec.targets:
        raise ModelError(
            str(network.path),
            expected="the inputs and targets of the task file",
            found="a model of others",
            todo="train again: dvc repro train",
        )
    for name, kind in info.inputs.items():
        found = data.info.arrays.get(name)
        if found is None or (found.shape, found.dtype) != (kind.shape, kind.dtype):
            raise DataError(
                str(data.path),
                expected=f"array {name} {kind.shape} {kind.dtype}, as the model takes it",
                found="no such array" if found is None else f"{found.shape} {found.dtype}",
                todo="clean again with this task file: dvc repro clean",
            )
    samples, arrays = data.select("test", list(info.inputs))
    if samples.empty:
        raise DataError(
            str(data.path),
            expected="samples in the test split",
            found="none",
            todo="set a larger split.test, or give the data a test split",
        )
    return samples, arrays


def _write_charts(out: Path, results: tuple[Result, ...]) -> dict[tuple[str, str], bytes]:
    """CSV and PNG of every chart; the PNGs by target and chart name."""
    (out / "figures").mkdir(exist_ok=True)
    pictures = {}
    for result in results:
        for chart in result.charts:
            name = f"{result.target}_{chart.name}"
            chart.table.to_csv(out / f"{name}.csv", index=False, lineterminator="\n")
            pictures[result.target, chart.name] = draw(chart)
            (out / "figures" / f"{name}.png").write_bytes(pictures[result.target, chart.name])
    return pictures


def _metrics(samples: pd.DataFrame, results: tuple[Result, ...], gates: tuple[Gate, ...]) -> dict[str, Any]:
    """What `dvc metrics show` prints: {target: {metric: {value, low, high}}}, and the sizes."""
    figures: dict[str, Any] = {
        "test": {"samples": len(samples), "patients": int(samples["patient"].nunique())},
        "gates": {"passed": sum(gate.passed for gate in gates), "of": len(gates)},
    }
    for result in results:
        each = {name: _interval(estimate) for name, estimate in result.metrics.items()}
        figures[result.target] = {"n": int(result.known.sum())} | each
    return figures


def _interval(estimate: Estimate) -> dict[str, float | None]:
    """JSON knows no NaN: what is missing is null."""
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: None if math.isnan(value) else round(value, 6) for name, value in ends.items()}


def _verdict(data: Dataset, network: Model, gates: tuple[Gate, ...]) -> dict[str, Any]:
    """What register reads."""
    return {
        "passed": all(gate.passed for gate in gates),
        "gates": [{"gate": gate.gate, "least": gate.least, "found": gate.found, "passed": gate.passed,
                   "text": gate.text} for gate in gates],
        "model_digest": network.digest, "dataset_digest": data.info.digest,
    }  # fmt: skip


def _track(
    model: Path,
    data: Dataset,
    spec: TaskSpec,
    out: Path,
    results: tuple[Result, ...],
    plain: tuple[Baseline, ...],
    summary: list[str],
) -> None:
    """Log into the model's MLflow run. Predictions of single samples stay on this machine."""
    run = run_of(model, spec)
    run.log_dataset(data, "test")
    notes = [*summary, "The report: artifacts, evaluation/report.html"]
    if data.info.synthetic:
        notes.insert(0, "**Synthetic data**")
    run.set_tags({"synthetic": str(data.info.synthetic).lower(), "mlflow.note.content": "\n\n".join(notes)})
    figures: dict[str, float] = {}
    for result in results:
        for name, estimate in result.metrics.items():
            key = f"test/{result.target}/{name}"
            figures |= {key: estimate.value, f"{key}_low": estimate.low, f"{key}_high": estimate.high}
    for each in plain:
        figures |= {f"test/{each.target}/{each.name}/{name}": found.value for name, found in each.metrics.items()}
    run.log_metrics(figures)
    run.log_directory(out / "figures", "figures")
    for file in (out / "report.html", out / "metrics.json", *sorted(out.glob("*.csv"))):
        run.log_file(file, "evaluation")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
