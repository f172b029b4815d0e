"""Start a real server of a registered version, ask it, and end it: nothing of it is left, however the block ends."""

from __future__ import annotations

import ctypes
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

from components.lib.errors import MedpipeError, ModelError
from components.lib.registry import fetch
from components.lib.tracking import tracking_uri

START_SECONDS = 90
ANSWER_SECONDS = 60
"""That MLflow's server gives itself for a request."""
END_SECONDS = 10
"""That a server has for the requests in flight."""
PR_SET_PDEATHSIG = 1
_C_LIBRARY = ctypes.CDLL(None)


def command(model: str, port: int, workers: int = 1) -> list[str]:
    """The command line that serves a model from the registry on loopback."""
    return [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local",
            "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]  # fmt: skip


def direct_command(port: int, workers: int = 1) -> list[str]:
    """The command line that `mlflow models serve` itself runs once it has the model: ready in half the time, since
    MLflow is imported once. Where the model lies is told by the environment: see `direct_environment`.
    """
    return [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers),
            "mlflow.pyfunc.scoring_server.app:app"]  # fmt: skip


def direct_environment(version: Path) -> dict[str, str]:
    """What `direct_command` needs in its environment to serve the version in this folder."""
    return {"__pyfunc_model_path__": version.absolute().as_uri()}


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
def serve(model: str, *, workers: int = 1, direct: bool = False) -> Iterator[str]:
    """Serve a model while the block runs; yields the URL.

    Args:
        model: models:/NAME@ALIAS or models:/NAME/VERSION.
        workers: processes that answer; a dead one of several is replaced.
        direct: download the version, and start what `mlflow models serve` would start after that. It runs in an empty
            folder, so that the version finds no other code than its own.

    Raises:
        ModelError: there is no such version; or the server ended, or did not answer in time: what it printed is in
            the message.
    """
    port = free_port()
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri()}
    with tempfile.TemporaryDirectory() as folder:
        if direct:
            version, empty = Path(folder, "version"), Path(folder, "empty")
            version.mkdir()
            empty.mkdir()
            fetch(model, version)
            environment |= direct_environment(version)
            server = started(direct_command(port, workers), port, environment, empty)
        else:
            server = started(command(model, port, workers), port, environment, Path.cwd())
        with server as url:
            yield url


@contextmanager
def started(words: list[str], port: int, environment: Mapping[str, str], place: Path) -> Iterator[str]:
    """Run a server while the block does; yields the URL once it answers.

    Args:
        words: the command; the first is a Python, and what lies beside it is found first by name.
        port: where it will listen on loopback.
        environment: all that the server sees of one.
        place: the folder it runs in.

    Raises:
        ModelError: it ended, or did not answer in time: what it printed is in the message.
    """
    # MLflow starts uvicorn by name.
    path = os.pathsep.join([str(Path(words[0]).parent), environment.get("PATH", os.defpath)])
    with tempfile.TemporaryFile("w+") as log:
        # A session of its own, so that the workers it starts end with it.
        process = subprocess.Popen(
            words, env={**environment, "PATH": path}, cwd=place, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=_end_with_parent,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            if not _answers(url, process):
                log.seek(0)
                raise ModelError(
                    f"the server: {' '.join(words[1:])}",
                    expected=f"an answer within {START_SECONDS} s",
                    found=log.read()[-600:].strip() or "nothing printed",
                    todo="look whether memory and disk are free; mlflow models serve -m models:/NAME/VERSION"
                    " --env-manager local shows more",
                )
            yield url
        finally:
            _end(process)


def session() -> requests.Session:
    """A connection to a server of this machine, past any proxy that the environment names."""
    connection = requests.Session()
    connection.trust_env = False
    return connection


def ask(url: str, columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """POST rows to `/invocations`; one dictionary a row.

    Raises:
        MedpipeError: the server refused; its own sentence is in the message.
    """
    names = list(columns)
    rows = [list(values) for values in zip(*columns.values(), strict=True)]
    body = {"dataframe_split": {"columns": names, "data": rows}}
    with session() as connection:
        response = connection.post(f"{url}/invocations", json=body, timeout=ANSWER_SECONDS)
    if response.status_code != 200:
        raise MedpipeError(
            f"{url}/invocations",
            expected="status 200",
            found=f"status {response.status_code}: {_sentence(response)}",
            todo="send one value per column, as the model's signature names them",
        )
    predictions: list[dict[str, Any]] = response.json()["predictions"]
    return predictions


def _sentence(response: requests.Response) -> str:
    """Why the server refused: the last sentence, since MLflow repeats what was asked before it."""
    try:
        message = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"
    return message.rpartition("Error: ")[2][-400:].strip()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    with session() as connection:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                return connection.get(f"{url}/ping", timeout=2).ok
            except requests.RequestException:
                time.sleep(0.05)
    return False


def _end_with_parent() -> None:
    """In the child, before it runs: the system ends it when its parent is killed, who then can't."""
    _C_LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and what it started, and wait for them."""
    _tell(process, signal.SIGTERM)
    try:
        process.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        _tell(process, signal.SIGKILL)
    deadline = time.monotonic() + 2
    while _tell(process, 0):
        if time.monotonic() > deadline:
            _tell(process, signal.SIGKILL)
            break
        time.sleep(0.02)
    process.wait()


def _tell(process: subprocess.Popen[bytes], word: int) -> bool:
    """Signal a server and what it started; whether there is anybody left."""
    try:
        os.killpg(process.pid, word)
    except ProcessLookupError:
        return False
    return True
