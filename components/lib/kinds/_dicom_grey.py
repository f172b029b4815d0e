"""From stored grey values of a DICOM picture to what a screen shows: DICOM PS3.3 C.11.1, C.11.2 and C.7.6.3.1.2.

    stored value → modality LUT or slope and intercept → VOI LUT or window → MONOCHROME1 turned round

A picture of at most 16 bits has at most 65,536 different values, so the chain is worked out once for each of them and
the picture is looked up: 1 to 2 ms for a film of a million pixels. Presentation LUT Shape is not read: for MONOCHROME1
the standard lets it be INVERSE alone, for MONOCHROME2 IDENTITY alone.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from components.lib.errors import Unusable

Values = NDArray[np.float64]

FRAME_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")


def shown(stored: NDArray[Any], dataset: Any) -> NDArray[Any]:
    """The picture as a screen would show it: light is high.

    Args:
        stored: (H, W) as decoded, any real type.
        dataset: pydicom's, with the attributes of the chain.

    Returns:
        (H, W) uint8 where the file says how to show it (a window, a VOI LUT) or holds at most 8 bits; else uint16, all
        that the stored bits can hold stretched over its range. Padding is as dark as the darkest other pixel.

    Raises:
        Unusable: no slope, window or table that can be used, or values that are no numbers.
    """
    padded = padding(stored, dataset)
    small = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
    if small:
        values = _every_value(stored.dtype, dataset)
    else:
        values = stored.astype(np.float64)
        if not np.isfinite(values).all():
            raise Unusable("unreadable: grey values that are no numbers")
    rescaled = modality(values, dataset)
    level = _windowed(rescaled, dataset)
    bits = int(dataset.get("BitsStored") or 16) if small else 16
    top = 255 if level is not None or bits <= 8 else 65535
    if level is None:
        others = rescaled if small or padded is None or padded.all() else rescaled[~padded]
        low, high = float(others.min()), float(others.max())
        level = np.clip((rescaled - low) / max(high - low, 1e-300), 0, 1)
    if str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1":
        level = 1 - level
    grey: NDArray[np.unsignedinteger[Any]] = np.rint(level * top).astype(np.uint8 if top == 255 else np.uint16)
    # As grey[stored] would, in half the time.
    picture = np.asarray(cv2.LUT(stored.view(f"u{stored.dtype.itemsize}"), grey[None])) if small else grey
    if padded is not None and padded.any() and not padded.all():
        picture[padded] = picture[~padded].min()
    return picture


def modality(values: Values, dataset: Any) -> Values:
    """Stored values in the units of the modality (Hounsfield, optical density …): a table, or slope and intercept.

    Raises:
        Unusable: the table or the figures are damaged.
    """
    holder = _holder(dataset, "RescaleSlope", "PixelValueTransformationSequence")
    tables = dataset.get("ModalityLUTSequence")
    if tables:
        first, entries, _ = _table(tables[0])
        return _looked_up(values, first, entries)
    slope, intercept = number(holder, "RescaleSlope"), number(holder, "RescaleIntercept")
    return values * (slope or 1.0) + (intercept or 0.0)


def number(dataset: Any, keyword: str) -> float | None:
    """The first value of an attribute; None where there is none.

    Raises:
        Unusable: it is no finite number.
    """
    value = dataset.get(keyword)
    if value is None or isinstance(value, str | bytes):
        value = None if not value else [value]
    elif not hasattr(value, "__len__"):
        value = [value]
    if not value or value[0] in (None, ""):
        return None
    try:
        found = float(value[0])
    except (TypeError, ValueError):
        found = np.nan
    if not np.isfinite(found):
        raise Unusable(f"unreadable: {keyword} is no number")
    return found


def padding(stored: NDArray[Any], dataset: Any) -> NDArray[np.bool_] | None:
    """Which pixels only fill up the rectangle (PS3.3 C.7.5.1.1.2); None where the file names no such value."""
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    return np.asarray(stored == low if low == high else (stored >= low) & (stored <= high))


def _every_value(dtype: np.dtype[Any], dataset: Any) -> Values:
    """What each bit pattern of this type stands for, those beyond the stored bits taken to the nearest end."""
    patterns = np.arange(256**dtype.itemsize).astype(f"u{dtype.itemsize}").view(dtype)
    width = 8 * dtype.itemsize
    bits = min(int(dataset.get("BitsStored") or width), width)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype.kind == "i" else (0, 2**bits - 1)
    return np.clip(patterns.astype(np.float64), low, high)


def _windowed(values: Values, dataset: Any) -> Values | None:
    """Values as a share of the screen's range, by the first VOI LUT or else the first window; None without either."""
    holder = _holder(dataset, "VOILUTSequence", "FrameVOILUTSequence")
    tables = holder.get("VOILUTSequence")
    if tables:
        first, entries, bits = _table(tables[0])
        return np.asarray(np.clip(_looked_up(values, first, entries) / (2**bits - 1), 0, 1))
    holder = _holder(dataset, "WindowCenter", "FrameVOILUTSequence")
    centre, width = number(holder, "WindowCenter"), number(holder, "WindowWidth")
    if centre is None or width is None:
        return None
    function = str(holder.get("VOILUTFunction") or "LINEAR").upper()
    # PS3.3 C.11.2.1.2 and C.11.2.1.3. Some devices write a width of 0 where they mean that there is no window.
    if function == "LINEAR" and width >= 1:
        return np.clip((values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5, 0, 1)
    if function == "LINEAR_EXACT" and width > 0:
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if function == "SIGMOID" and width > 0:
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700))))
    return None


def _holder(dataset: Any, keyword: str, group: str) -> Any:
    """Where an attribute stands: in the dataset, or in the functional group of an enhanced file's one frame."""
    if keyword in dataset:
        return dataset
    for groups in FRAME_GROUPS:
        frames = dataset.get(groups)
        items = frames[0].get(group) if frames else None
        if items and keyword in items[0]:
            return items[0]
    return dataset


def _table(item: Any) -> tuple[float, Values, int]:
    """A lookup table: the value its first entry is for, its entries, and their bits (PS3.3 C.11.1.1)."""
    told, data = item.get("LUTDescriptor"), item.get("LUTData")
    if told is None or len(told) != 3 or data is None:
        raise Unusable("unreadable: a lookup table without its figures")
    count, first, bits = (int(each) for each in told)
    if isinstance(data, bytes):
        entries = np.frombuffer(data, "<u2" if len(data) >= 2 * (count or 65536) else "u1")
    else:
        entries = np.atleast_1d(np.asarray(data))
    entries = entries[: count or 65536]
    if not len(entries) or not 1 <= bits <= 16:
        raise Unusable("unreadable: a lookup table without entries")
    return float(first), entries.astype(np.float64), bits


def _looked_up(values: Values, first: float, entries: Values) -> Values:
    """Entries for values; beyond an end, the end's."""
    places = np.clip(np.rint(values - first), 0, len(entries) - 1).astype(np.intp)
    return entries[places]
