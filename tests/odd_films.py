"""Odd picture files, made by Pillow or byte by byte, and archives, for tests to read."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from components.lib.errors import Unusable
from components.lib.kinds._decode import decode

SMOOTH = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (5, 8), np.uint8), (32, 20), interpolation=cv2.INTER_CUBIC
)
"""Grey, (20, 32)."""
COLOURS = np.dstack([SMOOTH, SMOOTH[::-1], 255 - SMOOTH])
GREY, COLOUR = Picture.fromarray(SMOOTH), Picture.fromarray(COLOURS)
DEEP = SMOOTH.astype(np.uint16) * 250
ORIENTATION = 274
TYPE = "unreadable: pixels of type {}; 8 or 16 bits are read"
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")


def saved(picture: Picture.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def reason(raw: bytes) -> str:
    """Why bytes are refused; always one short line."""
    with pytest.raises(Unusable) as caught:
        decode(raw)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 100
    return told


def near(found: np.ndarray, wanted: Any, most: int = 0) -> bool:
    wanted = np.asarray(wanted)
    return found.shape == wanted.shape and int(np.abs(found.astype(int) - wanted.astype(int)).max()) <= most


def ifd(*tags: tuple[int, int, int, int], further: int = 0, end: str = "<") -> bytes:
    """A TIFF of a directory alone: (tag, type, count, value) each."""
    entries = b""
    for tag, form, count, value in tags:
        entries += struct.pack(f"{end}HHI", tag, form, count)
        entries += struct.pack(f"{end}HH", value, 0) if form == 3 else struct.pack(f"{end}I", value)
    start = b"II*\0" if end == "<" else b"MM\0*"
    return start + struct.pack(f"{end}IH", 8, len(tags)) + entries + struct.pack(f"{end}I", further)


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT"


def jpeg_header(width: int, height: int, bits: int = 8) -> bytes:
    return (
        b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0"
        + struct.pack(">HBHHB", 11, bits, height, width, 1)
        + b"\1\x11\0\xff\xd9"
    )


def bmp_header(width: int, height: int) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, width, height, 1, 24, 0) + bytes(20)


def member(name: str, **values: Any) -> tarfile.TarInfo:
    """An entry of a tar."""
    entry = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(entry, key, value)
    return entry


def packed(path: Path, files: dict[str, bytes], start: str = "") -> Path:
    """An archive of files, after an entry for a folder and in their order, of the form that its name says."""
    files = {f"{start}{name}": content for name, content in files.items()}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("mild")
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz" if "gz" in path.suffix else "w") as tar:
        tar.addfile(member("mild", type=tarfile.DIRTYPE))
        for name, content in files.items():
            tar.addfile(member(name, size=len(content)), io.BytesIO(content))
    return path
