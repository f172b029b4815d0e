"""From a table of samples to arrays. Each sample is looked at alone: nothing is fitted here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter, file_digest, no_rejected, read_parquet
from components.lib.errors import DataError, Unusable
from components.lib.kinds import Cleaned, InputKind
from components.lib.output import output
from components.lib.parallel import cores, each_part, each_sample
from components.lib.readers import Load
from components.lib.spec import TaskSpec
from components.lib.validate import check_cleaned


@dataclass(frozen=True)
class Job:
    """What the work on a part needs; it travels to worker processes."""

    raw: Path
    dataset: Path
    sources: Path
    partial: Path
    spec: TaskSpec
    threads: int


def clean(raw: Path, dataset: Path, private: Path, out: Path, spec: TaskSpec) -> None:
    """Decode, check, resize; samples that can't be used go to rejected.parquet with the reason.

    Args:
        raw: the raw data.
        dataset: what ingest wrote.
        private: what ingest wrote beside it: the way back to the files.
        out: the dataset directory to write.
        spec: the task.

    Raises:
        DataError: the inputs don't belong together.
        GateError: the cleaned table fails its suite; the page `<out>.failed.html` shows why.
    """
    ingested = Dataset(dataset)
    sources = private / "sources.parquet"
    if not sources.is_file():
        raise DataError(
            str(sources),
            expected="the way back to the raw files, as ingest wrote it",
            found="no such file",
            todo="dvc repro ingest (private data are never pushed)",
        )
    _check_sources(ingested, sources)
    inputs = {name: kind.model_dump(mode="json") for name, kind in spec.inputs.items()}
    work = {"dataset": ingested.info.digest, "sources": file_digest(sources), "inputs": inputs}
    with output(out, work) as partial_out:
        threads = max(1, cores() // len(ingested.parts))
        job = Job(raw, dataset, sources, partial_out, spec, threads)
        each_part(partial(clean_part, job), list(range(len(ingested.parts))), title="cleaning")
        arrays = {n: ArrayInfo(shape=k.shape, dtype=k.dtype, kind=k.kind) for n, k in spec.inputs.items()}
        info = ingested.info
        DatasetWriter(partial_out).finish(
            task=spec.task, step="clean", parts=len(ingested.parts), arrays=arrays, synthetic=info.synthetic,
            targets=info.targets, key_fingerprint=info.key_fingerprint,
            lineage={**info.lineage, "ingested": info.digest},
        )  # fmt: skip
        _gate(partial_out, out, spec)


def _check_sources(ingested: Dataset, sources: Path) -> None:
    """Refuse a way back to the raw files that belongs to another run of ingest."""
    known = set(read_parquet(sources, ["sample_id"])["sample_id"])
    lost = sorted(set(ingested.samples()["sample_id"]) - known)
    if lost:
        raise DataError(
            str(sources),
            expected="the file of every ingested sample",
            found=f"none for {len(lost)} of {sum(ingested.info.rows)}: {', '.join(lost[:5])}",
            todo="dvc repro ingest; it writes the dataset and the private folder together",
        )


def clean_part(job: Job, index: int) -> None:
    """Clean one part, unless an interrupted run already did."""
    writer = DatasetWriter(job.partial)
    if writer.has_part(index):
        return
    samples = Dataset(job.dataset).parts[index].samples
    sources = read_parquet(job.sources).set_index("sample_id").loc[samples["sample_id"]]
    load = job.spec.source.opener(job.raw, job.spec.inputs)
    ((name, kind),) = job.spec.inputs.items()
    items = list(zip(sources["file"], sources["row"].astype(int), strict=True))
    results = list(each_sample(partial(_clean_one, load, kind), items, workers=job.threads))
    usable = [i for i, result in enumerate(results) if isinstance(result, Cleaned)]
    cleaned = [result for result in results if isinstance(result, Cleaned)]
    table = samples.iloc[usable].reset_index(drop=True)
    for figure in kind.quality_ranges:
        table[f"{name}_{figure}"] = np.array([one.quality[figure] for one in cleaned], np.float32)
    array = np.stack([one.array for one in cleaned]) if cleaned else np.empty((0, *kind.shape), kind.dtype)
    places = [job.spec.source.place(*item) for item in items]
    writer.write_part(index, table, {name: array}, _rejected(samples, results, places))


def _clean_one(load: Load, kind: InputKind, item: tuple[str, int]) -> Cleaned | str:
    """One cleaned sample, or why it can't be used."""
    try:
        return kind.clean(load(*item))
    except Unusable as reason:
        return str(reason)
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _rejected(samples: pd.DataFrame, results: list[Cleaned | str], places: list[str]) -> pd.DataFrame:
    reasons = {i: result for i, result in enumerate(results) if isinstance(result, str)}
    if not reasons:
        return no_rejected()
    table = samples.iloc[list(reasons)][["sample_id", "split"]].reset_index(drop=True)
    return table.assign(reason=list(reasons.values()), place=[places[i] for i in reasons])


def _gate(partial_out: Path, out: Path, spec: TaskSpec) -> None:
    written = Dataset(partial_out)
    rejected = written.rejected()
    array_rows = {name: sum(len(part.array(name)) for part in written.parts) for name in written.info.arrays}
    outcome = check_cleaned(written.samples(), rejected, spec, array_rows)
    outcome.require(out.with_name(f"{out.name}.failed.html"))
    outcome.write(partial_out)
    print(f"cleaned: {sum(written.info.rows)} samples, rejected: {len(rejected)}")
