"""A table with words for unknown, limits and masked ages, from the file to the server: one row is answered alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from asking import served
from workspaces import Workspace

from components.lib.model_dir import Model
from components.lib.server import ask
from serving.batch import batch

CELLS = {
    "troponin": ["0.5", "?", "<0.01", ">100", "-999", "n.a."],
    "age": ["50", "300", "> 89", "90+", "?", "61"],
    "glucose": ["99", "0", "140", "120.5", "101", "0"],
    "ward": ["A", "?", "B", "C", "A", "B"],
}
SAME = {
    "troponin": [0.5, None, 0.005, 100.0, None, None],
    "age": [50, 90, 90, 90, None, 61],
    "glucose": [99, None, 140, 120.5, 101, None],
    "ward": ["A", None, "B", "C", "A", "B"],
}
"""What the cells mean, as plain values."""


def hospital(rows: int = 600) -> pd.DataFrame:
    chance = np.random.default_rng(2)
    troponin, age = chance.lognormal(0, 1, rows), chance.integers(20, 90, rows)
    table = pd.DataFrame(
        {
            "patient": [f"P{n}" for n in range(rows)],
            "troponin": troponin.round(3).astype(str),
            "age": age.astype(str),
            "glucose": chance.integers(70, 250, rows).astype(str),
            "ward": chance.choice(["A", "B", "C"], rows),
            "died": np.where(np.log(troponin) + (age - 55) / 20 + chance.normal(0, 0.5, rows) > 0.7, "yes", "no"),
        }
    )
    for column, cells in CELLS.items():
        for place, cell in enumerate(cells):
            table.loc[place * 7 :: 61, column] = cell
    return table


@pytest.mark.accept
@pytest.mark.timeout(900)
def test_what_a_cell_means_travels_with_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)
    hospital().to_csv(tmp_path / "stays.csv", index=False)
    workspace = Workspace(tmp_path / "work")
    tmp_path.joinpath("work").mkdir()
    workspace.run("pipelines.new", str(tmp_path / "stays.csv"), "--into", str(workspace.path), "--target", "died",
                  "--yes",
                  PYTHONPATH=str(Path(__file__).parents[2]))  # fmt: skip
    task = workspace.path / "task.yaml"
    text = task.read_text(encoding="utf-8")
    assert "troponin: ['?'" in text
    task.write_text(text.replace("epochs: 100", "epochs: 3"), encoding="utf-8")
    workspace.run("dvc", "repro")
    report = (workspace.path / "data/evaluation/report.html").read_text(encoding="utf-8")
    for line in ("ells taken for unknown by the task file: ", "ells that say a limit", "asked ages: age"):
        assert line in report
    name = Model(workspace.path / "data/model").info.task
    pd.DataFrame(CELLS).to_csv(tmp_path / "new.csv", index=False)
    batch(Model(workspace.path / "data/model"), None, tmp_path / "new.csv", tmp_path / "out.parquet")
    by_batch = pd.read_parquet(tmp_path / "out.parquet")
    with served(workspace, name, direct=False) as address:
        as_written, as_meant = ask(address, CELLS), ask(address, SAME)
    assert as_written == as_meant
    probability = next(column for column in as_written[0] if column.startswith("probability"))
    assert by_batch["error"].isna().all()
    np.testing.assert_allclose(by_batch[probability], [row[probability] for row in as_meant], rtol=1e-6)
