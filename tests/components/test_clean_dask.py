"""Step `clean` on a Dask cluster of real processes: the same bytes, also when a worker is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from films import patients, write_films
from workspaces import WATCH, digests

from components.ingest import ingest
from components.lib.spec import load_spec

TASK = """
task: chest_test
source: {reader: folder, path: raw, index: index.csv, public_key: true}
inputs: {image: {kind: image, size: [12, 12]}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task and its 240 films after ingest, in twelve parts."""
    (tmp_path / "task.yaml").write_text(TASK, encoding="utf-8")
    spec = load_spec(tmp_path / "task.yaml")
    films = {"films/Patient_007_normal.png": b"no film"}
    write_films(tmp_path / "raw", patients(120), films=films)
    monkeypatch.setattr("components.ingest.step.rows_per_part", lambda size: 20)
    ingest(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", spec)
    return tmp_path


def clean(home: Path, out: str, cluster: str = "") -> subprocess.CompletedProcess[str]:
    """The step, as a process, in its workspace: relative paths as DVC gives them."""
    paths = {"raw": "raw", "dataset": "ingested", "private": "private", "out": out}
    options = [word for name, path in paths.items() for word in (f"--{name}", path)]
    return subprocess.run(
        [sys.executable, "-m", "components.clean", "--task", "task.yaml", *options],
        cwd=home, env={**os.environ, "MEDPIPE_DASK": cluster}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def cluster(folder: Path, workers: int, **of_first: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers on the loopback interface; `of_first` is added to the first worker's environment."""
    address = f"tcp://127.0.0.1:{free_port()}"
    log = (folder / "cluster.log").open("wb")
    dask = [sys.executable, "-W", "ignore", "-m", "dask"]
    host, port = address.removeprefix("tcp://").split(":")
    commands = [["scheduler", "--host", host, "--port", port, "--no-dashboard"]]
    commands += [["worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory",
                  str(folder / f"worker-{number}")] for number in range(workers)]  # fmt: skip
    started = []
    try:
        for number, command in enumerate(commands):
            environment = {**os.environ, **(of_first if number == 1 else {})}
            started.append(
                subprocess.Popen([*dask, *command], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
            )
        wait_for(folder / "cluster.log", b"Registered to:", workers)
        yield address, started[1:]
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
        log.close()


def wait_for(log: Path, text: bytes, times: int) -> None:
    until = time.monotonic() + 60
    while log.read_bytes().count(text) < times:
        assert time.monotonic() < until, log.read_text(encoding="utf-8")
        time.sleep(0.1)


def test_a_cluster_gives_the_same_bytes_also_when_a_worker_is_killed(home: Path, tmp_path: Path) -> None:
    here = clean(home, "here")
    assert here.returncode == 0, here.stderr
    path = os.pathsep.join(filter(None, [str(WATCH), os.environ.get("PYTHONPATH")]))
    with cluster(tmp_path, 2, PYTHONPATH=path, MEDPIPE_KILL_AT="os.rename:part-:2") as (address, workers):
        done = clean(home, "there", address)
        assert done.returncode == 0, done.stderr
        assert workers[0].poll() == -signal.SIGKILL, "the first worker was to die at its second part"
        again = clean(home, "again", address)  # and one worker alone
        assert again.returncode == 0, again.stderr
    assert "cleaned: 239 samples, rejected: 1" in done.stdout
    assert digests(home / "there") == digests(home / "again") == digests(home / "here")


def test_an_address_that_does_not_answer(home: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    start = time.monotonic()
    done = clean(home, "cleaned", address)
    assert time.monotonic() - start < 20
    assert done.returncode == 1
    assert f"MedpipeError: MEDPIPE_DASK={address}\n  expected: a Dask scheduler that answers" in done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert not (home / "cleaned").exists()


@pytest.mark.parametrize("address", ["nowhere", "smoke://127.0.0.1:8786", "tcp://127.0.0.1:port"])
def test_an_address_that_is_none(home: Path, address: str) -> None:
    done = clean(home, "cleaned", address)
    assert done.returncode == 1
    assert f"MedpipeError: MEDPIPE_DASK={address}\n" in done.stderr
    assert "Traceback" not in done.stderr
