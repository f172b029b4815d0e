"""Batches got ready ahead of their turn, by threads, so that training needn't wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import keras

from components.lib.parallel import cores

MOST = 4
"""Threads, and batches that wait ready: a few, so that data may be larger than memory."""


def suitable() -> int:
    """How many threads suit this machine and back end. TensorFlow reads ahead by itself; JAX doesn't."""
    return 0 if keras.backend.backend() == "tensorflow" else min(MOST, cores() - 1)


@contextmanager
def ahead(batches: keras.utils.PyDataset, threads: int) -> Iterator[keras.utils.PyDataset]:
    """The same batches in the same order; while one is used, threads get the next ones ready, one each.

    Keras' own workers are not used: they outlive an epoch that an error ends, and ending one costs 0.1 s.

    Args:
        batches: what a batch holds must follow from its number alone.
        threads: 0: every batch is got ready when it is asked for.
    """
    if not threads:
        yield batches
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="batches")
    try:
        yield _Ahead(batches, pool, threads)
    finally:
        pool.shutdown(cancel_futures=True)


class _Ahead(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, batches: keras.utils.PyDataset, pool: ThreadPoolExecutor, threads: int) -> None:
        super().__init__()
        self._batches, self._pool, self._threads = batches, pool, threads
        self._pending: dict[int, Future[Any]] = {}

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        for number in range(index, min(index + self._threads + 1, len(self))):
            if number not in self._pending:
                self._pending[number] = self._pool.submit(self._batches.__getitem__, number)
        return self._pending.pop(index).result()
