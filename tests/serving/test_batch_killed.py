"""A batch whose processes are all killed goes on where it was; and its memory doesn't grow with the number of rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from pictures import looked_at

from benchmarks.clean import watched
from components.lib.model_dir import Model
from serving.batch import batch
from serving.batch_data import MOST_ROWS

PARTS, SIDE, ORIGINALS = 8, 200, 16
ROOT = Path(__file__).parents[2]


def films(folder: Path, count: int, side: int) -> Path:
    """A folder of films; some, with many names."""
    (folder.parent / "originals").mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    for number in range(count):
        original = folder.parent / "originals" / f"{number % ORIGINALS}.png"
        if number < ORIGINALS and not original.exists():
            pixels = np.random.default_rng(number).integers(0, 256, (side, side), np.uint8)
            cv2.imwrite(str(original), pixels)
        (folder / f"{number:06d}.png").hardlink_to(original)
    return folder


def command(model: Model, folder: Path, out: Path) -> list[str]:
    options = {"--model": model.path, "--data": folder, "--out": out}
    return [sys.executable, "-m", "serving.batch", *(str(word) for pair in options.items() for word in pair)]


def finished(out: Path) -> dict[str, tuple[int, int]]:
    """The parts that are there, with their inodes and when they were written."""
    found = {}
    for part in out.parent.glob(f".{out.name}.partial-*/part-*"):
        try:
            told = part.stat()
        except FileNotFoundError:  # the output is complete, and they go
            continue
        found[part.name] = (told.st_ino, told.st_mtime_ns)
    return found


def while_running(words: list[str], look: Callable[[subprocess.Popen[bytes]], None]) -> int:
    """Run a program in a session of its own, looking at it all the time; its exit status."""
    with subprocess.Popen(words, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                look(process)
                time.sleep(0.002)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def test_killed_and_run_again_it_does_no_part_twice_and_gives_the_same_bytes(tmp_path: Path) -> None:
    model = looked_at(tmp_path / "spot").network
    folder, out = films(tmp_path / "films", PARTS * MOST_ROWS, SIDE), tmp_path / "out.parquet"
    batch(model, None, folder, tmp_path / "whole.parquet")

    def kill_when_two_are_there(process: subprocess.Popen[bytes]) -> None:
        if len(finished(out)) >= 2:
            os.killpg(process.pid, signal.SIGKILL)

    assert while_running(command(model, folder, out), kill_when_two_are_there) == -signal.SIGKILL
    assert not out.exists(), "a killed batch leaves no output"
    before = finished(out)
    assert 2 <= len(before) < PARTS
    seen = dict[str, tuple[int, int]]()
    assert while_running(command(model, folder, out), lambda process: seen.update(finished(out))) == 0
    assert {name: seen[name] for name in before} == before, "a finished part is not done again"
    assert len(seen) == PARTS
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not finished(out)


@pytest.mark.accept
def test_memory_does_not_grow_with_the_number_of_films(tmp_path: Path) -> None:
    model = looked_at(tmp_path / "spot").network
    peaks = []
    for count in (4_000, 40_000):
        folder, out = films(tmp_path / str(count), count, 28), tmp_path / f"{count}.parquet"
        peaks.append(watched(command(model, folder, out)).peak)
        assert pq.read_metadata(out).num_rows == count
    assert peaks[1] <= 1.15 * peaks[0], f"{peaks[0] / 1e6:.0f} MB, with ten times as many {peaks[1] / 1e6:.0f} MB"
