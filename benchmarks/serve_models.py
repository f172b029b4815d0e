"""What `benchmarks.serve` measures: a registered model, an echo, MLflow's Keras flavour of the net, and requests."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.workspace import make_workspace

SIDE, LARGE = 28, 1024
"""Pixels of a side: of the pictures that the net sees, and of the DICOM file."""
REGISTERED = "models:/serve_benchmark_synthetic/1"
TASK = f"""
task: serve_benchmark
phantom: {{kind: chest, patients: 64, prevalence: 0.5, seed: 3}}
source: {{reader: folder, path: data/raw, index: index.csv, synthetic: true, public_key: true}}
inputs: {{image: {{kind: image, size: [{SIDE}, {SIDE}]}}}}
targets: {{finding: {{kind: binary, classes: [normal, pneumonia]}}}}
split: {{validation: 0.25, test: 0.45}}
clean: null
augment: null
train: {{epochs: 1}}
evaluate: {{gates: {{finding.accuracy: 0.01}}}}
register: null
"""


def register_model(workspace: Path) -> None:
    """Run the whole pipeline on synthetic films, for one epoch: the version that it registers is what is served.

    How fast a net answers doesn't depend on what it has learnt.
    """
    workspace.mkdir(parents=True)
    (workspace / "task.yaml").write_text(TASK, encoding="utf-8")
    make_workspace(workspace)
    command = [sys.executable, "-m", "dvc", "repro", "--quiet"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def save_echo(path: Path, version: Path, answer: Mapping[str, Any], *, frame: bool = False) -> None:
    """The echo, with the signature of the downloaded version and one of its answers."""
    import mlflow

    row = path.with_suffix(".json")
    row.write_text(json.dumps({"row": answer, "frame": frame}), encoding="utf-8")
    mlflow.pyfunc.save_model(
        str(path), python_model=str(Path(__file__).with_name("echo_model.py")), artifacts={"answer": str(row)},
        signature=mlflow.models.get_model_info(str(version)).signature, pip_requirements=["mlflow"],
    )  # fmt: skip


def save_keras(workspace: Path, path: Path) -> None:
    """The same net as MLflow's own Keras flavour. Run in a process of its own: TensorFlow would stay in this one."""
    import keras
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    from components.lib.dataset import Dataset
    from components.lib.spec import load_spec
    from components.train.network import build_core, build_served
    from components.train.samples import Samples

    spec = load_spec(workspace / "task.yaml")
    fitted = Samples([Dataset(workspace / "data/cleaned")], "train", spec).fitted
    served = build_served([build_core(spec, fitted)], spec, fitted, {"finding": {"temperature": 1.0}})
    # Without the map, which medpipe doesn't send either unless it is asked to.
    plain = keras.Model(served.inputs[0], served.outputs[0])
    floats = np.dtype(np.float32)
    signature = ModelSignature(
        Schema([TensorSpec(floats, (-1, SIDE, SIDE, 1))]), Schema([TensorSpec(floats, (-1, 1))])
    )  # fmt: skip
    mlflow.tensorflow.save_model(plain, str(path), signature=signature, pip_requirements=["mlflow", "tensorflow-cpu"])


def film(workspace: Path) -> NDArray[np.float32]:
    """One of the synthetic films, 0..1."""
    path = sorted((workspace / "data/raw/films").iterdir())[0]
    pixels = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.float32)
    return np.asarray(pixels / pixels.max(), np.float32)


def png(picture: NDArray[np.float32]) -> bytes:
    """A film as the net's own size, 8 bits."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".png", np.asarray(255 * small, np.uint8))[1])


def dicom(picture: NDArray[np.float32]) -> bytes:
    """A film of 1024 × 1024 pixels of 16 bits, noise in the lowest, uncompressed."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

    large = cv2.resize(picture, (LARGE, LARGE), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 200, large.shape)
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid(entropy_srcs=["benchmark"])
    made.Modality, made.PhotometricInterpretation, made.SamplesPerPixel = "CR", "MONOCHROME2", 1
    made.Rows, made.Columns, made.PixelRepresentation = LARGE, LARGE, 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    made.add_new("PixelData", "OW", np.clip(65535 * large + noise, 0, 65535).astype("<u2").tobytes())
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def encoded(content: bytes) -> str:
    """A file as requests hold it."""
    return base64.b64encode(content).decode()


def request(content: bytes) -> bytes:
    """A request of one picture."""
    return json.dumps({"dataframe_split": {"columns": ["image"], "data": [[encoded(content)]]}}).encode()


def tensor_request(picture: NDArray[np.float32]) -> bytes:
    """The same small film as the Keras flavour takes it: its numbers."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return json.dumps({"inputs": small[None, :, :, None].round(4).tolist()}).encode()
