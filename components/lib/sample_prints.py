"""What samples are known by in the test-set log: short digests of their content, and of their patients' pseudonyms.

They say whether two test sets overlap, and nothing else: 40 bits don't lead back to a film, a row or a name. Whoever
holds the very bytes of a film can tell that it was probably among those that were evaluated; patients are known by
pseudonyms, which take the hospital's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Prints = NDArray[np.uint64]
"""Of samples or patients (N,); 0 where unknown."""
SIZE, FORM = 5, "medpipe-test-set-1"
"""Bytes of a digest: of 50,000 samples in each of two sets without a common one, .002 agree by chance."""


@dataclass(frozen=True)
class SamplePrints:
    """The samples of a test set, by content and by patient."""

    samples: Prints
    """(N,)."""
    patients: Prints
    """(N,); 0 where the patient is unknown."""

    @classmethod
    def of(cls, samples: pd.DataFrame) -> SamplePrints:
        """Of a table of samples: columns sha256 and, where there are patients, patient (null = unknown)."""
        whose = samples["patient"] if "patient" in samples else pd.Series(None, index=samples.index, dtype=object)
        return cls(prints("sample", samples["sha256"]), prints("patient", whose))

    @property
    def digest(self) -> str:
        """Of the set, in any order: 64 hex digits."""
        return hashlib.sha256(self.packed()).hexdigest()

    def packed(self) -> bytes:
        """What is stored: a line with both counts, and both sorted lists, five bytes each; about 6 kB for 624 films."""
        lists = [np.unique(each[each > 0]) for each in (self.samples, self.patients)]
        head = f"{FORM} {len(lists[0])} {len(lists[1])}\n".encode()
        return head + b"".join(each.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :SIZE].tobytes() for each in lists)

    @classmethod
    def unpacked(cls, content: bytes) -> SamplePrints:
        """Of stored content, each of the set once; the two lists aren't of one length.

        Raises:
            ValueError: it is something else, or cut off.
        """
        head, _, rest = content.partition(b"\n")
        form, *counts = head.decode("ascii", "replace").split(" ")
        if form != FORM or len(counts) != 2 or len(rest) != SIZE * sum(map(int, counts)):
            raise ValueError("not a list of samples")
        padded = np.zeros((len(rest) // SIZE, 8), np.uint8)
        padded[:, :SIZE] = np.frombuffer(rest, np.uint8).reshape(-1, SIZE)
        every = padded.reshape(-1).view("<u8").astype(np.uint64)
        return cls(every[: int(counts[0])], every[int(counts[0]) :])

    def seen(self, earlier: SamplePrints) -> NDArray[np.bool_]:
        """Which of these samples stand in another set, too (N,)."""
        return np.isin(self.samples, earlier.samples) & (self.samples > 0)

    def of_seen_patients(self, earlier: SamplePrints) -> NDArray[np.bool_]:
        """Which of these samples are of patients of whom another set has samples (N,)."""
        return np.isin(self.patients, earlier.patients) & (self.patients > 0)


def prints(kind: str, words: Iterable[object]) -> Prints:
    """Digests of words (N,); 0 of what is null."""
    found = [0 if word is None or pd.isna(word) else _digest(kind, str(word)) for word in words]  # type: ignore[call-overload]
    return np.array(found, np.uint64)


def _digest(kind: str, word: str) -> int:
    digest = hashlib.blake2b(word.encode(), digest_size=SIZE, person=f"medpipe {kind}".encode())
    return max(1, int.from_bytes(digest.digest(), "little"))
