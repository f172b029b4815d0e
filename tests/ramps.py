"""Noisy ramps, those that rise to the right of the second class, as cleaned datasets; and a net trained on them here
or in another process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from films import CLASSES, SIDE, task

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter

STILL = dict.fromkeys(("translation", "rotation", "zoom", "brightness", "contrast", "sharpness"), 0)
TINY = {"model": "resnet", "width": 4, "batch_size": 8, "epochs": 2, "precision": "float32", "device": "cpu"}


def ramps(path: Path, splits: dict[str, int], side: int = SIDE, rows: int = 512) -> Dataset:
    """A cleaned dataset of so many pictures a split, in parts of so many rows."""
    path.mkdir(parents=True)
    names = [split for split, count in splits.items() for _ in range(count)]
    ramp, writer = np.linspace(-25, 25, side), DatasetWriter(path)
    starts = range(0, len(names), rows)
    for part, start in enumerate(starts):
        generator, own = np.random.default_rng(part), np.arange(start, min(start + rows, len(names)))
        signs = np.where(own % 2, 1, -1)[:, None, None]
        films = (128 + signs * ramp + generator.normal(0, 40, (len(own), side, side))).clip(0, 255).astype(np.uint8)
        samples = pd.DataFrame({
            "sample_id": [f"s{row}" for row in own], "patient": None, "split": [names[row] for row in own],
            "finding": [CLASSES[row % 2] for row in own], "synthetic": True,
        })  # fmt: skip
        figures = {f"image_{figure}": 0.0 for figure in task().inputs["image"].quality_ranges}
        writer.write_part(part, samples.assign(**figures), {"image": films[..., None]})
    writer.finish(
        task="chest_test", step="clean", parts=len(starts), synthetic=True, targets={}, key_fingerprint=None,
        lineage={}, arrays={"image": ArrayInfo(shape=(side, side, 1), dtype="uint8", kind="image")},
    )  # fmt: skip
    return Dataset(path)


def train_still(folder: Path) -> dict[str, object]:
    """Train without anything random; leaves the weights, and returns curves and the order in which samples were first
    asked for. Its last batch is smaller than the others."""
    from components.train.devices import prepare
    from components.train.epochs import Batch, EpochBatches
    from components.train.members import Member, train_member
    from components.train.samples import Samples

    order: list[str] = []

    class Watched(EpochBatches):
        def __getitem__(self, index: int) -> Batch:
            order.append(" ".join(self.sample_ids(index)))
            return super().__getitem__(index)

    settings = task(train={**TINY, "dropout_rate": 0.0}, augment={"online": {"image": STILL}})
    data = ramps(folder / "data", {"train": 36, "validation": 16})
    samples = Samples([data], "train", settings)
    validation = Samples([data], "validation", settings, samples.fitted)
    prepare(settings.train)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.train.fit.EpochBatches", Watched)
        trained = train_member(Member(None, 1), samples, validation, settings, folder, lambda figures: None)
    np.savez(folder / "weights.npz", *trained.weights)
    result = {"curves": trained.curves, "order": list(dict.fromkeys(order))}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return result
