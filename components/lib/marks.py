"""Marks: short digests by which samples and patients are known again, and which say nothing else of them.

Equal words have equal marks. Whoever holds the very bytes of a film, or a patient's pseudonym, can find out whether its
mark is among others; nobody can read it off them. Three files keep marks, and each its own way to make them, since a
mark is part of a file's format: `eight_bytes` for development.npy of a model, `five_bytes` for a list of the test-set
log, `sketch` for a tag of a registered version, where all samples of a data set share 256 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Marks = NDArray[np.uint64]
"""Of samples or patients (N,); 0 where unknown."""
Way = Callable[[str, str], int]
"""How a word is marked, given what it stands for: `sample` (a SHA-256 of its content) or `patient` (a pseudonym)."""
SHORT = 5
"""Bytes of a mark of `five_bytes`: of 50,000 samples in each of two sets without a common one, .002 agree by chance."""
SLOTS = 256
SHARED = 12
"""Equal slots from which on two data sets share samples: by chance one is equal, and 12 or more in one of a billion
pairs; of sets that share a twelfth of all their samples 22 are.
"""


@dataclass(frozen=True)
class Marked:
    """The samples of a set, by content and by patient."""

    samples: Marks
    """(N,), or each once where they were read from a file."""
    patients: Marks
    """(N,), likewise."""

    @classmethod
    def of(cls, table: pd.DataFrame, way: Way) -> Self:
        """Of a table of samples: columns sha256 and, where there are patients, patient (null = unknown)."""
        whose = table["patient"] if "patient" in table else pd.Series(None, index=table.index, dtype=object)
        return cls(marks(way, "sample", table["sha256"]), marks(way, "patient", whose))

    @property
    def each_once(self) -> tuple[Marks, Marks]:
        """Marks of the samples and of the known patients, sorted."""
        samples, patients = (np.unique(each[each > 0]) for each in (self.samples, self.patients))
        return samples, patients

    def seen(self, earlier: Marked) -> NDArray[np.bool_]:
        """Which of these samples stand in another set, too (N,)."""
        return np.isin(self.samples, earlier.samples) & (self.samples > 0)

    def of_seen_patients(self, earlier: Marked) -> NDArray[np.bool_]:
        """Which of these samples are of patients of whom another set has samples (N,)."""
        return np.isin(self.patients, earlier.patients) & (self.patients > 0)


def marks(way: Way, kind: str, words: Iterable[object]) -> Marks:
    """Marks of words (N,); 0 of what is null."""
    found = [0 if word is None or pd.isna(word) else way(kind, str(word)) for word in words]  # type: ignore[call-overload]
    return np.array(found, np.uint64)


def eight_bytes(kind: str, word: str) -> int:
    """The start of a SHA-256."""
    return int.from_bytes(hashlib.sha256(f"medpipe {kind}: {word}".encode()).digest()[:8], "little")


def five_bytes(kind: str, word: str) -> int:
    """BLAKE2b of 40 bits."""
    digest = hashlib.blake2b(word.encode(), digest_size=SHORT, person=f"medpipe {kind}".encode())
    return max(1, int.from_bytes(digest.digest(), "little"))


def sketch(digests: pd.Series) -> NDArray[np.uint8]:
    """The sketch of a data set, uint8 (256,), the same in any order of its samples.

    It holds 8 bits of the least of many hashes over all samples, in 256 slots, so that it says how much two data sets
    share and nothing of a single sample (b-bit minwise hashing, Li and König 2010, doi:10.1145/1772690.1772759).

    Args:
        digests: of the samples' content, hexadecimal, 16 digits or more.
    """
    values = np.array([int(text[:16], 16) for text in digests.unique()], np.uint64)
    seeds = _mixed(np.arange(1, SLOTS + 1, dtype=np.uint64))
    least = [_mixed(values ^ seed).min() if len(values) else 0 for seed in seeds]
    return (np.array(least, np.uint64) & np.uint64(255)).astype(np.uint8)


def share_samples(one: str, other: str) -> bool:
    """Whether two sketches, hexadecimal, are of data sets that share samples."""
    a, b = (np.frombuffer(bytes.fromhex(text), np.uint8) for text in (one, other))
    return len(a) == len(b) and int((a == b).sum()) >= SHARED


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each value turned into another one in a way that looks random (SplitMix64, Steele et al. 2014,
    doi:10.1145/2660193.2660195)."""
    mixed: NDArray[np.uint64] = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
