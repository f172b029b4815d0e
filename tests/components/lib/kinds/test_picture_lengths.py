"""A length that a picture file states is compared with what is there before a decoder makes room for it."""

from __future__ import annotations

import base64
import struct
import zlib
from time import perf_counter

import cv2
import numpy as np
import pytest
from films import encoded, film
from odd_films import COLOUR, GREY, ifd, reason, saved

from benchmarks.attacks.reading import read_apart
from components.lib.kinds._decode import decode
from components.lib.kinds._picture_lengths import MOST_ROOM, MOST_SCANS

LYING = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXf////0lEQVR4duaE5g==")
"""46 bytes, whose second chunk states 2 GB."""
DAMAGED = "unreadable: cut off or damaged"


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    stated = struct.pack(">I", len(content) if length is None else length)
    return stated + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_a_png_whose_chunk_states_gigabytes_takes_no_memory() -> None:
    told = read_apart("image", [LYING])
    assert (told.read, told.refused, told.broken) == (0, 1, [])
    assert told.megabytes < 60
    assert reason(LYING) == DAMAGED


@pytest.mark.parametrize("length", [2**31 - 1, 2**32 - 1, 2**31, 1000])
@pytest.mark.parametrize("name", [b"IDAT", b"PLTE", b"tEXt", b"iCCP", b"eXIf", b"abcd", b"IEND", b"fdAT"])
def test_no_chunk_states_more_than_there_is(name: bytes, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = saved(GREY, "PNG")
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    before, after = raw[:33], raw[33:]
    assert reason(before + chunk(name, b"abc", length) + after) == DAMAGED
    assert reason(raw[:-12] + chunk(name, b"abc", length) + raw[-12:]) == DAMAGED


def test_the_frame_of_an_animation_is_as_large_as_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = saved(GREY, "PNG")
    told = chunk(b"acTL", struct.pack(">II", 1, 0))
    frame = struct.pack(">IIIIIHHBB", 0, 32, 20, 0, 0, 1, 1, 0, 0)
    assert decode(raw[:33] + told + chunk(b"fcTL", frame) + raw[33:]).shape == (20, 32)
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    for wrong in (frame[:4] + struct.pack(">I", 60_000) + frame[8:], frame[:12] + struct.pack(">I", 9) + frame[16:]):
        assert reason(raw[:33] + told + chunk(b"fcTL", wrong) + raw[33:]) == DAMAGED


def test_a_jpeg_of_a_thousand_scans_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = encoded(film(1, 64), ".jpg")
    progressive = saved(COLOUR, "JPEG", progressive=True, quality=90)
    assert decode(progressive).shape == (20, 32, 3)
    assert progressive.count(b"\xff\xda") <= 12
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    assert "more scans" in reason(progressive[:-2] + scan * MOST_SCANS + b"\xff\xd9")
    begun = perf_counter()
    for filler in (b"\xff\xd0", b"\xff\xfe\0\2", b"\xff\xe1\0\x10Exif\0\0II*\0\x08\0"):
        assert reason(raw[:2] + filler * 2_000_000 + raw[2:]) == DAMAGED
    assert perf_counter() - begun < 5


@pytest.mark.parametrize("tag", [
    (322, 4, 1, 60_000), (273, 4, 1, 2**31), (273, 4, 2**30, 8), (279, 4, 1, 2**32 - 1), (324, 4, 2**28, 8),
])  # fmt: skip
def test_a_tiff_whose_parts_lie_elsewhere(tag: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {256: (256, 4, 1, 32), 257: (257, 4, 1, 20), 258: (258, 3, 1, 8), 259: (259, 3, 1, 1), 262: (262, 3, 1, 1),
            273: (273, 4, 1, 8), 277: (277, 3, 1, 1), 279: (279, 4, 1, 640), 323: (323, 4, 1, 60_000)}  # fmt: skip
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    raw = ifd(*sorted((tags | {tag[0]: tag}).values())) + bytes(1000)
    if tag[0] in (273, 279, 322, 324):
        assert reason(raw) == DAMAGED


@pytest.mark.parametrize(("shape", "dtype"), [
    ((9000, 9000, 4), np.uint16), ((9000, 9000, 3), np.uint16), ((9000, 9000, 3), np.uint8),
])  # fmt: skip
def test_what_takes_too_much_room_is_refused_by_its_header(
    shape: tuple[int, ...], dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    colour, bits = {3: 2, 4: 6}[shape[2]], 16 if dtype is np.uint16 else 8
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", shape[1], shape[0], bits, colour, 0, 0, 0))
    raw = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", bytes(20_000)) + chunk(b"IEND", b"")
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    assert reason(raw) == f"too large: pictures that take at most {MOST_ROOM >> 20} MB to decode are read"


def test_a_mammogram_and_a_photograph_fit() -> None:
    assert MOST_ROOM > 2 * 20_000_000 * 2  # grey of 16 bits
    assert MOST_ROOM > 2 * 48_800_000 * 3  # a telephone's, in colour
