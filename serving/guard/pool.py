"""The workers of a guarded server: one request each at a time, another worker in place of one that ended."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
from collections import deque
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

from serving.guard.limits import Limits
from serving.guard.wire import ANSWER, READY, REQUEST, Answer, run_worker

LOG = logging.getLogger("uvicorn.error")
LONGEST_PAUSE = 30.0
"""Seconds between two tries to start a worker, where it ends at once each time."""


class Failed(Exception):  # noqa: N818
    """A worker can't load the model, or ended while it did; its text is why."""


class Worker(asyncio.Protocol):
    """One process, and the connection to it."""

    def __init__(self, process: BaseProcess) -> None:
        self.process = process
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        """What it answers; None where it ended before."""
        self.retired = False
        """Whether that was its last."""
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, content_type: bytes, body: bytes) -> asyncio.Future[Answer | None]:
        """Send a request; the answer comes later."""
        self.answer = asyncio.get_running_loop().create_future()
        if self.ended.done():
            self.answer.set_result(None)
        self._transport.write(REQUEST.pack(len(content_type), len(body)) + content_type)
        self._transport.write(body)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < ANSWER.size:
            return
        status, self.retired, kind, length = ANSWER.unpack_from(self._received)
        begin = ANSWER.size + kind
        if len(self._received) < begin + length:
            return
        answer = (status, self._received[ANSWER.size : begin].decode(), bytes(self._received[begin:]))
        self._received = bytearray()
        if not self.answer.done():
            self.answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_result(None)
        if not self.ended.done():
            self.ended.set_result(None)

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self._transport.abort()


class Pool:
    """So many workers of a model.

    Args:
        model: the folder.
        count: of workers.
        limits: of a request.
    """

    def __init__(self, model: Path, count: int, limits: Limits) -> None:
        self._model, self._count, self._limits = model, count, limits
        self._free: deque[Worker] = deque()
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._all: set[Worker] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self.able = True
        """Whether a worker that is to be started can be; requests wait for it."""
        self._forking = asyncio.Lock()
        # Forked from a process that has imported MLflow and nothing else: there in a moment, and loads the model.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["serving.guard.worker"])

    async def start(self) -> None:
        """Start all of them.

        Raises:
            Failed: the model can't be loaded.
        """
        started = await asyncio.gather(*(self._started() for _ in range(self._count)), return_exceptions=True)
        failed = [each for each in started if isinstance(each, BaseException)]
        if failed:
            self.stop()
            raise failed[0]
        self._keepers = [asyncio.create_task(self._keep(each)) for each in started if isinstance(each, Worker)]

    def stop(self) -> None:
        """End all of them."""
        for keeper in self._keepers:
            keeper.cancel()
        for worker in [*self._all]:
            worker.kill()

    def turn(self) -> asyncio.Future[Worker]:
        """A worker, at once or when one is free; it is the caller's until it is given back."""
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        while self._free:
            worker = self._free.popleft()
            if not worker.ended.done():
                turn.set_result(worker)
                return turn
        self._waiting.append(turn)
        return turn

    def give_back(self, worker: Worker) -> None:
        """Let it answer whoever has waited longest; one that hasn't answered is ended."""
        if not worker.answer.done():
            worker.kill()
        if worker.ended.done() or worker.retired or not worker.answer.done():
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(worker)
                return
        self._free.append(worker)

    async def _keep(self, worker: Worker) -> None:
        """Put another one in the place of one that ended, for ever."""
        while True:
            self.give_back(worker)
            await worker.ended
            self._all.discard(worker)
            pause = 0.0
            while True:
                await asyncio.sleep(pause)
                try:
                    worker = await self._started()
                    self.able = True
                    break
                except (Failed, OSError) as error:
                    self.able = False
                    LOG.error("a worker could not start: %s", error)
                    pause = min(LONGEST_PAUSE, 2 * pause + 1)

    async def _started(self) -> Worker:
        """A new worker, once it has loaded the model."""
        ours, theirs = socket.socketpair()
        process = self._context.Process(
            target=run_worker, args=(theirs, str(self._model), self._limits.work_megabytes), daemon=True
        )
        with theirs:
            async with self._forking:
                await asyncio.to_thread(process.start)
        loop = asyncio.get_running_loop()
        _, worker = await loop.create_connection(lambda: Worker(process), sock=ours)
        answer = await worker.answer
        if answer is None:
            raise Failed(await asyncio.to_thread(how_ended, worker))
        if answer[0] != READY:
            raise Failed(answer[2].decode())
        self._all.add(worker)
        return worker


def how_ended(worker: Worker) -> str:
    """How a process ended, as far as that is known by now."""
    worker.process.join(1)
    code = worker.process.exitcode
    if code is None or code >= 0:
        return f"exit status {code}"
    return f"signal {signal.Signals(-code).name}"
