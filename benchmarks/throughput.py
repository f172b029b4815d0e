"""How much of the net's own speed medpipe's training loop keeps.

    python -m benchmarks.throughput [ROUNDS] [SIDE ...]      default 5 rounds, pictures of 28 and 64 pixels

Images a second of training as medpipe does it (shuffled batches gathered from a cleaned dataset on disk, callbacks, one
`fit` an epoch) against a bare loop that repeats one batch in memory: the same net, precision and augmentation, by turns
in one process. The exit status is 1 when a median ratio is below the goal.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.progress import progress
from components.lib.spec import TaskSpec

GOAL = 0.95
STEPS = 74
"""An epoch, as PneumoniaMNIST has it in batches of 64."""
ROWS = 512
"""Samples of a part: a batch is gathered from several."""


@dataclass(frozen=True)
class Pace:
    """Images a second of one round, and an image's processor time: on a busy machine it says more."""

    medpipe: float
    bare: float
    medpipe_processor: float
    """Milliseconds of all cores."""
    bare_processor: float

    @property
    def ratio(self) -> float:
        """Ours as a share of the bare loop's."""
        return self.medpipe / self.bare


def main(rounds: int = 5, *sides: int) -> int:
    """Measure, print the table and the figure against its goal."""
    ratios = {}
    print("| pictures | round | medpipe, images/s | bare loop, images/s | ratio | medpipe, processor ms/image | bare |")
    print("|---|---|---|---|---|---|---|")
    for side in sides or (28, 64):
        with tempfile.TemporaryDirectory() as folder:
            paces = measure(Path(folder), side, rounds)
        for number, pace in enumerate(paces, 1):
            busy = f"{pace.medpipe_processor:.3f} | {pace.bare_processor:.3f}"
            print(f"| {side} × {side} | {number} | {pace.medpipe:.0f} | {pace.bare:.0f} | {pace.ratio:.3f} | {busy} |")
        ratios[side] = statistics.median(pace.ratio for pace in paces)
    reached = min(ratios.values()) >= GOAL
    told = ", ".join(f"{ratio:.3f} at {side} × {side}" for side, ratio in ratios.items())
    print(f"median ratio {told}; goal at least {GOAL}: {'reached' if reached else 'not reached'}")
    return int(not reached)


def task(side: int) -> TaskSpec:
    """A task on grey pictures with every default of `train:`."""
    return TaskSpec.model_validate({
        "task": "throughput", "source": {"reader": "folder", "path": "raw"},
        "inputs": {"image": {"kind": "image", "size": (side, side)}},
        "targets": {"finding": {"kind": "binary", "classes": ("normal", "pneumonia")}},
    })  # fmt: skip


def noise(folder: Path, side: int, batch_size: int) -> Dataset:
    """A cleaned dataset of noise: how fast a net learns doesn't depend on what it sees."""
    generator = np.random.default_rng(0)
    count = STEPS * batch_size
    folder.mkdir()
    writer = DatasetWriter(folder)
    starts = range(0, count + batch_size, ROWS)
    for part, start in enumerate(starts):
        rows = np.arange(start, min(start + ROWS, count + batch_size))
        samples = pd.DataFrame({
            "sample_id": [f"s{row}" for row in rows], "patient": None,
            "split": np.where(rows < count, "train", "validation"),
            "finding": np.where(rows % 2, "normal", "pneumonia"),
        })  # fmt: skip
        writer.write_part(part, samples, {"image": generator.integers(0, 256, (len(rows), side, side, 1), np.uint8)})
    writer.finish(
        task="throughput", step="clean", parts=len(starts), synthetic=True, targets={}, key_fingerprint=None,
        lineage={}, arrays={"image": ArrayInfo(shape=(side, side, 1), dtype="uint8", kind="image")},
    )  # fmt: skip
    return Dataset(folder)


def measure(folder: Path, side: int, rounds: int) -> list[Pace]:
    """The pace of both, by turns; before that a training of one epoch, in which everything is compiled."""
    from components.train import fit as loop
    from components.train.devices import prepare, scope, share_statistics
    from components.train.epochs import EpochBatches
    from components.train.network import build_core, build_training
    from components.train.processes import fit_epoch
    from components.train.samples import Samples

    spec = task(side)
    size = int(spec.train.batch_size)
    data = noise(folder / "data", side, size)
    samples = Samples([data], "train", spec)
    once = spec.model_copy(update={"train": spec.train.model_copy(update={"epochs": 1})})
    prepare(spec.train)
    paces = []
    with scope():
        core = build_core(spec, samples.fitted)
        training = build_training(core, spec, samples.fitted)
        share_statistics(training)
        validation = Samples([data], "validation", once, samples.fitted)
        loop.fit(training, core, samples.under(once), validation, folder / "checkpoint.npz", lambda figures: None)
        step = bare(training, EpochBatches(samples, 0, size)[0])
        for epoch in range(1, rounds + 1):
            clocks = [(time.perf_counter(), time.process_time())]
            batches = EpochBatches(samples, epoch, size)
            watch = loop.Watch(progress(range(STEPS), "training"), batches, epoch)
            fit_epoch(training, batches, epoch, [watch])
            clocks.append((time.perf_counter(), time.process_time()))
            for _ in range(STEPS):
                logs = step()
            float(logs["loss"])  # what a GPU has begun must be done
            clocks.append((time.perf_counter(), time.process_time()))
            (ours, ours_busy), (theirs, theirs_busy) = np.diff(clocks, axis=0) / (STEPS * size)
            paces.append(Pace(1 / ours, 1 / theirs, 1000 * ours_busy, 1000 * theirs_busy))
    return paces


def bare(training: Any, batch: Any) -> Any:
    """A function that trains once on the batch, with nothing around Keras' own compiled step; run once already."""
    import tensorflow as tf

    repeated = iter(tf.data.Dataset.from_tensors(batch).repeat())
    training.make_train_function()

    def step() -> Any:
        return training.train_function(repeated)

    step()
    return step


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
