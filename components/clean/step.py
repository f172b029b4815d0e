"""From a table of samples to arrays. Each sample is looked at alone: nothing is fitted here."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from components.lib.csv_file import write_csv
from components.lib.dataset import WRITE_AGAIN, ArrayInfo, Dataset, DatasetWriter, no_rejected, read_parquet, read_rows
from components.lib.digests import Sums, file_digest, say_unverified
from components.lib.errors import DataError, Unusable
from components.lib.kinds import Cleaned, InputKind
from components.lib.output import output
from components.lib.parallel import each_part, each_sample, threads_per_part
from components.lib.places import Place, readers
from components.lib.readers import Load
from components.lib.spec import TaskSpec
from components.lib.validate import (
    cells,
    check_cleaned,
    contradictions,
    labels,
    near_duplicates,
    shortcuts,
    thumbnails,
)
from components.lib.validate.changes import note_changes
from components.lib.validate.checks import Finding
from components.lib.validate.losses import losses


@dataclass(frozen=True)
class Job:
    """What the work on every part needs; it travels to the workers."""

    raw: Place
    partial: Path
    spec: TaskSpec = field(hash=False)
    threads: int
    name: str
    """Of this run, and of no other: two of them may well have equal settings and changed files."""


@dataclass(frozen=True)
class Piece:
    """One part: its table, and where its samples lie in the raw data."""

    index: int
    samples: Path
    items: list[tuple[str, int]]


def clean(raw: Place, dataset: Path, private: Path, out: Path, spec: TaskSpec) -> None:
    """Decode, check, resize; samples that can't be used go to rejected.parquet with the reason.

    Args:
        raw: the raw data; on this machine or on a server.
        dataset: what ingest wrote.
        private: what ingest wrote beside it: the way back to the files.
        out: the dataset directory to write.
        spec: the task.

    Raises:
        DataError: the inputs don't belong together.
        ServerError: the raw data lie on a server that fails; the finished parts are kept.
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
    way_back = Sums(private, DataError, WRITE_AGAIN)
    say_unverified(ingested.sums, way_back)
    way_back.require(sources)
    in_step = _check_sources(ingested, sources)
    inputs = {name: kind.model_dump(mode="json") for name, kind in spec.inputs.items()}
    work = {
        "dataset": ingested.info.digest,
        "sources": file_digest(sources),
        "inputs": inputs,
        "near_duplicates": spec.split.near_duplicates,
    }
    with output(out, work) as partial_out:
        writer = DatasetWriter(partial_out)
        left = [index for index in range(len(ingested.parts)) if not writer.has_part(index)]
        threads = readers(raw) or threads_per_part(len(left))
        job = Job(raw.absolute(), partial_out.absolute(), spec, threads, uuid.uuid4().hex)
        pieces = _pieces(ingested, sources, set(left), in_step=in_step)
        shared = tuple(each for each in (raw, dataset, partial_out) if isinstance(each, Path))
        each_part(partial(clean_part, job), pieces, title="cleaning", total=len(left), shared=shared)
        _opener.cache_clear()
        writer.sweep()
        arrays = {name: ArrayInfo.of(kind) for name, kind in spec.inputs.items()}
        info = ingested.info
        writer.finish(
            task=spec.task, step="clean", parts=len(ingested.parts), arrays=arrays, synthetic=info.synthetic,
            targets=info.targets, key_fingerprint=info.key_fingerprint,
            lineage={**info.lineage, "ingested": info.digest},
        )  # fmt: skip
        _gate(ingested, partial_out, out, spec)
    for line in note_changes(out, spec):
        print(line)


def _check_sources(ingested: Dataset, sources: Path) -> bool:
    """Refuse a way back to the raw files of another run of ingest; says whether it is in the order of the parts."""
    if _in_step(ingested, sources):
        return True
    known = set(read_parquet(sources, ["sample_id"])["sample_id"])
    lost = sorted(set(ingested.samples()["sample_id"]) - known)
    if lost:
        raise DataError(
            str(sources),
            expected="the file of every ingested sample",
            found=f"none for {len(lost)} of {sum(ingested.info.rows)}: {', '.join(lost[:5])}",
            todo="dvc repro ingest; it writes the dataset and the private folder together",
        )
    return False


def _in_step(ingested: Dataset, sources: Path) -> bool:
    """Whether the rows of the way back are those of the parts, one after the other, as ingest writes them."""
    tables = read_rows(sources, ["sample_id"], ingested.info.rows)
    for part, table in zip(ingested.parts, tables, strict=True):
        samples = read_parquet(part.file("samples.parquet"), ["sample_id"])
        if samples["sample_id"].tolist() != table["sample_id"].tolist():
            return False
    return True


def _pieces(ingested: Dataset, sources: Path, wanted: set[int], *, in_step: bool) -> Iterator[Piece]:
    """The parts to do, one at a time: neither table is in memory as a whole."""
    if in_step:
        tables = read_rows(sources, ["file", "row"], ingested.info.rows)
    else:  # another order: looked up by sample
        way = read_parquet(sources).set_index("sample_id")
        files = (part.file("samples.parquet") for part in ingested.parts)
        tables = (way.loc[read_parquet(file, ["sample_id"])["sample_id"]] for file in files)
    for index, (part, table) in enumerate(zip(ingested.parts, tables, strict=True)):
        if index in wanted:
            items = list(zip(table["file"].tolist(), table["row"].astype(int).tolist(), strict=True))
            yield Piece(index, part.file("samples.parquet").absolute(), items)


def clean_part(job: Job, piece: Piece) -> None:
    """Clean one part, unless someone already did."""
    writer = DatasetWriter(job.partial, attempt=f"-{uuid.uuid4().hex}")
    if writer.has_part(piece.index):
        return
    ((name, kind),) = job.spec.inputs.items()
    work = partial(_clean_one, _opener(job), kind)
    array = np.empty((len(piece.items), *kind.shape), kind.dtype)
    figures: dict[str, list[float]] = {figure: [] for figure in kind.quality_ranges}
    words: dict[str, list[str | None]] = {word: [] for word in kind.origin_columns}
    words |= {cells.REPLACED: []} if kind.replaces else {}
    usable: list[int] = []
    reasons: dict[int, str] = {}
    for row, result in enumerate(each_sample(work, piece.items, workers=job.threads)):
        if isinstance(result, str):
            reasons[row] = result
            continue
        cleaned, origin = result
        np.copyto(array[len(usable), ...], cleaned.array, casting="equiv")
        for figure, values in figures.items():
            values.append(cleaned.quality[figure])
        for word, told in words.items():
            told.append(origin[word])
        usable.append(row)
    samples = read_parquet(piece.samples)
    table = samples.iloc[usable].reset_index(drop=True)
    for figure, values in figures.items():
        table[f"{name}_{figure}"] = np.array(values, np.float32)
    for word, told in words.items():
        table[f"{name}_{word}"] = pd.Series(told, dtype="str")
    places = {row: job.spec.source.place(*piece.items[row]) for row in reasons}
    writer.write_part(piece.index, table, {name: array[: len(usable)]}, _rejected(samples, reasons, places))


@lru_cache(maxsize=1)
def _opener(job: Job) -> Load:
    """The reader's way to the samples, once a process and run: some readers begin with a look at a whole archive."""
    return job.spec.source.opener(job.raw, job.spec.inputs)


def _clean_one(load: Load, kind: InputKind, item: tuple[str, int]) -> tuple[Cleaned, dict[str, str | None]] | str:
    """One cleaned sample and how it was stored, or why it can't be used."""
    try:
        raw = load(*item)
        cleaned, origin = kind.clean(raw), kind.origin(raw)
        return cleaned, origin | ({cells.REPLACED: cells.noted(kind.replaced(raw))} if kind.replaces else {})
    except Unusable as reason:
        return str(reason)
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _rejected(samples: pd.DataFrame, reasons: dict[int, str], places: dict[int, str]) -> pd.DataFrame:
    if not reasons:
        return no_rejected()
    table = samples.iloc[list(reasons)][["sample_id", "split"]].reset_index(drop=True)
    return table.assign(reason=list(reasons.values()), place=list(places.values()))


def _gate(ingested: Dataset, partial_out: Path, out: Path, spec: TaskSpec) -> None:
    """Look at what was cleaned as a whole; only a dataset that passes is thinned of near duplicates and handed on."""
    _require_some_left(ingested, Dataset(partial_out), out, spec)
    written, policy = Dataset(partial_out), spec.split.near_duplicates
    near, unseen = near_duplicates.search(written, spec)
    leaving = near_duplicates.leaving(near, policy)
    every = written.samples()
    stays = ~every["sample_id"].isin(leaving.index)
    counting = every.assign(split=every["split"].where(stays))
    wrong, suspects, tested = labels.look(written, counting, spec)
    shortcut = shortcuts.look(written, counting, spec)
    in_cells = cells.look(written, counting, spec)
    findings = [
        *(each.finding(policy) for each in near),
        Finding(tuple(unseen)),
        contradictions.finding(every, near, spec),
        shortcut,
        wrong,
        in_cells,
        thumbnails.finding(written, near, suspects, spec),
    ]
    rejected = pd.concat([written.rejected(), near_duplicates.moved(every, leaving)], ignore_index=True)
    rows = {name: sum(len(part.array(name)) for part in written.parts) for name in written.info.arrays}
    array_rows = {name: count - int((~stays).sum()) for name, count in rows.items()}
    outcome = check_cleaned(every[stays].reset_index(drop=True), rejected, spec, array_rows, findings)
    outcome.require(_failed_page(out))
    written = near_duplicates.drop(written, leaving)
    outcome.write(partial_out)
    near_duplicates.write(near, leaving, partial_out)
    labels.write(tested, partial_out)
    if len(suspects):
        write_csv(suspects, partial_out / "suspects.csv")
    print(f"cleaned: {sum(written.info.rows)} samples, rejected: {len(rejected)}")
    print("\n".join(outcome.receipt[1:]))


def _require_some_left(ingested: Dataset, written: Dataset, out: Path, spec: TaskSpec) -> None:
    """Refuse a dataset without samples of a split or of a class: no search in it would have anything to compare."""
    rejected = written.rejected()
    lost = losses(ingested.samples(), rejected, spec) if len(rejected) else ()
    if lost:
        check_cleaned(written.samples(), rejected, spec, lost=lost).require(_failed_page(out))


def _failed_page(out: Path) -> Path:
    return out.with_name(f"{out.name}.failed.html")
