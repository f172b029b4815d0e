"""A cheap client of a server on this machine, for `benchmarks.serve` and for tests that need many callers at once.

Connections are kept alive, and each has one request on its way at a time. On uvloop, without a library for HTTP: a
request costs the client some tens of microseconds, so that what is timed is the server.
"""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import cast

import uvloop

STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
LONGEST = 120.0
"""Seconds that all requests of a call may take together."""


@dataclass
class Load:
    """What a number of requests came to."""

    seconds: float = 0.0
    """From the first request to the last answer."""
    waits: list[float] = field(default_factory=list)
    """Seconds of each request that was answered with status 200."""
    answers: set[bytes] = field(default_factory=set)
    """The different bodies of those."""
    refused: list[str] = field(default_factory=list)
    """Answers of another status."""
    lost: int = 0
    """Requests whose connection ended before the answer."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    @property
    def median(self) -> float:
        """Milliseconds that half of the requests took at most."""
        return 1000 * statistics.median(self.waits)

    @property
    def slowest(self) -> float:
        """Milliseconds that 99 of 100 requests took at most."""
        ordered = sorted(self.waits)
        return 1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]


def load(port: int, body: bytes, *, connections: int, requests: int) -> Load:
    """Send a body to `/invocations` many times over some connections.

    Args:
        port: of a server on 127.0.0.1.
        body: JSON.
        connections: how many requests are on their way at a time.
        requests: how many in all. A connection that ends takes its request with it, and another one is opened.

    Raises:
        TimeoutError: not all were answered within LONGEST seconds.
    """
    return uvloop.run(_load(port, _request(port, body), connections, requests))


def _request(port: int, body: bytes) -> bytes:
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _load(port: int, request: bytes, connections: int, requests: int) -> Load:
    result, left = Load(), iter(range(requests))
    begun = perf_counter()
    async with asyncio.timeout(LONGEST):
        await asyncio.gather(*(_caller(port, request, left, result) for _ in range(connections)))
    result.seconds = perf_counter() - begun
    return result


async def _caller(port: int, request: bytes, left: Iterator[int], result: Load) -> None:
    """Opens connections, one after the other, until no request is left."""
    loop = asyncio.get_running_loop()
    more = True
    while more:
        finished: asyncio.Future[bool] = loop.create_future()
        await loop.create_connection(partial(_Connection, request, left, result, finished), "127.0.0.1", port)
        more = await finished


class _Connection(asyncio.Protocol):
    """Sends a request as soon as the last one is answered. `finished` is whether requests may be left."""

    def __init__(self, request: bytes, left: Iterator[int], result: Load, finished: asyncio.Future[bool]) -> None:
        self._request, self._left, self._result, self._finished = request, left, result, finished
        self._received = b""
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such parent
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        length = LENGTH.search(self._received, 0, end) if end >= 0 else None
        if length is None or len(self._received) < end + 4 + int(length[1]):
            return
        wait, answer = perf_counter() - self._begun, self._received
        self._received, self._waiting = b"", False
        self._count(wait, answer, answer[end + 4 :])
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._result.lost += self._waiting
        if not self._finished.done():
            self._finished.set_result(True)

    def _send(self) -> None:
        if next(self._left, None) is None:
            self._finished.set_result(False)
            self._transport.close()
            return
        self._waiting, self._begun = True, perf_counter()
        self._transport.write(self._request)

    def _count(self, wait: float, answer: bytes, body: bytes) -> None:
        status = STATUS.match(answer)
        if status is None or status[1] != b"200":
            self._result.refused.append(answer[:400].decode(errors="replace"))
            return
        self._result.waits.append(wait)
        self._result.answers.add(body)
