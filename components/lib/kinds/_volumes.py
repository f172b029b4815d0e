"""Volumes: values on a regular grid in space, all of them turned the same way, whatever file they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.lib.errors import Unusable

LARGEST = 1 << 29
"""Voxels that a volume may hold: 2 GB."""
SHEAR = 0.02
"""Largest cosine between two axes of a grid that still counts as upright (89 degrees)."""

Affine = NDArray[np.float64]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Volume:
    """Values (D, H, W) float32: D towards the head, H towards the front, W towards the patient's right (RAS+)."""

    values: NDArray[np.float32]
    affine: Affine
    """(4, 4): from (x, y, z, 1), a place as (W, H, D) indices, to mm towards right, front and head, as in NIfTI."""
    mask: NDArray[np.uint8] | None = None
    """(D, H, W) on the same grid: the class of each voxel, where somebody outlined it."""

    @property
    def spacing(self) -> Spacing:
        """Distance between voxels along D, H and W, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return z, y, x

    def content(self) -> bytes:
        """Values and grid as bytes, by which exact duplicates are known; a mask is no part of the picture."""
        grid = np.round(self.affine, 3) + 0.0  # no negative zeros
        return f"{self.values.shape} {grid.tolist()}".encode() + np.ascontiguousarray(self.values, "<f4").tobytes()


def upright(values: NDArray[Any], affine: Affine) -> tuple[NDArray[Any], Affine]:
    """A grid with its axes flipped and exchanged so that they run nearest to right, front and head.

    Args:
        values: (W, H, D), any order and direction of the axes.
        affine: (4, 4), indices to mm towards right, front and head.

    Returns:
        values (D, H, W) and their affine, as `Volume` has them; nothing is interpolated.

    Raises:
        Unusable: the affine isn't that of an upright grid.
    """
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

    check_grid(affine)
    turns = io_orientation(affine)
    turned = np.asarray(apply_orientation(values, turns))
    return turned.transpose(2, 1, 0), np.asarray(affine @ inv_ornt_aff(turns, values.shape), np.float64)


def check_grid(affine: Affine) -> None:
    """Refuse a grid whose axes are missing, endless, or not at right angles to each other (a tilted gantry).

    Raises:
        Unusable: with the reason.
    """
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not (lengths > 1e-6).all() or not (lengths < 1e4).all():
        raise Unusable("unreadable: no spacing between the voxels that could be")
    cosines = (affine[:3, :3] / lengths).T @ (affine[:3, :3] / lengths)
    if np.abs(cosines - np.eye(3)).max() > SHEAR:
        raise Unusable("sheared: the axes of the volume are not at right angles (a tilted gantry); resample it first")


def resampled(volume: Volume, spacing: Spacing) -> Volume:
    """The volume at another spacing: linear between voxels, a mask takes the nearest; the outer faces stay in place.

    Nothing smooths a volume before it is made coarser.

    Args:
        volume: any.
        spacing: along D, H and W, mm.

    Raises:
        Unusable: it would hold too many voxels.
    """
    from scipy import ndimage

    ratio = np.array(spacing) / np.array(volume.spacing)
    if np.allclose(ratio, 1, atol=1e-4):
        return volume
    wanted = np.rint(np.array(volume.values.shape) / ratio)
    check_size(wanted)
    shape = tuple(max(1, int(side)) for side in wanted)
    offset = (ratio - 1) / 2
    values = ndimage.affine_transform(volume.values, ratio, offset, shape, order=1, mode="nearest")
    mask = volume.mask
    if mask is not None:
        mask = np.asarray(ndimage.affine_transform(mask, ratio, offset, shape, order=0, mode="nearest"), np.uint8)
    step = np.diag([*ratio[::-1], 1.0])
    step[:3, 3] = offset[::-1]
    return replace(volume, values=np.asarray(values, np.float32), affine=volume.affine @ step, mask=mask)


def check_size(shape: Any) -> None:
    """Refuse more voxels than a volume may hold, before room is made for them.

    Raises:
        Unusable: with the limit.
    """
    sides = np.asarray(shape, np.float64)
    if not np.isfinite(sides).all() or np.prod(np.maximum(sides, 1)) > LARGEST:
        raise Unusable(f"too large: a volume of more than {LARGEST >> 20} million voxels")
