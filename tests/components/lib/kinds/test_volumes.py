"""Volumes at another spacing: faces stay, classes stay classes, and nothing grows beyond the memory."""

from __future__ import annotations

import numpy as np
import pytest

from components.lib.errors import Unusable
from components.lib.kinds._volumes import Volume, resampled

RAMP = np.broadcast_to(np.arange(8, dtype=np.float32), (4, 6, 8)).copy()
GRID = np.array([[1.0, 0, 0, 5], [0, 1, 0, 6], [0, 0, 2, 7], [0, 0, 0, 1]])
VOLUME = Volume(RAMP, GRID, (RAMP >= 4).astype(np.uint8) * 3)


def test_coarser() -> None:
    coarse = resampled(VOLUME, (2, 2, 2))
    assert coarse.values.shape == (4, 3, 4)
    assert coarse.values.dtype == np.float32
    np.testing.assert_allclose(coarse.values[0, 0], [0.5, 2.5, 4.5, 6.5])
    np.testing.assert_allclose(coarse.spacing, 2)
    assert coarse.mask is not None
    assert coarse.mask[0, 0].tolist() == [0, 0, 3, 3]


def test_finer() -> None:
    fine = resampled(VOLUME, (0.5, 1, 1))
    assert fine.values.shape == (16, 6, 8)
    assert set(np.unique(fine.mask)) == {0, 3}


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (0.5, 1.0, 1.0), (4.0, 3.0, 0.25)])
def test_outer_corners_stay_in_place(spacing: tuple[float, float, float]) -> None:
    changed = resampled(VOLUME, spacing)
    for share in (0, 1):
        before, after = (
            each.affine @ [*(share * np.array(each.values.shape[::-1]) - 0.5), 1] for each in (VOLUME, changed)
        )
        np.testing.assert_allclose(after, before)


def test_the_same_spacing_changes_nothing() -> None:
    assert resampled(VOLUME, VOLUME.spacing) is VOLUME


def test_a_spacing_that_would_fill_the_memory() -> None:
    with pytest.raises(Unusable, match="too large"):
        resampled(Volume(np.zeros((512, 512, 64), np.float32), np.diag([10.0, 10, 10, 1])), (0.1, 0.1, 0.1))


def test_a_mask_is_no_part_of_what_a_volume_is_known_by() -> None:
    assert VOLUME.content() == Volume(RAMP, GRID).content()
    assert VOLUME.content() != Volume(RAMP, GRID + 1).content() != Volume(RAMP + 1, GRID + 1).content()
