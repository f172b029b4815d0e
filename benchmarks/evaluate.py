"""How long the evaluation takes, all figures and the report included, and what memory it needs.

    python -m benchmarks.evaluate [many] [pneumoniamnist]
    MEDPIPE_REAL_DATA=… names the folder with pneumoniamnist_assembled.npz; default ../shared/data

    many              50,000 test pictures of 28 × 28, two of each patient, with age, sex and site, and a network of
                      one layer, so that what is timed is the evaluation; goals 60 s and 1 GB
    pneumoniamnist    the 624 test films after a training of one epoch, network and imports included; goal 20 s

Each runs the step as `dvc repro` does, in a process of its own. Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import yaml
from onnx import TensorProto, helper, numpy_helper

from components.lib.dataset import ArrayInfo, DatasetWriter
from components.lib.kinds.binary import Binary
from components.lib.kinds.image import Image
from components.lib.model_dir import ModelInfo, TargetFigures, write_model_json
from components.lib.spec import load_spec

CHECKOUT = Path(__file__).parents[1]
DATA = Path(os.environ.get("MEDPIPE_REAL_DATA", CHECKOUT.parent / "shared/data")) / "pneumoniamnist_assembled.npz"
SIDE, ROWS = 28, 2048
COUNTS = {"train": 10_000, "validation": 2_000, "test": 50_000}
CLASSES = ("normal", "pneumonia")
GOALS = {"many": (60.0, 1024), "pneumoniamnist": (20.0, 1024)}
"""Seconds and mebibytes."""
TASK = f"""
task: many
source: {{reader: folder, path: data/raw, index: index.csv}}
inputs: {{image: {{kind: image, size: [{SIDE}, {SIDE}]}}}}
targets: {{finding: {{kind: binary, classes: [normal, pneumonia]}}}}
"""


def main(*names: str) -> int:
    """Run each, print the table and the verdict."""
    missed = []
    print("| evaluation of | samples | seconds | goal | highest memory, MB | goal |\n|---|---|---|---|---|---|")
    for name in names or tuple(GOALS):
        with tempfile.TemporaryDirectory() as folder:
            workspace = Path(folder) / "workspace"
            samples = many(workspace) if name == "many" else pneumoniamnist(workspace)
            seconds, memory = timed(workspace)
        most_seconds, most_memory = GOALS[name]
        print(
            f"| {name} | {samples:,} | {seconds:.1f} | {most_seconds:.0f} | {memory:.0f} | {most_memory} |", flush=True
        )
        if seconds > most_seconds or memory > most_memory:
            missed.append(f"{name}: {seconds:.1f} s, {memory:.0f} MB")
    print(f"missed: {'; '.join(missed)}" if missed else "reached: every evaluation within its time and memory")
    return int(bool(missed))


def timed(workspace: Path) -> tuple[float, float]:
    """Seconds and highest memory (MB) of the step, imports included."""
    command = [sys.executable, "-m", "components.evaluate", "--task", str(workspace / "task.yaml"),
               "--dataset", str(workspace / "data/cleaned"), "--model", str(workspace / "data/model"),
               "--out", str(workspace / "data/evaluated")]  # fmt: skip
    begun = time.perf_counter()
    with (workspace / "log.txt").open("w") as log:
        child = subprocess.Popen(command, cwd=workspace, env=_environment(workspace), stdout=log, stderr=log)
        _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{(workspace / 'log.txt').read_text()}")
    return seconds, used.ru_maxrss / 1024


def many(workspace: Path) -> int:
    """A dataset whose brightness about tells the class, and a network that goes by it; returns the test size."""
    (workspace / "data").mkdir(parents=True)
    (workspace / "task.yaml").write_text(TASK, encoding="utf-8")
    generator = np.random.default_rng(0)
    splits = np.repeat(list(COUNTS), list(COUNTS.values()))
    count = len(splits)
    positive = generator.random(count) < 0.2
    patients = pd.Series(splits) + pd.Series(np.arange(count) // 2).astype(str)
    samples = pd.DataFrame({
        "sample_id": [f"s{row:06d}" for row in range(count)], "patient": patients, "split": splits,
        "finding": np.where(positive, *CLASSES[::-1]), "sex": generator.choice(["F", "M"], count),
        "site": generator.choice(["A", "B", "C", "D"], count), "synthetic": False, "sha256": "0",
        "age": generator.uniform(1, 95, count).astype(np.float32),
    })  # fmt: skip
    path = workspace / "data/cleaned"
    path.mkdir()
    writer = DatasetWriter(path)
    brightness = 90 + 20 * positive + generator.normal(0, 15, count)
    starts = range(0, count, ROWS)
    for part, start in enumerate(starts):
        rows = slice(start, start + ROWS)
        noise = generator.normal(brightness[rows, None, None, None], 25, (len(brightness[rows]), SIDE, SIDE, 1))
        writer.write_part(part, samples.iloc[rows], {"image": noise.clip(0, 255).astype(np.uint8)})
    writer.finish(
        task="many", step="clean", parts=len(starts), synthetic=False, targets={}, key_fingerprint=None, lineage={},
        arrays={"image": ArrayInfo(shape=(SIDE, SIDE, 1), dtype="uint8", kind="image")},
    )  # fmt: skip
    write_network(workspace / "data/model")
    return COUNTS["test"]


def write_network(path: Path) -> None:
    """A network of one layer: 20 times the mean of a picture, less an offset, as a probability."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "axes"], ["column"]),
        helper.make_node("Mul", ["column", "weight"], ["product"]),
        helper.make_node("Add", ["product", "offset"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["finding"]),
    ]
    constants = {"axes": np.array([1], np.int64), "weight": np.array([20], np.float32),
                 "offset": np.array([-8.8], np.float32)}  # fmt: skip
    graph = helper.make_graph(
        nodes, "brightness", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", SIDE, SIDE, 1])],
        [helper.make_tensor_value_info("finding", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    path.mkdir()
    content = made.SerializeToString()
    (path / "model.onnx").write_bytes(content)
    info = ModelInfo(
        task="many", architecture="brightness", inputs={"image": Image(kind="image", size=(SIDE, SIDE))},
        targets={"finding": Binary(kind="binary", classes=CLASSES)}, fitted_inputs={"image": {}},
        fitted={"finding": TargetFigures(scaling={}, decision={"threshold": 0.3}, validation_score=0.8)},
        explain="none", reference={}, synthetic=False, epochs=1, precision="float32", parameters=2, lineage={},
        digest=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    write_model_json(path, info)


def pneumoniamnist(workspace: Path) -> int:
    """A workspace on the real films, trained for one epoch; returns the test size."""
    _run([sys.executable, "-m", "pipelines.new", str(DATA), "--yes", "--into", str(workspace)], CHECKOUT, workspace)
    task = workspace / "task.yaml"
    values = yaml.safe_load(task.read_text(encoding="utf-8"))
    values["train"] = {**values.get("train", {}), "epochs": 1}
    task.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    load_spec(task)
    _run([sys.executable, "-m", "dvc", "repro", "train"], workspace, workspace)
    return 624


def _environment(workspace: Path) -> dict[str, str]:
    return {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{workspace.parent}/mlflow.db", "PYTHONPATH": str(CHECKOUT)}


def _run(command: list[str], folder: Path, workspace: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=_environment(workspace), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
