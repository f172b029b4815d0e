"""A picture file's bytes as pixels, or the reason why not.

Read are PNG, JPEG, TIFF and BMP of 1 to 16 bits, and DICOM; the content decides, whatever the file's name ends in.

- The EXIF orientation is applied: a JPEG's (and a PNG's, where it stands before the pixels) here, a TIFF's by OpenCV.
- Transparency is composited on black: what nobody sees must not reach a network, and may hide a name. A BMP has none.
- Palettes and CMYK become RGB, 1-bit pictures become 0 and 255; a TIFF whose 0 is white is turned round.
- Several pages, frames or pictures in one file are refused, never silently the first; so are pixels that are no whole
  numbers, other colour spaces, and more than MOST_PIXELS or MOST_ROOM, before room is made for them.
- Every length that a file states is compared with what is there before a decoder sees it.
- A file that is cut off is refused, and a PNG with a changed byte. JPEG, BMP and most TIFF have no checksum: damage in
  the middle of their pixels, their end being there, can't be noticed.
"""

from __future__ import annotations

import cv2
import numpy as np

from components.lib.errors import Unusable
from components.lib.kinds._headers import CUT_OFF, Header, alone, header
from components.lib.kinds._picture_lengths import check_lengths, check_room
from components.lib.kinds.base import Array

MOST_PIXELS = 100_000_000
"""A mammogram has 20 million, a whole slide of pathology billions."""
MOST_PER_BYTE = 8 * 1032
"""Pixels that a byte of a file can hold: deflate packs 1032 bytes into one, of 8 pixels of 1 bit."""
SHORTEST_SIDE, LONGEST_SIDE = 4, 65535
"""Pixels."""
# TIFF's colour spaces that OpenCV brings to grey or RGB: white is 0, black is 0, RGB, palette, CMYK, YCbCr.
PHOTOMETRICS = range(7)
MASK = 4
PIECE = 1 << 18
"""Values that are put on black at a time."""
BARE_DICOM = (b"\x02\0", b"\x08\0")
"""How a DICOM file without its preamble begins, as some old archives keep them."""

# OpenCV reports each bad file to the console; the reason stands among the rejected samples.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(raw: bytes, frame: int | None = None) -> Array:
    """An encoded picture as (H, W) grey or (H, W, 3) RGB, uint8 or uint16, upright, on black.

    Args:
        raw: a whole file: PNG, JPEG, TIFF, BMP or DICOM.
        frame: which frame of a DICOM file, or page of a TIFF, from 1; None: the file must hold one picture.

    Raises:
        Unusable: with the reason in one line, free of values and names; SeveralPictures, where nobody said which one.
    """
    if not raw:
        raise Unusable("unreadable: the file is empty")
    if raw[128:132] == b"DICM" or raw[:2] in BARE_DICOM:
        from components.lib.kinds import _dicom  # loads pydicom, which no other picture needs

        if _dicom.is_dicom(raw):
            return np.asarray(_dicom.pixels(raw, frame))
    if frame is not None:
        raw = alone(raw, frame)
    told = header(raw)
    check_size(told.height, told.width)
    if told.height * told.width > MOST_PER_BYTE * len(raw):
        raise Unusable(CUT_OFF)
    check_room(told)
    if told.format == "TIFF" and (told.photometric not in PHOTOMETRICS or told.photometric == MASK):
        raise Unusable("unreadable: a TIFF in a colour space that is not read")
    if told.format == "TIFF" and told.samples == 2:
        raise Unusable("unreadable: a grey TIFF with transparency")
    check_lengths(raw, told)
    try:
        pixels = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise Unusable(CUT_OFF)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise Unusable(f"unreadable: pixels of type {pixels.dtype}; 8 or 16 bits are read")
    return _upright(_in_order(np.asarray(pixels), told), told)


def check_size(height: int, width: int) -> None:
    """Refuse a picture too small to show anything, and one too large to be one.

    Raises:
        Unusable: which of the two, with the limit.
    """
    if min(height, width) < SHORTEST_SIDE:
        raise Unusable(f"too small: at least {SHORTEST_SIDE} pixels a side are expected")
    if max(height, width) > LONGEST_SIDE:
        raise Unusable(f"too large: at most {LONGEST_SIDE} pixels a side are read")
    if height * width > MOST_PIXELS:
        raise Unusable(f"too large: at most {MOST_PIXELS // 1_000_000} million pixels are read")


def on_black(pixels: Array) -> Array:
    """RGBA (H, W, 4) on a black ground: RGB (H, W, 3) of the same dtype, uint8 or uint16."""
    colours, alpha = np.ascontiguousarray(pixels[..., :3]), pixels[..., 3:]
    opaque = np.iinfo(pixels.dtype).max
    if (alpha == opaque).all():
        return colours
    composited = np.empty_like(colours)
    rows = max(1, PIECE // colours[0].size)  # at a time: numbers of 32 bits take much room
    for start in range(0, len(colours), rows):
        piece = slice(start, start + rows)
        composited[piece] = (colours[piece].astype(np.uint32) * alpha[piece] + opaque // 2) // opaque
    return composited


def _in_order(pixels: Array, told: Header) -> Array:
    """What OpenCV gives, blue first, as grey or RGB."""
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        if told.format == "TIFF" and (told.premultiplied or pixels.dtype == np.uint8):
            # OpenCV gives a TIFF's 8-bit colours already multiplied by their transparency.
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB))
        return on_black(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA, dst=pixels)))
    if pixels.ndim == 3:
        if pixels.shape[2] != 3:
            raise Unusable("unreadable: neither grey nor RGB")
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    if told.format == "TIFF" and told.photometric == 0 and pixels.dtype == np.uint16:
        return np.asarray(cv2.bitwise_not(pixels))  # of 8 bits OpenCV has done so
    return np.asarray(pixels)


def _upright(pixels: Array, told: Header) -> Array:
    """Turned and mirrored as EXIF says: 2 to 4 mirrored or upside down, 5 to 8 lying on a side."""
    if told.orientation == 1 or told.format == "TIFF":
        return pixels
    if told.orientation > 4:
        pixels = np.asarray(cv2.transpose(pixels))
    # Which axes are mirrored then: 0 top and bottom, 1 left and right, -1 both.
    mirror = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(told.orientation)
    return pixels if mirror is None else np.asarray(cv2.flip(pixels, mirror))
