"""How fast a served model answers, beside an echo and beside MLflow's own Keras flavour of the same net.

    python -m benchmarks.serve [ROUNDS]      default 5 rounds, about 5 minutes; exit status 1 when a goal is missed

All run at the same time under the same command (`uvicorn mlflow.pyfunc.scoring_server.app:app`, two workers, uvloop
and httptools) and are asked by turns, in every round in another order, so that a busy machine falls on all of them;
what is held against a goal is the median over the rounds of what a round found. The echo takes the same requests,
checks them against the same signature and gives a constant answer of as many columns: what it takes is MLflow's, and
no model can be faster. Another one answers in a DataFrame, as most models do. The Keras flavour gets the film as
numbers, the only form that it takes.

The client is a process of its own on raw sockets, kept alive. On a machine of two cores it has no core to itself.

Memory is that of each worker after all requests, as its resident set says (RSS, pages that it shares with others
counted whole); beside it the proportional set (PSS). Times to start are up to the first answer of `/ping`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import serve_models as models
from benchmarks.load import Load, load
from benchmarks.serve_models import REGISTERED
from benchmarks.workers import come_to_rest, own, resident, started
from components.lib.registry import fetch
from components.lib.server import ask, serve

WORKERS = 2
MEDPIPE, ECHO, FRAME, KERAS = "medpipe", "an echo", "an echo in a DataFrame", "the Keras flavour"
ALONE, MANY, DICOM = "PNG, 1 at a time", "PNG, 32 at a time", "DICOM, 1 at a time"
CONNECTIONS = {ALONE: 1, MANY: 32, DICOM: 1}
REQUESTS = {ALONE: 300, MANY: 1600, DICOM: 40}
KERAS_REQUESTS = {ALONE: 20, MANY: 64}
BESIDE_ECHO, BESIDE_KERAS, DICOM_MILLISECONDS, MEGABYTES = 1.25, 20.0, 8.0, 450.0
START_SECONDS, DIRECT_SECONDS, STARTS = 8.0, 4.0, 3


@dataclass
class Found:
    """What was measured: for each kind of request, per server, what each round came to."""

    loads: dict[tuple[str, str], list[Load]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Per server, RSS and PSS of each worker, MB."""
    starts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds."""

    def over_rounds(self, server: str, what: str, figure: Callable[[Load], float]) -> float:
        """Median of a figure."""
        return statistics.median(figure(each) for each in self.loads[server, what])

    def beside(self, other: str, what: str, compared: Callable[[Load, Load], float]) -> float:
        """Median over the rounds of a figure of ours and another server's of the same round."""
        pairs = zip(self.loads[MEDPIPE, what], self.loads[other, what], strict=True)
        return statistics.median(compared(ours, theirs) for ours, theirs in pairs)


def main(rounds: int = 5) -> int:
    """Measure, print the tables and the verdict."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        found = measure(folder, rounds)
    show(found)
    return verdict(found)


def measure(folder: Path, rounds: int) -> Found:
    """Make the three models, start their servers and ask them by turns."""
    found = Found()
    folders = {MEDPIPE: folder / "version", ECHO: folder / "echo", FRAME: folder / "frame", KERAS: folder / "keras"}
    say("a pipeline on synthetic films, for a version to serve")
    models.register_model(folder / "workspace")
    fetch(REGISTERED, made(folders[MEDPIPE]))
    say("the same net as MLflow's Keras flavour")
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        other.submit(models.save_keras, folder / "workspace", folders[KERAS]).result()
    picture = models.film(folder / "workspace")
    say(f"{STARTS} starts by each command")
    for _ in range(STARTS):
        found.starts["mlflow models serve"].append(start_by_mlflow())
        begun = time.perf_counter()
        with started(folders[MEDPIPE]) as url:
            found.starts["the direct command"].append(time.perf_counter() - begun)
            (answer,) = ask(url, {"image": [models.encoded(models.png(picture))]})
    for server in (ECHO, FRAME):
        models.save_echo(folders[server], folders[MEDPIPE], answer, frame=server == FRAME)
    with ExitStack() as stack:
        urls = {server: stack.enter_context(started(path, WORKERS)) for server, path in folders.items()}
        answering = {server: come_to_rest(url, WORKERS) for server, url in urls.items()}
        client = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        ask_by_turns(client, {server: urlsplit(url).port or 0 for server, url in urls.items()}, picture, rounds, found)
        for server, processes in answering.items():
            found.memory[server] = [(resident(each), own(each)) for each in processes]
    return found


def start_by_mlflow() -> float:
    """Seconds until the registered version answers, by the command that people type."""
    begun = time.perf_counter()
    with serve(REGISTERED):
        return time.perf_counter() - begun


def ask_by_turns(
    client: ProcessPoolExecutor, ports: Mapping[str, int], picture: Any, rounds: int, found: Found
) -> None:
    """All kinds of requests to all servers, `rounds` times, and once before that what isn't counted."""
    plain, large = models.request(models.png(picture)), models.request(models.dicom(picture))
    bodies = {(server, what): large if what == DICOM else plain for server in (MEDPIPE, ECHO) for what in REQUESTS}
    bodies |= {(FRAME, what): plain for what in (ALONE, MANY)}
    bodies |= {(KERAS, what): models.tensor_request(picture) for what in KERAS_REQUESTS}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}" if number else "a first round that isn't counted")
        turns = sorted(bodies, key=lambda turn: [*CONNECTIONS].index(turn[1]))
        for server, what in turns if number % 2 else reversed(turns):
            count = (KERAS_REQUESTS if server == KERAS else REQUESTS)[what]
            task = client.submit(
                load, ports[server], bodies[server, what], connections=CONNECTIONS[what], requests=count
            )
            done = task.result()
            if len(done.waits) != count:
                raise SystemExit(f"{server}, {what}: {done.lost} lost, {len(done.refused)} refused {done.refused[:1]}")
            if number:
                found.loads[server, what].append(done)


def show(found: Found) -> None:
    """The tables."""
    print("\n| requests | answered by | p50, ms | p99, ms | requests/s |\n|---|---|---|---|---|")
    for what in REQUESTS:
        for server in (MEDPIPE, ECHO, FRAME, KERAS):
            if found.loads[server, what]:
                median = found.over_rounds(server, what, lambda each: each.median)
                slowest = found.over_rounds(server, what, lambda each: each.slowest)
                rate = found.over_rounds(server, what, lambda each: each.rate)
                print(f"| {what} | {server} | {median:.2f} | {slowest:.2f} | {rate:.0f} |")
    print("\n| server, two workers | memory of a worker, RSS, MB | PSS, MB |\n|---|---|---|")
    for server, workers in found.memory.items():
        held, shares = (", ".join(f"{each:.0f}" for each in figures) for figures in zip(*workers, strict=True))
        print(f"| {server} | {held} | {shares} |")
    print("\n| started by | seconds to the first answer |\n|---|---|")
    for command, seconds in found.starts.items():
        print(f"| {command} | {', '.join(f'{each:.1f}' for each in seconds)} |")


def verdict(found: Found) -> int:
    """Print every figure against its goal; 1 when one is missed."""
    dicoms = found.beside(ECHO, DICOM, lambda ours, echo: ours.median - echo.median)
    figures = [
        ("p50 beside the echo", found.beside(ECHO, ALONE, lambda ours, echo: ours.median / echo.median), BESIDE_ECHO),
        ("requests/s of the echo beside ours", found.beside(ECHO, MANY, lambda ours, echo: echo.rate / ours.rate),
         BESIDE_ECHO),
        ("ms of a DICOM file beyond the echo", dicoms, DICOM_MILLISECONDS),
        ("MB of the largest worker (RSS)", max(rss for rss, _ in found.memory[MEDPIPE]), MEGABYTES),
        ("s to start by mlflow models serve", statistics.median(found.starts["mlflow models serve"]), START_SECONDS),
        ("s to start by the direct command", statistics.median(found.starts["the direct command"]), DIRECT_SECONDS),
    ]  # fmt: skip
    print("\n| figure | found | goal |\n|---|---|---|")
    for told, figure, goal in figures:
        print(f"| {told} | {figure:.2f} | at most {goal:g} |")
    quicker = found.beside(KERAS, ALONE, lambda ours, keras: keras.median / ours.median)
    busier = found.beside(KERAS, MANY, lambda ours, keras: ours.rate / keras.rate)
    print(f"| p50 of the Keras flavour beside ours | {quicker:.1f} | at least {BESIDE_KERAS:g} |")
    print(f"| requests/s beside the Keras flavour, 32 at a time | {busier:.1f} | |")
    framed = found.beside(FRAME, ALONE, lambda ours, echo: ours.median / echo.median)
    print(f"| p50 beside an echo that answers in a DataFrame | {framed:.2f} | |")
    missed = [f"{told} {figure:.2f}, goal {goal:g}" for told, figure, goal in figures if figure > goal]
    missed += [f"p50 of the Keras flavour {quicker:.1f} times ours, goal {BESIDE_KERAS:g}"] * (quicker < BESIDE_KERAS)
    print(f"\nmissed: {'; '.join(missed)}" if missed else "\nreached: every goal of serving")
    return int(bool(missed))


def made(folder: Path) -> Path:
    """The folder, there now."""
    folder.mkdir(parents=True)
    return folder


def say(text: str) -> None:
    """What is done now, on stderr: the tables alone are on stdout."""
    print(f"==> {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
