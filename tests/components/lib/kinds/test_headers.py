"""What no picture is made of: each refused with one short reason, and the large ones before they are decoded."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from films import encoded, film
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_films import (
    COLOUR,
    DEEP,
    FORMATS,
    GREY,
    SMOOTH,
    TYPE,
    bmp_header,
    ifd,
    jpeg_header,
    near,
    png_header,
    reason,
    saved,
)
from PIL import Image as Picture

from components.lib.errors import Unusable
from components.lib.kinds._decode import MOST_PIXELS, decode
from components.lib.kinds._headers import header


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_several_pictures_in_one_file(form: str) -> None:
    more = [Picture.fromarray(np.roll(SMOOTH, n)) for n in (1, 2)]
    assert (
        reason(saved(GREY, form, save_all=True, append_images=more)) == "several pictures in one file; one is expected"
    )
    assert near(decode(saved(GREY, form, save_all=True, append_images=[])), GREY)


def test_several_pictures_in_a_jpeg() -> None:
    several = "several pictures in one file; one is expected"
    assert reason(saved(GREY, "MPO", save_all=True, append_images=[GREY])) == several
    assert reason(saved(GREY, "JPEG") * 2) == several
    thumbnail = Picture.Exif()
    raw = saved(GREY, "JPEG", exif=b"Exif\0\0" + thumbnail.tobytes()[6:] + saved(GREY, "JPEG"))
    assert decode(raw).shape == SMOOTH.shape  # its thumbnail is no second picture


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (saved(GREY, "GIF"), "a GIF"),
        (saved(GREY, "GIF", save_all=True, append_images=[GREY.rotate(180)]), "a GIF"),
        (saved(COLOUR, "WEBP"), "a WebP"),
        (saved(COLOUR, "JPEG2000"), "a JPEG 2000 file"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (zlib.compress(b"", wbits=31), "packed by gzip"),
        (b"\0\0\0\x20ftypheic" + bytes(50), "a HEIC, AVIF or film"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_formats_are_refused_by_name(raw: bytes, what: str) -> None:
    assert reason(raw) == f"unreadable: {what}; PNG, JPEG, TIFF, BMP and DICOM are read"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "unreadable: the file is empty"),
        (bytes(5000), "unreadable: nothing but zeros"),
        (b"<!DOCTYPE html><title>404 Not Found</title>", "unreadable: a web page, not a picture"),
        (b'{"error": "no such file"}', "unreadable: text, not a picture"),
        (b"path,finding\n", "unreadable: text, not a picture"),
        (film(0).tobytes(), "unreadable: no PNG, JPEG, TIFF, BMP or DICOM"),
        (saved(GREY, "PPM"), "unreadable: no PNG, JPEG, TIFF, BMP or DICOM"),
        (saved(GREY.convert("F"), "TIFF"), TYPE.format("float32")),
        (saved(GREY.convert("I"), "TIFF"), TYPE.format("int32")),
        (encoded(SMOOTH.astype(np.float64), ".tif"), TYPE.format("float64")),
        (saved(Picture.fromarray(DEEP), "TIFF", tiffinfo={339: 2}), TYPE.format("int16")),
        (saved(COLOUR.convert("LAB"), "TIFF"), "unreadable: a TIFF in a colour space that is not read"),
        (jpeg_header(64, 64, 12), "unreadable: a JPEG of more than 8 bits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_picture_of_ours(raw: bytes, why: str) -> None:
    assert reason(raw) == why


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 3)])
def test_tiny_pictures(form: str, size: tuple[int, int]) -> None:
    assert reason(saved(Picture.new("L", size, 9), form)) == "too small: at least 4 pixels a side are expected"
    assert decode(saved(Picture.new("L", (4, 4), 9), form)).shape == (4, 4)


@pytest.mark.parametrize(
    "raw",
    [
        png_header(30_000, 30_000), png_header(2**31 - 1, 2**31 - 1), jpeg_header(30_000, 30_000),
        bmp_header(30_000, 30_000), bmp_header(30_000, -30_000),
        ifd((256, 3, 1, 30_000), (257, 3, 1, 30_000)), ifd((256, 4, 1, 30_000), (257, 4, 1, 30_000), end=">"),
        b"II+\0\x08\0\0\0" + struct.pack("<QQHHQQHHQQQ", 16, 2, 256, 16, 1, 30_000, 257, 16, 1, 30_000, 0),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_claim_of_900_million_pixels_is_refused_before_decoding(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    assert reason(raw) in (
        "too large: at most 100 million pixels are read",
        "too large: at most 65535 pixels a side are read",
    )
    assert MOST_PIXELS < 30_000**2


@pytest.mark.parametrize(
    "raw", [png_header(9000, 9000), bmp_header(9000, 9000), jpeg_header(9000, 9000)], ids=["png", "bmp", "jpeg"]
)
def test_more_pixels_than_so_few_bytes_can_hold(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    assert reason(raw) == "unreadable: cut off or damaged"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kept", [0.02, 0.2, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"compression": "tiff_lzw"}])
def test_a_file_that_is_cut_off(form: str, kept: float, options: dict[str, Any]) -> None:
    raw = saved(Picture.fromarray(film(0, 64)), form, **options)
    assert reason(raw[: int(len(raw) * kept)]) == "unreadable: cut off or damaged"


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_copy_that_stopped_and_left_zeros(form: str) -> None:
    raw = saved(Picture.fromarray(film(0, 64)), form)
    assert reason(raw[: len(raw) // 2] + bytes(len(raw) // 2)) == "unreadable: cut off or damaged"


def test_a_changed_byte_in_a_png() -> None:
    raw = bytearray(saved(Picture.fromarray(film(0, 64)), "PNG"))
    raw[len(raw) // 2] ^= 0x10
    assert reason(bytes(raw)) == "unreadable: cut off or damaged"


WHOLE = [saved(GREY, form) for form in FORMATS] + [saved(COLOUR, "TIFF", compression="tiff_lzw")]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_whatever_the_bytes_there_is_a_picture_or_a_reason(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, min(len(raw) - 1, 400)))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(1, len(raw))) :]
    try:
        decoded = decode(bytes(raw))
    except Unusable:
        return
    assert decoded.dtype in (np.uint8, np.uint16)
    assert decoded.shape[2:] in ((), (3,))


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"BM", b""]),
    st.binary(max_size=200),
)
def test_no_header_is_too_odd(start: bytes, rest: bytes) -> None:
    try:
        header(start + rest)
    except Unusable:
        return


def test_the_header_names_size_as_stored() -> None:
    for form in FORMATS:
        told = header(saved(GREY, form))
        assert (told.format, told.height, told.width) == (form, 20, 32)
