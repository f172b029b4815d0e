"""The ASGI application: reads a request within limits, lets a worker answer it, and ends work that takes too long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import version
from typing import Any

from serving.guard.limits import Limits
from serving.guard.pool import Failed, Pool, Worker, how_ended
from serving.guard.protocol import GuardedProtocol, watch
from serving.guard.wire import JSON, MEGABYTE, Answer, problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
PATIENCE = 1.0
"""Seconds that work goes on for a caller who is gone; less would cost more than it frees."""
LOG = logging.getLogger("uvicorn.error")


class Gone(Exception):  # noqa: N818
    """The caller ended the connection."""


class Guard:
    """MLflow's paths, within limits.

    Args:
        pool: who answers.
        limits: of a request.
        connections: that are open.
    """

    def __init__(self, pool: Pool, limits: Limits, connections: set[GuardedProtocol]) -> None:
        self._pool, self._limits, self._connections = pool, limits, connections
        self._requests = self._held = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or start and stop with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except Gone:
            return
        await _respond(send, answer)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._pool.start()
        except (Failed, OSError) as error:
            await send({"type": "lifespan.startup.failed", "message": f"the model can't be loaded: {error}"})
            return
        watching = asyncio.create_task(watch(self._connections))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        watching.cancel()
        self._pool.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path == "/invocations":
            return await self._invocation(scope, receive) if method == "POST" else _not_allowed("POST")
        if path not in ("/ping", "/health", "/version"):
            return problem(404, "expected the path /invocations, /ping, /health or /version", "NOT_FOUND")
        if method not in ("GET", "HEAD"):
            return _not_allowed("GET")
        if path == "/version":
            return 200, JSON, version("mlflow").encode()
        return (200, JSON, b"\n") if self._pool.able else problem(503, "no worker can load the model", "UNAVAILABLE")

    async def _invocation(self, scope: Message, receive: Receive) -> Answer:
        limits, headers = self._limits, dict(reversed(scope["headers"]))  # of several the first counts
        content_type = headers.get(b"content-type")
        if content_type is None:
            return problem(415, "Content-Type: expected application/json or text/csv, found none")
        body = _Body(limits)
        try:
            if int(headers.get(b"content-length", b"0")) > limits.body_megabytes * MEGABYTE:
                return body.too_large()
            async with asyncio.timeout(limits.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    more = message["more_body"]
                    body.add(message["body"])
                    self._held += len(message["body"])
                    if body.size > limits.body_megabytes * MEGABYTE:
                        return body.too_large()
                    if self._held > limits.bodies_megabytes * MEGABYTE:
                        return _busy("the bodies that are held at a time would take too much memory")
            if self._requests >= limits.requests:
                return _busy(f"{limits.requests} requests are waiting or being answered")
            self._requests += 1
            try:
                return await self._worked(content_type, body.whole(), receive)
            finally:
                self._requests -= 1
        except TimeoutError:
            return problem(408, f"expected the whole body within {limits.body_seconds:g} s", "DEADLINE_EXCEEDED")
        finally:
            self._held -= body.size

    async def _worked(self, content_type: bytes, body: bytes, receive: Receive) -> Answer:
        """A worker's answer, or why there is none."""
        seconds = self._limits.work_seconds
        gone: asyncio.Future[Any] | None = None
        turn = self._pool.turn()
        try:
            if not turn.done():
                gone = asyncio.ensure_future(receive())
                await asyncio.wait({turn, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                if gone is not None and gone.done():
                    raise Gone
                return _busy(f"no worker was free for {seconds:g} s")
            worker = turn.result()
            asked = worker.ask(content_type, body)
            await asyncio.wait([asked], timeout=min(PATIENCE, seconds))
            if not asked.done():
                gone = gone or asyncio.ensure_future(receive())
                left = max(0.0, seconds - PATIENCE)
                await asyncio.wait({asked, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                if gone is not None and gone.done():
                    raise Gone
                LOG.warning("a request was ended after %g s", seconds)
                return problem(504, f"no answer within {seconds:g} s: the work was ended", "DEADLINE_EXCEEDED")
            answer = asked.result()
            return await _died(worker) if answer is None else answer
        finally:
            if gone is not None:
                gone.cancel()
            if turn.done():
                self._pool.give_back(turn.result())
            else:
                turn.cancel()


async def _died(worker: Worker) -> Answer:
    """What is said for a worker that ended before it had answered."""
    how = await asyncio.to_thread(how_ended, worker)
    LOG.error("a worker ended while it answered: %s", how)
    return problem(500, f"the process that was to answer ended: {how}", "INTERNAL_ERROR")


class _Body:
    """A body as it arrives."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._pieces, self.size = limits, list[bytes](), 0

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)

    def whole(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def too_large(self) -> Answer:
        return problem(413, f"expected a body of at most {self._limits.body_megabytes:g} MB", "RESOURCE_EXHAUSTED")


def _not_allowed(method: str) -> Answer:
    return problem(405, f"expected {method}", "METHOD_NOT_ALLOWED")


def _busy(sentence: str) -> Answer:
    return problem(503, f"{sentence}; try again", "UNAVAILABLE")


async def _respond(send: Send, answer: Answer) -> None:
    status, kind, content = answer
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
