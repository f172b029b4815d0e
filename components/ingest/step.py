"""From raw data to a table: who, which split, which target; and the last place that sees a name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from components.ingest.splits import assign, folds, made_from_train, times
from components.ingest.who import known_patients, unknown_lines
from components.lib.dataset import DatasetWriter, no_rejected, rows_per_part
from components.lib.errors import DataError, GateError, Unusable
from components.lib.output import output
from components.lib.parallel import each_sample
from components.lib.places import Place, readers
from components.lib.progress import progress
from components.lib.pseudonyms import PUBLIC_KEY, fingerprint, load_key, pseudonym, require_fingerprint
from components.lib.reader_columns import labelled
from components.lib.readers import Load, Source
from components.lib.readers._foreign import require_hidden_own, require_own, special_words
from components.lib.readers._tables import counting_empty, empty_lines
from components.lib.readers.base import content
from components.lib.spec import TaskSpec
from components.lib.validate import check_ingested
from components.lib.validate.contradictions import receipt_line
from components.lib.validate.leaks import apply_policy, audit
from components.lib.validate.reasons import one_reason

SEXES = {*"fmwodxu0129", "female", "male", "woman", "man", "other", "diverse", "unknown", "intersex", "nonbinary"}
FORGOTTEN = ("study", "date")
"""Columns that may tell who somebody is: the split and the audit see them, nothing that is written does."""


def ingest(raw: Place, dataset: Path, private: Path, spec: TaskSpec) -> None:
    """Index raw data, pseudonymise patients, split, audit for leaks.

    Args:
        raw: what the task's reader reads; on this machine or on a server.
        dataset: the dataset directory to write: a table, no arrays.
        private: directory for sources.parquet (sample_id, file, row), the only way back to the raw files.
        spec: the task.

    Raises:
        DataError: the raw data can't be read or lack something.
        ServerError: the raw data lie on a server that fails.
        GateError: the table fails its suite; the page `<dataset>.failed.html` shows why.
    """
    source = spec.source
    found = require_own(raw, follow_links=source.follow_links, files=source.tables)
    if found.special:
        print(f"not regular files, and never read: {special_words(found.special)}")
    with counting_empty() as empty:
        table, refused = _refused(spec.source.samples(raw, spec.inputs, spec.targets), spec.source)
    if not source.follow_links:
        require_hidden_own(raw, table["file"].dropna())
    if table.empty and len(refused):
        raise DataError(
            str(raw), expected="samples that can be used", found=f"none: {'; '.join(_counted(refused))}",
            todo="correct them in the source, or `source:` in the task file",
        )  # fmt: skip
    table = table.assign(**{name: None for name in FORGOTTEN if name not in table})
    table["sex"] = _sexes(table["sex"])
    _check_targets(table, spec)
    told = _labels_read(table, spec)
    table = table.assign(
        **{
            name: kind.column(table[name])
            for name, kind in labelled(spec.source, spec.targets, [*map(str, table.columns)]).items()
        }
    )
    table, who = known_patients(table, spec)
    table["sha256"] = _digests(spec.source.opener(raw, spec.inputs), table, readers(raw))
    missing = table[table["sha256"].isna()]
    table = table[table["sha256"].notna()].reset_index(drop=True)
    if table.empty:
        raise DataError(
            str(raw),
            expected="the files that the index names",
            found=f"none of {len(missing)}",
            todo="check source.path and the path column",
        )
    table["sample_id"] = _sample_ids(table["sha256"])
    # Splits and folds need the id in its normal form, so that they depend on no key; then the id is forgotten.
    sides = assign(table, spec)
    made = made_from_train(table, sides, spec)
    table["split"] = sides
    fold = folds(table, spec)
    if fold is not None:
        table["fold"] = fold
    dated = times(table, spec.split) if spec.split.method == "time" else None
    table["patient"], key = _pseudonyms(table["patient"], spec.source)

    findings = audit(table, dated)
    failed = dataset.with_name(f"{dataset.name}.failed.html")
    try:
        kept, dropped = apply_policy(table, findings, spec.split_rules)
    except GateError:
        check_ingested(table, spec, findings).require(failed)  # refuses the same, and leaves the page
        raise
    outcome = check_ingested(kept, spec, findings)
    contradicting = receipt_line(table, spec)
    lines = (*unknown_lines(kept), *who, *made, *told, *_counted(refused), *empty_lines(empty))
    lines = (*lines, *outcome.receipt, *contradicting)
    raised = (*unknown_lines(kept), *outcome.warnings, *contradicting)
    outcome = replace(outcome, receipt=tuple(dict.fromkeys(lines)), warnings=raised)
    outcome.require(failed)
    print("\n".join(outcome.receipt))
    if len(missing):
        print(f"missing: {len(missing)} files that the index names, see rejected.parquet")

    lineage = {"raw": _raw_digest(table)}
    rejected = pd.concat([refused, _missing_rows(missing), dropped], ignore_index=True)
    work = {"spec": spec.model_dump(mode="json"), "raw": lineage["raw"], "key": key}
    with output(private, work, private=True) as hidden, output(dataset, work) as visible:
        kept[["sample_id", "file", "row"]].to_parquet(hidden / "sources.parquet", index=False)
        parts = _write_parts(DatasetWriter(visible), kept, rejected, spec)
        DatasetWriter(visible).finish(
            task=spec.task, step="ingest", parts=parts, arrays={}, synthetic=spec.source.synthetic, lineage=lineage,
            targets={name: kind.model_dump(mode="json") for name, kind in spec.targets.items()}, key_fingerprint=key,
        )  # fmt: skip
        outcome.write(visible)


def _refused(table: pd.DataFrame, source: Source) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The samples, and what the reader refused as rows of rejected.parquet."""
    if "refused" not in table:
        return table, no_rejected()
    bad = table[table["refused"].notna()]
    places = [source.place(*item) for item in zip(bad["file"], bad["row"], strict=True)]
    ids = [f"refused-{position}" for position in range(len(bad))]
    rows = pd.DataFrame({"sample_id": ids, "split": None, "reason": bad["refused"].tolist(), "place": places})
    return table[table["refused"].isna()].drop(columns="refused").reset_index(drop=True), rows


def _counted(refused: pd.DataFrame) -> list[str]:
    """For the receipt: how often something was refused for which reason."""
    counts = refused["reason"].map(one_reason(refused["reason"])).value_counts().sort_index()
    return [f"left out: {number:,} {reason}; see rejected.parquet" for reason, number in counts.items()]


def _write_parts(writer: DatasetWriter, kept: pd.DataFrame, rejected: pd.DataFrame, spec: TaskSpec) -> int:
    labels = labelled(spec.source, spec.targets, [*map(str, kept.columns)])
    columns = ["sample_id", "patient", "split", *labels, "site", "sex", "age", "sha256"]
    columns += [name for name in ("fold", "device") if name in kept]
    table = kept[columns].astype({"site": "str", "sex": "str", "patient": "str", "split": "str"})
    for name, kind in labels.items():
        table[name] = kind.column(table[name])
    table["age"] = pd.to_numeric(table["age"], errors="coerce").astype("Float32")
    table["synthetic"] = spec.source.synthetic
    size = sum(int(np.prod(kind.shape)) * np.dtype(kind.dtype).itemsize for kind in spec.inputs.values())
    rows = rows_per_part(size)
    starts = range(0, len(table), rows)
    for index, start in enumerate(starts):
        writer.write_part(index, table.iloc[start : start + rows], {}, rejected if index == 0 else None)
    return len(starts)


def _sexes(column: pd.Series) -> pd.Series:
    """Sexes as recorded; other words are no sex, and may be a name: they become unknown, and are counted."""
    strange = column.notna() & ~column.astype("str").str.strip().str.lower().isin(SEXES)
    if strange.any():
        print(f"sex: {int(strange.sum())} of {len(column)} values are none and are left out")
    return column.mask(strange)


def _check_targets(table: pd.DataFrame, spec: TaskSpec) -> None:
    for name, kind in labelled(spec.source, spec.targets, [*map(str, table.columns)]).items():
        places = [spec.source.place(*item) for item in zip(table["file"], table["row"], strict=True)]
        problem = kind.problem(table[name].set_axis(places))
        if problem:
            raise DataError(
                f"target {name}",
                expected=f"values of kind {kind.kind}",
                found=problem,
                todo="correct the values, or `targets:` in the task file",
            )


def _labels_read(table: pd.DataFrame, spec: TaskSpec) -> list[str]:
    """For the receipt: labels in another spelling, and those that mean "unknown"."""
    return [f"{name}: {line}" for name, kind in spec.targets.items() for line in kind.read_as(table[name])]


def _digest(load: Load, item: tuple[str, int]) -> str | None:
    """SHA-256 of one sample as it lies in the source; None when the file is missing, empty when it can't be read."""
    try:
        return hashlib.sha256(content(load(*item))).hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except (Unusable, OSError):
        return ""


def _digests(load: Load, table: pd.DataFrame, workers: int | None) -> list[str | None]:
    items = list(zip(table["file"], table["row"].astype(int), strict=True))
    found = list(progress(each_sample(partial(_digest, load), items, workers=workers), "reading", total=len(items)))
    # Clean says why one can't be read. Until then its place stands for it: a digest of a file's name could be guessed.
    return [
        hashlib.sha256(f"unusable:{place}".encode()).hexdigest() if digest == "" else digest
        for place, digest in enumerate(found)
    ]


def _sample_ids(digests: pd.Series) -> pd.Series:
    """16 hex digits of the content's digest, with -1, -2 … for repeats: free of names, and stable as data grow."""
    repeat = digests.groupby(digests).cumcount()
    return digests.str[:16] + repeat.map(lambda n: f"-{n}" if n else "")


def _pseudonyms(patients: pd.Series, source: Source) -> tuple[pd.Series, str | None]:
    """Keyed pseudonyms in place of ids, and the key's fingerprint (None when no patient is known)."""
    known = patients.notna()
    if not known.any():
        return patients, None
    key = PUBLIC_KEY if source.public_key else load_key()
    require_fingerprint(key, source.key_fingerprint)
    return patients.map(lambda name: pseudonym(key, str(name)), na_action="ignore"), fingerprint(key)


def _missing_rows(missing: pd.DataFrame) -> pd.DataFrame:
    ids = [f"missing-{position}" for position in range(len(missing))]
    return pd.DataFrame(
        {"sample_id": ids, "split": None, "reason": "the index names a file that is not there", "place": ""}
    )


def _raw_digest(table: pd.DataFrame) -> str:
    """What was read: contents and the table's columns, file names and what is forgotten left out."""
    columns = table.drop(columns=["file", "row", *FORGOTTEN]).sort_values("sample_id").to_csv(index=False)
    return hashlib.sha256(columns.encode()).hexdigest()
