"""Where training runs and in which precision, decided aloud."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from components.lib.errors import ModelError
from components.lib.train_settings import Train


def prepare(settings: Train) -> str:
    """Choose device and precision, switch determinism on; returns the precision.

    Raises:
        ModelError: a GPU was asked for and none is visible.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if settings.device == "gpu" and not gpus:
        raise ModelError(
            "train.device: gpu",
            expected="a GPU that TensorFlow can see",
            found="none",
            todo="install requirements/gpu.txt and check the driver, or set train.device: cpu",
        )
    if settings.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        gpus = []
    precision, reason = _precision(settings.precision, bool(gpus))
    print(f"training on {f'{len(gpus)} GPU' if gpus else 'the processor'} in {precision} ({reason})")
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    tf.config.experimental.enable_op_determinism()
    return precision


def _precision(asked: str, gpu: bool) -> tuple[str, str]:
    if asked != "auto":
        return asked, "train.precision"
    if gpu:
        return "bfloat16", "the GPU computes in it"
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.exists() else ""
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        return "bfloat16", "the processor computes in it, about twice as fast"
    return "float32", "the processor has no bfloat16 arithmetic"
