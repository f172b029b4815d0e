"""Time limits of tests, stated once: on a busy machine everything takes longer, and nothing is wrong with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

MAKING = 300.0
"""Seconds that a workspace for several test modules may take, on an idle machine."""


def crowded() -> float:
    """How many programs want each core, at least 1: by so much a limit grows."""
    return max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


@contextmanager
def off_the_clock() -> Iterator[None]:
    """What happens inside doesn't count for the limit of the test that happens to ask for it; it has its own."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
