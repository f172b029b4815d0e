"""Work over parts: processes for parts, threads for the samples inside one; the same on a Dask cluster.

Parts are worked on in processes of this machine, or on the cluster whose scheduler `MEDPIPE_DASK` names
(`tcp://host:8786`). The bytes that come out are the same. Parts of a worker that dies go to another one; a part that
killed three of them ends the run.

A Dask cluster runs whatever code its clients and its scheduler send, as pickles: name only one that you trust, in a
network that you trust. Encryption and certificates are Dask's own settings (`tls://host:8786` and
`distributed.comm.tls` in its configuration, or `DASK_DISTRIBUTED__COMM__TLS__…`). Every worker must run this version of
medpipe and see the files under the same paths as this machine: a shared file system. Both are checked first.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from components.lib.errors import MedpipeError
from components.lib.progress import progress

T = TypeVar("T")
R = TypeVar("R")

CLUSTER = "MEDPIPE_DASK"
"""Environment variable with the address of a Dask scheduler."""
ANSWER_WITHIN = 5
"""Seconds a scheduler has to answer."""
WORKERS_WITHIN = 15
"""Seconds a cluster has to show a first worker."""
LONGEST_CHUNK = 64
"""Samples that a thread takes at a time, at most; fewer where they take longer than `CHUNK_SECONDS`."""
CHUNK_SECONDS = 0.01


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))


def threads_per_part(parts: int) -> int:
    """Threads for the samples of one of so many parts: processors that no part has a process on."""
    return 1 if os.environ.get(CLUSTER) else max(1, cores() // max(1, parts))


def each_part(
    work: Callable[[T], R], parts: Iterable[T], *, title: str, total: int | None = None, shared: tuple[Path, ...] = ()
) -> list[R]:
    """Run `work` on every part, in processes where that pays, on the cluster where one is named; results in order.

    Args:
        work: a picklable function of one part. Its exception stops the run and is raised here. On a cluster it may run
            twice, should a worker be lost and come back.
        parts: what it is called with; taken a few ahead of the work, so that they needn't all fit into memory.
        title: shown with the progress bar.
        total: how many parts; None where `parts` has a length.
        shared: what every worker of a cluster must see under the same path.

    Raises:
        MedpipeError: the cluster doesn't answer, has no worker, or its workers lack the files or this version.
    """
    count = len(parts) if isinstance(parts, Sized) else int(total or 0)
    address = os.environ.get(CLUSTER)
    if address and count:
        with _cluster(address, shared) as (executor, ahead):
            return _spread(executor, work, parts, ahead, title, count)
    workers = min(cores(), count)
    if workers < 2:
        return [work(part) for part in progress(parts, title, total=count)]
    # Not fork: OpenCV and Arrow hold threads, which a forked child would not have.
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as executor:
        return _spread(executor, work, parts, 2 * workers, title, count)


def each_sample(work: Callable[[T], R], samples: Iterable[T], *, workers: int | None = None) -> Iterator[R]:
    """Run `work` on every sample in threads; results in order. For work that lets go of the interpreter: reading,
    hashing, OpenCV. Samples are taken a few chunks ahead of the work, so that they needn't all fit into memory."""
    workers = workers or cores()
    if workers < 2:
        yield from map(work, samples)
        return
    queue, size = iter(samples), 1
    waiting: deque[Future[tuple[list[R], float]]] = deque()
    executor = ThreadPoolExecutor(workers)
    try:
        while True:
            while len(waiting) < 3 * workers and (chunk := list(islice(queue, size))):
                waiting.append(executor.submit(_timed, work, chunk))
            if not waiting:
                return
            results, seconds = waiting.popleft().result()
            # One sample at a time where each takes long; where they are quick, handing them over would cost more.
            size = max(1, min(LONGEST_CHUNK, round(len(results) * CHUNK_SECONDS / max(seconds, 1e-9))))
            yield from results
    finally:
        executor.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """In a worker process: end when the process that started it is gone. After SIGKILL nobody else would tell it."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _timed(work: Callable[[T], R], chunk: list[T]) -> tuple[list[R], float]:
    """The results of some samples, and the seconds they took."""
    start = time.monotonic()
    return [work(sample) for sample in chunk], time.monotonic() - start


def _spread(
    executor: Executor, work: Callable[[T], R], parts: Iterable[T], ahead: int, title: str, total: int
) -> list[R]:
    """The results of all parts in order; `ahead` of them are handed over before the first is done."""
    done = dict(progress(_as_done(executor, work, parts, ahead), title, total=total))
    return [done[position] for position in range(len(done))]


def _as_done(executor: Executor, work: Callable[[T], R], parts: Iterable[T], ahead: int) -> Iterator[tuple[int, R]]:
    """Positions and results, as they come."""
    queue, waiting = enumerate(parts), dict[Future[R], int]()
    try:
        while True:
            for position, part in islice(queue, ahead - len(waiting)):
                waiting[executor.submit(work, part)] = position
            if not waiting:
                return
            for future in wait(waiting, return_when="FIRST_COMPLETED").done:
                yield waiting.pop(future), future.result()
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def _cluster(address: str, shared: tuple[Path, ...]) -> Iterator[tuple[Executor, int]]:
    """The cluster as an executor, and how many parts to hand over at a time.

    Raises:
        MedpipeError: it can't be used.
    """
    from distributed import Client
    from distributed.scheduler import KilledWorker

    where = f"{CLUSTER}={address}"
    try:
        if not re.fullmatch(r"(tcp|tls)://[^/]+:\d{1,5}", address):  # the client would look for it, and say less
            raise ValueError("no address of the form tcp://host:port or tls://host:port")
        client = Client(address, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        found = " ".join(str(error).split())[:160] or type(error).__name__
        todo = f"start one (dask scheduler; dask worker ADDRESS), correct {CLUSTER}, or unset it: work stays here"
        raise MedpipeError(where, expected="a Dask scheduler that answers", found=found, todo=todo) from None
    with client:
        threads = _require_fit(client, where, tuple(path.absolute() for path in shared))
        try:
            # Workers may join later: more parts wait than there are threads now.
            yield client.get_executor(), max(32, 3 * threads)
        except (KilledWorker, CancelledError) as error:
            lost = isinstance(error, CancelledError)
            found = "the scheduler is gone" if lost else " ".join(str(error).split())[:240]
            todo = "look at the logs of the scheduler and its workers (memory?), then run the same command again: "
            raise MedpipeError(
                where, expected="a cluster that stays", found=found, todo=f"{todo}finished parts are kept"
            ) from None


def _require_fit(client: Any, where: str, shared: tuple[Path, ...]) -> int:
    """The threads of all workers, once each is known to run this version and to see the shared files."""
    from components.lib.output import code_digest

    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN)
    except TimeoutError:
        todo = "start workers: dask worker ADDRESS"
        raise MedpipeError(where, expected="a cluster with workers", found="none", todo=todo) from None
    for worker, found in client.run(_look, shared, on_error="return").items():
        problem = str(found) if isinstance(found, Exception) else None
        if problem is None and found[0] != code_digest():
            problem = "another version of medpipe"
        if problem is None and found[1]:
            problem = f"it doesn't see {found[1]}"
        if problem:
            raise MedpipeError(
                f"{where}, worker {worker}",
                expected="this version of medpipe, and the files under the same paths: a shared file system",
                found=" ".join(problem.split())[:240],
                todo="install this version there, share the folder, and start the worker again",
            )
    return sum(client.nthreads().values())


def _look(shared: tuple[Path, ...]) -> tuple[str, str | None]:
    """On a worker: the digest of its code, and the first shared path that it doesn't see."""
    from components.lib.output import code_digest

    return code_digest(), next((str(path) for path in shared if not path.exists()), None)
