"""Start `mlflow models serve` for real, ask it, and end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from components.lib.errors import MedpipeError
from components.lib.tracking import tracking_uri

START_SECONDS = 90


def command(model: str, port: int) -> list[str]:
    """The command line that serves a model from the registry on loopback."""
    return [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local",
            "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_port(port: int, again: str) -> None:
    """Refuse a port that another program has: MLflow would say so in a traceback, and start again and again.

    Args:
        port: the loopback port to serve on.
        again: the command that serves on another one.

    Raises:
        MedpipeError: the port is taken, or not for every user.
    """
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise MedpipeError(
                f"port {port}",
                expected="a port that is free, from 1024 to 65535",
                found=getattr(error, "strerror", None) or str(error),
                todo=f"end the program that has it (ss -ltnp names it), or take another one: {again}",
            ) from None


@contextmanager
def serve(model: str) -> Iterator[str]:
    """Serve a model while the block runs; yields the URL.

    Raises:
        MedpipeError: the server ended, or did not answer in time; what it printed is in the message.
    """
    port = free_port()
    # MLflow starts uvicorn by name: the one beside this Python, whatever the caller's PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": tracking_uri()}
    with tempfile.TemporaryFile("w+") as log:
        # A session of its own, so that the worker it starts ends with it.
        process = subprocess.Popen(
            command(model, port), env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            if not _answers(url, process):
                log.seek(0)
                raise MedpipeError(
                    "mlflow models serve",
                    expected=f"an answer within {START_SECONDS} s",
                    found=log.read()[-600:].strip() or "nothing printed",
                    todo="run the command yourself: " + " ".join(command(model, port)[1:]),
                )
            yield url
        finally:
            _end(process)


def ask(url: str, columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """POST rows to `/invocations`; one dictionary a row.

    Raises:
        MedpipeError: the server refused; its own sentence is in the message.
    """
    names = list(columns)
    rows = [list(values) for values in zip(*columns.values(), strict=True)]
    body = {"dataframe_split": {"columns": names, "data": rows}}
    response = requests.post(f"{url}/invocations", json=body, timeout=60)
    if response.status_code != 200:
        raise MedpipeError(
            f"{url}/invocations",
            expected="status 200",
            found=f"status {response.status_code}: {response.text[-400:]}",
            todo="send one value per column, as the model's signature names them",
        )
    predictions: list[dict[str, Any]] = response.json()["predictions"]
    return predictions


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return requests.get(f"{url}/ping", timeout=2).ok
        except requests.RequestException:
            time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and its worker, and wait for them."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except ProcessLookupError:
        process.wait()
