"""Workspaces that several test modules read: made again after a failure, and given up after a second one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from limits import crowded, off_the_clock
from workspaces import made_once


class Late(Exception):  # noqa: N818
    """The alarm rang."""


def test_what_ran_out_of_time_is_made_again_and_what_is_made_stays(tmp_path: Path) -> None:
    tries: list[int] = []

    def make() -> None:
        (tmp_path / "tiny" / "workspace").mkdir()  # as a workspace, it can't be made where it is
        tries.append(1)
        if len(tries) == 1:
            pytest.fail("Timeout >300.0s")

    made_once(tmp_path / "tiny", make)
    made_once(tmp_path / "tiny", make)
    assert len(tries) == 2
    assert (tmp_path / "tiny" / "done").exists()


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "tiny" / "workspace").mkdir(parents=True)
    made_once(tmp_path / "tiny", lambda: (tmp_path / "tiny" / "workspace").mkdir())
    assert (tmp_path / "tiny" / "done").exists()


def test_after_two_failures_nobody_tries_again(tmp_path: Path) -> None:
    tries: list[int] = []

    def make() -> None:
        tries.append(1)
        raise AssertionError(f"step clean failed, try {len(tries)}")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="tried 2 times, at first: step clean failed, try 1"):
            made_once(tmp_path / "tiny", make)
    assert len(tries) == 2


def test_making_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> None:
        raise Late

    outer, rest = signal.signal(signal.SIGALRM, late), signal.setitimer(signal.ITIMER_REAL, 0.05)[0]
    try:
        with off_the_clock():
            time.sleep(0.1)
        with pytest.raises(Late):
            time.sleep(5)
    finally:
        signal.signal(signal.SIGALRM, outer)
        signal.setitimer(signal.ITIMER_REAL, rest)


def test_limits_grow_with_the_load_and_never_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    for load, factor in ((0.0, 1.0), (cores / 2, 1.0), (cores * 3.0, 3.0)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert crowded() == factor
