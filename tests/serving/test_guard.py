"""The guard before a really started server: each limit holds, and others are answered meanwhile."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
import requests
from asking import Caller, served
from films import encoded, film
from workspaces import Workspace

from components.lib.errors import MedpipeError
from components.lib.registry import fetch
from components.lib.server import free_port, started
from pipelines.serve import guard_command
from serving.guard.limits import VARIABLE, Limits, limits

GOOD = encoded(film(1, 32))
LIMITS = {
    "header_seconds": 2, "header_kilobytes": 16, "body_seconds": 3, "body_megabytes": 24, "bodies_megabytes": 40,
    "idle_seconds": 2, "send_seconds": 2, "connections": 400, "work_seconds": 6, "work_megabytes": 200, "requests": 6,
}  # fmt: skip
SLOW = 300
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n"
ROW = base64.b64encode(encoded(film(1, 8))).decode()
LARGE = base64.b64encode(encoded(np.repeat(np.uint8([[0, 200]]), 750, axis=1).repeat(1500, axis=0))).decode()
ENDLESS = json.dumps({"inputs": {"image": [LARGE] * 2000}}).encode()
"""Pictures that take a worker many times `work_seconds`."""


@pytest.fixture(scope="module")
def version(tiny: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tiny.store)
        fetch("models:/tiny_synthetic@champion", folder)
    return folder


@pytest.fixture(scope="module")
def url(version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    words = guard_command(version, port, 1, [f"{name}={value}" for name, value in LIMITS.items()])
    with started(words, port, dict(os.environ), tmp_path_factory.mktemp("empty")) as address:
        yield address


@pytest.fixture
def caller(url: str) -> Iterator[Caller]:
    with Caller(url) as made:
        yield made


def connected(url: str, content: bytes = b"") -> socket.socket:
    """A connection on which some bytes were sent."""
    parts = urlsplit(url)
    made = socket.create_connection((parts.hostname, parts.port), timeout=20)
    made.sendall(content)
    return made


def said(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    received = b""
    with closing(connection):
        while piece := connection.recv(65536):
            received += piece
    return received


def worker_pids(url: str) -> set[int]:
    """The processes that have the model: the server starts one that starts them."""
    port = str(urlsplit(url).port)
    (server,) = (each for each in psutil.Process().children() if port in each.cmdline())
    return {worker.pid for each in server.children() for worker in each.children()}


def test_answers_are_those_of_mlflows_own_server(url: str, caller: Caller, tiny: Workspace) -> None:
    bodies = [
        {"dataframe_records": [{"image": base64.b64encode(GOOD).decode()}], "params": {"explain": True}},
        {"inputs": {"image": [ROW, ROW]}},
        {"dataframe_records": [{"image": "%%%"}], "params": {"on_error": "row"}},
    ]
    with served(tiny, "tiny_synthetic") as plain, Caller(plain) as other:
        for body in bodies:
            answer = caller.post(body)
            assert answer.status == 200
            assert answer == other.post(body)
        for path in ("ping", "health", "version"):
            theirs, ours = (requests.get(f"{each}/{path}", timeout=20) for each in (plain, url))
            assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)


REFUSED = {
    "no content type": (b"{}", None, 415, "Content-Type"),
    "another content type": (b"image", "text/plain", 415, "Content-Type"),
    "endlessly nested": (b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", 400, "brackets"),
    "a number of 5,000 digits": (b'{"inputs": [' + b"1" * 5000 + b"]}", "application/json", 400, "digits"),
    "no JSON": (b'{"a-private-word', "application/json", 400, "JSON"),
    "an empty CSV file": (b"", "text/csv", 400, "CSV"),
    "no Parquet file": (b"PAR1", "application/vnd.apache.parquet", 415, "Content-Type"),
    "what is refused by the model": (
        b'{"inputs": {"image": ["a-private-word%"]}}', "application/json", 400, "row 0, column 'image'"
    ),
    "a missing column": (b'{"dataframe_records": [{"img": "a-private-word"}]}', "application/json", 400, "missing"),
    "a body over the limit": (b" " * (25 << 20), "application/json", 413, "at most 24 MB"),
    "more memory than a request may take": (
        b'{"instances": [{"image": "' + b"A" * (23 << 20) + b'"}]}', "application/json", 413, "too large",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_json_and_tells_nothing_of_what_was_sent(url: str, caller: Caller, name: str) -> None:
    body, kind, status, sign = REFUSED[name]
    before = worker_pids(url)
    answer = caller.post(body, kind)
    assert answer.status == status, answer
    assert answer.kind == "application/json"
    assert sign in answer.content["message"]
    assert "a-private-word" not in answer.text
    assert "Traceback" not in answer.text
    assert caller.pictures(GOOD).status == 200
    assert worker_pids(url) == before  # it goes on


def test_what_is_sent_in_chunks_has_the_same_limit(url: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(25):
            yield b" " * (1 << 20)

    answer = requests.post(f"{url}/invocations", data=pieces(), headers={"Content-Type": "text/csv"}, timeout=20)
    assert answer.status_code == 413


@pytest.mark.parametrize(("path", "method", "status"), [("invocations", "GET", 405), ("ping", "POST", 405),
                                                        ("docs", "GET", 404)])  # fmt: skip
def test_there_is_nothing_else(url: str, path: str, method: str, status: int) -> None:
    assert requests.request(method, f"{url}/{path}", timeout=20).status_code == status


@pytest.mark.parametrize(("content", "status"), [
    (b"", b"408"), (b"POST /invoc", b"408"), (HEAD, b"408"), (HEAD + b"\r\n{", b"408"), (b"\r\n" * 9, b"408"),
    (b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", b"200"), (b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n\r\n", b"200"),
    (b"GET /ping HTTP/1.1\r\nX: " + b"a" * 60_000, b"431"), (b"GET /ping HTTP/1.1\r\n" + b"a: b\r\n" * 9000, b"4"),
    (b"nonsense", b"400"),
])  # fmt: skip
def test_no_connection_stays_open(url: str, content: bytes, status: bytes) -> None:
    begun = time.monotonic()
    assert said(connected(url, content)).startswith(b"HTTP/1.1 " + status)
    assert time.monotonic() - begun < 10


def test_three_hundred_slow_callers_are_ended_and_others_answered_meanwhile(url: str, caller: Caller) -> None:
    with ExitStack() as stack:
        begins = [b"", HEAD, HEAD + b"\r\n{"]
        slow = [stack.enter_context(connected(url, begins[each % 3])) for each in range(SLOW)]
        begun = time.monotonic()
        waits = []
        while time.monotonic() - begun < 2:
            for each in slow:
                try:
                    each.send(b" ")
                except OSError:
                    continue
            asked = time.monotonic()
            assert caller.pictures(GOOD).status == 200
            waits.append(time.monotonic() - asked)
        time.sleep(2)
        assert all(said(each).startswith((b"HTTP/1.1 408", b"HTTP/1.1 400")) for each in slow)
        assert time.monotonic() - begun < 15
    assert max(waits) < 4


def test_of_too_many_connections_those_that_have_waited_longest_are_ended(url: str, caller: Caller) -> None:
    assert caller.pictures(GOOD).status == 200
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(url)) for _ in range(LIMITS["connections"] + 50)]
        assert requests.get(f"{url}/ping", timeout=20).status_code == 200
        cut = [each for each in silent if said_at_once(each) == b""]  # those of another limit are told
    assert 50 <= len(cut) < LIMITS["connections"]


def said_at_once(connection: socket.socket) -> bytes | None:
    """What has come; None where the connection is open and nothing has."""
    connection.setblocking(False)
    try:
        return connection.recv(65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def test_all_bodies_together_have_a_limit(url: str, caller: Caller) -> None:
    length = 24 << 20
    head = HEAD.replace(b"900", str(length).encode()) + b"\r\n"
    with connected(url) as one, connected(url) as other:
        for each in (one, other):
            each.sendall(head + b" " * (length - (1 << 20)))
        answers = [each.recv(65536)[:12] for each in (one, other)]
    assert b"HTTP/1.1 503" in answers
    assert caller.pictures(GOOD).status == 200


def test_answers_that_nobody_takes_are_dropped(url: str) -> None:
    body = json.dumps({"inputs": {"image": ["%%%"] * 9000}, "params": {"on_error": "row"}}).encode()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect(("127.0.0.1", urlsplit(url).port))
        # More than the system itself keeps for a connection.
        silent.sendall((HEAD.replace(b"900", str(len(body)).encode()) + b"\r\n" + body) * 6)
        head = silent.recv(1000)
        assert head.startswith(b"HTTP/1.1 200")
        time.sleep(LIMITS["send_seconds"] + 4)
        try:
            received = len(said(silent))
        except ConnectionResetError:
            received = 0
    length = re.search(rb"content-length: (\d+)", head)
    assert length
    assert received < 5 * int(length[1])  # it was cut


def test_work_over_time_is_a_504_and_ends(url: str, caller: Caller) -> None:
    (before,) = worker_pids(url)
    begun = time.monotonic()
    answer = caller.post(ENDLESS)
    assert (answer.status, answer.content["error_code"]) == (504, "DEADLINE_EXCEEDED")
    assert LIMITS["work_seconds"] <= time.monotonic() - begun < LIMITS["work_seconds"] + 5
    assert caller.pictures(GOOD).status == 200
    assert before not in worker_pids(url)


def test_work_ends_when_its_caller_is_gone(url: str, caller: Caller) -> None:
    (before,) = worker_pids(url)
    head = HEAD.replace(b"900", str(len(ENDLESS)).encode())
    with connected(url, head + b"\r\n" + ENDLESS):
        time.sleep(1.5)
    begun = time.monotonic()
    assert caller.pictures(GOOD).status == 200
    assert time.monotonic() - begun < LIMITS["work_seconds"]
    assert before not in worker_pids(url)


def test_more_requests_than_may_wait_are_told_to_come_again(url: str) -> None:
    body = json.dumps({"inputs": {"image": [ROW] * 200}})

    def ask(_: int) -> requests.Response:
        return requests.post(f"{url}/invocations", body, headers={"Content-Type": "application/json"}, timeout=60)

    with ThreadPoolExecutor(20) as pool:
        answers = [*pool.map(ask, range(20))]
    met = Counter(each.status_code for each in answers)
    assert set(met) == {200, 503}
    assert met[200] >= 6
    assert {each.headers["Retry-After"] for each in answers if each.status_code == 503} == {"1"}


def test_a_worker_that_is_killed_is_replaced(url: str, caller: Caller) -> None:
    (before,) = worker_pids(url)
    psutil.Process(before).kill()
    assert caller.pictures(GOOD).status in (200, 500)
    assert caller.pictures(GOOD).status == 200


def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    words = guard_command(tmp_path, free_port(), 1)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "the model can't be loaded" in done.stderr


def test_the_defaults_are_those_of_the_budget() -> None:
    assert (Limits().work_seconds, Limits().work_megabytes) == (10, 512)


def test_the_environment_sets_limits_and_the_command_line_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "requests=3 body_megabytes=1.5")
    assert limits(["requests=4"]) == Limits(requests=4, body_megabytes=1.5)


@pytest.mark.parametrize(("word", "told"), [
    ("request=3", "nearest: requests"), ("requests=no", "a number"), ("requests=0", "greater than or equal to 1"),
    ("requests", "NAME=VALUE"), ("requests=1.5", "integer"),
])  # fmt: skip
def test_a_wrong_limit_is_told(word: str, told: str) -> None:
    with pytest.raises(MedpipeError, match=told):
        limits([word])


def test_help_lists_nothing_that_is_not_there() -> None:
    done = subprocess.run([sys.executable, "-m", "serving.guard", "--help"], capture_output=True, text=True, check=True)
    assert VARIABLE in done.stdout.replace("\n", "")
