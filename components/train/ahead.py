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


@contextmanager
def ahead(batches: keras.utils.PyDataset, threads: int | None = None) -> Iterator[Any]:
    """The same batches in the same order, for Keras' `fit`; while one is used, the next ones are got ready.

    Keras' own workers are not used: they outlive an epoch that an error ends, and ending one costs 0.1 s.

    Args:
        batches: what a batch holds must follow from its number alone.
        threads: so many get batches ready, one each; 0: every batch is got ready when it is asked for; None: what suits
            the back end, one thread of TensorFlow's or, under JAX, as many as the machine has cores to spare.
    """
    if threads is None and keras.backend.backend() == "tensorflow":
        yield _by_tensorflow(batches)
        return
    threads = min(MOST, cores() - 1) if threads is None else threads
    if not threads:
        yield batches
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="batches")
    try:
        yield _Ahead(batches, pool, threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _by_tensorflow(batches: keras.utils.PyDataset) -> Any:
    """A `tf.data.Dataset` that reads ahead by a fixed number of batches.

    The one that Keras makes tunes that number, and the thread that does so keeps the end of an epoch waiting while it
    sleeps: up to 5 s (measured with TensorFlow 2.21).
    """
    import tensorflow as tf

    first = batches[0]

    def signature(values: Any) -> Any:
        return tf.TensorSpec((None, *values.shape[1:]), values.dtype)

    def each() -> Iterator[Any]:
        yield first
        yield from (batches[number] for number in range(1, len(batches)))

    stream = tf.data.Dataset.from_generator(each, output_signature=keras.tree.map_structure(signature, first))
    options = tf.data.Options()
    options.autotune.enabled = False
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(MOST).with_options(options)


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
