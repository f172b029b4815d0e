"""How much of a bare loop's speed the batch keeps: decoding, resizing and ONNX Runtime over the same PNG files.

    python -m benchmarks.batch [MODEL] [--quick]      default data/model, which make demo leaves

Films of 512 × 512 are predicted by `python -m serving.batch` and by a bare loop with as many processes, each with an
ONNX session of one thread, by turns, three times; the median counts. The start of the processes (imports, opening the
model) is in neither figure: it is timed on a few films, a part for each process, and taken off on both sides. The time
with the start stands beside it, and the processor time, which says the same on a busy machine.

The films are few, with many names (hard links), and the system keeps them in memory. Beyond the bare loop's work the
batch lists and stamps the files, refuses blank films, tells how each lies among those of training, and writes a table
that a killed run could go on with: all of it counts against it. The probabilities of both must agree.

Exit status 1 when the goal is missed. --quick takes a quarter of the films, once.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from benchmarks.clean import Took, watched
from components.lib.kinds.image import Image
from components.lib.model_dir import Model
from serving.batch_data import MOST_ROWS

GOAL, AGREE = 0.8, 1e-6
SIDE, ORIGINALS = 512, 200
PARTS = 8
"""For each process, beside the one of the start."""
BARE = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import cv2, numpy as np, onnxruntime as ort

def work(job):
    global session
    names, graph, height, width = job
    if "session" not in globals():
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    told = []
    for start in range(0, len(names), 64):
        films = []
        for name in names[start:start + 64]:
            with open(name, "rb") as file:
                pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
            films.append(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
        batch = np.stack(films)[..., None].astype(np.float32) / np.float32(255)
        told.append(session.run([sys.argv[7]], {session.get_inputs()[0].name: batch})[0])
    return np.concatenate(told)

if __name__ == "__main__":
    index, graph, out, height, width, workers, _, chunk = sys.argv[1:]
    names = open(index).read().split()
    jobs = [(names[i:i + int(chunk)], graph, int(height), int(width)) for i in range(0, len(names), int(chunk))]
    with ProcessPoolExecutor(int(workers), mp_context=get_context("forkserver")) as pool:
        np.save(out, np.concatenate(list(pool.map(work, jobs))))
"""


def main(words: list[str]) -> int:
    """Measure, print the table, and the figure against its goal in the last line."""
    quick, named = "--quick" in words, [word for word in words if word != "--quick"]
    if len(named) > 1 or any(word.startswith("-") for word in named):
        raise SystemExit("python -m benchmarks.batch [MODEL] [--quick]")
    model = Path(named[0] if named else "data/model")
    (height, width), target = shown(model)
    workers = len(os.sched_getaffinity(0))
    few = MOST_ROWS * workers
    count = few + few * (PARTS // 4 if quick else PARTS)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        films = {number: lay(folder / str(number), folder / "originals", number) for number in (few, count)}
        loop = [str(height), str(width), str(workers), target, str(MOST_ROWS)]

        def turn() -> tuple[Took, Took, Took, Took]:
            """One round: the batch and the bare loop, on all films and on a few."""
            ours, start = (predicted(model, films[number]) for number in (count, few))
            other, its_start = (bare(model, films[number], loop) for number in (count, few))
            return ours, start, other, its_start

        predicted(model, films[few]), bare(model, films[few], loop)  # fills caches
        rounds = [turn() for _ in range(1 if quick else 3)]
        apart = difference(films[count])
    print(
        f"{count:,} films of {SIDE} × {SIDE} to {height} × {width}, {workers} processes, load {os.getloadavg()[0]:.1f}"
    )
    ratio = table(rounds, count, few)
    print(f"largest difference of a probability: {apart:.1e}")
    reached = ratio >= GOAL and apart <= AGREE
    verdict = "reached" if reached else "not reached"
    print(f"{ratio:.2f} of the bare loop's films a second, without the start of both; goal at least {GOAL}: {verdict}")
    return int(not reached)


def shown(model: Path) -> tuple[tuple[int, int], str]:
    """Height and width of the films that a model takes, and its target; it must be one of grey films."""
    if not (model / "model.json").is_file():
        raise SystemExit(
            f"{model}: no model there; make demo makes one, or name another: python -m benchmarks.batch MODEL"
        )
    info = Model(model).info
    kinds, targets = list(info.inputs.values()), list(info.targets.items())
    if len(kinds) != 1 or not isinstance(kinds[0], Image) or kinds[0].channels != 1 or targets[0][1].kind != "binary":
        raise SystemExit(f"{model}: expected a model of grey films with a binary target")
    return kinds[0].size, targets[0][0]


def lay(home: Path, originals: Path, count: int) -> Path:
    """A folder with films of so many names, and a list of these."""
    (home / "films").mkdir(parents=True)
    names = [home / "films" / f"{number // 1000:03d}-{number:06d}.png" for number in range(count)]
    if not originals.is_dir():
        draw(originals)
    for number, name in enumerate(names):
        name.hardlink_to(originals / f"{number % ORIGINALS}.png")
    (home / "names").write_text("\n".join(map(str, names)), encoding="utf-8")
    return home


def draw(originals: Path) -> None:
    """Films that compress about as radiographs do: soft shapes under grain."""
    originals.mkdir()
    generator = np.random.default_rng(7)
    for number in range(ORIGINALS):
        coarse = generator.normal(128, 40, (16, 16)).astype(np.float32)
        soft = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        pixels = soft + generator.normal(0, 4, (SIDE, SIDE)).astype(np.float32)
        cv2.imwrite(str(originals / f"{number}.png"), pixels.clip(0, 255).astype(np.uint8))


def predicted(model: Path, home: Path) -> Took:
    """The batch, as a process."""
    out = home / "predictions.parquet"
    out.unlink(missing_ok=True)
    options = {"model": model, "data": home / "films", "out": out}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return watched([sys.executable, "-m", "serving.batch", *words])


def bare(model: Path, home: Path, loop: list[str]) -> Took:
    """The bare loop, as a process."""
    script = home / "bare.py"
    script.write_text(BARE, encoding="utf-8")
    words = [str(home / "names"), str(model / "model.onnx"), str(home / "bare.npy")]
    return watched([sys.executable, str(script), *words, *loop])


def difference(home: Path) -> float:
    """By how much the probabilities of both differ, at most."""
    ours = pq.read_table(home / "predictions.parquet", columns=["probability"])["probability"].to_numpy()
    return float(np.abs(ours - np.load(home / "bare.npy")[:, 0]).max())


def table(rounds: list[tuple[Took, Took, Took, Took]], count: int, few: int) -> float:
    """Print what both took, and return how the films a second compare."""
    print(
        "| | films/s | ratio | with the start | processor ms a film | ratio | memory, MB |\n"
        "|---|---|---|---|---|---|---|"
    )
    ours, start, other, its_start = (list(kind) for kind in zip(*rounds, strict=True))
    loop = paced(other, its_start, count - few)
    for name, many, starts in (("bare loop", other, its_start), ("serving.batch", ours, start)):
        pace = paced(many, starts, count - few)
        whole = count / statistics.median(took.seconds for took in many)
        peak = max(took.peak for took in many) / 1e6
        print(f"| {name} | {pace[0]:,.0f} | {pace[0] / loop[0]:.2f} | {whole:,.0f} | {pace[1]:.3f} | "
              f"{loop[1] / pace[1]:.2f} | {peak:,.0f} |")  # fmt: skip
    return pace[0] / loop[0]


def paced(many: list[Took], few: list[Took], further: int) -> tuple[float, float]:
    """Films a second and processor milliseconds a film, of those that `many` has more than `few`."""
    seconds, processor = (
        statistics.median(getattr(took, what) for took in many) - statistics.median(getattr(took, what) for took in few)
        for what in ("seconds", "processor")
    )
    return further / seconds, 1000 * processor / further


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
