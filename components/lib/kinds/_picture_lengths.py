"""Lengths that a picture file states, compared with what is there before a decoder sees them.

Decoders make room for what a file claims: of a PNG's chunk its length, of a TIFF its tiles, and of a JPEG they go
through the picture once for every scan. Sources as in `_headers`; JPEG's markers: ITU-T T.81, tables B.1 and D.1.
"""

from __future__ import annotations

import struct

from components.lib.errors import Unusable
from components.lib.kinds._headers import CUT_OFF, DAMAGE, MOST_STEPS, Header, directory, tag_values

MOST_ROOM = 336 << 20
"""Bytes that decoding may take: with a request's text and its file it stays below 512 MB."""
MOST_SCANS = 24
"""Of a JPEG; encoders write 10 to 12 for a progressive one."""
COMPRESSION, STRIPS, STRIP_BYTES = 259, 273, 279
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES = 322, 323, 324, 325
JPEG_INSIDE = (6, 7)


def check_room(told: Header) -> None:
    """Refuse a picture whose pixels, with the copy that brings their colours into order, take more than MOST_ROOM.

    Raises:
        Unusable: with the limit.
    """
    pixels = told.height * told.width
    decoded = pixels * told.values * max(1, told.bits // 8)
    if told.progressive:  # kept as coefficients of 16 bits until its last scan
        room = max(2 * decoded, decoded + 2 * pixels * told.values)
    else:
        room = 5 * decoded // 2 if told.values == 4 else 2 * decoded  # transparency takes another copy
    if room > MOST_ROOM:
        raise Unusable(f"too large: pictures that take at most {MOST_ROOM >> 20} MB to decode are read")


def check_lengths(raw: bytes, told: Header) -> None:
    """Refuse a file that states a length beyond its end, or parts of another size than the picture's.

    Raises:
        Unusable: it is cut off or damaged.
    """
    check = {"PNG": _png, "JPEG": _jpeg, "TIFF": _tiff, "BMP": _bmp}[told.format]
    try:
        check(raw, told)
    except DAMAGE:
        raise Unusable(CUT_OFF) from None


def _png(raw: bytes, told: Header) -> None:
    place, name, framed = 8, b"", False
    for _ in range(MOST_STEPS):
        (length,) = struct.unpack_from(">I", raw, place)
        name, end = raw[place + 4 : place + 8], place + 12 + length
        if end > len(raw):
            break
        if name == b"IEND":
            return
        if name == b"fcTL":  # the one frame of an animation: it states a size of its own
            frame = struct.unpack_from(">IIII", raw, place + 12)
            if framed or frame != (told.width, told.height, 0, 0):
                break
            framed = True
        place = end
    raise Unusable(CUT_OFF)


def _jpeg(raw: bytes, told: Header) -> None:
    # Coded pixels never hold a marker; what stands before the frame may hold a thumbnail with scans of its own.
    if raw.count(b"\xff\xda", told.place) > MOST_SCANS:
        raise Unusable("unreadable: a JPEG of more scans than a picture has")


def _tiff(raw: bytes, told: Header) -> None:
    tags, _ = directory(raw)
    bytes_a_pixel = told.values * max(1, told.bits // 8)
    width, height = tags.get(TILE_WIDTH, 0), tags.get(TILE_HEIGHT, 0)
    # A tile may stick out of the picture, by less than its own side.
    if width * height * bytes_a_pixel > MOST_ROOM // 4 and (width > 2 * told.width or height > 2 * told.height):
        raise Unusable(CUT_OFF)
    for places, lengths in ((STRIPS, STRIP_BYTES), (TILES, TILE_BYTES)):
        starts, sizes = tag_values(raw, places), tag_values(raw, lengths)
        if len(starts) > max(MOST_STEPS, 2 * told.height) or any(start > len(raw) for start in starts):
            raise Unusable(CUT_OFF)
        if len(sizes) == len(starts) and any(a + b > len(raw) for a, b in zip(starts, sizes, strict=True)):
            raise Unusable(CUT_OFF)
    # TIFF's JPEG is never progressive, so that it can't hold many scans.
    frames = (b"\xff\xc2\0" + bytes([8 + 3 * values, 8]) for values in (1, 2, 3, 4))
    if tags.get(COMPRESSION) in JPEG_INSIDE and any(frame in raw for frame in frames):
        raise Unusable("unreadable: a TIFF with a progressive JPEG inside")


def _bmp(raw: bytes, told: Header) -> None:
    (start,) = struct.unpack_from("<I", raw, 10)
    if start > len(raw):
        raise Unusable(CUT_OFF)
