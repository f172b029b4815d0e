"""The model on the test split, once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from components.evaluate.baselines import lines
from components.evaluate.findings import Findings, find
from components.evaluate.gates import told
from components.evaluate.ledger import line, open_test
from components.evaluate.part import Evaluated
from components.evaluate.results import measure
from components.evaluate.unknown import lines as unknown_lines
from components.evaluate.unknown import served
from components.evaluate.writing import verdict, write, write_json
from components.lib import markdown as md
from components.lib.dataset import Dataset
from components.lib.digests import say_unverified
from components.lib.errors import DataError, ModelError
from components.lib.kinds import Array
from components.lib.model_dir import Model
from components.lib.output import output
from components.lib.positions import apart, reordered
from components.lib.spec import TaskSpec
from components.lib.tracking import Run, run_of


def evaluate(dataset: Path, model: Path, out: Path, spec: TaskSpec) -> None:
    """Metrics with 95% intervals on the test split, gates, figures and a report. A failing gate doesn't raise.

    A registered model on data of another hospital is judged with --model models:/NAME@champion --data OTHER instead.

    Args:
        dataset: what clean wrote.
        model: the model directory.
        out: a directory with metrics.json, evaluation.json, predictions.parquet, report.html, model_card.md,
            <target>_<chart>.csv and figures/<target>_<chart>.png.
        spec: the task.

    Raises:
        DataError: no test sample, or the dataset is of another task.
        ModelError: the model is of another task file, or predicts what is no number.
    """
    data, network = Dataset(dataset), Model(model)
    say_unverified(data.sums, network.sums)
    samples, arrays = _test_samples(data, network, spec)
    work = {
        "dataset": data.info.digest, "model": network.digest, "evaluate": spec.evaluate.model_dump(),
        "assumed": spec.assumed,
    }  # fmt: skip
    with output(out, work) as partial:
        samples, arrays, refused = served(network, samples, arrays)
        evaluated = Evaluated(spec, data, network, samples, arrays, measure(network, samples, arrays), refused)
        run = run_of(model, spec)
        opening = open_test(run, evaluated)
        findings = find(evaluated, opening)
        write(findings, partial)
        write_json(partial / "evaluation.json", verdict(findings))
        unknown = unknown_lines(evaluated)
        summary = [
            *findings.receipt,
            *unknown,
            line(evaluated, opening),
            *lines(findings.baselines),
            *told(findings.gates),
        ]
        _track(run, findings, partial, summary)
    print("\n".join([*evaluated.assumption_lines, *summary, *findings.warnings]))


def _test_samples(data: Dataset, network: Model, spec: TaskSpec) -> tuple[pd.DataFrame, dict[str, Array]]:
    """Table and arrays of the test split, after a look at whether dataset, model and task belong together."""
    info = network.info
    for what, own, wanted in (("inputs", info.inputs, spec.inputs), ("targets", info.targets, spec.targets)):
        if others := apart(own, wanted):
            told = ", ".join(f"{what}.{each}" for each in others)
            moved = reordered(own, wanted)
            raise ModelError(
                str(network.path),
                expected=f"the {what} of the task file, setting by setting and in their order",
                found=f"the same in another order: {told}" if moved else f"a model of others: {told}",
                # DVC compares mappings without their order, so that it sees no reason to train by itself.
                todo="train again: " + ("dvc repro --force" if moved else "dvc repro train"),
            )
    data.require(info.inputs)
    samples, arrays = data.select("test", list(info.inputs))
    if samples.empty:
        raise DataError(
            str(data.path),
            expected="samples in the test split",
            found="none",
            todo="set a larger split.test, or give the data a test split",
        )
    return samples, arrays


def _track(run: Run, findings: Findings, out: Path, summary: list[str]) -> None:
    """Log into the model's MLflow run. Predictions of single samples stay on this machine."""
    data = findings.evaluated.data
    run.log_dataset(data, "test")
    notes = [
        *findings.evaluated.assumption_lines,
        *summary,
        *findings.warnings,
        "The report: artifacts, evaluation/report.html",
    ]
    if data.info.synthetic:
        notes.insert(0, md.bold("Synthetic data"))
    run.set_tags({"synthetic": str(data.info.synthetic).lower(), "mlflow.note.content": str(md.blocks(*notes))})
    figures: dict[str, float] = {}
    for target, name, estimate in ((t, n, e) for t, held in findings.metrics.items() for n, e in held.items()):
        key = f"test/{target}/{name}"
        figures |= {key: estimate.value, f"{key}_low": estimate.low, f"{key}_high": estimate.high}
    for each in findings.baselines:
        figures |= {f"test/{each.target}/{each.name}/{name}": found.value for name, found in each.metrics.items()}
    run.log_metrics(figures)
    run.log_directory(out / "figures", "figures")
    for file in (out / "report.html", out / "model_card.md", out / "metrics.json", *sorted(out.glob("*.csv"))):
        run.log_file(file, "evaluation")
