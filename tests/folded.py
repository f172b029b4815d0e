"""A cleaned dataset of small films with folds, and copies of some of them, as train reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from films import CLASSES, SIDE, task

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.spec import TaskSpec

FOLDS = 2
COUNTS = {"train": 24, "validation": 8, "test": 8}


def spec(*, folds: int = FOLDS, **settings: Any) -> TaskSpec:
    """A task of a tiny net, cross-validated or not."""
    tiny = {"model": "cnn", "width": 4, "batch_size": 8, "epochs": 2, "precision": "float32", "device": "cpu"}
    return task(split={"folds": folds}, train={**tiny, "folds": folds, **settings})


def datasets(path: Path, *, folds: int = FOLDS, unknown: int = 0) -> tuple[Dataset, Dataset]:
    """Noisy ramps, two of a patient, that rise in the second class; and a copy of each third film of train.

    Args:
        path: a folder that isn't there yet.
        folds: how many; 0: no column of folds.
        unknown: how many of the first films of validation have no known finding.
    """
    generator = np.random.default_rng(0)
    ramp = np.linspace(-25, 25, SIDE)
    rows = [(split, number % 2) for split, count in COUNTS.items() for number in range(count)]
    films = [128 + (ramp if rising else -ramp) + generator.normal(0, 40, (SIDE, SIDE)) for _, rising in rows]
    table = pd.DataFrame({
        "sample_id": [f"s{i}" for i in range(len(rows))], "patient": [f"p{i // 2}" for i in range(len(rows))],
        "split": [split for split, _ in rows], "finding": pd.Series([CLASSES[r] for _, r in rows], dtype="str"),
        "sha256": [f"{i:064x}" for i in range(len(rows))], "synthetic": True,
    })  # fmt: skip
    table = table.assign(**{f"image_{figure}": 0.5 for figure in task().inputs["image"].quality_ranges})
    table.loc[table.index[table["split"] == "validation"][:unknown], "finding"] = None
    if folds:
        fold = pd.Series([i // 2 % folds for i in range(len(rows))]).where(table["split"] != "test")
        table["fold"] = fold.astype("Int8")
    array = np.stack(films).clip(0, 255).astype(np.uint8)[..., None]
    copied = table.index[table["split"] == "train"][::3]
    copies = table.loc[copied].assign(
        parent_id=lambda own: own["sample_id"], sample_id=lambda own: own["sample_id"] + "-a1"
    )
    return _written(path / "cleaned", table, array), _written(path / "augmented", copies, array[copied])


def _written(path: Path, table: pd.DataFrame, films: Any) -> Dataset:
    path.mkdir(parents=True)
    writer = DatasetWriter(path)
    writer.write_part(0, table, {"image": films})
    writer.finish(
        task="chest_test", step="clean", parts=1, synthetic=True, targets={}, key_fingerprint=None, lineage={},
        arrays={"image": ArrayInfo(shape=(SIDE, SIDE, 1), dtype="uint8", kind="image")},
    )  # fmt: skip
    return Dataset(path)
