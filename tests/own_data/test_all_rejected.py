"""Cleaning that leaves nothing, or nothing of a split or of a class: counts by reason and a page, never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from films import CLASSES, patients, task, write_films

from components.clean import clean
from components.ingest import ingest
from components.lib.errors import GateError

BAD = b"see the other folder\n"
REASON = "unreadable: text, not a picture"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def refused(folder: Path, bad: Callable[[dict[str, Any], str], bool], **sections: Any) -> GateError:
    """What the gate says when the films of these rows are spoiled; the second argument is the split."""
    rows, spec = patients(60), task(**sections)
    raw = write_films(folder / "raw", rows)
    paths = [folder / name for name in ("ingested", "private", "cleaned")]
    ingest(raw, paths[0], paths[1], spec)
    files = pd.read_parquet(paths[1] / "sources.parquet").set_index("file")["sample_id"]
    splits = pd.concat(pd.read_parquet(p) for p in paths[0].glob("part-*/samples.parquet"))
    split_of = splits.set_index("sample_id")["split"]
    for row in rows:
        if bad(row, split_of[files[row["path"]]]):
            (raw / row["path"]).write_bytes(BAD)
    with pytest.raises(GateError) as caught:
        clean(raw, *paths, spec)
    page = (folder / "cleaned.failed.html").read_text(encoding="utf-8")
    assert REASON in page
    assert "Patient_" not in f"{page}{caught.value}"
    return caught.value


@pytest.mark.parametrize("maximum", [0.05, 0.99])
def test_every_sample(tmp_path: Path, maximum: float) -> None:
    error = refused(tmp_path, lambda row, split: True, clean={"maximum_rejected": maximum})
    assert error.expected == "Cleaning leaves samples"
    assert f"all 120 samples were rejected: 120 {REASON}" in error.found


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_all_of_a_split(tmp_path: Path, split: str) -> None:
    error = refused(tmp_path, lambda row, of: of == split, clean={"maximum_rejected": 0.95})
    assert error.expected == f"Cleaning leaves samples of {split}"
    assert f"samples of {split} were rejected: " in error.found
    assert REASON in error.found


@pytest.mark.parametrize("label", CLASSES)
def test_all_of_a_class(tmp_path: Path, label: str) -> None:
    error = refused(tmp_path, lambda row, split: row["finding"] == label, clean={"maximum_rejected": 0.95})
    assert error.expected == f"Cleaning leaves samples of train whose finding is {label}"
    assert REASON in error.found
