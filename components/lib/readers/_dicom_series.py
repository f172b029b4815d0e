"""A series of DICOM slices as one volume: sorted by where they lie, never by number or file name.

Sources: DICOM PS3.3 C.7.6.2.1.1 (the plane of an image in space), C.11.1 (rescaled values), C.7.6.16 (enhanced files,
which are refused).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.lib.errors import Unusable
from components.lib.kinds._dicom import PICTURE_TAGS, decoded, only_unusable, parsed
from components.lib.kinds._dicom_grey import modality, padding
from components.lib.kinds._volumes import Affine, Volume, check_grid, check_size, upright
from components.lib.readers._dicom_headers import BURNED_IN_TAGS, refuse_burned_in

SLICE_TAGS = (*PICTURE_TAGS, *BURNED_IN_TAGS, "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
UNEVEN = 0.02
"""Share of the distance between slices by which one may lie off: positions are rounded when they are written."""


def volume_of(contents: Iterable[bytes], *, burned_in: bool) -> Volume:
    """One volume from the files of its slices, in any order; values in the modality's units, such as Hounsfield.

    Args:
        contents: a file each.
        burned_in: take slices with likely burned-in text.

    Raises:
        OSError: a file can't be opened.
        Unusable: a slice is missing, twice there, of another shape, spacing or direction, or can't be read.
    """
    slices = []
    for content in contents:  # a file that isn't there is no damaged one, so it is asked for out here
        with only_unusable():
            slices.append(parsed(content, SLICE_TAGS))
            if not burned_in:
                refuse_burned_in(slices[-1])
    with only_unusable():
        _check_alike(slices)
        order, affine = _placed(slices)
        rows, columns = int(slices[0].Rows), int(slices[0].Columns)
        check_size((len(slices), rows, columns))
        values = np.empty((len(slices), rows, columns), np.float32)
        for position, which in enumerate(order):
            values[position] = _values(slices[which])
        gaps = np.isnan(values)
        if gaps.all():
            raise Unusable("blank: nothing but padding")
        if gaps.any():
            values[gaps] = np.nanmin(values)
        turned, affine = upright(values.transpose(2, 1, 0), affine)
        return Volume(np.ascontiguousarray(turned, np.float32), affine)


def _values(dataset: Any) -> NDArray[np.float32]:
    """One slice (H, W) in the modality's units; NaN where padding is."""
    stored, photometric = decoded(dataset)
    if not photometric.startswith("MONOCHROME") or stored.ndim != 2:
        raise Unusable("unreadable: a series in colours")
    values = modality(stored.astype(np.float64), dataset).astype(np.float32)
    if not np.isfinite(values).all():
        raise Unusable("unreadable: values that are no numbers")
    padded = padding(stored, dataset)
    if padded is not None:
        values[padded] = np.nan
    return values


def _check_alike(slices: list[Any]) -> None:
    if any(int(each.get("NumberOfFrames") or 1) > 1 for each in slices):
        raise Unusable("several frames: enhanced files are not read as volumes yet")
    if len(slices) < 2:
        raise Unusable("one slice: a volume has at least two")
    for keyword, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        if any(len(each.get(keyword) or ()) != count for each in slices):
            raise Unusable(f"no place in space: a slice without {keyword}")
    if len({(each.get("Rows"), each.get("Columns")) for each in slices}) > 1:
        raise Unusable("mixed: slices of several shapes in one series")
    if not np.allclose(_figures(slices, "PixelSpacing"), _figures(slices[:1], "PixelSpacing"), rtol=1e-3):
        raise Unusable("mixed: slices of several spacings in one series")
    directions = _figures(slices, "ImageOrientationPatient")
    if not np.allclose(directions, directions[:1], atol=1e-3):
        raise Unusable("mixed: slices of several directions in one series")


def _placed(slices: list[Any]) -> tuple[list[int], Affine]:
    """The slices' order along their normal, and the affine from (column, row, slice) to mm right, front and head."""
    along_row, along_column = np.split(_figures(slices[:1], "ImageOrientationPatient")[0], 2)
    normal = np.cross(along_row, along_column)
    if not np.allclose([np.linalg.norm(along_row), np.linalg.norm(along_column), np.linalg.norm(normal)], 1, atol=1e-2):
        raise Unusable("unreadable: ImageOrientationPatient is no pair of directions")
    places = _figures(slices, "ImagePositionPatient")
    order = np.argsort(places @ normal, kind="stable")
    places = places[order]
    steps = np.diff(places @ normal)
    usual = float(np.median(steps))
    if steps.min() < 1e-3:
        raise Unusable("twice there: several slices at one place; a series of several phases or echoes")
    # A median of many thin gaps is the distance that was meant; of two or three it may be the gap itself.
    if np.abs(steps - usual).max() > UNEVEN * usual:
        missing = steps.max() > 1.5 * steps.min()
        raise Unusable("missing slice: the distances between slices jump" if missing else "uneven: mixed slice spacing")
    step = (places[-1] - places[0]) / (len(places) - 1)
    if np.abs(places - places[0] - np.outer(np.arange(len(places)), step)).max() > 0.1 + UNEVEN * usual:
        raise Unusable("uneven: the slices are shifted against each other")
    down, across = _figures(slices[:1], "PixelSpacing")[0]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2], affine[:3, 3] = (
        along_row * across,
        along_column * down,
        step,
        places[0],
    )
    check_grid(affine)
    return order.tolist(), LPS_TO_RAS @ affine


def _figures(slices: list[Any], keyword: str) -> NDArray[np.float64]:
    """An attribute of every slice (N, values)."""
    figures = np.array([[float(value) for value in each[keyword].value] for each in slices])
    if not np.isfinite(figures).all():
        raise Unusable(f"unreadable: {keyword} is no number")
    return figures
