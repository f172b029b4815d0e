"""Marks stay what they are in the files that hold them: older models, lists and versions are still recognised."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from components.lib.development import FILE, write_development
from components.lib.marks import Marked, eight_bytes, five_bytes, marks, sketch
from components.lib.sample_prints import SamplePrints

TABLE = pd.DataFrame({
    "split": ["train", "validation", "train", "test"],
    "sha256": [hashlib.sha256(bytes([number])).hexdigest() for number in (0, 1, 1, 2)],
    "patient": ["Å; $(x)", None, "p", "q"],
})  # fmt: skip


def test_every_file_has_the_bytes_that_it_always_had(tmp_path: Path) -> None:
    write_development(tmp_path, TABLE, "k")
    assert np.load(tmp_path / FILE).tolist() == [
        3314796674411721838, 7976759387713466568, 10607443133208147337, 14578143081905914819,
    ]  # fmt: skip
    assert SamplePrints.of(TABLE).packed() == (
        b"medpipe-test-set-1 3 3\n\xf0\xa9\xaf\xdaPb\x05\x80\xd1e\xd9\xecqm\x89"
        b"\x13\x1c\x08\x028\xfd){\xb8\x81\x85\x1b\x17y\xa2"
    )
    assert sketch(TABLE["sha256"])[:8].tolist() == [30, 249, 224, 3, 112, 137, 161, 164]


def test_samples_and_patients_are_known_again_and_unknown_ones_are_nobody() -> None:
    earlier, later = TABLE.iloc[:2], pd.concat([TABLE.iloc[1:], TABLE.iloc[:1].assign(sha256="f" * 64)])
    for way in (eight_bytes, five_bytes):
        one, other = Marked.of(later, way), Marked.of(earlier, way)
        assert one.seen(other).tolist() == [True, True, False, False]
        assert one.of_seen_patients(other).tolist() == [False, False, False, True]
        assert Marked.of(later.drop(columns="patient"), way).patients.tolist() == [0] * 4
        assert marks(way, "sample", ["p"]) != marks(way, "patient", ["p"])
