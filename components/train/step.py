"""From cleaned data to a model directory: train the nets, then put the model together.

The two halves meet in the scratch folder: another process may have trained the nets, or a killed one some of them.
"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.csv_file import write_csv
from components.lib.dataset import Dataset
from components.lib.development import write_development
from components.lib.digests import file_digest, say_unverified
from components.lib.kinds.base import Explained
from components.lib.model_dir import OUT_OF_FOLD, ModelInfo, write_model_json
from components.lib.output import scratch
from components.lib.same_data import require_same_data
from components.lib.spec import TaskSpec
from components.lib.spread import flat, spread
from components.lib.tracking import Run, child_run, client, resumed_run, save_run, training_run
from components.train import devices, processes
from components.train._assemble import assemble_under_tensorflow, require_tensorflow
from components.train.devices import prepare
from components.train.ensemble import make, member_figures, out_of_fold, require_one_file
from components.train.facts import training_facts
from components.train.members import Member, Trained, members, student, train_member
from components.train.memory import memory_errors, require_memory
from components.train.network import build_core, learnt_sources
from components.train.outside import fit_outside
from components.train.samples import Development
from components.train.smaller import LATENCY, shrink
from components.train.usage import Usage


def train(dataset: Path, augmented: Path, model: Path, spec: TaskSpec) -> None:
    """Fit on train, choose on validation, or both by cross-validation; test is never read.

    Args:
        dataset: the cleaned dataset.
        augmented: what augment added.
        model: the model directory to write.
        spec: the task.

    Raises:
        DataError: a split or a fold is empty, or the registered model of this name is of other data.
        ModelError: no GPU where one was asked for, too little memory, a loss that is no number, more nets than one file
            holds, a graph that doesn't match Keras.
    """
    cleaned, copies = Dataset(dataset), Dataset(augmented)
    say_unverified(cleaned.sums, copies.sums)
    lineage = {"cleaned": cleaned.info.digest, "augmented": copies.info.digest, **learnt_sources(spec)}
    sections = spec.model_dump(mode="json", include={"inputs", "targets", "augment", "train"})
    if spec.assumed:
        print("\n".join(spec.assumption_lines))
    prepare(spec.train)
    here, exports = processes.place(), devices.BACKEND == "tensorflow"
    if not exports and here.writes:
        require_tensorflow()
    parts = {"lineage": lineage, "spec": sections, "backend": devices.BACKEND}
    with processes.shared_output(model, parts) as partial, memory_errors(spec):
        development = Development(cleaned, copies, spec)
        _require_room(spec, development)
        work = scratch(partial)
        if not here.writes:
            train_student(development, train_members(development, work, None), work, None)
            processes.stop()
            return
        require_same_data(client(), cleaned, spec)  # before hours of training, which register would refuse
        for told in _fitted(development):
            print(told)
        with training_run(spec, work / "run.json") as run:
            run.log_dataset(cleaned, "training")
            run.log_dataset(copies, "augmented")
            usage = Usage(work / "usage.json", gpus=devices.gpus())
            trained = train_members(development, work, run, usage)
            student = train_student(development, trained, work, run, usage)
            processes.stop()
            info = (
                assemble(trained, student, development, lineage, partial)
                if exports
                else assemble_under_tensorflow(dataset, augmented, partial, spec)
            )
            latency = _latency(work)
            for told in info.assumed:
                print(f"assumed, not confirmed: {told}")
            _log(run, info, partial, work)
            run.log_metrics({f"smaller/{how}/latency_ms": each for how, each in latency.items()})
            run.log_metrics(usage.metrics())
            run.set_tags({"usage.energy": usage.energy})
            print(usage.text())
    save_run(run, model, latency)


def train_members(development: Development, work: Path, run: Run | None, usage: Usage | None = None) -> list[Trained]:
    """The nets of the model, one after another; those that `work` has finished are taken from there.

    Args:
        development: the samples.
        work: the scratch folder.
        run: the model's run. One net's curves go into it; several nets have runs nested in it. None: nothing is logged.
        usage: what is used, written down after every epoch.
    """
    # Every net is a function of its own: TensorFlow takes that for one which is compiled over and over.
    logging.getLogger("tensorflow").addFilter(_no_retracing)
    every = members(development.spec)
    trained = []
    for number, member in enumerate(every, 1):
        if len(every) == 1:
            trained.append(_train(member, development, work, run, usage))
            continue
        print(f"member {number} of {len(every)}: {member.title}")
        with _member_run(run, member, work) as own:
            trained.append(_train(member, development, work, own, usage))
        gc.collect()  # Keras' networks hold on to themselves, so that the last one would be in memory beside the next
    return trained


def train_student(
    development: Development, trained: list[Trained], work: Path, run: Run | None, usage: Usage | None = None
) -> Trained | None:
    """The net that learns to answer as the mean of the trained ones, where the task asks for one; else None."""
    member = student(development.spec)
    if member is None:
        return None
    print(f"{member.title}: one net that learns what all {len(trained)} say")
    with _member_run(run, member, work) as own:
        return _train(member, development, work, own, usage, trained)


def assemble(
    trained: list[Trained], student: Trained | None, development: Development, lineage: dict[str, str], partial: Path
) -> ModelInfo:
    """The model directory's files, from finished nets: calibrated, their mean exported and checked, and made smaller
    where the task asks for it.

    Args:
        trained: the nets.
        student: the one that was taught by them, if there is one.
        development: the samples they were trained and judged on.
        lineage: digests of the datasets.
        partial: the directory to write into.
    """
    spec, fitted = development.spec, development.all.fitted
    full = make(trained, development, partial / "model.onnx")
    served = shrink(full, student, development, partial)
    model, nets = served.model, [*trained, *([student] if student else [])]
    write_csv(_curves(nets), partial / "curves.csv")
    if development.folds:
        folded = full if served.is_student else model
        out_of_fold(folded.judged, folded.targets, spec).to_parquet(partial / OUT_OF_FOLD, index=False)
    cleaned, table = development.cleaned, development.all.table
    several = len(model.trained) > 1
    info = ModelInfo(
        task=spec.task, architecture=spec.model_name, inputs=spec.inputs, targets=spec.targets, fitted=model.targets,
        fitted_inputs=dict(fitted.inputs), reference=_reference(table, spec), lineage=lineage,
        explain=_explained(model.names, spec), precision=trained[0].precision,
        outside=fit_outside(cleaned, development.splits, spec, fitted),
        synthetic=bool(table["synthetic"].any()), epochs=max(each.epochs for each in model.trained),
        parameters=model.parameters, digest=file_digest(model.file), smaller=served.smaller,
        members=member_figures(trained, full.judged, full.targets, spec) if several else (),
        training=training_facts(trained, full.cores, development),
        development=write_development(partial, cleaned.samples(), cleaned.info.key_fingerprint),
    )  # fmt: skip
    write_model_json(partial, info)
    return info


def _fitted(development: Development) -> list[str]:
    """What was fitted of each input, where a reader should know it."""
    fitted = development.all.fitted.inputs
    told = {name: kind.fitted_text(fitted[name]) for name, kind in development.spec.inputs.items()}
    return [f"{name}: {text}" for name, text in told.items() if text]


def _explained(outputs: list[str], spec: TaskSpec) -> Explained:
    """How the model says where it looked, from the names of its outputs."""
    if len(outputs) > len(spec.targets):
        return "class_activation_map"
    return "occlusion" if all(kind.hides for kind in spec.inputs.values()) else "none"


def _no_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


def _require_room(spec: TaskSpec, development: Development) -> None:
    """Refuse, before any training, a net that memory can't hold, and more nets than a file can."""
    fitted, count = development.all.fitted, len(members(spec))
    require_memory(spec, fitted)
    if count > 1:
        require_one_file(build_core(spec, fitted).count_params(), count)


def _train(
    member: Member,
    development: Development,
    work: Path,
    run: Run | None,
    usage: Usage | None,
    teachers: Sequence[Trained] = (),
) -> Trained:
    def on_epoch(figures: dict[str, float]) -> None:
        if run:
            run.log_metrics(figures, int(figures["epoch"]))
        if usage:
            usage.keep()

    learnt = development.taught() if member.student else development.learnt(member.fold)
    judged = development.judged(member.fold)
    trained = train_member(member, learnt, judged, development.spec, work, on_epoch, teachers)
    epochs = f"epoch {trained.epochs} of {len(trained.curves)} kept"
    print(f"trained: {epochs}, validation score {trained.validation_score:.4f}")
    return trained


def _curves(trained: list[Trained]) -> pd.DataFrame:
    """One row an epoch; of several nets one a net and epoch, with the net's number from 1."""
    if len(trained) == 1:
        return pd.DataFrame(trained[0].curves)
    rows = [{"member": number, **figures} for number, each in enumerate(trained, 1) for figures in each.curves]
    return pd.DataFrame(rows)


@contextmanager
def _member_run(run: Run | None, member: Member, work: Path) -> Iterator[Run | None]:
    """The run of one net, nested in the model's, if there is one."""
    if run is None:
        yield None
        return
    place = _run_file(member, work)
    place.parent.mkdir(parents=True, exist_ok=True)
    own = {"train.fold": member.fold, "train.seed": member.seed}
    with child_run(run, member.title, {key: value for key, value in own.items() if value is not None}, place) as nested:
        yield nested


def _run_file(member: Member, work: Path) -> Path:
    return member.folder(work) / "run.json"


def _log(run: Run, info: ModelInfo, partial: Path, work: Path) -> None:
    """What is known of the finished model, into its run; of several nets how each does, and how they spread."""
    run.log_file(partial / "curves.csv")
    for attempt in info.smaller.attempts if info.smaller else ():
        figures = {f"smaller/{attempt.how}/{name}_score": score for name, score in attempt.scores.items()}
        run.log_metrics(figures | ({f"smaller/{attempt.how}/bytes": attempt.bytes} if attempt.bytes else {}))
    if not info.members:
        return
    for each in info.members:
        figures = {"validation_score": each.validation_score} | {f"validation/{k}": v for k, v in flat(each).items()}
        nested = resumed_run(run.store, _run_file(Member(each.fold, each.seed), work))
        nested.log_metrics(figures, each.epochs)
    found = spread(info.members)
    run.log_metrics({f"members/{name}": each.mean for name, each in found.items()})
    run.log_metrics({f"members/{name}_deviation": each.deviation for name, each in found.items()})
    score, where = found["validation_score"], "out of fold" if info.cross_validated else "on validation"
    told = ", ".join(f"{name} {each.validation_score:.4f}" for name, each in info.fitted.items())
    print(f"{len(info.members)} nets: validation score {score.mean:.4f} ± {score.deviation:.4f}; {where}: {told}")


def _latency(work: Path) -> dict[str, float]:
    """Milliseconds of one answer, by how a model was made; empty where no smaller one was tried."""
    file = work / LATENCY
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _reference(table: pd.DataFrame, spec: TaskSpec) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of each quality figure over the training samples."""
    result: dict[str, dict[str, float]] = {}
    for name, kind in spec.inputs.items():
        result[name] = {}
        for figure in kind.quality_ranges:
            values: NDArray[np.float64] = table[f"{name}_{figure}"].to_numpy(np.float64)
            result[name] |= {f"{figure}_mean": float(values.mean()), f"{figure}_deviation": float(values.std())}
    return result
