"""Small datasets, written as steps write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from components.lib.dataset import ArrayInfo, DatasetInfo, DatasetWriter


def table(first: int, count: int) -> pd.DataFrame:
    """Samples s<first> and on: every third in test, every fourth of an unknown patient."""
    rows = range(first, first + count)
    return pd.DataFrame(
        {
            "sample_id": [f"s{row}" for row in rows],
            "patient": pd.Series([None if row % 4 == 3 else f"p{row // 2}" for row in rows], dtype="str"),
            "split": ["test" if row % 3 == 2 else "train" for row in rows],
        }
    )


def pictures(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)


def finish(path: Path, parts: int) -> DatasetInfo:
    return DatasetWriter(path).finish(
        task="chest_test", step="clean", parts=parts, synthetic=False, targets={}, key_fingerprint=None, lineage={},
        arrays={"image": ArrayInfo(shape=(2, 3), dtype="uint8", kind="image")},
    )  # fmt: skip


def write(path: Path, counts: tuple[int, ...] = (5, 3)) -> DatasetInfo:
    """A dataset of so many rows per part, numbered through."""
    path.mkdir()
    for index, count in enumerate(counts):
        first = sum(counts[:index])
        DatasetWriter(path).write_part(index, table(first, count), {"image": pictures(first, count)})
    return finish(path, len(counts))
