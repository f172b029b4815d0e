"""What the guard costs: a version behind it, and behind MLflow's own server, asked by turns.

    python -m benchmarks.guard [models:/NAME@ALIAS [ROUNDS]]     default: a model of synthetic films, 5 rounds

One worker each, one PNG a request over one kept connection, and 32 at a time. Exit status 1 where the median of the
rounds' differences of p50 is more than 0.3 ms. As root and on a busy machine, all of them get real-time priority while
they are measured, so that what others do isn't timed.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil

from benchmarks.load import load
from benchmarks.serve_models import REGISTERED, encoded, png, register_model
from components.lib.registry import fetch
from components.lib.server import direct_command, direct_environment, free_port, started
from pipelines.serve import guard_command

MILLISECONDS = 0.3
ALONE, MANY = 200, 400
"""Requests of a round, one at a time and 32 at a time."""


def main(address: str = "", rounds: int = 5) -> int:
    """Measure, print the table and the verdict."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not address:
            os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
            register_model(folder / "workspace")
        versions = [folder / "version", folder / "guarded", folder / "empty"]
        for each in versions:
            each.mkdir()
        for each in versions[:2]:
            fetch(address or REGISTERED, each)
        plain, guarded = free_port(), free_port()
        environment = {**os.environ, **direct_environment(versions[0])}
        with (
            started(direct_command(plain), plain, environment, versions[2]) as one,
            started(guard_command(versions[1], guarded, 1), guarded, dict(os.environ), versions[2]) as other,
        ):
            return _compare([urlsplit(one).port or 0, urlsplit(other).port or 0], rounds)


def _compare(ports: list[int], rounds: int) -> int:
    picture = np.linspace(0, 1, 28 * 28, dtype=np.float32).reshape(28, 28)
    body = json.dumps({"inputs": {"image": [encoded(png(picture))]}}).encode()
    for port in ports:
        load(port, body, connections=1, requests=50)
    medians: list[list[float]] = [[], []]
    rates: list[list[float]] = [[], []]
    with _undisturbed():
        for number in range(rounds):
            for turn in (0, 1) if number % 2 else (1, 0):
                medians[turn].append(load(ports[turn], body, connections=1, requests=ALONE).median)
                rates[turn].append(load(ports[turn], body, connections=32, requests=MANY).rate)
    print("| one worker | p50 of one at a time, ms | requests/s of 32 at a time |\n|---|---|---|")
    for name, waits, rate in zip(("MLflow's own server", "behind the guard"), medians, rates, strict=True):
        print(f"| {name} | {statistics.median(waits):.2f} | {statistics.median(rate):.0f} |")
    more = statistics.median(with_it - without for without, with_it in zip(*medians, strict=True))
    print(f"\nthe guard adds {more:+.2f} ms to the p50, goal: at most {MILLISECONDS:+.2f} ms")
    return int(more > MILLISECONDS)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Real-time priority for this process and those below it, where that is allowed."""
    try:
        with suppress(PermissionError):
            _schedule(os.SCHED_RR, 1)
        yield
    finally:
        _schedule(os.SCHED_OTHER, 0)


def _schedule(policy: int, priority: int) -> None:
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        for thread in process.threads():
            os.sched_setscheduler(thread.id, policy, os.sched_param(priority))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2], *(int(word) for word in sys.argv[2:3])))
