"""Shortcuts: what gives the answer away is raised, and nothing is where there is none."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from films import task
from numpy.typing import NDArray

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.phantoms.chest import ChestPhantom, Faults
from components.lib.spec import TaskSpec
from components.lib.validate.shortcuts import look
from components.phantom.chest import chest

SIDE, CLASSES = 64, np.array(["normal", "pneumonia"], object)


def dataset_of(folder: Path, pictures: NDArray[np.uint8], labels: NDArray[Any], **columns: Any) -> Dataset:
    """Cleaned training pictures of one patient each, with these labels (0 or 1)."""
    folder.mkdir()
    ids = [f"s{i:05d}" for i in range(len(pictures))]
    values = {"sample_id": ids, "patient": ids, "split": "train", "finding": CLASSES[labels.astype(int)], **columns}
    writer = DatasetWriter(folder)
    writer.write_part(0, pd.DataFrame(values), {"image": pictures})
    info = {"image": ArrayInfo(shape=pictures.shape[1:], dtype="uint8", kind="image")}
    writer.finish(
        task="t", step="clean", parts=1, arrays=info, synthetic=True, targets={}, key_fingerprint=None, lineage={}
    )
    return Dataset(folder)


def spec_of(**clean: Any) -> TaskSpec:
    return task(inputs={"image": {"kind": "image", "size": [SIDE, SIDE]}}, clean=clean)


def noise(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    generator = np.random.default_rng(seed)
    return generator.integers(1, 256, (count, SIDE, SIDE, 1), np.uint8), generator.random(count) < 0.4


def found(dataset: Dataset, spec: TaskSpec) -> tuple[tuple[str, ...], dict[str, str]]:
    """The lines, and what was raised by group."""
    finding = look(dataset, dataset.samples(), spec)
    table = dict(finding.tables)["Shortcuts"]
    return finding.lines, dict(zip(table["told from"], table["raised"], strict=True))


def test_nothing_is_raised_of_noise(tmp_path: Path) -> None:
    pictures, labels = noise(400)
    sites = np.random.default_rng(1).choice(["A", "B", "C"], 400)
    lines, raised = found(dataset_of(tmp_path / "d", pictures, labels, site=sites, image_bits=8.0), spec_of())
    assert lines == ("shortcuts: none in edges, corners, sites",)  # one depth in all says nothing
    assert set(raised.values()) == {"no"}


@pytest.mark.parametrize("group", ["corners", "edges", "sites", "bit depth", "height and width"])
def test_each_way_to_the_answer_is_raised(tmp_path: Path, group: str) -> None:
    pictures, labels = noise(300)
    columns = {
        "site": np.where(labels & (group == "sites"), "A", "B"),
        "image_bits": np.where(labels & (group == "bit depth"), 16.0, 8.0),
        "image_height": np.where(labels & (group == "height and width"), 512.0, 480.0),
        "image_width": 512.0,
    }
    pictures[labels & (group == "corners"), -5:, -5:] = 255
    pictures[labels & (group == "edges"), 20:44, :3] = 20
    lines, raised = found(dataset_of(tmp_path / "d", pictures, labels, **columns), spec_of())
    assert [name for name, told in raised.items() if told == "yes"] == [group]
    assert lines[0].startswith(f"shortcut? {group} alone tell finding: AUC ")


def test_fail_is_a_check_and_off_looks_at_nothing(tmp_path: Path) -> None:
    pictures, labels = noise(200)
    pictures[labels, :6, :6] = 255
    dataset = dataset_of(tmp_path / "d", pictures, labels)
    (check,) = look(dataset, dataset.samples(), spec_of(shortcuts="fail")).checks
    assert check.status == "failed"
    assert check.found.startswith("finding from ")
    assert look(dataset, dataset.samples(), spec_of()).checks == ()
    assert look(dataset, dataset.samples(), spec_of(shortcuts="off")).lines == ()


def test_too_few_samples_or_patients_are_told(tmp_path: Path) -> None:
    pictures, labels = noise(150)
    few = dataset_of(tmp_path / "few", pictures[:60], labels[:60])
    assert look(few, few.samples(), spec_of()).lines == (
        "shortcuts: not looked for, 60 samples with a label (at least 100)",
    )
    one = dataset_of(tmp_path / "one", pictures, labels, patient=np.where(labels, "a", "b"))
    assert look(one, one.samples(), spec_of()).lines[0].startswith("shortcuts: not looked for, 1 patients")


def test_a_patient_s_own_marks_are_no_shortcut(tmp_path: Path) -> None:
    """Films of a patient resemble each other: with one of them in the model the other would be known."""
    pictures, labels = noise(40)
    many = np.repeat(pictures, 6, axis=0)
    dataset = dataset_of(tmp_path / "d", many, np.repeat(labels, 6), patient=np.repeat(np.arange(40), 6).astype(str))
    assert set(found(dataset, spec_of())[1].values()) == {"no"}


def test_equal_data_give_equal_figures_soon(tmp_path: Path) -> None:
    pictures, labels = noise(5000)
    dataset, tables = dataset_of(tmp_path / "d", pictures, labels), []
    for _ in range(2):
        start = time.process_time()
        tables.append(dict(look(dataset, dataset.samples(), spec_of()).tables)["Shortcuts"])
        assert time.process_time() - start < 5
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)


@pytest.mark.parametrize("marker", [True, False])
def test_the_marker_in_the_corner_of_the_phantom(tmp_path: Path, marker: bool) -> None:
    import cv2

    from components.lib.kinds.image import Image

    chest(ChestPhantom(patients=76, prevalence=0.5, faults=Faults(corner_marker=marker)), tmp_path / "raw", 1)
    index, kind = pd.read_csv(tmp_path / "raw" / "index.csv"), Image(kind="image", size=(SIDE, SIDE))
    cv2.setNumThreads(1)
    cleaned = [kind.clean((tmp_path / "raw" / path).read_bytes()) for path in index["path"]]
    quality = {f"image_{name}": [one.quality[name] for one in cleaned] for name in ("height", "width", "bits")}
    dataset = dataset_of(
        tmp_path / "d", np.stack([one.array for one in cleaned]), (index["finding"] == "pneumonia").to_numpy(),
        patient=index["patient"], site=index["site"], **quality,
    )  # fmt: skip
    raised = {name for name, told in found(dataset, spec_of())[1].items() if told == "yes"}
    assert raised == ({"corners"} if marker else set())
