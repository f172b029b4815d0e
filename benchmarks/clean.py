"""What the step clean takes: beside a bare loop of the same decoding and resizing, and as the images grow ten times.

    python -m benchmarks.clean [throughput | scaling] [--quick]

Exit status 1 when a goal is missed; one word runs that half alone, --quick takes a quarter of the images.

Both sides run as processes of their own, by turns, and the median counts. The start of a process (imports, worker
processes, the library behind the gate) is timed on a few images and taken off on both sides, so that what is compared
is the work that each further image costs; the time with the start stands beside it. Small sets are cut into as many
parts as there are processors, so that all run in as many processes. Processor time is shown too: it says the same, and
says it on a busy machine, where the time by the clock says nothing.

The bare loop decodes with OpenCV and resizes into one array with as many processes. Beyond that the step measures each
image, refuses blank ones, writes tables, runs the gate and hashes what it wrote: all of it counts against it. The
quick models that look for shortcuts and wrong labels learn from at most 10,000 samples, however many there are: a line
of its own shows the step without them.

The films are few, with many names (hard links), and the system keeps them in memory: a slow disk would hide the rest.
The same film is the same patient's, on one side, with the same digest: an exact copy, as ingest would call it. The
images that show how it grows are all different, so that the search for near duplicates has all its work.

Memory is the most that all processes of the step held at one time, as their resident sets say, and no less than the
peak of any one of them; pages that they share count once for each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from components.lib.dataset import DatasetWriter, rows_per_part

RATIO, LINEAR, STEADY = 0.9, 0.15, 0.10
"""Goals: images a second beside the bare loop; how far ten times the images may stray from ten times the time, and
from the same memory."""
FEW = 64
TASK = """
task: clean_benchmark
source: {{reader: folder, path: raw, index: index.csv, synthetic: true, public_key: true}}
inputs: {{image: {{kind: image, size: [{side}, {side}], channels: 1}}}}
targets: {{finding: {{kind: binary, classes: [normal, pneumonia]}}}}
"""
PLAIN = "clean: {shortcuts: 'off', suspects: 0}\n"
BARE = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import cv2, numpy as np

def work(job):
    names, first, out, side = job
    array = np.load(out, mmap_mode="r+")
    for row, name in enumerate(names, first):
        with open(name, "rb") as file:
            pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
        array[row] = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)

if __name__ == "__main__":
    index, out, side, workers, chunk = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    names = open(index).read().split()
    np.lib.format.open_memmap(out, mode="w+", dtype=np.uint8, shape=(len(names), side, side))
    jobs = [(names[i:i + chunk], i, out, side) for i in range(0, len(names), chunk)]
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        list(pool.map(work, jobs))
"""


@dataclass(frozen=True)
class Took:
    """Seconds of a command, processor seconds of its processes, and the peak of their memory together (bytes)."""

    seconds: float
    processor: float
    peak: int


def main(words: list[str]) -> int:
    """Both comparisons, or one; the tables, and the figures against their goals in the last line."""
    if not {*words} <= {"throughput", "scaling", "--quick"}:
        raise SystemExit("python -m benchmarks.clean [throughput | scaling] [--quick]")
    quick = "--quick" in words
    parts, small = {*words} - {"--quick"}, 4 if quick else 1
    verdicts: list[tuple[str, bool]] = []
    with tempfile.TemporaryDirectory() as folder:
        if parts != {"scaling"}:
            verdicts += throughput(Path(folder), 24_000 // small, 1 if quick else 3)
        if parts != {"throughput"}:
            verdicts += scaling(Path(folder), small)
    told = "; ".join(f"{text}: {'reached' if kept else 'not reached'}" for text, kept in verdicts)
    reached = f"{sum(kept for _, kept in verdicts)} of {len(verdicts)} goals reached"
    print(f"\n{reached}, load {os.getloadavg()[0]:.1f}: {told}")
    return int(not all(kept for _, kept in verdicts))


def throughput(folder: Path, count: int, turns: int) -> list[tuple[str, bool]]:
    """The step and the bare loop on films of 256 × 256, brought to 64 × 64."""
    workers = len(os.sched_getaffinity(0))
    print(f"\n{count:,} films of 256 × 256 to 64 × 64, {workers} processes, load {os.getloadavg()[0]:.1f}")
    print(
        "| format | | images/s | ratio | with the start | processor ms an image | ratio |\n"
        "|---|---|---|---|---|---|---|"
    )
    verdicts = []
    for suffix in (".png", ".jpg"):
        many, few = (lay(folder / f"{suffix[1:]}-{n}", n, 256, 64, suffix) for n in (count, FEW))
        run(few), bare(few, 64, workers)  # fills caches
        rounds = [
            (run(many), run(many, "plain.yaml"), run(few), bare(many, 64, workers), bare(few, 64, workers))
            for _ in range(turns)
        ]
        ours, plain, start, loop, its_start = (_median(list(kind)) for kind in zip(*rounds, strict=True))
        further = count - FEW
        other = further / (loop.seconds - its_start.seconds)
        bare_work = 1000 * (loop.processor - its_start.processor) / further
        name = suffix[1:].upper()
        print(f"| {name} | bare loop | {other:,.0f} | 1 | {count / loop.seconds:,.0f} | {bare_work:.3f} | 1 |")
        for what, took in (("clean, without the quick models", plain), ("clean", ours)):
            speed = further / (took.seconds - start.seconds)
            work = 1000 * (took.processor - start.processor) / further
            print(f"| | {what} | {speed:,.0f} | {speed / other:.2f} | {count / took.seconds:,.0f} | {work:.3f} | "
                  f"{bare_work / work:.2f} |", flush=True)  # fmt: skip
        verdicts.append((f"{name}: ratio {speed / other:.2f}, goal {RATIO}", speed / other >= RATIO))
    return verdicts


def _median(takes: list[Took]) -> Took:
    seconds, processor = (
        statistics.median(each) for each in zip(*((t.seconds, t.processor) for t in takes), strict=True)
    )
    return Took(seconds, processor, max(took.peak for took in takes))


def scaling(folder: Path, small: int) -> list[tuple[str, bool]]:
    """The step on 2,000, 20,000 and 200,000 images of 28 × 28; the greatest step of ten is held against the goals."""
    sizes = [count // small for count in (2_000, 20_000, 200_000)]
    print(f"\nimages of 28 × 28, load {os.getloadavg()[0]:.1f}")
    print("| images | time, s | less the start | times | processor s | less the start | times | peak, MB | times |")
    print("|---|---|---|---|---|---|---|---|---|")
    place = lay(folder / "start", FEW, 28, 28, ".png", different=True)
    start = _median([run(place) for _ in range(3)])
    before: Took | None = None
    times = work = memory = float("nan")
    for size in sizes:
        place = lay(folder / str(size), size, 28, 28, ".png", different=True)
        took = _median([run(place) for _ in range(1 if size > 100_000 else 3)])
        net, busy = took.seconds - start.seconds, took.processor - start.processor
        if before:
            times, work = net / (before.seconds - start.seconds), busy / (before.processor - start.processor)
            memory = took.peak / before.peak
        shown = [f"{figure:.2f}" if before else "" for figure in (times, work, memory)]
        print(f"| {size:,} | {took.seconds:.1f} | {net:.1f} | {shown[0]} | {took.processor:.1f} | {busy:.1f} | "
              f"{shown[1]} | {took.peak / 1e6:.0f} | {shown[2]} |", flush=True)  # fmt: skip
        before = took
    ten = f"{sizes[-2]:,} to {sizes[-1]:,} images"
    return [
        (f"{ten}: {times:.1f} times the time, goal 10 ± {LINEAR:.0%}", abs(times / 10 - 1) <= LINEAR),
        (f"{ten}: {memory:.2f} times the memory, goal 1 ± {STEADY:.0%}", abs(memory - 1) <= STEADY),
    ]


def lay(home: Path, count: int, side: int, target: int, suffix: str, *, different: bool = False) -> Path:
    """A task, its images, and what ingest would have made of them: the dataset and the way back.

    Args:
        home: the folder to make.
        count: images.
        side: of each, pixels.
        target: side that the task asks for.
        suffix: of the files; says how they are encoded.
        different: no two images are alike; else 500 have many names.
    """
    originals, files = home / "originals", [f"{i // 1000:04d}/{i}{suffix}" for i in range(count)]
    originals.mkdir(parents=True)
    made = count if different else min(count, 500)
    generator = np.random.default_rng(7)
    grain = generator.normal(0, 4, (64, side, side)).astype(np.float32)
    for number, file in enumerate(files):
        if number % 1000 == 0:
            (home / "raw" / file).parent.mkdir(parents=True)
        original = home / "raw" / file if different else originals / f"{number % made}{suffix}"
        if number < made:
            coarse = generator.normal(128, 40, (16, 16)).astype(np.float32)
            pixels = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) + grain[number % 64]
            cv2.imwrite(str(original), pixels.clip(0, 255).astype(np.uint8))
        if not different:
            (home / "raw" / file).hardlink_to(original)
    (home / "task.yaml").write_text(TASK.format(side=target), encoding="utf-8")
    (home / "plain.yaml").write_text(TASK.format(side=target) + PLAIN, encoding="utf-8")
    (home / "names").write_text("\n".join(str(home / "raw" / file) for file in files), encoding="utf-8")
    ids = [f"{i:016x}" for i in range(count)]
    table = pd.DataFrame({
        "sample_id": ids, "patient": [f"{i % made // 4:016x}" for i in range(count)],
        "split": np.array(["train", "train", "validation", "test"])[np.arange(count) % made // 4 % 4],
        "finding": np.resize(["normal", "pneumonia"], count),
        **{column: pd.Series([None] * count, dtype="str") for column in ("site", "sex")},
        "age": pd.Series([None] * count, dtype="Float32"), "sha256": [f"{i % made:064x}" for i in range(count)],
        "synthetic": True,
    })  # fmt: skip
    rows = min(rows_per_part(target * target), -(-count // len(os.sched_getaffinity(0))))
    writer = DatasetWriter(home / "ingested")
    for index, first in enumerate(range(0, count, rows)):
        (home / "ingested").mkdir(exist_ok=True)
        writer.write_part(index, table.iloc[first : first + rows], {})
    writer.finish(
        task="clean_benchmark", step="ingest", parts=index + 1, arrays={}, synthetic=True, targets={},
        key_fingerprint=None, lineage={},
    )  # fmt: skip
    (home / "private").mkdir()
    way = pd.DataFrame({"sample_id": ids, "file": files, "row": 0})
    way.to_parquet(home / "private" / "sources.parquet", index=False)
    return home


def run(home: Path, task: str = "task.yaml") -> Took:
    """The step, as a process, on what `lay` laid."""
    paths = {"raw": "raw", "dataset": "ingested", "private": "private", "out": "cleaned"}
    options = [word for name, path in paths.items() for word in (f"--{name}", str(home / path))]
    return watched([sys.executable, "-m", "components.clean", "--task", str(home / task), *options])


def bare(home: Path, side: int, workers: int) -> Took:
    """The bare loop, as a process, on the same files."""
    script = home / "bare.py"
    script.write_text(BARE, encoding="utf-8")
    chunk = rows_per_part(side * side)
    words = [str(home / "names"), str(home / "bare.npy"), str(side), str(workers), str(chunk)]
    return watched([sys.executable, str(script), *words])


def watched(command: list[str]) -> Took:
    """Run a command that must succeed; its time, and the most memory that it and every process below it held."""
    start, peak, busy = time.monotonic(), 0, dict[int, float]()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        while process.poll() is None:
            tree = _tree(process.pid)
            held = [_memory(one) for one in tree]
            peak = max(peak, sum(now for now, _ in held), *(highest for _, highest in held), 0)
            for one in tree:
                busy[one] = max(busy.get(one, 0), _busy(one))
            time.sleep(0.05)
        seconds = time.monotonic() - start
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read()[-3000:]}")
    return Took(seconds, sum(busy.values()), peak)


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    except OSError:  # it has ended
        return []
    return [pid, *(below for child in children for below in _tree(int(child)))]


def _busy(pid: int) -> float:
    """Processor seconds of a process; 0 when it has ended."""
    try:
        figures = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> tuple[int, int]:
    """Resident memory of a process now (VmRSS) and at its peak (VmHWM), bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0, 0
    told = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
    now, highest = (1024 * int(told.get(name, "0").split()[0]) for name in ("VmRSS", "VmHWM"))
    return now, highest


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
