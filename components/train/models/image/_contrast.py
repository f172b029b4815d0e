"""Local contrast: what a picture looks like once its lighting and the scanner's grey scale are taken out."""

from __future__ import annotations

from typing import Any

from keras import ops

WINDOW = 9 / 28
"""Side of the window, as a share of the picture's shorter side: about a lung field of a chest film."""
LEAST_VARIANCE = 0.01
"""Of a standardised picture: keeps the noise of an even background from filling the scale."""


def with_local_contrast(pictures: Any) -> Any:
    """The pictures and, as further channels, each of their channels by its own local mean and deviation.

    Contrast normalisation over a square window around every pixel (Jarrett et al. 2009, doi:10.1109/ICCV.2009.5459469).
    A network that sees both leans less on brightness, contrast and sharpness, by which sites and devices differ.

    Args:
        pictures: standardised, (N, H, W, C), of at least 8 pixels a side.

    Returns:
        (N, H, W, 2 × C).
    """
    window = int(WINDOW * min(pictures.shape[1:3])) // 2 * 2 + 1
    # Both means in one go: of two, tf2onnx writes the graph now in one way and now in another.
    both = _local_mean(ops.concatenate([pictures, ops.square(pictures)], axis=-1), window)
    mean, mean_square = ops.split(both, 2, axis=-1)
    variance = ops.maximum(mean_square - ops.square(mean), 0)
    return ops.concatenate([pictures, (pictures - mean) / ops.sqrt(variance + LEAST_VARIANCE)], axis=-1)


def _local_mean(values: Any, window: int) -> Any:
    """Mean over `window` × `window`, mirrored at the edges; rows and columns one after the other, which is quicker."""
    edge = window // 2
    padded = ops.pad(values, [[0, 0], [edge, edge], [edge, edge], [0, 0]], mode="reflect")
    rows = ops.average_pool(padded, (window, 1), strides=1, padding="valid")
    return ops.average_pool(rows, (1, window), strides=1, padding="valid")
