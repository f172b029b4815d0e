"""What tests of `pipelines.look` share: run what a look gives through the first two steps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.clean import clean
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.spec import TaskSpec, load_spec
from pipelines.look import Draft, Questions, look, task_text

REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def needs(name: str) -> pytest.MarkDecorator:
    """Skips where that set of real data isn't there."""
    there = (REAL / name).exists()
    return pytest.mark.skipif(not there, reason=f"real data are not there: {name}; set MEDPIPE_REAL_DATA")


def spec_of(draft: Draft, folder: Path) -> TaskSpec:
    """The task file of a draft, written and read again."""
    folder.mkdir(exist_ok=True)
    (folder / "task.yaml").write_text(task_text("looked_at", draft), encoding="utf-8")
    return load_spec(folder / "task.yaml")


def cleaned(data: Path, folder: Path, questions: Questions | None = None) -> Dataset:
    """The data after a look, ingest and clean."""
    spec = spec_of(look(data, questions), folder)
    raw = Path(spec.source.path)
    ingest(raw=raw, dataset=folder / "ingested", private=folder / "private", spec=spec)
    clean(raw=raw, dataset=folder / "ingested", private=folder / "private", out=folder / "cleaned", spec=spec)
    return Dataset(folder / "cleaned")


def refusal(data: Path, questions: Questions | None = None) -> DataError:
    """The error of a look, which has all four parts and points at the guide."""
    with pytest.raises(DataError) as caught:
        look(data, questions)
    assert all((caught.value.where, caught.value.expected, caught.value.found, caught.value.todo))
    return caught.value
