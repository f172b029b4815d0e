"""Maps of really trained nets lie on what was planted, and not where the picture is merely bright."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from components.evaluate.chosen import chosen
from components.evaluate.explanation import maps_of, resemblance
from components.evaluate.part import Evaluated
from components.evaluate.results import measure
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.kinds.image import Image
from components.lib.model_dir import Model
from components.lib.phantoms.chest import ChestPhantom
from components.lib.spec import TaskSpec
from components.phantom.anatomy import person
from components.phantom.film import film

pytestmark = [pytest.mark.accept, pytest.mark.timeout(1500), pytest.mark.xdist_group("tensorflow")]

SIDE = 64
FILM = Image(kind="image", size=(SIDE, SIDE))
PATIENTS = {"train": 260, "validation": 80, "test": 80}
NETS = {
    "attention_cnn": {"epochs": 20},
    "resnet": {"epochs": 20},
}
TENTH = 0.1


@dataclass(frozen=True)
class Phantoms:
    folder: Path
    masks: NDArray[np.bool_]
    """Where the opacities of test films are (N, 64, 64), in the order of the dataset's test split."""


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Phantoms:
    """Films of all patients, cleaned; what was planted isn't in the dataset, and stays beside it."""
    folder = tmp_path_factory.mktemp("phantoms")
    settings = ChestPhantom(patients=sum(PATIENTS.values()), seed=11)
    rows, pictures, masks = [], [], []
    splits = np.repeat(list(PATIENTS), list(PATIENTS.values()))
    for patient, split in enumerate(splits):
        for number, ill in enumerate(person(settings, patient).pneumonia):
            made = film(settings, patient, number)
            pictures.append(FILM.clean(made.image).array)
            masks.append(FILM._resize(made.mask) > 127)
            name = f"s{len(rows):04d}"
            rows.append({"sample_id": name, "patient": f"p{patient}", "split": split, "sha256": name, "synthetic": True,
                         "finding": "pneumonia" if ill else "normal"})  # fmt: skip
    samples = pd.DataFrame(rows)
    for column in FILM.quality_ranges:
        samples[f"image_{column}"] = 1.0
    for name in ("data", "none"):
        keep = np.full(len(samples), name == "data")
        (folder / name).mkdir()
        writer = DatasetWriter(folder / name)
        writer.write_part(0, samples[keep], {"image": np.stack(pictures)[keep]})
        writer.finish(
            task="maps", step="clean", parts=1, synthetic=True, targets={}, key_fingerprint=None, lineage={},
            arrays={"image": ArrayInfo(shape=FILM.shape, dtype="uint8", kind="image")},
        )  # fmt: skip
    return Phantoms(folder, np.stack(masks)[(samples["split"] == "test").to_numpy()])


@pytest.fixture(scope="module", params=NETS)
def trained(request: pytest.FixtureRequest, phantoms: Phantoms) -> Evaluated:
    from components.train.step import train

    name = request.param
    spec = TaskSpec.model_validate_json(json.dumps({
        "task": "maps", "source": {"reader": "folder", "path": "raw"}, "inputs": {"image": FILM.model_dump()},
        "targets": {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}},
        "train": {"model": name, "seed": 1, "device": "cpu", **NETS[name]},
    }))  # fmt: skip
    folder = phantoms.folder / name
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{phantoms.folder}/mlflow.db"
    try:
        train(phantoms.folder / "data", phantoms.folder / "none", folder, spec)
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
    data, network = Dataset(phantoms.folder / "data"), Model(folder)
    samples, arrays = data.select("test", ["image"])
    return Evaluated(spec, data, network, samples, arrays, measure(network, samples, arrays))


def on_the_opacity(maps: NDArray[np.float64], masks: NDArray[np.bool_], *, of: float = 1.0) -> float:
    """Share of what speaks for it that lies on the opacities, over the share of the film that they take.

    Args:
        maps: (n, h, w).
        masks: (n, 64, 64).
        of: the strongest share of a map's places that is counted.
    """
    inside = []
    for evidence, mask in zip(maps, masks, strict=True):
        counted = np.where(evidence >= np.quantile(evidence, 1 - of), evidence, 0)
        large = np.clip(cv2.resize(counted.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), 0, None)
        inside.append(large[mask].sum() / max(large.sum(), 1e-9))
    return float(np.mean(inside) / masks.mean())


def test_maps_lie_on_the_planted_opacities(trained: Evaluated, phantoms: Phantoms) -> None:
    (result,) = trained.results
    rows = np.flatnonzero((result.encoded[:, 0] > 0.5) & (phantoms.masks.sum(axis=(1, 2)) > 0))[:24]
    assert result.metrics["auc"].value > 0.85
    name = trained.network.info.architecture
    explain = "occlusion" if name == "attention_cnn" else "class_activation_map"
    assert trained.network.info.explain == explain
    maps = maps_of(trained, result, rows).maps
    whole, strongest = (on_the_opacity(maps, phantoms.masks[rows], of=share) for share in (1.0, TENTH))
    print(f"{name}: AUC {result.metrics['auc']}; {explain}: {whole:.2f} times chance, strongest tenth {strongest:.2f}")
    assert strongest > 3
    # A residual net's 8 × 8 map is blurred by its wide view: what it marks strongest is right, its rim isn't.
    assert whole > (2 if name == "resnet" else 3)


def test_shuffled_weights_destroy_the_maps(trained: Evaluated) -> None:
    (result,) = trained.results
    drawn = maps_of(trained, result, chosen(result, 16))
    alike = resemblance(trained, result, drawn)
    print(f"{trained.network.info.architecture}: rank correlation with shuffled weights {alike}")
    # To hide what is black costs no net anything: so far maps made by hiding places are alike for all of them.
    assert abs(alike.value) < (0.45 if trained.network.info.explain == "occlusion" else 0.2)
