"""medpipe's recipe for pictures against a plain ResNet-18 in the same wall time, on PneumoniaMNIST.

    python -m benchmarks.train [SECONDS …] [--seeds 1,2,3] [--validation]
    MEDPIPE_REAL_DATA=… names the folder with pneumoniamnist_assembled.npz; default ../shared/data

Defaults: 60 and 300 seconds, three seeds: about 36 minutes. Both nets see the same cleaned films, on the processor, one
after the other. Wall time starts before a net is built, so compilation counts; choosing the epoch on validation counts,
too. The ResNet-18 is the published baseline: 11.2 million parameters, 28 × 28, Adam 1e-3, batch 128, no augmentation,
float32; the epoch with the best validation AUC is kept. medpipe's part is what `train:` gives by default: of the first
seconds two epochs tell how long one takes, and the epochs that fit are what its schedule is made for; where several
whole nets fit, they are an ensemble. A part that can't end in its budget is stopped and fails.

Goals: at each budget medpipe's mean AUC and accuracy on test are higher, and their spreads (largest minus smallest over
the seeds) at most a third of the ResNet-18's. Exit status 1 when one is missed. `--validation` judges on validation and
leaves test closed: for trying out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from components.lib.dataset import Dataset
from components.lib.spec import TaskSpec, load_spec
from components.train.devices import prepare
from components.train.epochs import EpochBatches
from components.train.fit import fit, logits
from components.train.network import build_core, build_training
from components.train.optimizer import optimizer
from components.train.samples import Samples, weight_offsets

CHECKOUT = Path(__file__).parents[1]
DATA = Path(os.environ.get("MEDPIPE_REAL_DATA", CHECKOUT.parent / "shared/data")) / "pneumoniamnist_assembled.npz"
TARGET = "finding"
MOST_NETS = 5
PROBE_STEPS = 12
SAFETY = 0.92
"""Share of the time that is planned for: steps don't all take the same."""


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("seconds", nargs="*", type=float, default=[60.0, 300.0])
    arguments.add_argument("--seeds", default="1,2,3", help="comma-separated")
    arguments.add_argument("--validation", action="store_true", help="judge on validation, leave test closed")
    arguments.add_argument("--part", nargs=2, metavar=("NET", "WORKSPACE"), help="one net, one budget, one seed; JSON")
    chosen = arguments.parse_args()
    seeds, split = [int(seed) for seed in chosen.seeds.split(",")], "validation" if chosen.validation else "test"
    if chosen.part:
        net, workspace = chosen.part
        print(json.dumps(part(net, Path(workspace), chosen.seconds[0], seeds[0], split)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "pneumoniamnist"
        make(workspace)
        return compare(workspace, chosen.seconds, seeds, split)


def make(workspace: Path) -> None:
    """A workspace with the cleaned films, by medpipe's own steps."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{workspace.parent}/mlflow.db"}
    commands = (["pipelines.new", str(DATA), "--yes", "--into", str(workspace)], ["dvc", "repro", "augment"])
    for command, folder in zip(commands, (CHECKOUT, workspace), strict=True):
        called = [sys.executable, "-m", *command]
        done = subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def compare(workspace: Path, budgets: list[float], seeds: list[int], split: str) -> int:
    """Every part in a process of its own, then the table and the verdict."""
    print(f"judged on {split}; seeds {', '.join(map(str, seeds))}")
    print("| seconds | net | seed | took | epochs | AUC | accuracy |\n|---|---|---|---|---|---|---|")
    missed = []
    for seconds in budgets:
        found: dict[str, list[dict[str, Any]]] = {"medpipe": [], "ResNet-18": []}
        for seed in seeds:
            for net, results in found.items():
                result = _apart(net, workspace, seconds, seed, split)
                print(
                    f"| {seconds:.0f} | {net} | {seed} | {result['took']:.1f} s | {result['epochs']} | "
                    f"{result['auc']:.4f} | {result['accuracy']:.4f} |",
                    flush=True,
                )
                results.append(result)
                if result["took"] > seconds:
                    missed.append(f"{net}, seed {seed} took {result['took']:.1f} of {seconds:.0f} s")
        missed += [miss for figure in ("auc", "accuracy") for miss in _missed(found, figure, seconds)]
    goals = "higher AUC and accuracy at every budget, spread at most a third, within the time"
    print(f"missed: {'; '.join(missed)}" if missed else f"reached: {goals}")
    return 1 if missed else 0


def _missed(found: dict[str, list[dict[str, Any]]], figure: str, seconds: float) -> list[str]:
    """What one figure misses at one budget; prints means and spreads."""
    values = {net: [result[figure] for result in results] for net, results in found.items()}
    mean = {net: statistics.mean(each) for net, each in values.items()}
    spread = {net: max(each) - min(each) for net, each in values.items()}
    told = "; ".join(f"{net} {mean[net]:.4f}, spread {spread[net]:.4f}" for net in values)
    print(f"{seconds:.0f} s, {figure}: {told}")
    missed = []
    if mean["medpipe"] <= mean["ResNet-18"]:
        missed.append(f"{figure} at {seconds:.0f} s")
    if len(values["medpipe"]) > 1 and spread["medpipe"] > spread["ResNet-18"] / 3:
        missed.append(f"spread of {figure} at {seconds:.0f} s")
    return missed


def _apart(net: str, workspace: Path, seconds: float, seed: int, split: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.train", str(seconds), "--seeds", str(seed), "--part", net]
    command += [str(workspace), *(["--validation"] if split == "validation" else [])]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{net}, {seconds} s, seed {seed} failed:\n{done.stdout}{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def part(net: str, workspace: Path, seconds: float, seed: int, split: str) -> dict[str, Any]:
    """Train one net for a budget, and judge it: seconds it took, epochs, AUC and accuracy."""
    spec = load_spec(workspace / "task.yaml")
    cleaned = Dataset(workspace / "data/cleaned")
    train = Samples([cleaned], "train", spec)
    validation, judged = (Samples([cleaned], name, spec, train.fitted) for name in ("validation", split))
    started = time.perf_counter()
    run = medpipe if net == "medpipe" else resnet18
    epochs, answer, threshold = run(train, validation, started + seconds, seed)
    took = time.perf_counter() - started
    probability, positive = answer(judged)[:, 0], judged.targets[TARGET][:, 0] > 0.5
    auc, accuracy = float(roc_auc_score(positive, probability)), float(((probability >= threshold) == positive).mean())
    return {"took": took, "epochs": epochs, "auc": auc, "accuracy": accuracy}


def medpipe(train: Samples, validation: Samples, end: float, seed: int) -> tuple[str, Any, float]:
    """The default recipe, as many epochs or nets as fit: epochs, a function to probabilities, the threshold."""
    prepare(train.spec.train)
    begun = time.perf_counter()
    step, judging = _probe(train, validation, seed)
    compiling = time.perf_counter() - begun - PROBE_STEPS * step
    epoch = step * len(EpochBatches(train, 0, _size(train.spec))) + judging
    left = SAFETY * (end - time.perf_counter())
    most = int(train.spec.train.epochs)
    nets = min(MOST_NETS, int(left / (compiling + most * epoch)))
    epochs = most if nets else int((left - compiling) / epoch)
    if epochs < 1:
        raise SystemExit(f"no epoch fits: one takes {epoch:.1f} s, compiling {compiling:.1f} s")
    cores = [_net(_under(train, 100 * seed + number, epochs), validation) for number in range(max(nets, 1))]
    kind = train.spec.targets[TARGET]
    fitted = {**train.fitted.targets[TARGET], **weight_offsets(train)[TARGET]}

    def mean(samples: Samples) -> NDArray[np.float32]:
        return np.mean([logits(core, samples)[TARGET] for core in cores], axis=0)

    values, truth = mean(validation), validation.targets[TARGET]
    scaling = fitted | kind.calibrate(values, truth, fitted)

    def answer(samples: Samples) -> NDArray[np.floating]:
        return np.asarray(kind.activation(mean(samples), scaling))

    decision = kind.fit_decision(answer(validation), truth, train.spec.train)
    return f"{len(cores)} × {epochs}", answer, decision["threshold"]


def _probe(train: Samples, validation: Samples, seed: int) -> tuple[float, float]:
    """Seconds of a step and of judging an epoch, of a net that is thrown away."""
    core, training = _build(train, seed)
    losses = {name: kind.loss(train.spec.train) for name, kind in train.spec.targets.items()}
    training.compile(optimizer=optimizer(train.spec.train, 100, 10), loss=losses)
    batches = EpochBatches(train, 0, _size(train.spec))
    clock = _Clock(np.inf)
    training.fit(_First(batches, 2 + PROBE_STEPS), verbose=0, callbacks=[clock])
    step = float(np.median(np.diff(clock.times[1:])))  # the first one compiles; others may be disturbed
    logits(core, validation)
    begun = time.perf_counter()
    logits(core, validation)
    return step, time.perf_counter() - begun


class _First(keras.utils.PyDataset):  # type: ignore[misc]
    """The first batches of an epoch."""

    def __init__(self, batches: EpochBatches, count: int) -> None:
        super().__init__()
        self._batches, self._count = batches, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        return self._batches[index]


def _under(train: Samples, seed: int, epochs: int) -> Samples:
    values = train.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    values["train"] |= {"seed": seed, "epochs": epochs}
    return train.under(TaskSpec.model_validate_json(json.dumps(values)))


def _net(train: Samples, validation: Samples) -> keras.Model:
    core, training = _build(train, train.spec.train.seed)
    with tempfile.TemporaryDirectory() as folder:
        fit(training, core, train, validation.under(train.spec), Path(folder) / "checkpoint.npz", lambda figures: None)
    return core


def _build(train: Samples, seed: int) -> tuple[keras.Model, keras.Model]:
    keras.utils.set_random_seed(seed)
    core = build_core(train.spec, train.fitted)
    return core, build_training(core, train.spec, train.fitted)


def _size(spec: TaskSpec) -> int:
    return int(spec.train.batch_size)


def resnet18(train: Samples, validation: Samples, end: float, seed: int) -> tuple[str, Any, float]:
    """The published baseline until the time is over; the weights with the best validation AUC are kept."""
    keras.utils.set_random_seed(seed)
    network = resnet18_network(validation.inputs(slice(0, 1))["image"].shape[1:])
    network.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    pictures, truth = train.inputs(slice(0, len(train)))["image"], train.targets[TARGET]
    shown, known = validation.inputs(slice(0, len(validation)))["image"], validation.targets[TARGET][:, 0] > 0.5
    best, weights, epochs = -1.0, network.get_weights(), 0.0
    network.predict(shown[:128], batch_size=128, verbose=0)
    begun = time.perf_counter()
    network.predict(shown, batch_size=128, verbose=0)
    judging = time.perf_counter() - begun
    clock = _Clock(end - 2 * judging - 1)
    while time.perf_counter() < clock.end:
        clock.steps = 0
        network.fit(pictures, truth, batch_size=128, shuffle=True, verbose=0, callbacks=[clock])
        epochs += clock.steps * 128 / len(pictures)
        score = float(roc_auc_score(known, network.predict(shown, batch_size=128, verbose=0)[:, 0]))
        if score > best:
            best, weights = score, network.get_weights()
    if not epochs:
        raise SystemExit("no step fits into the budget")
    network.set_weights(weights)

    def answer(samples: Samples) -> NDArray[np.floating]:
        values = network.predict(samples.inputs(slice(0, len(samples)))["image"], batch_size=128, verbose=0)
        return np.asarray(keras.ops.sigmoid(values))

    return f"{epochs:.1f}", answer, 0.5


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops training when the time is over."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self.end, self.steps = end, 0
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.steps += 1
        self.times.append(time.perf_counter())
        if self.times[-1] > self.end:
            self.model.stop_training = True


def resnet18_network(shape: tuple[int, ...]) -> keras.Model:
    """ResNet-18 for small pictures, as the authors of MedMNIST v2 train it (doi:10.1038/s41597-022-01721-8): a first
    convolution of 3 × 3 without pooling, then four stages of two blocks, 64 to 512 channels."""

    def normalised(x: Any, channels: int, kernel: int, stride: int) -> Any:
        x = keras.layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)  # PyTorch's defaults, as published

    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(2.0, offset=-1.0)(inputs)
    x = keras.layers.ReLU()(normalised(x, 64, 3, 1))
    for stage, channels in enumerate((64, 128, 256, 512)):
        for number in range(2):
            stride = 2 if stage and not number else 1
            inner = normalised(keras.layers.ReLU()(normalised(x, channels, 3, stride)), channels, 3, 1)
            # Sampled first, as in components/train/models/_residual.py: with strides TensorFlow's kernel has a fault.
            shortcut = x if stride == 1 else normalised(x[:, ::2, ::2], channels, 1, 1)
            x = keras.layers.ReLU()(keras.layers.Add()([inner, shortcut]))
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(x)))


if __name__ == "__main__":
    sys.exit(main())
