"""Where training runs and in which precision, decided aloud; what TensorFlow and JAX do differently stands here.

Keras' back end is TensorFlow, or what KERAS_BACKEND names: TensorFlow trains on one or several devices of one machine,
JAX also on several machines (`components.train.processes`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from components.lib.errors import ModelError
from components.lib.train_settings import Train
from components.train import processes
from components.train.averages import normalisations
from components.train.keras_settings import settle

BACKEND: str = keras.backend.backend()
TODO_GPU = {
    "tensorflow": "install requirements/gpu.txt and check the driver, or set train.device: cpu",
    "jax": "install JAX with CUDA beside requirements/gpu.txt and check the driver, or set train.device: cpu",
}


def prepare(settings: Train) -> str:
    """Choose devices and precision, switch determinism on; returns the precision.

    Raises:
        ModelError: a GPU was asked for and none is visible, a back end that medpipe doesn't know, or settings of
            several processes that don't fit.
    """
    if BACKEND not in TODO_GPU:
        raise ModelError(
            f"KERAS_BACKEND={BACKEND}", expected="tensorflow or jax", found=BACKEND, todo="set or unset KERAS_BACKEND"
        )
    settle()
    _prepare_tensorflow(settings.device) if BACKEND == "tensorflow" else _prepare_jax(settings.device)
    gpu = on_gpu()
    if settings.device == "gpu" and not gpu:
        names = {"tensorflow": "TensorFlow", "jax": "JAX"}
        raise ModelError(
            "train.device: gpu",
            expected=f"a GPU that {names[BACKEND]} can see",
            found="none",
            todo=TODO_GPU[BACKEND],
        )
    precision, reason = _precision(settings.precision, gpu)
    print(f"training on {_told(gpu)} in {precision} ({reason})")
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    return precision


def forget_networks() -> None:
    """Let go of what Keras keeps of the networks built so far."""
    keras.backend.clear_session()


def scope() -> AbstractContextManager[object]:
    """What a network is built and compiled in, so that its variables lie where training runs: of several devices under
    TensorFlow, on each a copy (`tf.distribute.MirroredStrategy`)."""
    devices = _devices()
    strategy = _mirrored(tuple(devices)) if BACKEND == "tensorflow" and len(devices) > 1 else None
    return nullcontext() if strategy is None else strategy.scope()


def share_statistics(training: keras.Model) -> None:
    """Let batch normalisation take its means over the batch of all copies. TensorFlow's own would be of each copy's
    share, and another number of devices would give another net; under JAX they are of the whole batch anyway."""
    if BACKEND == "tensorflow" and len(_devices()) > 1:
        for layer in normalisations(training):
            layer.synchronized = True


def on_gpu() -> bool:
    """Whether training runs on a GPU."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.get_visible_devices("GPU"))
    import jax

    return bool(jax.default_backend() == "gpu")


def gpus() -> int:
    """How many GPUs this process trains on."""
    if not on_gpu():
        return 0
    if BACKEND == "tensorflow":
        return len(_devices())
    import jax

    return int(jax.local_device_count())


def predict(network: keras.Model, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The network's outputs (N, …) by name for inputs (N, …), the same on one device and on several."""
    count = len(next(iter(inputs.values())))
    answers = network.predict_on_batch(dict(inputs))
    # Of several copies under TensorFlow each answers for the whole batch, and the answers come one after the other.
    return {name: np.asarray(values)[:count] for name, values in answers.items()}


def out_of_memory() -> tuple[type[BaseException], ...]:
    """What the back end raises when memory runs out; JAX raises it for other reasons, too."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return MemoryError, tf.errors.ResourceExhaustedError
    from jax.errors import JaxRuntimeError

    return MemoryError, JaxRuntimeError


def _prepare_tensorflow(device: str) -> None:
    import tensorflow as tf

    processes.require_one()
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    tf.config.experimental.enable_op_determinism()


def _prepare_jax(device: str) -> None:
    import jax

    flag = "--xla_gpu_deterministic_ops=true"
    if flag not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    processes.start()


def _devices() -> list[str]:
    """Names of the devices that train: GPUs where there are any, else the processor, which is one device unless
    somebody has cut it into logical ones."""
    if BACKEND != "tensorflow":
        return [str(name) for name in keras.distribution.list_devices()]
    import tensorflow as tf

    return [each.name for each in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]


@cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    """One strategy for these devices: variables of two don't mix."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(devices))


def _told(gpu: bool) -> str:
    """`the processor`, `2 GPU`, `2 logical processors`, `2 GPU of 2 processes`."""
    count, of = len(_devices()), processes.place().count
    each = f"{count} GPU" if gpu else "the processor" if count == 1 else f"{count} logical processors"
    if of == 1:
        return each
    return f"{each} of {of} processes" if gpu else f"the processors of {of} processes"


def _precision(asked: str, gpu: bool) -> tuple[str, str]:
    if asked != "auto":
        return asked, "train.precision"
    if gpu:
        return "bfloat16", "the GPU computes in it"
    if BACKEND == "jax":
        return "float32", "JAX is no faster in bfloat16 on a processor"
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.exists() else ""
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        return "bfloat16", "the processor computes in it, about twice as fast"
    return "float32", "the processor has no bfloat16 arithmetic"
