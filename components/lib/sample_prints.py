"""A list of the test-set log: which samples, of which patients, a model was evaluated on, as marks of five bytes.

They say whether two test sets overlap, and nothing else (`lib.marks`).
"""

from __future__ import annotations

import hashlib
from typing import Self

import numpy as np
import pandas as pd

from components.lib.marks import SHORT, Marked, Way, five_bytes

FORM = "medpipe-test-set-1"


class SamplePrints(Marked):
    """The samples of a test set."""

    @classmethod
    def of(cls, table: pd.DataFrame, way: Way = five_bytes) -> Self:
        return super().of(table, way)

    @property
    def digest(self) -> str:
        """Of the set, in any order: 64 hex digits."""
        return hashlib.sha256(self.packed()).hexdigest()

    def packed(self) -> bytes:
        """What is stored: a line with both counts, and both sorted lists, five bytes each; about 6 kB for 624 films."""
        lists = self.each_once
        head = f"{FORM} {len(lists[0])} {len(lists[1])}\n".encode()
        return head + b"".join(each.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :SHORT].tobytes() for each in lists)

    @classmethod
    def unpacked(cls, content: bytes) -> Self:
        """Of stored content, each of the set once; the two lists aren't of one length.

        Raises:
            ValueError: it is something else, or cut off.
        """
        head, _, rest = content.partition(b"\n")
        form, *counts = head.decode("ascii", "replace").split(" ")
        if form != FORM or len(counts) != 2 or len(rest) != SHORT * sum(map(int, counts)):
            raise ValueError("not a list of samples")
        padded = np.zeros((len(rest) // SHORT, 8), np.uint8)
        padded[:, :SHORT] = np.frombuffer(rest, np.uint8).reshape(-1, SHORT)
        every = padded.reshape(-1).view("<u8").astype(np.uint64)
        return cls(every[: int(counts[0])], every[int(counts[0]) :])
