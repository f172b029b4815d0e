"""A new delivery of data against the last one: what differs by more than chance is told, the rest isn't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.lib.dataset import DatasetWriter
from components.lib.spec import TaskSpec
from components.lib.validate.changes import note_changes


def write(
    folder: Path, spec: TaskSpec, *, rows: int = 400, sick: float = 0.4, mean: float = 120.0, seed: int = 0
) -> Path:
    """A cleaned dataset without arrays: so many rows, so many of them with pneumonia, films so bright."""
    out = folder / "cleaned"
    out.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    figures = {f"image_{name}": np.full(rows, (low + high) / 2) for name, (low, high) in
               spec.inputs["image"].quality_ranges.items()}  # fmt: skip
    samples = pd.DataFrame({
        "sample_id": [f"s{i}" for i in range(rows)], "patient": None,
        "split": np.resize(["train", "train", "validation", "test"], rows),
        "finding": np.where(np.arange(rows) < sick * rows, "pneumonia", "normal"),
        **figures, "image_mean": generator.normal(mean, 20, rows),
    })  # fmt: skip
    writer = DatasetWriter(out)
    writer.write_part(0, samples, {})
    writer.finish(
        task="t", step="clean", parts=1, arrays={}, synthetic=True, targets={}, key_fingerprint=None, lineage={}
    )
    return out


def test_the_first_data_and_the_same_data_have_nothing_to_say(tmp_path: Path, spec: TaskSpec) -> None:
    cleaned = write(tmp_path, spec)
    assert note_changes(cleaned, spec) == []
    assert note_changes(cleaned, spec) == []


def test_another_sample_of_the_same_films_is_no_change(tmp_path: Path, spec: TaskSpec) -> None:
    note_changes(write(tmp_path, spec), spec)
    lines = note_changes(write(tmp_path, spec, rows=440, seed=1), spec)
    assert lines[0] == "since the last data that passed: train 200 → 220, validation 100 → 110, test 100 → 110"
    assert lines[1:] == ["  no figure differs by more than chance"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sick": 0.7}, ["  finding normal: 60.0% before, 30.0% now", "  finding pneumonia: 40.0% before, 70.0% now"]),
        ({"mean": 150.0}, ["  mean of image_mean: 119 before, 149 now"]),
    ],
)
def test_what_has_changed_is_told(tmp_path: Path, spec: TaskSpec, change: dict[str, float], told: list[str]) -> None:
    note_changes(write(tmp_path, spec), spec)
    assert note_changes(write(tmp_path, spec, **change), spec)[1:] == told


def test_a_summary_of_another_form_is_written_anew(tmp_path: Path, spec: TaskSpec) -> None:
    cleaned = write(tmp_path, spec)
    (tmp_path / "cleaned.last.json").write_text("{}", encoding="utf-8")
    assert note_changes(cleaned, spec) == []
    assert "digest" in (tmp_path / "cleaned.last.json").read_text(encoding="utf-8")
