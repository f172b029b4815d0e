"""Samples: the rows that are asked for, in that order, from whichever parts they lie in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import task
from ramps import TINY, ramps

from components.train.samples import Samples

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


@pytest.mark.parametrize("rows", [[9, 0, 17, 8, 9], [12, 10, 15], slice(5, 11), slice(0, 3)])
def test_inputs_are_the_rows_that_are_asked_for(rows: list[int] | slice, tmp_path: Path) -> None:
    data = ramps(tmp_path / "data", {"train": 20}, rows=8)
    pictures = np.concatenate([part.array("image") for part in data.parts])
    found = Samples([data], "train", task(train=TINY)).inputs(rows if isinstance(rows, slice) else np.array(rows))
    np.testing.assert_array_equal(found["image"], pictures[rows].astype(np.float32) / np.float32(255), strict=True)
    assert found["image"].flags.writeable
