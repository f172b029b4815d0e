"""One NIfTI file as a volume, or the reason why not. Its header is looked at before room is made for its values."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.lib.errors import Unusable
from components.lib.kinds._volumes import Affine, Volume, check_size, upright
from components.lib.places import Place, fetched

MILLIMETRES = {"mm": 1.0, "meter": 1e3, "micron": 1e-3, "unknown": 1.0}
"""Per unit of space that a header can name; where it names none, mm are meant, as every tool takes it."""
HEAD = 540
LARGEST_OFFSET = 1 << 24
"""Bytes of header and extensions."""
MOST_PACKED = 1032
"""Bytes that gzip can pack into one."""
SAME_PLACE = 0.1
"""mm by which corners of a mask may lie off those of its volume."""


def read_volume(picture: Place, mask: Place | None = None) -> Volume:
    """A volume and its mask, turned to run to the right, the front and the head.

    Args:
        picture: a .nii or .nii.gz file.
        mask: one with the class of each voxel, on the same grid.

    Raises:
        FileNotFoundError: one of them isn't there.
        Unusable: with the reason, which names no file.
        ServerError: one lies on a server that fails.
    """
    with fetched(picture) as here:
        values, affine = _read(here)
    values, grid = upright(values, affine)
    volume = Volume(np.ascontiguousarray(values, np.float32), grid)
    if mask is None:
        return volume
    with fetched(mask) as here:
        classes, classes_affine = _read(here)
    classes, classes_grid = upright(classes, classes_affine)
    same = classes.shape == values.shape
    if not same or not np.allclose(_corners(classes_grid, values), _corners(grid, values), rtol=0, atol=SAME_PLACE):
        raise Unusable("the mask lies on another grid than its volume")
    whole = np.rint(classes)
    if np.abs(classes - whole).max() > 1e-3 or whole.min() < 0 or whole.max() > 255:
        raise Unusable("the mask holds values that are no classes; whole numbers from 0 to 255 are expected")
    return Volume(volume.values, grid, np.ascontiguousarray(whole, np.uint8))


def _read(path: Path) -> tuple[NDArray[np.float32], Affine]:
    """Values (W, H, D) in the file's order and their affine in mm."""
    import nibabel

    logging.getLogger("nibabel").propagate = False  # its texts hold paths
    logging.getLogger("nibabel.global").disabled = True
    try:
        if not path.is_file():
            raise FileNotFoundError
        kind = nibabel.Nifti2Image if _version(path) == 2 else nibabel.Nifti1Image
        image = kind.from_filename(str(path))
        affine = _checked(image.header, image.affine)
        _require_whole(path, image.header)
        with np.errstate(all="ignore"):
            values = np.asarray(image.get_fdata(caching="unchanged", dtype=np.float32))
    except (FileNotFoundError, Unusable):
        raise
    except MemoryError:
        raise Unusable("too large: the volume does not fit into memory") from None
    except Exception:  # nibabel and gzip raise whatever their parsing runs into, and their texts hold paths
        raise Unusable("unreadable: the NIfTI file is cut off or damaged") from None
    if not np.isfinite(values).all():
        raise Unusable("unreadable: values that are no numbers")
    return values.reshape(values.shape[:3]), affine


def _version(path: Path) -> int:
    """1 or 2: NIfTI-2's header is 540 bytes long, and begins with that number.

    Raises:
        Unusable: the voxels begin so far behind it that reading up to there would be the harm.
    """
    from nibabel.openers import Opener

    with Opener(str(path)) as file:
        head = file.read(HEAD)
    for order in ("<", ">"):
        if int(np.frombuffer(head, f"{order}i4", 1)[0]) == 540:
            version, offset = 2, float(np.frombuffer(head, f"{order}i8", 1, 168)[0])
            break
        if int(np.frombuffer(head, f"{order}i4", 1)[0]) == 348:
            version, offset = 1, float(np.frombuffer(head, f"{order}f4", 1, 108)[0])
            break
    else:
        raise Unusable("unreadable: no NIfTI file")
    if not 0 <= offset <= LARGEST_OFFSET:
        raise Unusable("too large: the voxels begin far behind the header")
    return version


def _checked(header: Any, affine: Any) -> Affine:
    """The affine in mm of a header that describes one volume of real numbers with a place in space.

    Raises:
        Unusable: it doesn't.
    """
    shape = header.get_data_shape()
    if len(shape) < 3 or any(side > 1 for side in shape[3:]):
        raise Unusable("no volume: three dimensions are expected; choose one volume of a series in time")
    if min(shape) < 1:
        raise Unusable("unreadable: a volume without voxels")
    check_size(shape)
    if header.get_data_dtype().kind not in "iuf":
        raise Unusable("unreadable: colours or complex numbers in a volume")
    if not int(header["sform_code"]) and not int(header["qform_code"]):
        raise Unusable("no place in space: neither sform nor qform says where right, front and head are")
    scale = MILLIMETRES[header.get_xyzt_units()[0]]
    return np.asarray(np.diag([scale, scale, scale, 1.0]) @ affine, np.float64)


def _require_whole(path: Path, header: Any) -> None:
    """Refuse a file that can't hold the voxels that its header states: nibabel makes room for them first.

    Raises:
        Unusable: it is cut off.
    """
    stated = math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
    held = path.stat().st_size * (MOST_PACKED if path.name.lower().endswith(".gz") else 1)
    if stated > held:
        raise Unusable("unreadable: the NIfTI file is cut off or damaged")


def _corners(grid: Affine, values: NDArray[Any]) -> NDArray[np.float64]:
    """Two opposite corners and two between, in mm: where a grid of this shape lies."""
    depth, height, width = (side - 1 for side in values.shape)
    places = np.array([[0, 0, 0, 1], [width, height, depth, 1], [width, 0, 0, 1], [0, height, 0, 1]], np.float64)
    return np.asarray(places @ grid.T)
