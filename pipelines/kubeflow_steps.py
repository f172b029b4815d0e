"""The components of the Kubeflow pipeline: three lines around the plain function of each step, and what they show.

kfp sends the source of each component to the cluster by itself, so each imports what it needs.
"""
# No `from __future__ import annotations`: kfp reads the types of the components, not their names.

import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from components.lib.csv_file import cell
from components.lib.places import Place, is_remote, place
from components.lib.spec import TaskSpec, load_spec

MODEL = "model"

if os.environ.get("_KFP_RUNTIME") == "true":
    # In a running component: kfp turns on the chatter of every library, and Great Expectations has 200 lines of it.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)


def phantom(task: str, out: Output[Dataset]) -> None:
    """Make the synthetic raw data of the task."""
    from components.phantom.step import phantom as step
    from pipelines.kubeflow_steps import at, spec_of

    step(at(out), spec_of(task))


def ingest(
    task: str,
    raw: Input[Dataset],
    dataset: Output[Dataset],
    private: Output[Artifact],
    page: Output[HTML],
    raw_digest: str = "",
) -> None:
    """Index the raw data, pseudonymise patients, split, audit for leaks."""
    from components.ingest import ingest as step
    from pipelines.kubeflow_steps import at, raw_at, show_page, spec_of

    step(raw_at(raw), at(dataset), at(private), spec_of(task))
    show_page(at(dataset) / "validation.html", page)


def clean(
    task: str,
    raw: Input[Dataset],
    dataset: Input[Dataset],
    private: Input[Artifact],
    out: Output[Dataset],
    page: Output[HTML],
) -> None:
    """Decode, check and resize every sample."""
    from components.clean import clean as step
    from pipelines.kubeflow_steps import at, raw_at, show_page, spec_of

    step(raw_at(raw), at(dataset), at(private), at(out), spec_of(task))
    show_page(at(out) / "validation.html", page)


def augment(task: str, dataset: Input[Dataset], out: Output[Dataset]) -> None:
    """Write altered copies of rarer classes, when the task asks for them."""
    from components.augment import augment as step
    from pipelines.kubeflow_steps import at, spec_of

    step(at(dataset), at(out), spec_of(task))


def train(
    task: str, dataset: Input[Dataset], augmented: Input[Dataset], model: Output[Model], metrics: Output[Metrics]
) -> None:
    """Fit on train, choose on validation."""
    from components.train.step import train as step
    from pipelines.kubeflow_steps import at, model_at, show_training, spec_of

    step(at(dataset), at(augmented), model_at(model), spec_of(task))
    show_training(model_at(model), metrics)


def evaluate(
    task: str,
    dataset: Input[Dataset],
    model: Input[Model],
    out: Output[Artifact],
    metrics: Output[Metrics],
    classification: Output[ClassificationMetrics],
    report: Output[HTML],
) -> None:
    """Measure the model on the test split, once."""
    from components.evaluate import evaluate as step
    from pipelines.kubeflow_steps import at, model_at, show_classes, show_page, show_test, spec_of

    step(at(dataset), model_at(model), at(out), spec_of(task))
    show_test(at(out), metrics)
    show_classes(at(out), spec_of(task), classification)
    show_page(at(out) / "report.html", report)


def register(
    task: str,
    raw: Input[Dataset],
    dataset: Input[Dataset],
    private: Input[Artifact],
    model: Input[Model],
    evaluation: Input[Artifact],
    out: Output[Artifact],
) -> None:
    """Make the model a version in MLflow's registry, and give it the alias that its gates and golden cases earn it."""
    from components.register import register as step
    from pipelines.kubeflow_steps import at, model_at, raw_at, spec_of

    step(raw_at(raw), at(dataset), at(private), model_at(model), at(evaluation), at(out), spec_of(task))


COMPONENTS: dict[str, Callable[..., None]] = {
    function.__name__: function for function in (phantom, ingest, clean, augment, train, evaluate, register)
}

# What the components call.


def at(artifact: Artifact) -> Path:
    """Where an artifact lies in the running container."""
    return Path(artifact.path)


def raw_at(artifact: Artifact) -> Place:
    """Where the raw data lie: in the container, where Kubeflow brought them there; else on the server they are on.

    A cluster brings what lies on s3:// and leaves https:// alone; the local runner leaves both.
    """
    here = Path(artifact.path)
    return place(artifact.uri) if is_remote(artifact.uri) and not here.exists() else here


def model_at(artifact: Artifact) -> Path:
    """The model directory inside a model artifact: beside it, in the artifact too, lies run.json."""
    return at(artifact) / MODEL


def spec_of(text: str) -> TaskSpec:
    """The task, from the text of its file.

    Raises:
        SpecError: the text is no valid task file.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "task.yaml"
        file.write_text(text, encoding="utf-8")
        return load_spec(file)


def show_page(file: Path, page: HTML) -> None:
    """Show a page that the step wrote."""
    shutil.copyfile(file, at(page))


def show_training(model: Path, metrics: Metrics) -> None:
    """Log the curves at the epoch that was kept, and what was fitted on validation."""
    import pandas as pd

    info = json.loads((model / "model.json").read_text(encoding="utf-8"))
    curves = pd.read_csv(model / "curves.csv")
    log(metrics, curves[curves["epoch"] == info["epochs"]].iloc[0].to_dict())
    for target, fitted in info["fitted"].items():
        log(metrics, {f"{target}.{name}": value for name, value in (fitted["scaling"] | fitted["decision"]).items()})


def show_test(evaluation: Path, metrics: Metrics) -> None:
    """Log metrics.json, flat: `finding.auc`, `finding.auc.low`, `finding.auc.high`, `test.samples`."""
    for section, figures in json.loads((evaluation / "metrics.json").read_text(encoding="utf-8")).items():
        for name, value in figures.items():
            ends = value if isinstance(value, dict) else {"value": value}
            log(metrics, {f"{section}.{name}": ends["value"]})
            log(metrics, {f"{section}.{name}.{end}": ends[end] for end in ("low", "high") if end in ends})


def show_classes(evaluation: Path, spec: TaskSpec, classification: ClassificationMetrics) -> None:
    """Log confusion matrix and, of two classes, the ROC curve of the first target that has classes.

    The curve's thresholds are read off the predictions; where it starts, at infinity, stands 1.
    """
    import pandas as pd
    from sklearn.metrics import roc_curve

    target = next((name for name in spec.targets if (evaluation / f"{name}_confusion.csv").exists()), None)
    if target is None:
        return
    calls = pd.read_csv(evaluation / f"{target}_confusion.csv", dtype=str, keep_default_na=False)
    classes = list(spec.targets[target].class_names)
    cells = list(map(cell, classes))
    counts = pd.crosstab(calls["actual"], calls["predicted"]).reindex(index=cells, columns=cells, fill_value=0)
    classification.log_confusion_matrix(classes, counts.to_numpy().tolist())
    points = pd.read_csv(evaluation / f"{target}_roc.csv")
    if len(classes) == 2 and len(points):
        table = pd.read_parquet(evaluation / "predictions.parquet")
        known = table[(table["target"] == target) & table["truth"].notna()]
        _, _, thresholds = roc_curve(known["truth"] == classes[1], known["probability"])
        false, true = points["false_positive_rate"], points["true_positive_rate"]
        classification.log_roc_curve(false.tolist(), true.tolist(), thresholds.clip(max=1).tolist())


def log(metrics: Metrics, figures: dict[str, float | None]) -> None:
    """Log figures; what is missing or no number is left out."""
    for name, value in figures.items():
        if value is not None and math.isfinite(value):
            metrics.log_metric(name, value)
