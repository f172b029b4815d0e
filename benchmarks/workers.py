"""Servers of models that lie in folders, the processes that answer there, and what memory they hold."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests

from components.lib.server import direct_command, direct_environment, free_port

MEGABYTE = 1 << 20
LONGEST = 90.0
"""Seconds until a server that was started must answer, and until it must have come to rest."""
REST = 0.5
"""Seconds without work that mean that it has."""


@contextmanager
def started(model: Path, count: int = 1) -> Iterator[str]:
    """Serve a model of any flavour that lies in a folder, by the direct command; yields the URL.

    Raises:
        RuntimeError: the server ended, or did not answer in time; what it printed is in the message.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            direct_command(port, count), env={**os.environ, **direct_environment(model)}, cwd=empty, stdout=log,
            stderr=log,
        )  # fmt: skip
        try:
            if not _answers(f"http://127.0.0.1:{port}/ping", server):
                log.seek(0)
                raise RuntimeError(f"no answer of {model}:\n{log.read()[-2000:]}")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()  # it ends its workers
            server.wait(timeout=LONGEST)


def workers(url: str) -> list[psutil.Process]:
    """Those below this process that listen at the URL, but for a supervisor that only watches over others.

    With several workers `uvicorn` opens the socket and hands it to processes that it starts.
    """
    port = urlsplit(url).port
    parents: dict[psutil.Process, int] = {}
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended in between
            if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in each.net_connections("tcp")):
                parents[each] = each.ppid()
    return [each for each in parents if each.pid not in parents.values()]


def come_to_rest(url: str, count: int) -> list[psutil.Process]:
    """Wait until so many workers are there and have done all that they do before the first request.

    Raises:
        TimeoutError: they never were, or never came to rest.
    """
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        before = _worked(found := workers(url))
        time.sleep(REST)
        # The supervisor's question whether they live costs them less than a tick of 10 ms.
        if len(found) == count and _worked(found) - before <= 0.02 and all(each.is_running() for each in found):
            return found
    raise TimeoutError(f"{count} workers at {url}: not there, or still at work after {LONGEST:.0f} s")


def resident(worker: psutil.Process) -> float:
    """Memory that a process holds (RSS), in MB; pages that it shares with others count whole."""
    return float(worker.memory_info().rss) / MEGABYTE


def own(worker: psutil.Process) -> float:
    """The same with a share of each shared page (PSS), in MB."""
    return float(worker.memory_full_info().pss) / MEGABYTE


def forget_peak(worker: psutil.Process) -> None:
    """Reset `peak` to what is held now."""
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5", encoding="utf-8")


def peak(worker: psutil.Process) -> float:
    """The most that the process held (RSS) since `forget_peak`, in MB."""
    status = Path(f"/proc/{worker.pid}/status").read_text(encoding="utf-8")
    (held,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(held) / 1024


def _answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline and server.poll() is None:
        try:
            return requests.get(url, timeout=2).ok
        except requests.RequestException:
            time.sleep(0.05)
    return False


def _worked(processes: list[psutil.Process]) -> float:
    """Processor seconds of all of them; of one that has ended, none."""
    total = 0.0
    for each in processes:
        with suppress(psutil.Error):
            times = each.cpu_times()
            total += times.user + times.system
    return total
