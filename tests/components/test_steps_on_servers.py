"""Ingest and clean on raw data of a server: the same dataset as from here, and no failure taken for a finding."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from films import patients, task, write_films
from servers import Web

from components.clean import clean
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import ServerError
from components.lib.places import Place, place
from components.lib.spec import TaskSpec

SPEC = {
    "source": {"reader": "folder", "path": "raw", "index": "index.csv", "public_key": True},
    "split": {"validation": 0.25, "test": 0.25},
    "clean": {"shortcuts": "off", "suspects": 0, "maximum_rejected": 0.5},
}


def ingested(raw: Place, folder: Path, spec: TaskSpec) -> tuple[Place, Path, Path, Path, TaskSpec]:
    """What ingest makes of it; the arguments of clean."""
    ingest(raw, folder / "ingested", folder / "private", spec)
    return raw, folder / "ingested", folder / "private", folder / "cleaned", spec


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten samples a part, one part after the other, and no pause before another attempt."""
    monkeypatch.setattr("components.ingest.step.rows_per_part", lambda size: 10)
    monkeypatch.setattr("components.lib.parallel.cores", lambda: 1)
    monkeypatch.setattr("components.lib.remote.PAUSE", 0.0)


def test_a_broken_connection_stops_and_loses_nothing(web: Web, tmp_path: Path, in_parts: None) -> None:
    spec = task(**SPEC)
    write_films(web.folder, patients(15))
    clean(*ingested(web.folder, tmp_path / "here", spec))
    there = ingested(place(web.url), tmp_path / "there", spec)
    sources = pd.read_parquet(tmp_path / "there" / "private" / "sources.parquet")["file"]
    web.asked.clear()
    web.cut[sources.iloc[-1]] = 3
    with pytest.raises(ServerError, match="broke off"):
        clean(*there)
    assert not (tmp_path / "there" / "cleaned").exists()
    clean(*there)
    assert all(web.asked[file] == 1 for file in sources.iloc[:20])  # the finished parts weren't done again
    assert Dataset(tmp_path / "there" / "cleaned").info.digest == Dataset(tmp_path / "here" / "cleaned").info.digest


def test_ingest_takes_no_failure_for_a_missing_file(web: Web, tmp_path: Path, in_parts: None) -> None:
    spec = task(**SPEC)
    write_films(web.folder, [*patients(15), {"path": "films/gone.png", "patient": "x", "finding": "normal"}])
    (web.folder / "films" / "gone.png").unlink()
    web.cut["films/Patient_003_normal.png"] = 9
    with pytest.raises(ServerError, match="broke off"):
        ingest(place(web.url), tmp_path / "ingested", tmp_path / "private", spec)
    assert not (tmp_path / "ingested").exists()
    web.cut.clear()
    ingest(place(web.url), tmp_path / "ingested", tmp_path / "private", spec)
    rejected = Dataset(tmp_path / "ingested").rejected()
    assert rejected["reason"].tolist() == ["the index names a file that is not there"]
