"""How a picture was made and stored, in a word each: what a model must not tell the classes by.

Every word is of a list here, a figure or a digest of a table of numbers: text of a file's own, which may name somebody,
is never repeated. Of DICOM that is coded values alone, none of which the Basic Application Level Confidentiality
Profile (PS3.15, Annex E, Table E.1-1) removes; one that the standard doesn't define becomes "other".

Sources: PNG, W3C recommendation 3rd edition 11.2.1; JPEG, ITU-T T.81 annex B.2; TIFF revision 6.0, section 8; DICOM
PS3.3 C.7.3.1.1.1 (modality), C.7.6.3.1.2 (photometric interpretation), C.8.1.1, C.8.11.5 (view position).
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

import cv2
import numpy as np

from components.lib.errors import Unusable
from components.lib.kinds._headers import ALONE, DAMAGE, FRAMES, PHOTOMETRIC, PNG, SAMPLES, TIFFS, directory
from components.lib.kinds.base import Array

ORIGIN = {
    "format": "file format",
    "compression": "compression",
    "colours": "colours as stored",
    "modality": "DICOM modality",
    "view": "DICOM view position",
    "photometric": "DICOM photometric interpretation",
    "bits_stored": "DICOM bits stored",
    "kilovolts": "DICOM tube voltage",
    "spacing": "DICOM pixel spacing",
}
"""What is told of a picture, and what it is called."""
OTHER = "other"
COMPRESSION = 259
PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and transparency", 6: "RGB and transparency"}
TIFF_COLOURS = {0: "grey, 0 is white", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}
TIFF_COMPRESSIONS = {1: "none", 5: "LZW", 6: "JPEG", 7: "JPEG", 8: "deflate", 32773: "PackBits", 32946: "deflate"}
HEADER_TAGS = (
    "Modality", "ViewPosition", "PhotometricInterpretation", "BitsStored", "KVP", "PixelSpacing", "ImagerPixelSpacing",
)  # fmt: skip
MODALITIES = {"CR", "CT", "DX", "ES", "GM", "IO", "MG", "MR", "NM", "OCT", "OP", "OT", "PT", "PX", "RF", "SC", "SM",
              "US", "XA", "XC"}  # fmt: skip
VIEWS = {"AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO", "LATERAL", "LAT", "CC", "MLO", "ML", "LM", "LMO", "XCCL"}
PHOTOMETRICS = {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}


def origin(raw: bytes | Array) -> dict[str, str | None]:
    """A word, or None where nothing is known, for each of `ORIGIN`.

    Args:
        raw: a file that `_decode.decode` takes, or an array (H, W[, C]).
    """
    told: dict[str, str | None]
    if not isinstance(raw, bytes):
        told = {"format": "array", "colours": f"{raw.shape[2] if raw.ndim == 3 else 1} channels"}
    else:
        try:
            told = _reader(raw)(raw)
        except (*DAMAGE, Unusable):  # what was decoded is in order; an odd header is no reason to lose the sample
            told = {}
    return {**dict.fromkeys(ORIGIN), **told}


def _reader(raw: bytes) -> Callable[[bytes], dict[str, str | None]]:
    if raw[128:132] == b"DICM":  # first: what stands before it may well look like a TIFF
        return _dicom
    if raw.startswith(PNG):
        return _png
    if raw.startswith(b"\xff\xd8"):
        return _jpeg
    if raw.startswith(TIFFS):
        return _tiff
    return _bmp if raw.startswith(b"BM") else _dicom


def _png(raw: bytes) -> dict[str, str | None]:
    return {"format": "PNG", "colours": PNG_COLOURS.get(raw[25], OTHER)}


def _bmp(raw: bytes) -> dict[str, str | None]:
    return {"format": "BMP", "colours": f"{struct.unpack_from('<H', raw, 28)[0]} bits"}


def _tiff(raw: bytes) -> dict[str, str | None]:
    known = directory(raw)[0]
    return {
        "format": "TIFF",
        "compression": TIFF_COMPRESSIONS.get(known.get(COMPRESSION, 1), OTHER),
        "colours": f"{TIFF_COLOURS.get(known.get(PHOTOMETRIC, 1), OTHER)}, {min(known.get(SAMPLES, 1), 9)} a pixel",
    }


def _jpeg(raw: bytes) -> dict[str, str | None]:
    """Its quality on libjpeg's scale where the table of quantisation is of it, else a digest of the table."""
    table, components = _segments(raw)
    quality = _qualities().get(table)
    compression = f"quality {quality}" if quality else f"table {hashlib.sha256(table).hexdigest()[:8]}"
    colours = {1: "grey", 3: "colour", 4: "CMYK"}.get(components, OTHER)
    return {"format": "JPEG", "compression": compression, "colours": colours}


def _segments(raw: bytes) -> tuple[bytes, int]:
    """The first table of quantisation of a JPEG, and its number of components."""
    table, components, place = b"", 0, 2
    while True:
        marker, place = raw[place + 1], place + 2
        if marker == 0xFF:  # any number of them may stand before a marker
            place -= 1
            continue
        if marker in ALONE:
            continue
        (length,) = struct.unpack_from(">H", raw, place)
        if marker == 0xDB and not table:
            table = raw[place + 3 : place + (67 if raw[place + 2] < 16 else 131)]
        if marker in FRAMES:
            components = raw[place + 7]
        if marker == 0xDA:
            return table, components
        place += length


@cache
def _qualities() -> dict[bytes, int]:
    """libjpeg's tables for quality 1 to 100, as OpenCV writes them."""
    picture = np.zeros((8, 8), np.uint8)
    found: dict[bytes, int] = {}
    for quality in range(100, 0, -1):
        encoded = bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
        found[_segments(encoded)[0]] = quality
    return found


def _dicom(raw: bytes) -> dict[str, str | None]:
    from components.lib.kinds._dicom import only_unusable, parsed

    with only_unusable():
        dataset = parsed(raw, HEADER_TAGS, stop_before_pixels=True)
        syntax = dataset.file_meta.TransferSyntaxUID
        known = not syntax.is_private and syntax.name != syntax
        bits = int(dataset.get("BitsStored") or 0)
        spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
        return {
            "format": "DICOM",
            "compression": str(syntax.keyword) if known else OTHER,
            "modality": _defined(dataset.get("Modality"), MODALITIES),
            "view": _defined(dataset.get("ViewPosition"), VIEWS),
            "photometric": _defined(dataset.get("PhotometricInterpretation"), PHOTOMETRICS),
            "bits_stored": str(bits) if 0 < bits <= 64 else None,
            "kilovolts": _figure(dataset.get("KVP"), lambda value: f"{10 * round(value / 10)} kV"),
            "spacing": _figure(spacing[0] if spacing else None, lambda value: f"{value:.2g} mm"),
        }


def _defined(value: Any, terms: Collection[str]) -> str | None:
    """A value that the standard defines; "other" for any other word, which may say anything."""
    text = "" if value is None else str(value).strip(" \0").upper()
    return (text if text in terms else OTHER) if text else None


def _figure(value: Any, told: Callable[[float], str]) -> str | None:
    """A figure rounded, so that it stands for a way of working and for no single picture."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return told(number) if 0 < number < 1e4 and math.isfinite(number) else None
