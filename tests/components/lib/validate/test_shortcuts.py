"""Shortcuts: what gives the answer away is raised, and nothing is where there is none."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from dicoms import dicom
from films import task, write_films
from numpy.typing import NDArray

from components.clean import clean
from components.ingest import ingest
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
    assert lines == ("shortcuts: none in edges, corners, site",)  # one depth in all says nothing
    assert set(raised.values()) == {"no"}


@pytest.mark.parametrize(
    "group", ["corners", "edges", "site", "machine", "bit depth", "height and width", "compression"]
)
def test_each_way_to_the_answer_is_raised(tmp_path: Path, group: str) -> None:
    pictures, labels = noise(300)
    columns = {
        "site": np.where(labels & (group == "site"), "A", "B"),
        "device": np.where(labels & (group == "machine"), "device-1", None),
        "image_compression": np.where(labels & (group == "compression"), "quality 75", "quality 95"),
        "image_bits": np.where(labels & (group == "bit depth"), 16.0, 8.0),
        "image_height": np.where(labels & (group == "height and width"), 512.0, 480.0),
        "image_width": 512.0,
    }
    pictures[labels & (group == "corners"), -5:, -5:] = 255
    pictures[labels & (group == "edges"), 20:44, :3] = 20
    lines, raised = found(dataset_of(tmp_path / "d", pictures, labels, **columns), spec_of())
    assert [name for name, told in raised.items() if told == "yes"] == [group]
    assert lines[0].startswith(f"shortcut? {group} alone: finding is told with AUC ")


def test_the_page_says_which_words_go_with_which_class(tmp_path: Path) -> None:
    pictures, labels = noise(200)
    formats = np.where(labels, "PNG", "JPEG")
    formats[:2] = "BMP"
    dataset = dataset_of(
        tmp_path / "d", pictures, labels, image_format=formats, site=[f"h{i % 50}" for i in range(200)]
    )
    table = dict(look(dataset, dataset.samples(), spec_of()).tables)["Shortcuts"].set_index("told from")
    sick, rest = int(labels[2:].sum()), int((~labels[2:]).sum())
    assert table.loc["file format", "which words"].startswith(f"JPEG: {rest} normal; PNG: {sick} pneumonia; BMP: ")
    assert table.loc["site", "which words"].endswith("; and 28 more")  # 30 sites, and the others as one
    assert table.loc["corners", "which words"] == ""


PLANTED = {
    "file format": {"normal": ".png", "pneumonia": ".jpg"},
    "compression": {"normal": ".jpg", "pneumonia": ".jpg"},
}


@pytest.mark.parametrize("planted", PLANTED)
def test_files_that_are_stored_by_class_are_raised(
    tmp_path: Path, planted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From raw files through ingest and clean: equal noise, but each class comes from another program."""
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)
    rows, files = [], {}
    for number in range(180):
        finding = str(CLASSES[number % 2])
        path = f"films/{number:03d}.dat"
        quality = 90 if planted == "file format" or number % 2 else 60
        done, content = cv2.imencode(
            PLANTED[planted][finding], smooth(number), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )  # fmt: skip
        assert done
        files[path] = bytes(content)
        rows.append({"path": path, "patient": f"p{number}", "finding": finding})
    raised = through_clean(
        tmp_path,
        write_films(tmp_path / "raw", rows, films=files),
        {"reader": "folder", "path": "raw", "index": "index.csv"},
    )
    assert planted in raised
    assert f"shortcut? {planted} alone: finding is told with AUC 1" in capsys.readouterr().out
    assert "DICOM" not in "".join(raised)


@pytest.mark.parametrize("planted", ["machine", "DICOM view position", None])
def test_headers_that_go_with_the_class_are_raised_and_hold_no_name(
    tmp_path: Path, planted: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)
    for number in range(180):
        sick, chance = number % 2, number // 2 % 2
        path = tmp_path / "raw" / str(CLASSES[sick]) / f"{number:03d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        model = sick if planted == "machine" else chance
        view = sick if planted == "DICOM view position" else chance
        path.write_bytes(
            dicom(
                smooth(number), PatientID=f"p{number}", Manufacturer="Kestrel",
                ManufacturerModelName=f"Zwingli {model}", ViewPosition=("AP", "PA")[view], KVP=str(70 + number % 2),
            )
        )  # fmt: skip
    raised = through_clean(tmp_path, tmp_path / "raw", {"reader": "dicom", "path": "raw"})
    assert raised == ({planted} if planted else set())
    told = capsys.readouterr().out
    assert (f"shortcut? {planted} alone: finding is told with AUC 1" in told) == bool(planted)
    samples = Dataset(tmp_path / "cleaned").samples()
    assert set(samples["device"]) == {"device-1", "device-2"}
    assert set(samples["image_kilovolts"]) == {"70 kV"}
    for folder in ("ingested", "cleaned"):
        for file in (tmp_path / folder).rglob("*"):
            text = pd.read_parquet(file).to_csv() if file.suffix == ".parquet" else ""
            assert not any(
                word in text or word.encode() in (file.read_bytes() if file.is_file() else b"")
                for word in ("Kestrel", "Zwingli")
            )


def smooth(number: int) -> NDArray[np.uint8]:
    """Grey values without a structure that JPEG would alter visibly; another number, another picture."""
    coarse = np.random.default_rng(number).integers(40, 216, (4, 4), np.uint8)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def through_clean(folder: Path, raw: Path, source: dict[str, Any]) -> set[str]:
    """Ingest and clean; what is raised in the table of the page."""
    spec = task(
        source=source, inputs={"image": {"kind": "image", "size": [SIDE, SIDE]}}, split={"validation": 0.1, "test": 0.1}
    )
    ingest(raw, folder / "ingested", folder / "private", spec)
    clean(raw, folder / "ingested", folder / "private", folder / "cleaned", spec)
    dataset = Dataset(folder / "cleaned")
    return {name for name, told in found(dataset, spec)[1].items() if told == "yes"}


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
