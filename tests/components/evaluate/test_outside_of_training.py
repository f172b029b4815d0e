"""Samples of another kind: told from test samples by how far they lie from training samples."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluations import evaluated as of_rows
from pictures import looked_at

from components.evaluate import outside
from components.evaluate.part import Part
from components.lib.kinds.image import Image
from components.lib.outside import distance
from components.lib.statistics import auc
from components.train.outside import _fit

REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", "../shared/data"))
XRAYS, BRAINS = REAL / "pneumoniamnist_assembled.npz", REAL / "brain_mri_4class"


def text(part: Part) -> str:
    return " ".join(str(block) for section in part.sections for block in section.blocks)


def test_other_kinds_of_pictures_lie_farther_out(tmp_path: Path) -> None:
    part = outside.part(looked_at(tmp_path))
    assert part.sections[0].title == "Samples of another kind"
    table = part.charts["image_outside"].table
    for name in ("noise", "text", "negatives", "on their side", "in shuffled pieces"):
        assert table[name].median() > table["test"].max(), name
    assert part.metrics["finding"]["outside"].better == "lower"
    assert part.warnings == ()
    assert "where 1 is expected" in text(part)


def test_films_of_another_machine_raise_a_warning(tmp_path: Path) -> None:
    evaluated = looked_at(tmp_path)
    lighter = np.clip(evaluated.arrays["image"].astype(int) + 60, 0, 255).astype(np.uint8)
    part = outside.part(replace(evaluated, arrays={"image": lighter}))
    assert "100 of 100 test films lie farther out" in part.warnings[0]
    assert part.metrics["finding"]["outside"].value == 1


def test_a_model_of_an_earlier_version_gets_a_sentence(tmp_path: Path) -> None:
    part = outside.part(looked_at(tmp_path, known_outside=False))
    assert "the model doesn&#39;t hold how its training samples lie" in text(part)
    assert (part.charts, part.metrics, part.warnings) == ({}, {}, ())


def test_few_test_samples_are_held_against_no_others(tmp_path: Path) -> None:
    said = text(outside.part(looked_at(tmp_path, counts={"train": 60, "test": 6})))
    assert "Of the 6 test films" in said
    assert "fewer than 20 test samples" in said


def test_rows_of_a_table_are_looked_at_too(tmp_path: Path) -> None:
    part = outside.part(of_rows(tmp_path, outputs=np.linspace(0.1, 0.9, 40), truth=["normal", "pneumonia"] * 20))
    assert "Not measured" in text(part)  # that model was never fitted on its training samples


@pytest.mark.skipif(not (XRAYS.exists() and BRAINS.exists()), reason="needs MEDPIPE_REAL_DATA")
def test_brains_are_told_from_chests() -> None:
    kind = Image(kind="image", size=(28, 28))
    with np.load(XRAYS) as held:
        train, test = (held[f"{split}_images"][:1500, ..., None] for split in ("train", "test"))
    files = sorted(BRAINS.rglob("*.jpg"))[::5][:200]
    assert len(files) > 100
    brains = np.stack([kind.clean(file.read_bytes()).array for file in files])
    summary = kind.summary(train, {})
    fitted = _fit(tuple(kind.summary_words({})), summary, np.arange(len(train)) % 5)
    own, others = (distance(kind.summary(each, {}), fitted) for each in (test, brains))
    found = auc(np.concatenate([own, others]), np.arange(len(own) + len(others)) >= len(own))
    print(f"chest X-rays against brain MRI: AUC {found}, {(others > fitted.mark).mean():.3f} beyond the mark, "
          f"of the chests {(own > fitted.mark).mean():.3f}")  # fmt: skip
    assert found.low > 0.95
    assert (others > fitted.mark).mean() > 0.9
