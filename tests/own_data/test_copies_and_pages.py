"""A set that lies in its folder twice, hidden files on the inspection page, and that page for one's own task file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dicoms import dicom
from films import film, lay
from looks import spec_of

from components.lib.kinds.binary import Binary
from components.lib.readers.nifti_files import NiftiFiles
from pipelines.look import Questions, look
from pipelines.look.inspection_page import NAME
from pipelines.new import create, create_of_task


def twice(folder: Path, ending: str, content: Any) -> Path:
    """Classes no and yes, and the same again below brain_set."""
    for number in range(24):
        name = f"{'yes' if number % 2 else 'no'}/{number}{ending}"
        for top in ("", "brain_set/"):
            path = folder / top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content(path, number)
    return folder


def test_dicom_that_lies_twice_has_two_classes_and_its_copies_are_refused(tmp_path: Path) -> None:
    def write(path: Path, number: int) -> None:
        path.write_bytes(dicom(film(number), PatientID=f"P{number // 2}", StudyInstanceUID=f"1.2.{number}"))

    raw = twice(tmp_path / "raw", ".dcm", write)
    draft = look(raw)
    assert draft.values["targets"]["finding"]["classes"] == ["no", "yes"]
    assert any("24 files left out: copies" in line for line in draft.found)
    spec = spec_of(draft, tmp_path / "work")
    samples = spec.source.samples(raw, spec.inputs, spec.targets)
    assert samples["refused"].notna().sum() == 24
    assert set(samples.loc[samples["refused"].isna(), "finding"]) == {"no", "yes"}


def test_nifti_that_lies_twice(tmp_path: Path) -> None:
    def write(path: Path, number: int) -> None:
        voxels = np.full((3, 3, 3), number, np.int16)
        nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)  # type: ignore[attr-defined]

    raw = twice(tmp_path / "raw", ".nii", write)
    source = NiftiFiles(reader="nifti", path=str(raw))
    samples = source.samples(raw, {}, {"tumour": Binary(kind="binary", classes=("no", "yes"))})
    assert samples["refused"].notna().sum() == 24
    assert set(samples["tumour"]) == {"no", "yes"}


@pytest.fixture
def films(tmp_path: Path) -> Path:
    names = [f"{name}/{number}.png" for name in ("sick", "well") for number in range(30)]
    folder = lay(tmp_path / "films", *names)
    for name in (".DS_Store", "sick/._1.png", "__MACOSX/sick/1.png", "well/Thumbs.db"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_hidden_files_are_counted_on_the_page(films: Path, tmp_path: Path) -> None:
    create(films, tmp_path / "ws", "films", Questions())
    assert "4 hidden files" in (tmp_path / "ws" / NAME).read_text()


def test_a_workspace_of_a_task_file_gets_the_page_too(films: Path, tmp_path: Path) -> None:
    create(films, tmp_path / "ws", "films", Questions())
    shutil.copy(tmp_path / "ws/task.yaml", tmp_path / "mine.yaml")
    create_of_task(tmp_path / "mine.yaml", tmp_path / "of_task")
    page = (tmp_path / "of_task" / NAME).read_text()
    assert "4 hidden files" in page
    assert "What is predicted, and how samples are split" in page
    assert "Task films, from" in page


def test_films_that_no_step_has_made_yet_have_no_page(tmp_path: Path) -> None:
    from workspaces import TINY_TASK

    (tmp_path / "tiny.yaml").write_text(TINY_TASK)
    create_of_task(tmp_path / "tiny.yaml", tmp_path / "ws")
    assert not (tmp_path / "ws" / NAME).exists()
