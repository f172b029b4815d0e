"""Who is to be forgotten is found under any spelling of the id, and under `exact` under that one alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from films import patients, write_films
from workspaces import make_tiny

from components.ingest import ingest
from components.lib.spec import load_spec
from pipelines.patient import survey

pytestmark = pytest.mark.accept
TASK = """
task: forget
source: {reader: folder, path: films, index: index.csv}
inputs: {image: {kind: image, size: [12, 12], channels: 1}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
split: {validation: 0.25, test: 0.25}
clean: null
augment: null
train: {model: cnn, width: 4, epochs: 1}
evaluate: null
register: null
"""


def ingested(folder: Path, **source: str) -> Path:
    """A workspace whose first step has run."""
    workspace = make_tiny(folder / "ws", TASK).path
    write_films(workspace / "films", patients(24))
    task = workspace / "task.yaml"
    values = yaml.safe_load(task.read_text())
    values["source"] |= source
    task.write_text(yaml.safe_dump(values))
    spec = load_spec(task)
    data = workspace / "data"
    ingest(raw=workspace / "films", dataset=data / "ingested", private=data / "private", spec=spec)
    return workspace


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")


def test_every_spelling_of_an_id_finds_the_same_samples(tmp_path: Path) -> None:
    workspace = ingested(tmp_path)
    number = random.Random(5).randrange(24)
    known = survey(workspace, f"patient-{number:03d}")
    assert len(known.ids) == 2
    assert known.raw == "the raw data still hold the patient: 2 samples"
    for spelling in (f"Patient_{number}", f" PATIENT-{number:05d} ", f"patient\u2010{number:03d}"):
        found = survey(workspace, spelling)
        assert (found.ids, found.raw, found.code) == (known.ids, known.raw, known.code)
    assert survey(workspace, f"patient-{number + 100}").empty


def test_exact_ids_are_found_as_they_are_alone(tmp_path: Path) -> None:
    workspace = ingested(tmp_path, patient_ids="exact")
    assert len(survey(workspace, "patient-003").ids) == 2
    assert survey(workspace, "Patient_3").empty
