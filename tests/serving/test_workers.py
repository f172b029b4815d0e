"""Two workers: one may be killed, and two hundred may call at once."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from asking import Answer, Caller, served
from dicoms import dicom
from films import encoded, film
from workspaces import Workspace

from benchmarks.load import load
from benchmarks.workers import come_to_rest, workers

GOOD = encoded(film(1, 32))
BODY = json.dumps({"dataframe_records": [{"image": base64.b64encode(GOOD).decode()}]}).encode()
CALLERS = 8


@pytest.fixture(scope="module")
def url(tiny: Workspace) -> Iterator[str]:
    with served(tiny, "tiny_synthetic", workers=2) as address:
        come_to_rest(address, 2)
        yield address


def asked(url: str, *pictures: bytes) -> Answer:
    """The answer over a connection of its own, so that either worker may give it."""
    with Caller(url) as caller:
        return caller.pictures(*pictures)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port


def test_two_hundred_callers_at_once_are_all_answered(url: str) -> None:
    done = load(port_of(url), BODY, connections=200, requests=1000)
    assert (len(done.waits), done.lost, done.refused) == (1000, 0, [])
    assert len(done.answers) == 1
    assert done.answers == {asked(url, GOOD).text.encode()}


def packages(worker: psutil.Process) -> set[str]:
    """Those whose compiled code a process has loaded."""
    paths = (re.search(r"/site-packages/(\w+)[./]", each.path) for each in worker.memory_maps())
    return {found[1] for found in paths if found}


def test_no_library_of_training_or_drawing_is_loaded(url: str) -> None:
    film_of_16_bits = dicom(film(2, 40).astype(np.uint16) * 257)
    for _ in range(8):  # to both of them
        assert asked(url, GOOD, film_of_16_bits).status == 200
    for worker in workers(url):
        loaded = packages(worker)
        assert loaded >= {"numpy", "onnxruntime", "cv2"}
        assert loaded.isdisjoint({"tensorflow", "jax", "jaxlib", "sklearn", "matplotlib", "great_expectations"})


def replaced(url: str, known: list[psutil.Process]) -> psutil.Process:
    """The worker that the supervisor starts in place of one of the known that was killed."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        fresh = [each for each in workers(url) if each not in known]
        if fresh:
            return fresh[0]
        time.sleep(0.1)
    raise AssertionError("no worker came in place of the one that was killed")


def test_of_a_killed_worker_only_requests_in_flight_are_lost(url: str) -> None:
    before = asked(url, GOOD)
    first, second = workers(url)
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(load, port_of(url), BODY, connections=CALLERS, requests=1500)
        time.sleep(0.3)
        first.kill()
        fresh = replaced(url, [first, second])
        done = calling.result()
    assert done.lost <= CALLERS  # at most the one request that each of them had on its way
    assert (len(done.waits), done.refused) == (1500 - done.lost, [])
    assert done.answers == {before.text.encode()}
    assert second.is_running()
    # Without the second, only the new one can answer.
    second.kill()
    replaced(url, [first, second, fresh])
    after = load(port_of(url), BODY, connections=CALLERS, requests=200)
    assert (len(after.waits), after.lost, after.refused) == (200, 0, [])
    assert after.answers == done.answers
    assert fresh.is_running()
