"""Attacks on a served model and on registered versions, against really started servers with the default limits."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import psutil
import requests

from benchmarks.attacks import Attack
from benchmarks.serve_models import REGISTERED, encoded, film, png, register_model
from benchmarks.workers import forget_peak, peak, resident
from components.lib.errors import ModelError
from components.lib.manifest import MANIFEST, TAG, write_manifest
from components.lib.registry import fetch
from components.lib.server import direct_command, direct_environment, free_port, started
from components.lib.signing import FILE_VARIABLE, make_key
from components.lib.tracking import client
from pipelines.serve import guard_command
from serving.guard.limits import Limits

SLOW = 300
LIMITS = Limits()
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n"
NAME, VERSION = REGISTERED.removeprefix("models:/").split("/")
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Server:
    """A guarded server, and a request that it answers."""

    url: str
    good: bytes

    def ask(self, body: bytes, headers: dict[str, str] | None = None) -> requests.Response:
        """What comes back, over a connection of its own."""
        sent = JSON if headers is None else headers
        return requests.post(f"{self.url}/invocations", body, headers=sent, timeout=120)

    def waits(self) -> float:
        """Seconds to the answer of the good request.

        Raises:
            RuntimeError: it isn't answered.
        """
        begun = time.monotonic()
        answer = self.ask(self.good)
        if answer.status_code != 200:
            raise RuntimeError(f"the good request got {answer.status_code}: {answer.text[:100]}")
        return time.monotonic() - begun

    def workers(self) -> set[int]:
        """The processes that have the model."""
        port = str(urlsplit(self.url).port)
        (server,) = (each for each in psutil.Process().children() if port in each.cmdline())
        return {worker.pid for each in server.children() for worker in each.children()}


def attacks(folder: Path) -> Iterator[Attack]:
    """Register a model of synthetic films, and attack its server and its files."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    os.environ[FILE_VARIABLE] = str(folder / "hospital.key")
    make_key(folder / "hospital.key")
    register_model(folder / "workspace")
    version, empty = folder / "version", folder / "empty"
    version.mkdir()
    empty.mkdir()
    fetch(REGISTERED, version)
    port = free_port()
    picture = encoded(png(film(folder / "workspace")))
    good = json.dumps({"inputs": {"image": [picture]}}).encode()
    with started(guard_command(version, port, 1), port, dict(os.environ), empty) as url:
        server = Server(url, good)
        server.waits()  # what is loaded with the first request is there now
        yield from _on_requests(server)
    fetch(REGISTERED, version)  # the guard has removed the folder
    yield from _on_files(folder, version, empty)


def _on_requests(server: Server) -> Iterator[Attack]:
    bound = f"each ended within {LIMITS.header_seconds:g} s of header or {LIMITS.body_seconds:g} s of body, others "
    yield Attack.tried(
        f"{SLOW} callers that send nothing, or a header or a body byte by byte", bound + "answered within 5 s",
        lambda: _slow(server),
    )  # fmt: skip
    yield Attack.tried(
        "a request whose work takes minutes",
        f"504 after {LIMITS.work_seconds:g} s, its process is gone, the next is answered", lambda: _long(server),
    )  # fmt: skip
    for name, body in _hungry().items():
        yield Attack.tried(
            name, f"at most {LIMITS.work_megabytes} MB more, and the worker goes on", lambda b=body: _large(server, b)
        )
    size = int((LIMITS.body_megabytes + 1) * (1 << 20))
    refused: dict[str, tuple[bytes, dict[str, str], int]] = {
        "a body over the limit": (b" " * size, JSON, 413),
        "JSON nested 100,000 deep": (b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, 400),
        "a number of 5,000 digits": (b'{"inputs": [' + b"1" * 5000 + b"]}", JSON, 400),
        "no content type": (b"{}", {}, 415),
    }
    for name, (body, headers, status) in refused.items():
        yield Attack.tried(name, f"{status}, in JSON", lambda b=body, h=headers, s=status: _status(server, b, h, s))
    yield Attack.tried(
        "three times as many requests as may wait, at once", "200, or 503 with Retry-After", lambda: _many(server)
    )


def _slow(server: Server) -> tuple[str, bool]:
    parts = urlsplit(server.url)
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection((parts.hostname, parts.port))) for _ in range(SLOW)]
        for number, each in enumerate(slow):
            each.sendall([b"", HEAD, HEAD + b"\r\n"][number % 3])
        begun, waits, longest = time.monotonic(), [server.waits()], LIMITS.header_seconds + LIMITS.body_seconds
        while slow and time.monotonic() - begun < longest:
            slow = [each for each in slow if _lives(each)]
            waits.append(server.waits())
            time.sleep(0.5)
        seconds = time.monotonic() - begun
    found = f"{len(slow)} left after {seconds:.0f} s, others waited {max(waits):.2f} s at most"
    return found, not slow and max(waits) < 5


def _lives(connection: socket.socket) -> bool:
    """Whether the server still takes a byte of it."""
    try:
        connection.send(b" ")
        connection.setblocking(False)
        connection.recv(65536)  # an answer, or the end
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _long(server: Server) -> tuple[str, bool]:
    halves = np.repeat(np.uint8([[0, 200]]), 750, axis=1).repeat(1500, axis=0)
    picture = encoded(bytes(cv2.imencode(".png", halves)[1]))
    before, begun = server.workers(), time.monotonic()
    answer = server.ask(json.dumps({"inputs": {"image": [picture] * 3000}}).encode())
    seconds = time.monotonic() - begun
    again = server.waits()
    left = before & server.workers()
    found = f"{answer.status_code} after {seconds:.1f} s, {len(left)} of its processes left, then {again:.1f} s"
    return found, answer.status_code == 504 and not left and seconds < LIMITS.work_seconds + 5


def _hungry() -> dict[str, bytes]:
    """Requests that take much memory, within the limit on a body."""
    halves = np.zeros((10_000, 10_000), np.uint16)
    halves[:, 5000:] = 60_000
    picture = encoded(bytes(cv2.imencode(".png", halves)[1]))
    text = "A" * int((LIMITS.body_megabytes - 1) * (1 << 20))
    return {
        "a picture of 100 million pixels of 16 bits": json.dumps({"inputs": {"image": [picture]}}).encode(),
        "a text as long as a body may be": json.dumps({"instances": [{"image": text}]}).encode(),
        "two million numbers": json.dumps({"inputs": {"image": [[[1.5] * 1000] * 2000]}}).encode(),
    }


def _large(server: Server, body: bytes) -> tuple[str, bool]:
    server.waits()
    (worker,) = (psutil.Process(each) for each in server.workers())
    forget_peak(worker)
    before = resident(worker)
    answer = server.ask(body)
    more = peak(worker) - before
    server.waits()
    same = server.workers() == {worker.pid}
    found = f"{answer.status_code}, {more:.0f} MB more, the {'same' if same else 'next'} worker goes on"
    return found, more <= LIMITS.work_megabytes and answer.status_code in (200, 400, 413)


def _status(server: Server, body: bytes, headers: dict[str, str], status: int) -> tuple[str, bool]:
    answer = server.ask(body, headers)
    server.waits()
    kind = answer.headers["content-type"]
    return f"{answer.status_code}, {kind}", answer.status_code == status and kind == "application/json"


def _many(server: Server) -> tuple[str, bool]:
    rows = json.dumps({"inputs": {"image": json.loads(server.good)["inputs"]["image"] * 100}}).encode()
    count = 3 * LIMITS.requests
    with ThreadPoolExecutor(count) as pool:
        answers = [*pool.map(lambda _: server.ask(rows), range(count))]
    met = Counter(each.status_code for each in answers)
    told = all("Retry-After" in each.headers for each in answers if each.status_code == 503)
    return ", ".join(f"{number} × {status}" for status, number in sorted(met.items())), told and set(met) == {200, 503}


def _on_files(folder: Path, version: Path, empty: Path) -> Iterator[Attack]:
    stored = _stored()
    names = sorted(each.relative_to(stored).as_posix() for each in stored.rglob("*") if each.is_file())
    yield Attack.tried(
        f"one bit turned in each of the {len(names)} files of a version", "refused, by the file's name, before it runs",
        lambda: _turned(folder, stored, names),
    )  # fmt: skip
    for name in ("code/sitecustomize.py", "code/json.pyc"):
        yield Attack.tried(f"{name} added", "refused, by its name", lambda n=name: _added(folder, stored / n, n))
    yield Attack.tried(
        "a manifest and its tag made again by who can write to files and registry", "refused: not signed by the key",
        lambda: _made_again(folder, stored),
    )  # fmt: skip
    yield Attack.tried("a changed version, by MLflow's own command", "not served", lambda: _by_mlflow(version, empty))


def _stored() -> Path:
    """Where the store has the version's files."""
    logged = client().get_model_version(NAME, VERSION).source.removeprefix("models:/")
    return Path(client().get_logged_model(logged).artifact_location.removeprefix("file://"))


@contextmanager
def _changed(file: Path, content: bytes) -> Iterator[None]:
    before = file.read_bytes() if file.is_file() else None
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    try:
        yield
    finally:
        file.unlink()
        if before is not None:
            file.write_bytes(before)


def _refusal(folder: Path) -> str:
    """Why the registered version isn't fetched; empty where it is."""
    place = folder / f"fetched {random.randrange(1 << 40)}"
    place.mkdir()
    try:
        fetch(REGISTERED, place)
    except ModelError as error:
        return error.found
    return ""


def _flipped(file: Path) -> bytes:
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1
    return bytes(content)


def _turned(folder: Path, stored: Path, names: list[str]) -> tuple[str, bool]:
    unnoticed = []
    for name in names:
        file = stored / name
        with _changed(file, _flipped(file) if file.stat().st_size else b" "):
            if name not in _refusal(folder):
                unnoticed.append(name)
    return f"{len(names) - len(unnoticed)} refused{': not ' * bool(unnoticed)}{', '.join(unnoticed)}", not unnoticed


def _added(folder: Path, file: Path, name: str) -> tuple[str, bool]:
    with _changed(file, b"import os"):
        found = _refusal(folder)
    return found or "fetched", found == f"{name} was added"


def _made_again(folder: Path, stored: Path) -> tuple[str, bool]:
    registered, key = client().get_model_version(NAME, VERSION).tags[TAG], os.environ[FILE_VARIABLE]
    make_key(folder / "stranger.key")
    with _changed(stored / "code" / "sitecustomize.py", b"import os"), _changed(stored / MANIFEST, b"{}"):
        try:
            os.environ[FILE_VARIABLE] = str(folder / "stranger.key")
            client().set_model_version_tag(NAME, VERSION, TAG, write_manifest(stored, NAME))
        finally:
            os.environ[FILE_VARIABLE] = key
        found = _refusal(folder)
    client().set_model_version_tag(NAME, VERSION, TAG, registered)
    return found or "fetched", "signature of another key" in found


def _by_mlflow(version: Path, empty: Path) -> tuple[str, bool]:
    file, port = version / "artifacts" / "model" / "curves.csv", free_port()
    file.write_bytes(_flipped(file))
    environment = {**os.environ, **direct_environment(version)}
    try:
        with started(direct_command(port), port, environment, empty):
            return "served", False
    except ModelError as error:
        named = "curves.csv was changed" in error.found
        return "not served: curves.csv was changed" if named else error.found[-100:], named
