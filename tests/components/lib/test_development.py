"""Marks of the samples and patients that a model was developed on."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workspaces import Workspace

from components.lib.dataset import Dataset
from components.lib.development import FILE, read_development, write_development
from components.lib.errors import ModelError
from components.lib.marks import Marked, eight_bytes
from components.lib.model_dir import Model


def test_train_and_validation_are_found_and_test_is_not(tiny: Workspace) -> None:
    data = Dataset(tiny.path / "data/cleaned")
    model = Model(tiny.path / "data/model")
    assert model.info.development is not None
    seen = read_development(model.path, model.info.development)
    for split, expected in (("train", True), ("validation", True), ("test", False)):
        rows = data.samples()[data.samples()["split"] == split]
        marked = Marked.of(rows, eight_bytes)
        assert (marked.seen(seen) == expected).all()
        assert (marked.of_seen_patients(seen) == (rows["patient"].notna() & expected)).all()
    assert model.info.development.key_fingerprint == data.info.key_fingerprint


def test_nobody_can_be_read_off_the_file(tmp_path: Path) -> None:
    digests = [hashlib.sha256(bytes([i])).hexdigest() for i in range(3)]
    table = pd.DataFrame(
        {"split": ["train", "validation", "test"], "sha256": digests, "patient": ["a" * 32, None, "b"]}
    )
    record = write_development(tmp_path, table, "0123456789ab")
    assert (record.samples, record.patients) == (2, 1)
    content = (tmp_path / FILE).read_bytes()
    assert not any(bytes.fromhex(each)[:8] in content for each in digests)
    nobody = write_development(tmp_path, table.assign(patient=None), "0123456789ab")
    assert (nobody.patients, nobody.key_fingerprint) == (0, None)


@pytest.mark.parametrize("change", ["gone", "other"])
def test_another_file_is_refused(tiny: Workspace, tmp_path: Path, change: str) -> None:
    shutil.copytree(tiny.path / "data/model", tmp_path / "model")
    record = Model(tmp_path / "model").info.development
    assert record is not None
    if change == "gone":
        (tmp_path / "model" / FILE).unlink()
    else:
        np.save(tmp_path / "model" / FILE, np.arange(5, dtype=np.uint64))
    with pytest.raises(ModelError, match="no such file" if change == "gone" else "another one"):
        read_development(tmp_path / "model", record)
