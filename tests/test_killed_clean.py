"""The step clean killed with SIGKILL at ten moments of its work, and run again: equal bytes, no part done twice."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from films import SIDE, encoded, film, patients, write_films
from workspaces import digests

from components.ingest import ingest
from components.lib.spec import load_spec

pytestmark = pytest.mark.accept

TASK = """
task: chest_test
source: {reader: folder, path: raw, index: index.csv, public_key: true}
inputs: {image: {kind: image, size: [12, 12]}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
"""

FILMS, ROWS = 400, 25
# The step's imports take longer than its work on these films. So one process imports, and each run is a fork of it, a
# process like any other. It reads how many processors to use and after how many seconds to kill; 0 lets the run end.
STEP = """
import os, signal, sys, time
from pathlib import Path
import components.lib.validate.library
from components.clean import clean
from components.lib.spec import load_spec
home = Path(sys.argv[1])
spec = load_spec(home / "task.yaml")
processors = sorted(os.sched_getaffinity(0))
print("ready", flush=True)
for line in sys.stdin:
    number, seconds = line.split()
    child = os.fork()
    if not child:
        os.sched_setaffinity(0, processors[: int(number)])
        sys.stdout = open(os.devnull, "w")
        clean(home / "raw", home / "ingested", home / "private", home / "cleaned", spec)
        os._exit(0)
    if float(seconds):
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Step:
    """The step on films of a folder, to be run and killed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", STEP, str(home)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, processors: int, kill_after: float = 0) -> int:
        """How it ended: its exit status, or the signal as a negative number."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{processors} {kill_after}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def timed(self, processors: int) -> float:
        """Seconds of a run from nothing."""
        shutil.rmtree(self.home / "cleaned", ignore_errors=True)
        start = time.monotonic()
        assert self.run(processors) == 0
        return time.monotonic() - start


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Step]:
    """400 films, two of them unusable, in sixteen parts."""
    (tmp_path / "task.yaml").write_text(TASK, encoding="utf-8")
    spec = load_spec(tmp_path / "task.yaml")
    films = {row["path"]: encoded(film(number, 200)) for number, row in enumerate(patients(FILMS // 2))}
    spoilt = {"films/Patient_002_normal.png": b"no film", "films/Patient_150_normal.png": encoded(film(1, SIDE) * 0)}
    write_films(tmp_path / "raw", patients(FILMS // 2), films=films | spoilt)
    monkeypatch.setattr("components.ingest.step.rows_per_part", lambda size: ROWS)
    ingest(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", spec)
    step = Step(tmp_path)
    try:
        assert step.process.stdout
        assert step.process.stdout.readline() == "ready\n"
        yield step
    finally:
        step.process.kill()
        step.process.communicate()


def parts(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file of a finished part, with its inode and when it was written."""
    found = (
        path for left in [*folder.glob(".cleaned.partial-*"), folder / "cleaned"] for path in left.glob("part-*/*")
    )
    return {f"{p.parent.name}/{p.name}": (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}


def test_killed_at_ten_random_moments_it_goes_on_where_it_was(step: Step, tmp_path: Path) -> None:
    step.timed(1)  # fills caches
    took = {processors: step.timed(processors) for processors in (1, 2)}
    whole = digests(tmp_path / "cleaned")
    chosen = random.Random(10)
    kept = []
    for tenth in range(10):
        shutil.rmtree(tmp_path / "cleaned")
        processors = 2 if tenth % 3 == 2 else 1
        # A late moment may find the run ended, should this one be faster than the one that was timed.
        ended = step.run(processors, took[processors] * (tenth + chosen.random()) / 10)
        finished = parts(tmp_path)
        kept.append(len({name.split("/")[0] for name in finished}))
        if ended:
            assert ended == -signal.SIGKILL
            assert not (tmp_path / "cleaned").exists(), "a killed step leaves no output"
            assert step.run(processors) == 0
        now = parts(tmp_path)
        assert {name: now[name] for name in finished} == finished, "a finished part is not done again"
        assert digests(tmp_path / "cleaned") == whole
        assert not list(tmp_path.glob(".cleaned.partial-*"))
    assert any(0 < count < FILMS / ROWS for count in kept), kept
