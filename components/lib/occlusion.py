"""Where a network without a map looked: what it says while one place after the other is hidden.

Source: Zeiler & Fergus 2014, doi:10.1007/978-3-319-10590-1_53, section 4.2. A place is a seventh of the side, and the
next one lies half a place further; how it is hidden is the kind's to say. NumPy and ONNX Runtime are all it needs, so
that serving can use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from components.lib.kinds import Array, InputKind
    from components.lib.model_dir import Model

CELLS = 14
"""Along a side; two make a place."""
ASKED = (CELLS - 1) ** 2 + 1
"""Answers of the network that a map takes: one a place, and one of the whole picture."""
MOST_NUMBERS = 16_000_000
"""Numbers of a batch, so that copies of large pictures don't fill the memory."""


def occlusion(model: Model, cleaned: Array) -> dict[str, NDArray[np.float32]]:
    """Maps of one cleaned picture (H, W, C), by target: (h, w, units), what each cell adds to `TargetKind.evidence`.

    A cell's figure is the mean, over the places that cover it, of what the output falls by when that place is hidden.
    The network is asked `ASKED` times.
    """
    ((name, kind),) = model.info.inputs.items()
    batch = int(np.clip(MOST_NUMBERS // max(1, cleaned.size), 1, 256))
    whole = model.predict({name: cleaned[None]})
    height, width = cleaned.shape[:2]
    columns = _places(width)
    # A row of places at a time: all copies of a large picture would fill the memory.
    rows = [model.predict({name: _hidden(kind, cleaned, high, columns)}, batch_size=batch) for high in _places(height)]
    maps = {}
    for target, target_kind in model.info.targets.items():
        said = np.stack([target_kind.evidence(row[target]) for row in rows])
        maps[target] = _by_cell(target_kind.evidence(whole[target])[0] - said).astype(np.float32)
    return maps


def _hidden(kind: InputKind, cleaned: Array, high: slice, columns: list[slice]) -> Array:
    """Copies (n, H, W, C), each with one place of this row hidden."""
    copies = []
    for wide in columns:
        place = np.zeros(cleaned.shape[:2], np.bool_)
        place[high, wide] = True
        copies.append(kind.hide(cleaned, place))
    return np.stack(copies)


def _places(side: int) -> list[slice]:
    """The places along a side of so many values: each two cells, the next a cell further."""
    cells = min(CELLS, side)
    edges = [cell * side // cells for cell in range(cells + 1)]
    return [slice(first, last) for first, last in zip(edges[:-2], edges[2:], strict=True)]


def _by_cell(falls: NDArray[np.float64]) -> NDArray[np.float64]:
    """What hiding each place costs (h, w, units) to what each cell adds (h + 1, w + 1, units): the mean over the one,
    two or four places that cover it."""
    height, width, units = falls.shape
    sums, counts = np.zeros((height + 1, width + 1, units)), np.zeros((height + 1, width + 1, 1))
    for down in (0, 1):
        for right in (0, 1):
            sums[down : down + height, right : right + width] += falls
            counts[down : down + height, right : right + width] += 1
    return sums / counts
