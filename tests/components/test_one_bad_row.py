"""A long table with one bad row: that row is left out by place and reason, all others pass, memory stays bounded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from components.clean import clean
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.spec import load_spec

ROOT = Path(__file__).parents[2]
TASK = {
    "task": "long_table",
    "source": {"reader": "table", "path": "rows.csv", "public_key": True},
    "inputs": {"record": {"kind": "table", "numbers": ["age", "pressure"], "ranges": {"age": [0, 120]}}},
    "targets": {"ill": {"kind": "binary", "classes": ["no", "yes"]}},
    "clean": {"suspects": 0},
}
BAD = "4Z"
MOST_MEMORY = 4e9
"""Bytes, for a million rows: what a laptop has."""


def write(folder: Path, rows: int, bad: int) -> None:
    """A table of so many patients, the age of row `bad` (from 0) being no number."""
    generator = np.random.default_rng(0)
    ages = generator.integers(20, 90, rows).astype(str).astype(object)
    ages[bad] = BAD
    table = pd.DataFrame({
        "patient": [f"p{number}" for number in range(rows)], "age": ages,
        "pressure": generator.normal(80, 10, rows).round(4), "ill": np.where(generator.random(rows) < 0.4, "yes", "no"),
    })  # fmt: skip
    table.to_csv(folder / "rows.csv", index=False)
    (folder / "task.yaml").write_text(yaml.safe_dump(TASK), encoding="utf-8")


def step(folder: Path, name: str, *words: str) -> int:
    """Run a step as a user would; returns its peak memory, bytes."""
    command = [sys.executable, "-m", f"components.{name}", "--task", "task.yaml", "--raw", "rows.csv", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "printed.txt").open("ab") as printed:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=printed)
        try:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
    assert process.returncode == 0, (folder / "printed.txt").read_text(encoding="utf-8")
    return used.ru_maxrss * 1024


def require_one_rejected(folder: Path, rows: int, bad: int, printed: str) -> None:
    """The bad row is told by reason and place and not by its value; all others are there."""
    cleaned = Dataset(folder / "cleaned")
    (rejected,) = cleaned.rejected().to_dict("records")
    assert rejected["reason"] == "column age: no number; write it with a point, as 1.5"
    assert rejected["place"] == f"row {bad + 2}"  # the names of the columns are row 1
    assert cleaned.samples()["sample_id"].nunique() == sum(cleaned.info.rows) == rows - 1
    assert f"cleaned: {rows - 1} samples, rejected: 1" in printed
    page = (folder / "cleaned" / "validation.html").read_text(encoding="utf-8")
    assert f"row {bad + 2}" in page
    assert BAD not in page


def test_one_bad_row_is_one_rejected_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, bad = 50_000, 25_007
    write(tmp_path, rows, bad)
    raw, spec = tmp_path / "rows.csv", load_spec(tmp_path / "task.yaml")
    ingest(raw, tmp_path / "ingested", tmp_path / "private", spec)
    clean(raw, tmp_path / "ingested", tmp_path / "private", tmp_path / "cleaned", spec)
    require_one_rejected(tmp_path, rows, bad, capsys.readouterr().out)


@pytest.mark.accept
@pytest.mark.timeout(3600)
def test_a_million_rows_with_a_bad_one_need_bounded_memory(tmp_path: Path) -> None:
    rows, bad = 1_000_000, 500_007
    write(tmp_path, rows, bad)
    places = ("--dataset", "ingested", "--private", "private")
    peak = max(
        step(tmp_path, "ingest", *places), step(tmp_path, "clean", *places, "--out", "cleaned")
    )  # fmt: skip
    require_one_rejected(tmp_path, rows, bad, (tmp_path / "printed.txt").read_text(encoding="utf-8"))
    assert peak < MOST_MEMORY, f"{peak / 1e9:.2f} GB"
