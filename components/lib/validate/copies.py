"""The gate behind augment: what copies must be, alone and beside the cleaned samples that they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.spec import TaskSpec
from components.lib.validate import tables
from components.lib.validate.gate import validate
from components.lib.validate.outcome import NAMED_AT_MOST, Check, Outcome
from components.lib.validate.suites import augmented_suite, classes_of

AGAIN = "remove the augmented dataset and run the augment step again"
INHERITED = ("patient", "split", "fold", "site", "sex", "age")
"""Columns that a copy has from its parent, beside the targets."""


def check_augmented(added: Dataset, cleaned: Dataset, spec: TaskSpec) -> Outcome:
    """Look at the copies that augment is about to hand on.

    Args:
        added: the copies; their table has the columns of the cleaned one and parent_id.
        cleaned: the dataset that they were made from.
        spec: the task.
    """
    copies, samples = tables.as_labels(added.samples(), spec), tables.as_labels(cleaned.samples(), spec)
    checks = [_balance(copies, samples, spec)]
    if added.parts:
        checks = [
            *validate(copies, augmented_suite(spec)),
            *_beside_parents(copies, samples, spec),
            *(_array(added, name, len(copies), spec) for name in spec.inputs),
            *(_content(added, cleaned, copies, name) for name in _told_by_content(spec)),
            *checks,
        ]
    parents = copies["parent_id"].nunique() if "parent_id" in copies else 0
    line = f"copies: {len(copies)}, of {parents} training samples"
    shown = (("Copies by class", _counts(copies, samples, spec)), ("Quality figures", tables.quality(copies, spec)))
    return Outcome("augmented", spec.task, tuple(checks), (line,), shown, synthetic=spec.source.synthetic)


def _beside_parents(copies: pd.DataFrame, samples: pd.DataFrame, spec: TaskSpec) -> list[Check]:
    """What no suite over one table can ask for."""
    sentence = "Every copy was made from a sample of train, and of no other split"
    if "parent_id" not in copies:
        return [Check(sentence, "could not run", 'The column "parent_id" does not exist.', AGAIN)]
    side = copies["parent_id"].map(samples.drop_duplicates("sample_id").set_index("sample_id")["split"])
    lost, other = side.isna(), side.notna() & (side != "train")
    found = f"{int(other.sum())} of validation or test, {int(lost.sum())} of no known sample, of {len(copies)} copies"
    same = copies["sample_id"].isin(samples["sample_id"])
    return [
        _named(sentence, copies[lost | other], found),
        _named("No copy has the sample_id of a cleaned sample", copies[same], f"{int(same.sum())} copies"),
        _inherited(copies, samples, spec),
    ]


def _inherited(copies: pd.DataFrame, samples: pd.DataFrame, spec: TaskSpec) -> Check:
    columns = [name for name in (*INHERITED, *spec.targets) if name in samples]
    sentence = f"Every copy has its parent's {', '.join(columns)}"
    lost = [name for name in columns if name not in copies]
    if lost:
        return Check(sentence, "could not run", f'The column "{lost[0]}" does not exist.', AGAIN)
    parents = samples.drop_duplicates("sample_id").set_index("sample_id").reindex(copies["parent_id"])[columns]
    parents.index = copies.index
    differs = {name: _differs(copies[name], parents[name]) for name in columns}
    rows = np.logical_or.reduce(list(differs.values()))
    told = ", ".join(f"{name} in {int(bad.sum())}" for name, bad in differs.items() if bad.any())
    return _named(sentence, copies[rows], f"another {told} of {len(copies)} copies" if told else "all of them")


def _differs(column: pd.Series, parent: pd.Series) -> NDArray[np.bool_]:
    both_unknown = (column.isna() & parent.isna()).to_numpy()
    both_known = (column.notna() & parent.notna()).to_numpy()
    equal = both_known.copy()  # a missing value can't be compared, not even with itself
    equal[both_known] = column.astype("object").to_numpy()[both_known] == parent.astype("object").to_numpy()[both_known]
    differs: NDArray[np.bool_] = ~(both_unknown | equal.astype(bool))
    return differs


def _array(added: Dataset, name: str, rows: int, spec: TaskSpec) -> Check:
    """The arrays as their files have them, not as dataset.json says."""
    kind = spec.inputs[name]
    wanted = f"{(rows, *kind.shape)} {np.dtype(kind.dtype).name}"
    sentence = f"The array {name} has a row for every copy, in the kind's shape and type"
    if name not in added.info.arrays:
        return Check(sentence, "could not run", f"There is no array {name}.", AGAIN)
    try:
        arrays = [part.array(name) for part in added.parts]
    except DataError as error:
        return Check(sentence, "failed", f"{error.found}; {wanted} is asked for", AGAIN)
    found = [(*array.shape[1:], array.dtype) for array in arrays]
    right = sum(map(len, arrays)) == rows and {*found} == {(*kind.shape, np.dtype(kind.dtype))}
    told = f"{(sum(map(len, arrays)), *arrays[0].shape[1:])} {arrays[0].dtype.name}"
    return Check(sentence, "passed" if right else "failed", told if right else f"{told}; {wanted} is asked for", AGAIN)


def _told_by_content(spec: TaskSpec) -> list[str]:
    """The inputs whose content tells samples apart; two patients may well have equal rows of a table."""
    if spec.split_rules.exact_duplicates == "report":
        return []
    return [name for name, kind in spec.inputs.items() if kind.equal_is_same]


def _content(added: Dataset, cleaned: Dataset, copies: pd.DataFrame, name: str) -> Check:
    """Whatever the table says of its parent: no copy is a sample that is kept for choosing or for reporting."""
    sentence = f"No copy equals a sample of validation or test in {name}"
    try:
        kept = {
            digest for part in cleaned.parts for digest in _digests(part.array(name), part.samples["split"] != "train")
        }
        told = [digest for part in added.parts for digest in _digests(part.array(name))]
    except (DataError, KeyError) as error:
        return Check(sentence, "could not run", str(getattr(error, "found", error))[:200], AGAIN)
    if len(told) != len(copies):
        return Check(sentence, "could not run", f"{len(told)} rows in the array, {len(copies)} in the table", AGAIN)
    equal = copies[[digest in kept for digest in told]]
    todo = f"{AGAIN}; if it stays, set `split.near_duplicates: drop_from_train`"
    return _named(sentence, equal, f"{len(equal)} of {len(copies)} copies", todo)


def _digests(array: NDArray[np.generic], rows: pd.Series | None = None) -> Iterator[bytes]:
    chosen = range(len(array)) if rows is None else np.flatnonzero(rows.to_numpy()).tolist()
    for row in chosen:
        yield hashlib.sha256(np.ascontiguousarray(array[row]).tobytes()).digest()


def _balance(copies: pd.DataFrame, samples: pd.DataFrame, spec: TaskSpec) -> Check:
    """Whether the classes reach what was asked for; copies are made for the first target that has some."""
    wanted, (target, classes) = spec.augment.offline.balance, next(iter(classes_of(spec).items()))
    sentence = f"Every class of {target} has at least {100 * wanted:g}% of the commonest one's training samples"
    if target not in copies and len(copies):
        return Check(sentence, "could not run", f'The column "{target}" does not exist.', AGAIN)
    train = samples.loc[samples["split"] == "train", target].value_counts()
    more = copies[target].value_counts() if len(copies) else pd.Series(dtype="int64")
    counts = {label: (int(train.get(label, 0)), int(more.get(label, 0))) for label in classes}
    most = int(train.max()) if len(train) else 0
    short = [label for label, (own, made) in counts.items() if own + made < wanted * most]
    told = ", ".join(f"{label} {own} and {made} copies" for label, (own, made) in counts.items())
    return Check(sentence, "failed" if short else "passed", told, AGAIN)


def _counts(copies: pd.DataFrame, samples: pd.DataFrame, spec: TaskSpec) -> pd.DataFrame:
    """Per class: training samples, copies, and how many samples they were made from."""
    target, classes = next(iter(classes_of(spec).items()))
    train = samples[samples["split"] == "train"]
    if not len(copies) or not {target, "parent_id"} <= {*copies}:
        return pd.DataFrame({target: classes, "training samples": [int((train[target] == c).sum()) for c in classes]})
    rows = [(label, int((train[target] == label).sum()), copies[copies[target] == label]) for label in classes]
    return pd.DataFrame(
        [
            {target: label, "training samples": own, "copies": len(made), "made from": made["parent_id"].nunique()}
            for label, own, made in rows
        ]
    )


def _named(sentence: str, bad: pd.DataFrame, found: str, todo: str = AGAIN) -> Check:
    """A check that holds where no copy is bad."""
    ids = bad["sample_id"].astype(str).sort_values()
    return Check(
        sentence, "failed" if len(bad) else "passed", found, todo, tuple(ids.head(NAMED_AT_MOST)), len(bad)
    )  # fmt: skip
