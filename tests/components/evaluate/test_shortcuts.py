"""What clean's audits raised stands in the report of the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from evaluations import evaluated
from films import task

from components.evaluate.part import Evaluated
from components.evaluate.shortcuts import part
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.kinds.image import Image
from components.lib.phantoms.chest import ChestPhantom, Faults
from components.lib.validate.shortcuts import look
from components.phantom.chest import chest

SIDE = 64


def with_receipt(folder: Path, *lines: str) -> Evaluated:
    made = evaluated(folder, outputs=[0.2, 0.8] * 3, truth=["normal", "pneumonia"] * 3)
    (made.data.path / "validation.json").write_text(json.dumps({"receipt": lines}), encoding="utf-8")
    return made


def test_a_planted_corner_marker_is_raised(tmp_path: Path) -> None:
    """What clean's own search says of the phantom's films, as clean leaves it beside them."""
    chest(ChestPhantom(patients=76, prevalence=0.5, faults=Faults(corner_marker=True)), tmp_path / "raw", 1)
    index, kind = pd.read_csv(tmp_path / "raw" / "index.csv"), Image(kind="image", size=(SIDE, SIDE))
    films = np.stack([kind.clean((tmp_path / "raw" / path).read_bytes()).array for path in index["path"]])
    columns = ["patient", "site", "finding"]
    samples = index[columns].assign(sample_id=[f"s{i}" for i in range(len(index))], split="train")
    writer = DatasetWriter(tmp_path / "films")
    writer.path.mkdir()
    writer.write_part(0, samples, {"image": films})
    writer.finish(
        task="t", step="clean", parts=1, arrays={"image": ArrayInfo(shape=kind.shape, dtype="uint8", kind="image")},
        synthetic=True, targets={}, key_fingerprint=None, lineage={},
    )  # fmt: skip
    spec = task(inputs={"image": {"kind": "image", "size": [SIDE, SIDE]}})
    receipt = look(Dataset(writer.path), samples, spec).lines
    raised = part(with_receipt(tmp_path / "looked", *receipt)).warnings
    assert [warning.split(" with an AUC of ")[0] for warning in raised] == ["Corners alone tell the classes of finding"]


def test_no_record_is_said_and_no_crash(tmp_path: Path) -> None:
    made = evaluated(tmp_path, outputs=[0.2, 0.8], truth=["normal", "pneumonia"])
    assert "no record of its audits" in str(part(made).sections[0].blocks[0])
