"""How fast medpipe's nets train on a GPU, what share of its peak that is, and whether the loop is fed fast enough.

    KERAS_BACKEND=jax python -m benchmarks.gpu [NET …] [SIDE …]      resnet, cnn; 28, 64, 224; all of them by default
    KERAS_BACKEND=jax python -m benchmarks.gpu loop [NET …] [SIDE …]  the loop alone, without the bare step

Needs JAX and no TensorFlow; the first device that JAX finds is measured. The data are synthetic: speed doesn't hang on
what a picture shows. Four speeds, in images a second:

    step   the bare training step, augmentation and optimizer included, on a batch that lies on the device
    again  medpipe's loop (one Keras `fit` an epoch) on one batch in memory, again and again
    disk   the same loop fed by EpochBatches, which reads, shuffles and converts memory-mapped files, as in training:
           threads get the next batches ready
    alone  the same without these threads: each batch is got ready when it is the next

FLOPs are those of XLA's cost analysis of the step before it is compiled, taken on the processor: for a GPU XLA has
none, and its compiled step calls cuDNN for convolutions. The share is of the card's dense peak in that precision, by
its maker's data sheet.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import keras
import numpy as np
import pandas as pd

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.spec import TaskSpec
from components.train.epochs import EpochBatches
from components.train.network import build_core, build_training
from components.train.optimizer import optimizer
from components.train.processes import fit_epoch
from components.train.samples import Samples

NETS, PRECISIONS = ("resnet", "cnn"), ("float32", "bfloat16")
BATCHES = {28: (64, 1024), 64: (64, 512), 224: (32, 256)}
"""Batch sizes by the side of a picture: that of a usual task, and one that fills a card."""
COUNTS = {28: 65_536, 64: 32_768, 224: 16_384}
"""Pictures on disk: an epoch of 64 large batches. Each epoch waits for its first batch, so short ones tell of that."""
PEAKS = {
    # Tensor cores, dense: bfloat16 and TF32, in which XLA multiplies float32. NVIDIA's data sheets of the H200 (SXM),
    # H100 (SXM) and A100 state 1,979, 1,979 and 624 TFLOP/s (bfloat16), 989, 989 and 312 (TF32) with sparsity: half.
    "NVIDIA H200": {"bfloat16": 989e12, "float32": 495e12},
    "NVIDIA H100 80GB HBM3": {"bfloat16": 989e12, "float32": 495e12},
    "NVIDIA A100-SXM4-80GB": {"bfloat16": 312e12, "float32": 156e12},
}
SECONDS, REPEATS = 0.5, 5


class Case(NamedTuple):
    """What is measured together."""

    net: str
    side: int
    batch: int
    precision: str


class Speed(NamedTuple):
    """Images a second, median of the repeats and their range as a share of it; FLOPs of one step."""

    images: float
    spread: float
    flops: float = 0.0


class Loops(NamedTuple):
    """medpipe's loop on one batch, from disk without threads, and as in training."""

    again: Speed
    alone: Speed
    disk: Speed


def main(words: list[str]) -> int:
    """Measure and print a table; returns the exit status."""
    known = {*NETS, *map(str, BATCHES), "loop"}
    if keras.backend.backend() != "jax" or not known.issuperset(words):
        print(__doc__)
        return 2
    device = jax.devices()[0]
    print(f"{device.device_kind}, {_driver()}; Keras {keras.__version__}, JAX {jax.__version__}")
    bare, shares, fed = "loop" not in words, [], []
    heads = ["step", "of peak", "GFLOP an image"] if bare else []
    heads = ["net", "pixels", "batch", "precision", *heads, "again", "alone", "disk", "disk of again"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for case in cases(words):
        step, loops = measure(case, bare=bare)
        part = share(step.images * step.flops / case.batch, device.device_kind, case.precision) if step else None
        print(row(case, step, part, loops), flush=True)
        shares.append(part)
        fed.append(loops.disk.images / loops.again.images)
    if bare:
        known_shares = [part for part in shares if part is not None]
        most = f"{100 * max(known_shares):.1f} % at most" if known_shares else "unknown for this device"
        print(f"share of peak: {most}")
    print(f"the loop from disk reaches {min(fed):.2f} to {max(fed):.2f} of one batch in memory")
    return 0


def cases(words: list[str]) -> Iterator[Case]:
    """All cases, or those of the nets and sides that are named."""
    sides = [side for side in BATCHES if str(side) in words] or list(BATCHES)
    for net in [net for net in NETS if net in words] or NETS:
        for side in sides:
            for batch in BATCHES[side]:
                for precision in PRECISIONS:
                    yield Case(net, side, batch, precision)


def measure(
    case: Case, count: int | None = None, seconds: float = SECONDS, *, bare: bool = True
) -> tuple[Speed | None, Loops]:
    """Bare step, and the loop on one batch and from disk.

    Args:
        case: what to measure.
        count: pictures on disk.
        seconds: least duration of one timing.
        bare: whether to measure the bare step, too; None stands for it if not.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy("mixed_bfloat16" if case.precision == "bfloat16" else "float32")
    spec = task(case)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), spec, count or COUNTS[case.side])
        samples = Samples([Dataset(Path(folder))], "train", spec)
        core = build_core(spec, samples.fitted)
        training = build_training(core, spec, samples.fitted)
        losses = {name: kind.loss(spec.train) for name, kind in spec.targets.items()}
        training.compile(optimizer=optimizer(spec.train, 1000, 10), loss=losses)
        training.optimizer.build(training.trainable_variables)
        batches = EpochBatches(samples, 0, case.batch)
        step = _bare_step(training, batches[0], case.batch, seconds) if bare else None
        again = _loop(training, Again(batches), seconds, 0)
        return step, Loops(again, _loop(training, batches, seconds, 0), _loop(training, batches, seconds, None))


class Again:
    """The first batch of an epoch, as often as the epoch has batches."""

    def __init__(self, batches: EpochBatches) -> None:
        self._count, self._batch, self._size = len(batches), batches[0], batches.size(0)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        return self._batch

    def size(self, index: int) -> int:
        """Samples in each."""
        return self._size


def _bare_step(training: keras.Model, batch: Any, size: int, seconds: float) -> Speed:
    batch = jax.device_put(keras.tree.map_structure(np.asarray, batch))

    def loss(trainable: Any, other: Any, inputs: Any, targets: Any, weights: Any) -> Any:
        outputs, other = training.stateless_call(trainable, other, inputs, training=True)
        total = training.compute_loss(x=inputs, y=targets, y_pred=outputs, sample_weight=weights)
        return total, other

    def step(state: Any, batch: Any) -> Any:
        trainable, other, momenta = state
        gradients, other = jax.grad(loss, has_aux=True)(trainable, other, *batch)
        trainable, momenta = training.optimizer.stateless_apply(momenta, gradients, trainable)
        return trainable, other, momenta

    groups = (training.trainable_variables, training.non_trainable_variables, training.optimizer.variables)
    # Copies: what a step is given is overwritten, and the loops need the network's own.
    state = tuple([jax.numpy.array(each.value, copy=True) for each in group] for group in groups)
    flops = _flops(step, state, batch)
    compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()

    def run(steps: int) -> None:
        nonlocal state
        for _ in range(steps):
            state = compiled(state, batch)
        jax.block_until_ready(state)

    images, spread = _timed(run, size, seconds)
    return Speed(images, spread, flops)


def _flops(step: Callable[..., Any], *arguments: Any) -> float:
    """FLOPs of one call, a multiplication and an addition counted as two."""
    shapes = jax.tree.map(lambda each: jax.ShapeDtypeStruct(each.shape, each.dtype), arguments)
    with jax.default_device(jax.devices("cpu")[0]):
        return float(jax.jit(step).lower(*shapes).cost_analysis()["flops"])


def _timed(run: Callable[[int], None], size: int, seconds: float) -> tuple[float, float]:
    """Images a second, and their range over the repeats; each repeat takes about `seconds`."""
    run(3)
    started = time.perf_counter()
    run(10)
    steps = max(10, round(seconds * 10 / (time.perf_counter() - started)))
    speeds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run(steps)
        speeds.append(steps * size / (time.perf_counter() - started))
    return _middle(speeds)


def _loop(training: keras.Model, batches: Any, seconds: float, threads: int | None) -> Speed:
    """medpipe's loop over whole epochs; the first one, which compiles, doesn't count."""
    fit_epoch(training, batches, 0, [], threads)
    count, speeds, epoch = sum(batches.size(number) for number in range(len(batches))), [], 1
    begun = time.perf_counter()
    while epoch < 3 or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        fit_epoch(training, batches, epoch, [], threads)
        speeds.append(count / (time.perf_counter() - started))
        epoch += 1
    return Speed(*_middle(speeds))


def _middle(speeds: list[float]) -> tuple[float, float]:
    middle = statistics.median(speeds)
    return middle, (max(speeds) - min(speeds)) / middle


def share(flops: float, card: str, precision: str) -> float | None:
    """FLOP/s as a share of the card's peak; None for a card whose peak isn't known here."""
    return flops / PEAKS[card][precision] if card in PEAKS else None


def row(case: Case, step: Speed | None, part: float | None, loops: Loops) -> str:
    """One line of the table."""
    cells = [*map(str, case)]
    if step:
        of_peak = "unknown" if part is None else f"{100 * part:.1f} %"
        cells += [told(step), of_peak, f"{step.flops / case.batch / 1e9:.3f}"]
    cells += [*map(told, loops), f"{loops.disk.images / loops.again.images:.2f}"]
    return f"| {' | '.join(cells)} |"


def told(speed: Speed) -> str:
    """Images a second, and half their range."""
    return f"{speed.images:,.0f} (± {50 * speed.spread:.0f} %)"


def task(case: Case) -> TaskSpec:
    """A task with the default recipe for pictures of that side."""
    return TaskSpec.model_validate_json(
        f"""{{"task": "gpu", "source": {{"reader": "folder", "path": ".", "index": "index.csv"}},
        "inputs": {{"image": {{"kind": "image", "size": [{case.side}, {case.side}]}}}},
        "targets": {{"finding": {{"kind": "binary", "classes": ["no", "yes"]}}}},
        "train": {{"model": "{case.net}", "batch_size": {case.batch}}}}}"""
    )


def write(path: Path, spec: TaskSpec, count: int) -> None:
    """A dataset of random grey values, as clean writes it."""
    generator = np.random.default_rng(1)
    image = spec.inputs["image"]
    writer = DatasetWriter(path)
    table = pd.DataFrame({"sample_id": [f"{place:08d}" for place in range(count)], "split": "train"})
    table["patient"], table["finding"] = None, np.where(generator.random(count) < 0.5, "yes", "no")
    writer.write_part(0, table, {"image": generator.integers(0, 256, (count, *image.shape), np.uint8)})
    writer.finish(
        task=spec.task, step="clean", parts=1, synthetic=True, key_fingerprint=None, lineage={},
        arrays={"image": ArrayInfo(shape=image.shape, dtype=image.dtype, kind=image.kind)},
        targets={name: kind.model_dump(mode="json") for name, kind in spec.targets.items()},
    )  # fmt: skip


def _driver() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "no nvidia-smi"
    asked = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    return f"driver {answer[0]}" if answer else "driver unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
