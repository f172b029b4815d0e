"""What a picture file's first bytes say of it, before anything is decoded.

Read here and not by a library: the limit on pixels has to hold before a decoder makes room for them, several pictures
in one file must be noticed, and Pillow's warnings and limit belong to the whole process, not to one thread.

Sources: PNG, W3C recommendation 3rd edition; JPEG, ITU-T T.81 annex B; TIFF revision 6.0, and BigTIFF as libtiff
describes it; EXIF 2.32 (CIPA DC-008) for the orientation; CIPA DC-007 for several pictures in a JPEG; BMP, Microsoft's
BITMAPINFOHEADER.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from components.lib.errors import SeveralPictures, Unusable

CUT_OFF = "unreadable: cut off or damaged"
SEVERAL = "several pictures in one file; one is expected"
PNG, TIFFS = b"\x89PNG\r\n\x1a\n", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NOT_READ = {
    b"GIF8": "a GIF", b"%PDF": "a PDF", b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "packed by gzip",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 file", b"\xffO\xffQ": "a JPEG 2000 file", b"8BPS": "a Photoshop file",
    b"\0\0\0\x0cJXL ": "a JPEG XL file", b"\x93NUMPY": "a NumPy file", b"\x89HDF": "an HDF5 file",
}  # fmt: skip
"""First bytes of files that are met among pictures, and what to call them."""
# TIFF tags, and the bytes of a value by its type: BYTE, SHORT, LONG, LONG8.
WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION, SAMPLES, EXTRA_SAMPLES = 256, 257, 258, 262, 274, 277, 338
VALUES = {1: "B", 3: "H", 4: "I", 16: "Q"}
MOST_TAGS = 4096
MOST_PAGES = 10_000
MOST_STEPS = 65_536
"""Chunks of a PNG, segments of a JPEG, strips of a TIFF that a file may have."""
MOST_EXIF = 8
"""Segments of a JPEG that are looked into for its orientation, or for more pictures."""
DAMAGE = (struct.error, IndexError, KeyError, OverflowError)
"""What reading a damaged header raises."""
NUMBER_OF_IMAGES = 0xB001
# Markers of a JPEG that stand alone, and those of a frame, which holds the size.
ALONE = {0x01, *range(0xD0, 0xD9)}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PROGRESSIVES = {0xC2, 0xC6, 0xCA, 0xCE}
PNG_VALUES = {0: 1, 2: 3, 3: 4, 4: 4, 6: 4}
"""Values a pixel of a PNG by its colour type, as OpenCV decodes them: a palette may have transparency."""


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded."""

    format: str
    """PNG, JPEG, TIFF or BMP."""
    height: int
    width: int
    """Pixels, as they are stored: before the orientation."""
    orientation: int = 1
    """EXIF's, 1 to 8; 1 where none or an impossible one is given."""
    photometric: int = 1
    """TIFF's, 0 means that 0 is white."""
    samples: int = 1
    """TIFF's, values a pixel."""
    premultiplied: bool = False
    """TIFF's: colours are already multiplied by their transparency."""
    values: int = 1
    """Values a pixel once it is decoded."""
    bits: int = 8
    """Of a value."""
    progressive: bool = False
    """A JPEG in several scans."""
    place: int = 0
    """Where a JPEG's frame begins."""


def header(raw: bytes) -> Header:
    """Format, size, orientation of an encoded picture; its content decides, not a file's name.

    Raises:
        Unusable: no PNG, JPEG, TIFF or BMP, several pictures in it, or a header that is cut off.
    """
    try:
        if raw.startswith(PNG):
            return _png(raw)
        if raw.startswith(b"\xff\xd8\xff"):
            return _jpeg(raw)
        if raw.startswith(TIFFS):
            return _tiff(raw)
        if raw.startswith(b"BM"):
            return _bmp(raw)
    except DAMAGE:
        raise Unusable(CUT_OFF) from None
    raise Unusable(f"unreadable: {_named(raw)}")


def _png(raw: bytes) -> Header:
    if raw[12:16] != b"IHDR":
        raise Unusable(CUT_OFF)
    width, height = struct.unpack_from(">II", raw, 16)
    bits, colour = raw[24], raw[25]
    orientation, place, exif = 1, 8, False
    for _ in range(MOST_STEPS):
        name = raw[place + 4 : place + 8]
        if name in (b"IDAT", b"IEND"):
            break
        (length,) = struct.unpack_from(">I", raw, place)
        if name == b"acTL" and struct.unpack_from(">I", raw, place + 8)[0] > 1:
            raise Unusable(SEVERAL)
        if name == b"eXIf" and not exif:
            orientation, exif = _orientation(raw[place + 8 : place + 8 + length]), True
        place += 12 + length
    return Header("PNG", height, width, orientation, values=PNG_VALUES.get(colour, 4), bits=bits)


def _jpeg(raw: bytes) -> Header:
    orientation, place, looked = 1, 2, 0
    for _ in range(MOST_STEPS):
        if raw[place] != 0xFF:
            raise Unusable(CUT_OFF)
        filled = 0
        while raw[place] == 0xFF and filled < MOST_STEPS:  # any number of them may stand before a marker
            place, filled = place + 1, filled + 1
        marker, place = raw[place], place + 1
        if marker in ALONE:
            continue
        (length,) = struct.unpack_from(">H", raw, place)
        if marker in FRAMES:
            bits, height, width, values = struct.unpack_from(">BHHB", raw, place + 2)
            break
        segment = raw[place + 2 : place + length] if looked < MOST_EXIF and marker in (0xE1, 0xE2) else b""
        looked += marker in (0xE1, 0xE2) and segment.startswith((b"Exif\0\0", b"MPF\0"))
        if marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = _orientation(segment[6:])
        if marker == 0xE2 and segment.startswith(b"MPF\0") and _first_tags(segment[4:]).get(NUMBER_OF_IMAGES, 1) > 1:
            raise Unusable(SEVERAL)
        place += length
    else:
        raise Unusable(CUT_OFF)
    if bits != 8:
        raise Unusable("unreadable: a JPEG of more than 8 bits")
    if raw.rfind(b"\xff\xd9", place) < 0:  # a copy that stopped may be filled up with zeros, and decode to the end
        raise Unusable(CUT_OFF)
    # The end of one picture and the start of the next; coded pixels never hold these bytes.
    if raw.find(b"\xff\xd9\xff\xd8\xff", place) >= 0:
        raise Unusable(SEVERAL)
    progressive = marker in PROGRESSIVES
    return Header("JPEG", height, width, orientation, values=values, progressive=progressive, place=place)


def _tiff(raw: bytes) -> Header:
    tags, further = directory(raw)
    if further:
        raise SeveralPictures(SEVERAL, _counted(raw))
    return Header(
        "TIFF", tags[HEIGHT], tags[WIDTH], _valid(tags.get(ORIENTATION, 1)), tags.get(PHOTOMETRIC, 1),
        tags.get(SAMPLES, 1), premultiplied=tags.get(EXTRA_SAMPLES) == 1,
        values=3 if tags.get(PHOTOMETRIC) == 3 else max(tags.get(SAMPLES, 1), 3 * (tags.get(PHOTOMETRIC) == 6)),
        bits=tags.get(BITS, 1),
    )  # fmt: skip


def _bmp(raw: bytes) -> Header:
    (size,) = struct.unpack_from("<I", raw, 14)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", raw, 18)
    elif 40 <= size <= 124:
        width, height, _, bits = struct.unpack_from("<iiHH", raw, 18)
    else:
        raise Unusable(CUT_OFF)
    # A negative height means that the first line is the top.
    return Header("BMP", abs(height), max(0, width), values=4 if bits == 32 else 3)


def directory(raw: bytes) -> tuple[dict[int, int], int]:
    """The first value of every tag of a TIFF's first directory that holds whole numbers, and where the next begins."""
    end, count_form, entry_form, place_form, width = _forms(raw)
    (place,) = struct.unpack_from(end + place_form, raw, width)
    (count,) = struct.unpack_from(end + count_form, raw, place)
    if count > MOST_TAGS:
        raise Unusable(CUT_OFF)
    place += struct.calcsize(end + count_form)
    tags: dict[int, int] = {}
    for _ in range(count):
        tag, form, number = struct.unpack_from(end + entry_form, raw, place)
        place += struct.calcsize(end + entry_form)
        if form in VALUES and number:
            value = end + VALUES[form]
            inside = number * struct.calcsize(value) <= width
            where = place if inside else struct.unpack_from(end + place_form, raw, place)[0]
            if inside or tag in (EXTRA_SAMPLES, BITS):  # no other that is asked for has so many values
                tags[tag] = struct.unpack_from(value, raw, where)[0]
        place += width
    (further,) = struct.unpack_from(end + place_form, raw, place)
    return tags, further


def tag_values(raw: bytes, wanted: int) -> list[int]:
    """All values of one tag of a TIFF's first directory; none where it isn't there.

    Raises:
        Unusable: it states more of them than the file has bytes.
    """
    end, count_form, entry_form, place_form, width = _forms(raw)
    (place,) = struct.unpack_from(end + place_form, raw, width)
    (count,) = struct.unpack_from(end + count_form, raw, place)
    place += struct.calcsize(end + count_form)
    step = struct.calcsize(end + entry_form)
    for at in range(place, place + min(count, MOST_TAGS) * (step + width), step + width):
        tag, form, number = struct.unpack_from(end + entry_form, raw, at)
        if tag == wanted and form in VALUES:
            size = number * struct.calcsize(end + VALUES[form])
            where = at + step if size <= width else struct.unpack_from(end + place_form, raw, at + step)[0]
            if where + size > len(raw):
                raise Unusable(CUT_OFF)
            return list(struct.unpack_from(f"{end}{number}{VALUES[form]}", raw, where))
    return []


def pages(raw: bytes) -> list[tuple[int, int]]:
    """Of every page of a TIFF, where its directory begins, and where in that stands the place of the next one.

    Raises:
        Unusable: the directories are damaged, lead to each other for ever, or are more than `MOST_PAGES`.
    """
    found: list[tuple[int, int]] = []
    try:
        end, count_form, entry_form, place_form, width = _forms(raw)
        (place,) = struct.unpack_from(end + place_form, raw, width)
        while place:
            (count,) = struct.unpack_from(end + count_form, raw, place)
            link = place + struct.calcsize(end + count_form) + count * (struct.calcsize(end + entry_form) + width)
            found.append((place, link))
            if len(found) > MOST_PAGES:  # also where they go round in a circle
                raise Unusable(f"unreadable: a TIFF of more than {MOST_PAGES} pages, or a damaged one")
            (place,) = struct.unpack_from(end + place_form, raw, link)
    except DAMAGE:
        raise Unusable(CUT_OFF) from None
    return found


def alone(raw: bytes, number: int) -> bytes:
    """The file with that picture (from 1) as its only one: a TIFF's bytes, but for what leads to its other pages.

    Raises:
        Unusable: there is no such picture, or as `pages`.
    """
    found = pages(raw) if raw.startswith(TIFFS) else []
    check_frame(number, max(1, len(found)))
    if len(found) < 2:
        return raw
    place, link = found[number - 1]
    end, _, _, place_form, width = _forms(raw)
    copy = bytearray(raw)
    struct.pack_into(end + place_form, copy, width, place)
    struct.pack_into(end + place_form, copy, link, 0)
    return bytes(copy)


def check_frame(number: int, count: int) -> None:
    """Refuse a frame or page that a file hasn't got.

    Raises:
        Unusable: with what it has.
    """
    if not 1 <= number <= count:
        held = "one picture" if count == 1 else f"{count} pictures, 1 to {count}"
        raise Unusable(f"no picture {number} in the file: it holds {held}")


def _counted(raw: bytes) -> int:
    """How many pages a TIFF has; 0 where those behind the first one are damaged."""
    try:
        return len(pages(raw))
    except Unusable:
        return 0


def _forms(raw: bytes) -> tuple[str, str, str, str, int]:
    """How a TIFF writes numbers, for `struct`: its byte order, a count of tags, a tag's head, a place; and the bytes of
    a place."""
    end = "<" if raw[:2] == b"II" else ">"
    big = raw[2:4] in (b"+\0", b"\0+")
    return (end, "Q", "HHQ", "Q", 8) if big else (end, "H", "HHI", "I", 4)


def _first_tags(block: bytes) -> Mapping[int, int]:
    """The tags of a TIFF structure inside another file; none where it is damaged: the picture may be well."""
    if not block.startswith(TIFFS):
        return {}
    try:
        return directory(block)[0]
    except (*DAMAGE, Unusable):
        return {}


def _orientation(block: bytes) -> int:
    return _valid(_first_tags(block).get(ORIENTATION, 1))


def _valid(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else 1


def _named(raw: bytes) -> str:
    """What a file is that is no picture, in words."""
    for start, name in NOT_READ.items():
        if raw.startswith(start):
            return f"{name}; PNG, JPEG, TIFF, BMP and DICOM are read"
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "a WebP; PNG, JPEG, TIFF, BMP and DICOM are read"
    if raw[4:8] == b"ftyp":
        return "a HEIC, AVIF or film; PNG, JPEG, TIFF, BMP and DICOM are read"
    if raw.count(0) == len(raw):
        return "nothing but zeros"
    if _is_text(raw[:512]):
        return "a web page, not a picture" if raw.lstrip()[:1] == b"<" else "text, not a picture"
    return "no PNG, JPEG, TIFF, BMP or DICOM"


def _is_text(start: bytes) -> bool:
    return not any(byte < 9 or 13 < byte < 32 for byte in start) and start.isascii()
