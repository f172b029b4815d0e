"""Work over parts: in order, the same in processes as inline, errors raised where the caller sees them."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from components.lib import parallel
from components.lib.errors import DataError, MedpipeError
from components.lib.parallel import each_part, each_sample


@pytest.fixture(params=[1, 2], ids=["inline", "processes"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(parallel, "cores", lambda: request.param)
    return int(request.param)


def test_results_come_in_order(workers: int) -> None:
    assert each_part(math.factorial, [9, 1, 5, 0], title="test") == [362880, 1, 120, 1]


def test_an_exception_surfaces(workers: int) -> None:
    with pytest.raises(ValueError, match=r"invalid literal for int.*'x'"):
        each_part(int, ["1", "x", "3"], title="test")


def test_nothing_to_do(workers: int) -> None:
    assert each_part(int, [], title="test") == []


def test_parts_leave_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    processes = each_part(os.path.realpath, ["/proc/self", "/proc/self"], title="test")
    assert f"/proc/{os.getpid()}" not in processes


def test_samples_come_in_order_whatever_takes_long() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return -number

    assert list(each_sample(slow_first, range(5), workers=3)) == [0, -1, -2, -3, -4]


def test_an_exception_of_a_sample_surfaces() -> None:
    with pytest.raises(ValueError, match="'x'"):
        list(each_sample(int, ["1", "x"], workers=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_only_some_samples_are_taken_ahead_of_the_work(workers: int) -> None:
    ahead = itertools.count(1)
    samples = each_sample(abs, ahead, workers=workers)
    assert list(itertools.islice(samples, 5)) == [1, 2, 3, 4, 5]
    samples.close()
    assert next(ahead) < 1000


def test_only_some_parts_are_taken_ahead_of_the_work() -> None:
    parts, results = iter(range(100)), []
    with ThreadPoolExecutor(2) as executor:
        for position, result in parallel._as_done(executor, abs, parts, 4):
            results.append((position, result))
            break
    assert results[0][0] == results[0][1]
    assert next(parts) == 4


def test_parts_without_a_length(workers: int) -> None:
    assert each_part(abs, (-part for part in range(20)), title="test", total=20) == list(range(20))


@pytest.mark.parametrize("kind", [DataError, MedpipeError])
def test_our_errors_come_back_from_processes_whole(kind: type[MedpipeError], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    with pytest.raises(kind) as caught:
        each_part(partial(refuse, kind), ["a", "b", "c"], title="test")
    assert str(caught.value) == "a\n  expected: b\n  found:    c\n  to do:    d"


def refuse(kind: type[MedpipeError], part: str) -> None:
    raise kind("a", expected="b", found="c", todo="d")


def test_workers_end_with_the_process_that_was_killed() -> None:
    code = (
        "import os, time; from components.lib import parallel; parallel.cores = lambda: 2\n"
        "parallel.each_part(os.system, ['echo $PPID; exec sleep 20'] * 2, title='test')"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.kill()
        until = time.monotonic() + 20
        while any(Path(f"/proc/{worker}").exists() for worker in workers):
            assert time.monotonic() < until, "workers outlive their parent"
            time.sleep(0.05)
