"""External validation: a registered model on data of another hospital. Nothing is fitted, no alias is moved.

    python -m components.evaluate --model models:/NAME@champion --data OTHER [--split test] [--out FOLDER]

OTHER is a workspace whose data are cleaned, its task file, or a folder of cleaned data. Its task file must have the
model's inputs and targets; source, split and gates are its own.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer

from components.evaluate.findings import Findings, find
from components.evaluate.gates import told
from components.evaluate.ledger import line, open_test
from components.evaluate.part import Evaluated
from components.evaluate.results import measure
from components.evaluate.unknown import lines, served
from components.evaluate.writing import verdict, write, write_json
from components.lib.dataset import SPLITS, Dataset
from components.lib.errors import DataError, ModelError
from components.lib.kinds import AnyTarget, Array
from components.lib.model_dir import Model
from components.lib.output import output
from components.lib.params import named_task
from components.lib.positions import apart, reordered
from components.lib.registry import fetch
from components.lib.shell_words import quoted
from components.lib.spec import TaskSpec, load_spec
from components.lib.tracking import Run, client, new_run

Which = Literal["all", "test"]
PREFIX = "models:/"
FOLDER = "evaluation-external"
LEVELS_UP = 3
"""How far above a folder of cleaned data its workspace may be."""


def main(
    model: Annotated[str, typer.Option(help="models:/NAME@ALIAS, models:/NAME/VERSION, or a model directory.")],
    data: Annotated[Path, typer.Option(help="A workspace, its task file, or a folder of cleaned data.")],
    task: Annotated[
        Path | None, typer.Option(help="The task file DATA was cleaned with; else its workspace's.")
    ] = None,
    split: Annotated[Which, typer.Option(help="Which of its samples: all, or only its test split.")] = "all",
    out: Annotated[
        Path | None, typer.Option(help=f"The folder to write; else data/{FOLDER}/MODEL in DATA's workspace.")
    ] = None,
) -> None:
    """Judge a registered MODEL on the DATA of another hospital, with the same report. Nothing is fitted."""
    with tempfile.TemporaryDirectory() as folder:
        network, name = opened(model, Path(folder))
        external(network, name, data, out, split=split, task=task)


def external(
    network: Model, name: str, data: Path, out: Path | None = None, *, split: Which = "all", task: Path | None = None
) -> Path:
    """Judge a model on data that it hasn't learnt from.

    Args:
        network: the model.
        name: what the report calls it.
        data: a workspace, its task file, or a folder of cleaned data.
        out: the directory to write; None: data/evaluation-external/MODEL in the workspace of the data, where `forget`
            finds their patients; or, without one, evaluation-external/MODEL here.
        split: of the data, "test" or "all".
        task: the task file they were cleaned with; None: that of the workspace.

    Returns:
        the directory that was written: what evaluate writes, but external.json in place of evaluation.json, so that no
        version is registered by it.

    Raises:
        DataError: the data aren't cleaned, aren't the model's to judge, or the model learnt from them.
        ModelError: the model takes other inputs or answers other targets.
    """
    folder = out or _home(data) / FOLDER / re.sub(r"[^\w.-]+", "-", name)
    _refuse_to_replace(folder)
    spec, dataset = cleaned(data, task)
    _refuse_others(network, name, dataset, spec)
    samples, arrays = _samples(network, dataset, spec, split)
    samples, arrays, refused = served(network, samples, arrays)
    evaluated = Evaluated(spec, dataset, network, samples, arrays, measure(network, samples, arrays), refused)
    run = _run(evaluated, name, split)
    opening = open_test(run, evaluated)
    print("\n".join([*lines(evaluated), line(evaluated, opening)]))
    _write(find(evaluated, opening, name), folder, run, split)
    print(f"wrote {folder}: report.html, metrics.json")
    return folder


def _write(findings: Findings, out: Path, run: Run, split: Which) -> None:
    """The same files as of the step, and the figures in the run."""
    evaluated, name = findings.evaluated, findings.name
    data, network, settings = evaluated.data, evaluated.network, evaluated.spec.evaluate.model_dump()
    with output(
        out, {"dataset": data.info.digest, "model": network.digest, "evaluate": settings, "of": split}
    ) as partial:
        write(findings, partial)
        write_json(partial / "external.json", {"model": name, "split": split} | verdict(findings))
        run.log_metrics(
            {
                f"external/{target}/{key}": e.value
                for target, held in findings.metrics.items()
                for key, e in held.items()
            }
        )
        for written in ("report.html", "metrics.json"):
            run.log_file(partial / written, "external")
    print("\n".join([*told(findings.gates), *findings.warnings]))


def _run(evaluated: Evaluated, name: str, split: Which) -> Run:
    """A run of its own, in the model's experiment; the earlier one where the same was done before."""
    store, network, data = client(), evaluated.network, evaluated.data
    tags = {
        "external": "true", "external_split": split,
        "external_model": network.digest, "external_data": data.info.digest,
    }  # fmt: skip
    experiment = store.get_experiment_by_name(network.info.task)
    if experiment is not None:
        same = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
        earlier = store.search_runs([experiment.experiment_id], same, max_results=1)
        if earlier:
            return Run(store, earlier[0].info.run_id)
    run = new_run(evaluated.spec.model_copy(update={"task": network.info.task}), store)
    run.set_tags({**tags, "mlflow.runName": f"external: {evaluated.spec.task}", "model": name})
    run.log_dataset(data, "external")
    store.set_terminated(run.id, "FINISHED")
    return run


def _refuse_to_replace(out: Path) -> None:
    """Refuse a folder that holds something else than an earlier external validation: it would be replaced."""
    if out.exists() and not (out / "external.json").is_file():
        raise DataError(
            str(out),
            expected="a folder that isn't there yet, or an earlier external validation",
            found="something else, which would be lost",
            todo="name another folder with --out",
        )


def opened(model: str, folder: Path) -> tuple[Model, str]:
    """The model, downloaded into a folder where it is a registered version; and what it is called."""
    if model.startswith(PREFIX):
        path, name = fetch(model, folder)
        try:
            return Model(path), name
        except ModelError as error:  # the file is in a temporary folder, which nobody knows
            raise ModelError(f"{PREFIX}{name}", expected=error.expected, found=error.found, todo=error.todo) from None
    found = Model(Path(model))
    return found, f"{found.info.task}, {found.digest[:12]}"


def cleaned(data: Path, task: Path | None = None) -> tuple[TaskSpec, Dataset]:
    """The task file and the cleaned dataset that `--data` stands for.

    Raises:
        DataError: there is no cleaned dataset, or no task file that says how it was cleaned.
    """
    if data.is_file():
        data, task = data.parent, task or data
    here = data / "dataset.json"
    folder = data if here.is_file() else data / "data" / "cleaned"
    workspace = _workspace(data)
    if task is None and workspace is None:
        raise DataError(
            str(data),
            expected="a workspace (a folder with params.yaml and dvc.yaml), its task file, or a folder of cleaned data",
            found="a folder without a workspace" if data.is_dir() else "no such folder",
            todo="make one with python -m pipelines.new DATA, or name the task file of the cleaned data: --task FILE",
        )
    if not (folder / "dataset.json").is_file():
        raise DataError(
            str(folder),
            expected="data that are cleaned",
            found="no dataset.json",
            todo=f"cd {quoted(str(workspace or data))} && dvc repro clean",
        )
    dataset = Dataset(folder)
    if dataset.info.step != "clean":
        todo = f"name the cleaned data: --data {workspace / 'data' / 'cleaned' if workspace else 'data/cleaned'}"
        raise DataError(str(folder), expected="what clean wrote", found=f"what {dataset.info.step} wrote", todo=todo)
    return load_spec(task or _task_of(workspace or data)), dataset


def _workspace(data: Path) -> Path | None:
    """The workspace that a folder is, or lies in."""
    folder = data.absolute()
    places = [folder, *folder.parents[:LEVELS_UP]]
    return next(
        (place for place in places if (place / "params.yaml").is_file() and (place / "dvc.yaml").is_file()), None
    )


def _home(data: Path) -> Path:
    """Where what is found out about data is kept."""
    workspace = _workspace(data.parent if data.is_file() else data)
    return workspace / "data" if workspace else Path()


def _task_of(workspace: Path) -> Path:
    return named_task(workspace)


def _refuse_others(network: Model, name: str, dataset: Dataset, spec: TaskSpec) -> None:
    """Refuse data whose task has other inputs or targets than the model, or that were cleaned otherwise."""
    info = network.info
    targets = (_uncalibrated(info.targets), _uncalibrated(spec.targets))
    for what, own, theirs in (("inputs", info.inputs, spec.inputs), ("targets", *targets)):
        if others := apart(own, theirs):
            told = ", ".join(f"{what}.{each}" for each in others)
            again = "--force clean" if reordered(own, theirs) else "clean"
            raise ModelError(
                f"the task file of {dataset.path}",
                expected=f"the {what} of {name}, setting by setting and in their order",
                found=f"the same in another order: {told}" if reordered(own, theirs) else f"others: {told}",
                todo=f"write the {what} into that task file as the model has them, and clean again: dvc repro {again}",
            )
    dataset.require(info.inputs)


def _uncalibrated(targets: Mapping[str, AnyTarget]) -> dict[str, AnyTarget]:
    """Targets without how they are calibrated: that belongs to the model, and says nothing of data."""
    return {
        name: kind.model_copy(update={"calibration": "none"}) if "calibration" in type(kind).model_fields else kind
        for name, kind in targets.items()
    }


def _samples(network: Model, dataset: Dataset, spec: TaskSpec, split: Which) -> tuple[pd.DataFrame, dict[str, Array]]:
    """Table and arrays of the samples to judge."""
    if split == "all" and dataset.info.digest in network.info.lineage.values():
        raise DataError(
            str(dataset.path),
            expected="data that the model hasn't learnt from",
            found="the very dataset that it was trained on",
            todo="judge its test split alone: --split test",
        )
    names = list(network.info.inputs)
    pieces = [dataset.select(each, names) for each in (SPLITS if split == "all" else ("test",))]
    samples = pd.concat([table for table, _ in pieces], ignore_index=True)
    known = [spec.targets[name].encode(samples[name])[1].any() for name in spec.targets if name in samples]
    if samples.empty or not all(known):
        raise DataError(
            str(dataset.path),
            expected="samples whose truth is known" + ("" if split == "all" else ", in the test split"),
            found="no sample" if samples.empty else "a target that is unknown in every one",
            todo="leave out --split, or add the truth to the source and clean again: dvc repro clean",
        )
    return samples, {name: np.concatenate([held[name] for _, held in pieces]) for name in names}
