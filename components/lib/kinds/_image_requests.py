"""Pictures as callers send them: files in base64, and arrays of numbers for those who have them."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import cv2
import numpy as np
import pybase64

from components.lib.errors import SeveralPictures, Unusable, nearest
from components.lib.kinds._decode import decode
from components.lib.kinds._records import Array, RequestColumn

FORMS = (
    "expected a PNG, JPEG, TIFF, BMP or DICOM file as a base64 string, or an array (height, width) or (height, width, "
    'channels) of whole numbers from 0 to 255; of 16 bits as {"values": [[…]], "bits": 16}'
)
KEYS = ("values", "bits")
# OpenCV's order of colours, to RGB(A) and back.
BLUE_FIRST = [2, 1, 0, 3]


def columns(name: str) -> tuple[RequestColumn, RequestColumn]:
    """The picture, and which one of its file is meant."""
    picture = (
        "a PNG, JPEG, TIFF, BMP or DICOM file in base64 or as a `data:` URI; or an array (H, W), (H, W, 3) in RGB or "
        '(H, W, 4) with transparency, of whole numbers, 0 to 255; or an object {"values": that array, "bits": 8 or 16}'
    )
    frame = "which frame of a DICOM file, or page of a TIFF, from 1; needed where the file holds several"
    return RequestColumn(name, "any", True, picture), RequestColumn(_frame_column(name), "any", False, frame)


def requested(name: str, row: Mapping[str, Any]) -> bytes | Array:
    """A row of a request as `clean` takes it: the file, the one picture of it that is meant, or an array.

    Raises:
        Unusable: with one sentence for the caller.
    """
    value, frame = row.get(name), _frame(name, row)
    if isinstance(value, str) and value:
        file = _file(value)
        return file if frame is None else decode(file, frame)
    if not isinstance(value, Mapping | list | tuple | np.ndarray):
        raise Unusable(FORMS)
    if frame is not None:
        raise Unusable(f"{_frame_column(name)} is for files of several pictures; leave it out, or null, for an array")
    return _described(value) if isinstance(value, Mapping) else _array(value, 8)


def which(name: str, several: SeveralPictures) -> str:
    """What to tell a caller whose file holds several pictures."""
    if several.count == 0:
        return "the file holds several pictures, some of them damaged; send the one that is meant"
    asked = f"say which one is meant in the column {_frame_column(name)!r}, 1 to {several.count}"
    return f"the file holds {several.count} pictures: {asked}"


def sent(name: str, raw: bytes | Array) -> dict[str, Any]:
    """The file in base64; an array as a PNG."""
    if not isinstance(raw, bytes):
        order = BLUE_FIRST[: raw.shape[2]] if raw.ndim == 3 and raw.shape[2] > 1 else None
        raw = bytes(cv2.imencode(".png", raw if order is None else raw[..., order])[1])
    return {name: base64.b64encode(raw).decode()}


def _frame_column(name: str) -> str:
    return f"{name}_frame"


def _frame(name: str, row: Mapping[str, Any]) -> int | None:
    """Which picture of the file is meant, from 1; None: nobody said. A column of numbers and nulls comes as floats."""
    value = row.get(_frame_column(name))
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 1e9 and value == int(value):
        return int(value)
    raise Unusable(f"expected a whole number from 1 under {_frame_column(name)!r}")


def _file(text: str) -> bytes:
    """The bytes of a file from base64, with or without a `data:` prefix, on one line or wrapped."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        try:
            return pybase64.b64decode(text, validate=True)  # at the speed of the memory
        except ValueError:  # wrapped, or padded with more than it needs
            return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:  # binascii.Error is one
        raise Unusable("is no valid base64; send the file's bytes, base64-encoded") from None


def _described(value: Mapping[str, Any]) -> Array:
    """An array from an object that says its bits."""
    unknown = [str(key)[:20] for key in value if key not in KEYS]
    if unknown:
        raise Unusable(f"expected the keys values, bits, found {unknown[0]!r}{nearest(unknown[0], KEYS)}")
    bits = value.get("bits", 8)
    if isinstance(bits, bool) or bits not in (8, 16):
        raise Unusable("expected 8 or 16 under `bits`")
    if not isinstance(value.get("values"), list | tuple | np.ndarray):
        raise Unusable("expected an array (height, width) or (height, width, channels) under `values`")
    return _array(value["values"], int(bits))


def _array(told: Any, bits: int) -> Array:
    """Nested lists of whole numbers as uint8 or uint16 (H, W) or (H, W, C).

    Every number is looked at before NumPy is asked: of text and deep nests it would make arrays of any size.
    """
    top = 2**bits - 1
    wrong = Unusable(
        "expected an array (height, width) or (height, width, channels), every row as long as the others, of whole "
        f"numbers from 0 to {top}" + ("" if bits == 16 else '; of 16 bits as {"values": [[…]], "bits": 16}')
    )
    level = told.tolist() if isinstance(told, np.ndarray) else told
    shape = [len(level)]
    while len(shape) < 4 and level and isinstance(level[0], list | tuple):
        lengths = {len(each) if isinstance(each, list | tuple) else -1 for each in level}
        if len(lengths) > 1:
            raise wrong
        shape.append(lengths.pop())
        level = list(chain.from_iterable(level))
    if len(shape) not in (2, 3) or set(map(type, level)) != {int} or min(level) < 0 or max(level) > top:
        raise wrong
    return np.array(level, np.uint8 if bits == 8 else np.uint16).reshape(shape)
