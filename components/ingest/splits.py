"""Which side every sample stands on, and which fold. It goes by the ids, not their pseudonyms, so that no split
hangs on a key."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.errors import DataError, nearest
from components.lib.spec import Split, TaskSpec

MOST_PARTS = 20
"""A stratified split joins parts of the patients; with 20 of them, shares are right to 2.5 points."""


def assign(table: pd.DataFrame, spec: TaskSpec) -> pd.Series:
    """train, validation or test for every row.

    Args:
        table: columns patient, study, sha256, split, site, date and targets, as the reader gave them.
        spec: the task.

    Raises:
        DataError: too few patients, sites or dates for the method, or some are unknown.
    """
    split = spec.split
    if split.method == "given":
        return _given(table, split)
    if split.method == "stratified":
        return _stratified(table, spec)
    if split.method == "site":
        return _by_site(table, split)
    if split.method == "time":
        return _by_time(table, split)
    position = groups(table, split).map(lambda name: _position(split.seed, str(name))).to_numpy()
    names: NDArray[np.str_] = np.select(
        [position < split.test, position < split.test + split.validation], ["test", "validation"], "train"
    )
    return pd.Series(names, index=table.index)


def folds(table: pd.DataFrame, spec: TaskSpec) -> pd.Series | None:
    """Fold 0 … k-1 of every row of train and validation, null for test; None where the task wants none.

    Patients stay whole. So do films of equal content, where equal content is one and the same sample. Classes of the
    first target that has some are spread alike; added data may move patients to other folds.

    Args:
        table: as for `assign`, its column split filled.
        spec: the task.

    Raises:
        DataError: fewer patients than folds.
    """
    split = spec.split
    if not split.folds:
        return None
    used = table[table["split"] != "test"]
    names = groups(used, split)
    if spec.split_rules.exact_duplicates != "report":
        names = _united(names, used["sha256"])
    if names.nunique() < split.folds:
        raise DataError(
            "split.folds",
            expected=f"at least {split.folds} patients in train and validation, one a fold",
            found=str(names.nunique()),
            todo="lower split.folds, or add patients",
        )
    fold = _parts(names, _labels(used, spec), split.folds, split.seed)
    return pd.Series(fold, index=used.index).reindex(table.index).astype("Int8")


def groups(table: pd.DataFrame, split: Split) -> pd.Series:
    """Who may not be torn apart: the patient, else the study; where neither is known the content stands for itself,
    so that equal films stay on one side."""
    if split.by == "sample":
        return table["sha256"]
    study = table["study"].map(lambda name: f"study {name}", na_action="ignore")
    return table["patient"].fillna(study).fillna(table["sha256"])


def times(table: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Per row when the sample was taken, and the first sample of who may not be torn apart: columns taken and first.

    Raises:
        DataError: some are unknown or no dates; it doesn't repeat them, since a date can tell who somebody is.
    """
    known = table["date"].notna()
    moments = pd.to_datetime(table["date"].astype("str").where(known), format="ISO8601", errors="coerce", utc=True)
    unread = int((moments.isna() & known).sum())
    if unread or not known.all():
        raise DataError(
            "source.columns.date",
            expected="a date for every sample, as 2024-01-31 or 20240131",
            found=f"{int((~known).sum())} unknown and {unread} unreadable, of {len(table)} samples",
            todo="fill in the dates, or set split.method: hash",
        )
    return pd.DataFrame({"taken": moments, "first": moments.groupby(groups(table, split)).transform("min")})


def made_from_train(table: pd.DataFrame, sides: pd.Series, spec: TaskSpec) -> list[str]:
    """What the receipt says of a given split that lacked a validation side; nothing where it had one.

    Args:
        table: as for `assign`.
        sides: what `assign` made of it.
        spec: the task.
    """
    if spec.split.method != "given" or "validation" in {*table["split"]}:
        return []
    made, of = int((sides == "validation").sum()), int((table["split"] == "train").sum())
    return [f"validation made from the given train: {made:,} of {of:,}"]


def _given(table: pd.DataFrame, split: Split) -> pd.Series:
    """The source's own sides. Where it has no validation, patients of train become it: `split.validation` of them, by
    the rule of `hash`. Test is never made: what a model was chosen by can't test it."""
    unknown = int(table["split"].isna().sum())
    if unknown:
        raise DataError(
            "split.method: given",
            expected="a split for every sample",
            found=f"{unknown} of {len(table)} samples without one",
            todo="set split.method: hash, or name the column in source.columns.split",
        )
    there = {*table["split"]}
    if not {"train", "test"} <= there:
        raise DataError(
            "split.method: given",
            expected="samples of train and of test; validation is made from train where there is none",
            found=f"{' and '.join(sorted(there))} alone",
            todo="set split.method: hash, which makes all three sides; or add the samples that are missing",
        )
    if "validation" in there:
        return table["split"]
    chosen = groups(table, split).map(lambda name: _position(split.seed, str(name))) < split.validation
    return table["split"].mask((table["split"] == "train") & chosen, "validation")


def _position(seed: int, group: str) -> float:
    """Where SHA-256 puts a patient between 0 and 1: independent of any key and of everyone else."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8]) / 2**64


def _stratified(table: pd.DataFrame, spec: TaskSpec) -> pd.Series:
    """Patients in equal parts with the classes spread alike; some parts are test, some validation."""
    split, names, labels = spec.split, groups(table, spec.split), _labels(table, spec)
    patients = names.groupby(labels).nunique().drop("", errors="ignore")
    if patients.min() < 3:
        raise DataError(
            "split.method: stratified",
            expected="at least 3 patients of every class, one for each side",
            found=f"{patients.min()} of {patients.idxmin()}",
            todo="add patients of that class, or set split.method: hash",
        )
    count, of_test, of_validation = _shares(split, int(min(patients.min(), MOST_PARTS)))
    part = _parts(names, labels, count, split.seed)
    sides = np.select([part < of_test, part < of_test + of_validation], ["test", "validation"], "train")
    return pd.Series(sides, index=table.index)


def _shares(split: Split, most: int) -> tuple[int, int, int]:
    """Into how many parts (3 to `most`), and how many of them are test and validation, to come nearest the shares."""

    def off(choice: tuple[int, int, int]) -> tuple[float, int]:
        count, test, validation = choice
        return round(abs(test / count - split.test) + abs(validation / count - split.validation), 6), count

    every = [
        (count, max(1, round(count * split.test)), max(1, round(count * split.validation)))
        for count in range(3, most + 1)
    ]
    return min((choice for choice in every if choice[1] + choice[2] < choice[0]), key=off)


def _parts(names: pd.Series, labels: pd.Series, count: int, seed: int) -> NDArray[np.int8]:
    """Part 0 … count-1 of every row (N,): groups whole, labels alike; equal rows and seeds give equal parts."""
    from sklearn.model_selection import GroupKFold

    from components.lib.even_folds import EvenFolds

    state = seed % 2**32
    stratified = labels.nunique() > 1 and labels.value_counts().max() >= count
    kind = EvenFolds if stratified else GroupKFold
    splitter, part = kind(count, shuffle=True, random_state=state), np.zeros(len(names), np.int8)
    with warnings.catch_warnings():
        # Of a class with fewer samples than parts: it stands in some of them, and the gate says where it lacks.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, held) in enumerate(splitter.split(names, labels, names.astype("str"))):
            part[held] = number
    return part


def _labels(table: pd.DataFrame, spec: TaskSpec) -> pd.Series:
    """Labels of the first target that has classes, as text; "" where unknown, or where no target has any."""
    name = next((name for name, kind in spec.targets.items() if kind.class_names), None)
    if name is None:
        return pd.Series("", index=table.index)
    return table[name].map(str, na_action="ignore").fillna("")


def _united(names: pd.Series, content: pd.Series) -> pd.Series:
    """Groups that share content, as one group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    (of_name, found), (of_content, contents) = (pd.factorize(each, sort=True) for each in (names, content))
    size = len(found) + len(contents)
    graph = coo_array((np.ones(len(names)), (of_name, of_content + len(found))), shape=(size, size))
    return pd.Series(connected_components(graph, directed=False)[1][of_name], index=names.index)


def _by_site(table: pd.DataFrame, split: Split) -> pd.Series:
    """Whole sites: the ones that are named, else the smallest up to the shares, by patients and then by name."""
    site, where = table["site"], "split.method: site"
    if site.isna().any():
        found = f"{int(site.isna().sum())} of {len(table)} samples without one"
        todo = "name the column in source.columns.site, fill it in, or set split.method: hash"
        raise DataError(where, expected="a site for every sample", found=found, todo=todo)
    site = site.astype("str")
    patients = groups(table, split).groupby(site).nunique()
    for key, named in (("test_sites", split.test_sites), ("validation_sites", split.validation_sites)):
        for name in named:
            if name not in patients:
                found = f"none called {name}{nearest(name, patients.index)}"
                expected = f"one of the sites {', '.join(patients.index)}"
                raise DataError(f"split.{key}", expected=expected, found=found, todo="correct the name")
    free = patients.drop([*split.test_sites, *split.validation_sites]).sort_values(kind="stable")
    if len(free) < 1 + (not split.test_sites) + (not split.validation_sites):
        raise DataError(
            where,
            expected="a site each for train, validation and test",
            found=f"{len(patients)}: {', '.join(patients.index)}",
            todo="add sites, name fewer in split.test_sites and split.validation_sites, or set split.method: hash",
        )
    sides = dict.fromkeys(split.test_sites, "test") | dict.fromkeys(split.validation_sites, "validation")
    for side, share, later in (("test", split.test, not split.validation_sites), ("validation", split.validation, 0)):
        if side not in sides.values():
            taken = _up_to(list(free), share * patients.sum(), leave=1 + later)
            sides |= dict.fromkeys(free.index[:taken], side)
            free = free.iloc[taken:]
    return site.map(lambda name: sides.get(name, "train"))


def _by_time(table: pd.DataFrame, split: Split) -> pd.Series:
    """The latest patients to test, those before them to validation; patients of one moment stay together."""
    every = times(table, split)["first"]
    first = every.groupby(groups(table, split)).first()
    moments = first.value_counts().sort_index(ascending=False)
    if len(moments) < 3:
        raise DataError(
            "split.method: time",
            expected="patients first seen at 3 or more dates",
            found=str(len(moments)),
            todo="name another column in source.columns.date, or set split.method: hash",
        )
    side = pd.Series("train", index=moments.index, dtype="str")
    test = _up_to(list(moments), split.test * len(first), leave=2)
    validation = _up_to(list(moments.iloc[test:]), split.validation * len(first), leave=1)
    side.iloc[:test], side.iloc[test : test + validation] = "test", "validation"
    return every.map(side)


def _up_to(sizes: Sequence[int], wanted: float, leave: int) -> int:
    """How many units, taken in order, make up `wanted` and not more; at least one, and `leave` stay."""
    filled = int((np.cumsum(sizes) <= wanted + 1e-9).sum())
    return int(np.clip(filled, 1, len(sizes) - leave))
