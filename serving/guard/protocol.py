"""Connections with limits: uvicorn's HTTP, ended where a header, an answer or the silence between takes too long.

uvicorn itself waits for ever for the first request of a connection, and for the rest of a header; headers may be of
any length, and an answer that nobody takes is kept. All connections are inspected some times a second, which costs a
request nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.guard.limits import Limits
from serving.guard.wire import problem

EVERY = 0.25
"""Seconds between two inspections."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection; make a class with limits by `guarded`."""

    limits: Limits
    open: set[GuardedProtocol]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        """When it began to wait for a header, or the header to come."""
        self._used = self._in_header = False
        self._header = self._surplus = 0
        self._unsent: float | None = None
        self.open.add(self)
        if len(self.open) > self.limits.connections:
            waiting = [each for each in self.open if each is not self and each.waits]
            if waiting:
                min(waiting, key=lambda each: each._since).transport.abort()
            else:
                self.refuse(503, "as many connections as may be open at a time")

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.discard(self)
        super().connection_lost(exc)

    @property
    def waits(self) -> bool:
        """Whether there is no request whose header has come, or only its answered one."""
        return self.cycle is None or self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_header:
            self._header += len(data)
            if self._header > 1024 * self.limits.header_kilobytes:
                self.refuse(431, f"expected a header of at most {self.limits.header_kilobytes} kB")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._used:
            self._since = self.loop.time()
        self._used = self._in_header = True
        self._header = self._surplus = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._surplus += len(name) + len(value) + 4  # those behind a body count too
        if self._surplus > 2048 * self.limits.header_kilobytes:
            raise ValueError("too long")  # the parser's error, and so uvicorn's 400
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_header = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()

    def inspect(self, now: float) -> None:
        """End it where it takes too long."""
        limits = self.limits
        if self.transport.get_write_buffer_size():
            self._unsent = now if self._unsent is None else self._unsent
            if now - self._unsent > limits.send_seconds:
                self.transport.abort()
            return
        self._unsent = None
        if self.transport.is_closing():
            return
        waited = now - self._since
        if self._in_header or not self._used:
            if waited > limits.header_seconds:
                self.refuse(408, f"expected a whole header within {limits.header_seconds:g} s")
        elif self.waits and not self.cycle.more_body:
            if waited > limits.idle_seconds:
                self.transport.close()
        elif self.waits and waited > limits.body_seconds:  # the rest of a body that was refused
            self.transport.close()

    def refuse(self, status: int, sentence: str) -> None:
        """Answer before there is a request, and end."""
        _, kind, content = problem(status, sentence)
        head = f"content-type: {kind}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head.encode() + content)
        self.transport.close()


def guarded(limits: Limits) -> type[GuardedProtocol]:
    """A class of connections with these limits."""
    return type("Guarded", (GuardedProtocol,), {"limits": limits, "open": set()})


async def watch(connections: set[GuardedProtocol]) -> Any:
    """Inspect all of them again and again."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(EVERY)
        now = loop.time()
        for each in [*connections]:
            each.inspect(now)
