"""Is there memory enough to train this network? Asked before training, and told in our words when it runs out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from components.lib.errors import ModelError
from components.lib.spec import TaskSpec
from components.train import devices
from components.train.derive import SIZES, limited, outputs
from components.train.network import build_core
from components.train.samples import Fitted

# A weight, its gradient and the two moments of AdamW, each of 4 bytes.
BYTES_PER_PARAMETER = 16
SMALL_WIDTHS = (4, 8, 12)
EXHAUSTED = re.compile("ResourceExhausted|RESOURCE_EXHAUSTED|[Oo]ut of memory")
SAID = re.compile(r"OOM when allocating[^\n]*|Unable to allocate[^\n]*|Out of memory (while|allocating)[^\n]*")


def require_memory(spec: TaskSpec, fitted: Fitted, free: int | None = None) -> None:
    """Refuse a network that can't be trained here, before its weights are made: a system that runs out of memory
    kills the process without a word. Of several nets one at a time is trained, so that one must fit.

    Args:
        spec: the task.
        fitted: what the training samples taught.
        free: bytes there are; asked of the system when left out.

    Raises:
        ModelError: the least that training takes is more than there is.
    """
    if free is None and devices.on_gpu():
        return  # a GPU's memory is its own, and the back end tells when it is full
    free = _free() if free is None else free
    parameters, put_out = _size(spec, fitted)
    weights, kept = BYTES_PER_PARAMETER * parameters, 2 * put_out * _batch(spec)
    if weights + kept > free:
        raise ModelError(
            f"train.width: {spec.train.width}, train.batch_size: {spec.train.batch_size}",
            expected=f"at least {_gigabytes(weights + kept)} of memory: {_gigabytes(weights)} for {parameters:,} "
            f"parameters, their gradients and moments, {_gigabytes(kept)} for a batch on its way through the layers",
            found=f"{_gigabytes(free)} free",
            todo="reduce train.width" if weights > free else _advice(spec),
        )


@contextmanager
def memory_errors(spec: TaskSpec) -> Iterator[None]:
    """Say what to reduce when memory runs out while the block trains.

    Raises:
        ModelError: it ran out.
    """
    try:
        yield
    except devices.out_of_memory() as error:
        if not (isinstance(error, MemoryError) or EXHAUSTED.search(f"{type(error).__name__} {error}")):
            raise
        said = SAID.search(str(error))
        raise ModelError(
            f"train.width: {spec.train.width}, train.batch_size: {spec.train.batch_size}",
            expected="memory enough to train",
            found=said[0] if said else "none left",
            todo=_advice(spec),
        ) from None


def _size(spec: TaskSpec, fitted: Fitted) -> tuple[int, int]:
    """Parameters of the network, and numbers that its layers put out for one sample.

    Told from three narrow networks: parameters grow with the square of the width, what layers put out in proportion
    to it.
    """
    if spec.train.width <= max(SMALL_WIDTHS):
        return _measured(spec, fitted, spec.train.width)
    parameters, put_out = zip(*(_measured(spec, fitted, width) for width in SMALL_WIDTHS), strict=True)
    square, line = np.polyfit(SMALL_WIDTHS, parameters, 2), np.polyfit(SMALL_WIDTHS, put_out, 1)
    return round(float(np.polyval(square, spec.train.width))), round(float(np.polyval(line, spec.train.width)))


def _measured(spec: TaskSpec, fitted: Fitted, width: int) -> tuple[int, int]:
    core = build_core(spec.model_copy(update={"train": spec.train.model_copy(update={"width": width})}), fitted)
    return core.count_params(), outputs(core)


def _batch(spec: TaskSpec) -> int:
    """Samples a step; the least that `auto` may choose, since it goes by the memory itself."""
    size = spec.train.batch_size
    return SIZES[-1] if size == "auto" else size


def _advice(spec: TaskSpec) -> str:
    smaller = [str(size) for size in (*SIZES, 2, 1) if size < _batch(spec)][:3]
    return f"reduce train.batch_size to {', '.join(smaller)}, or train.width" if smaller else "reduce train.width"


def _free() -> int:
    """Bytes of memory and swap that are free, or that the container may still take."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    return limited(sum(int(lines[name].split()[0]) * 1024 for name in ("MemAvailable", "SwapFree")))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
