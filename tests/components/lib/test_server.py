"""Servers that are really started leave nothing behind, however what started them ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest
from workspaces import Workspace

from components.lib.errors import MedpipeError, ModelError
from components.lib.server import ask, serve

ADDRESS = "models:/tiny_synthetic@champion"
PROGRAM = """
import psutil, time
from components.lib.server import serve
with serve("models:/tiny_synthetic@champion", direct=True):
    print(*(each.pid for each in psutil.Process().children(recursive=True)), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def store(tiny: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tiny.store)
    return tiny.store


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def fails_while_it_serves(pids: list[int]) -> None:
    """Ask what is refused, of a server with two workers; note whose processes they are."""
    earlier = set(psutil.Process().children(recursive=True))
    with serve(ADDRESS, workers=2, direct=True) as url:
        pids += [each.pid for each in psutil.Process().children(recursive=True) if each not in earlier]
        ask(url, {"image": ["c2VjcmV0IG5hbWU="]})


def test_an_error_leaves_no_process_and_tells_nothing_of_what_was_asked(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # it is asked past any proxy
    pids: list[int] = []
    with pytest.raises(MedpipeError, match="status 400: row 0, column 'image'") as told:
        fails_while_it_serves(pids)
    assert "c2Vj" not in str(told.value)
    assert len(pids) >= 3
    assert all(gone(pid) for pid in pids)


def test_who_starts_it_is_killed_and_so_is_the_server(store: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        pids = [int(word) for word in program.stdout.readline().split()]
        assert pids
        program.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 15
    while not all(gone(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(gone(pid) for pid in pids)


def test_a_version_that_is_not_there(store: str) -> None:
    with pytest.raises(ModelError, match="versions 1"), serve("models:/tiny_synthetic/9", direct=True):
        pass
