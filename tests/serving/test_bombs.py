"""Files that claim more than they hold, or unpack to gigabytes: refused in one sentence, and no memory is kept."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from asking import Answer, Caller, served
from dicoms import dataset, dicom, saved
from films import encoded, film
from odd_films import bmp_header, ifd, jpeg_header, png_header
from pydicom.uid import DeflatedExplicitVRLittleEndian
from workspaces import Workspace

from benchmarks.workers import forget_peak, peak, resident, workers

GOOD = encoded(film(1, 32))
DEEP = film(2, 40).astype(np.uint16) * 257
LARGE = 30_000
KEPT, AT_ONCE = 60.0, 200.0
"""Megabytes: what a worker may keep after a file, and what it may hold beyond that meanwhile."""


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@cache
def zeros(megabytes: int) -> bytes:
    """So many of them, deflated: a thousandth."""
    return zlib.compress(bytes(megabytes << 20))


def png(width: int, height: int, data: bytes, *more: bytes) -> bytes:
    """A PNG of 8-bit grey with that content, and other chunks before it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(width: int, height: int, data: bytes, bits: int = 8) -> bytes:
    """A deflated TIFF of one strip."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, 8), (262, 3, 1, 1),
            (273, 4, 1, 0), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, len(data))]  # fmt: skip
    start = len(ifd(*tags))
    tags[5] = (273, 4, 1, start)
    return ifd(*tags) + data


def deflated(megabytes: int) -> bytes:
    """A deflated DICOM file whose pixels are nothing but zeros."""
    made = dataset(DEEP)
    made.PixelData = bytes(megabytes << 20)
    return saved(made, DeflatedExplicitVRLittleEndian)


HEADERS = {
    "PNG": png_header(LARGE, LARGE), "JPEG": jpeg_header(LARGE, LARGE), "BMP": bmp_header(LARGE, LARGE),
    "TIFF": tiff(LARGE, LARGE, zeros(1)), "BigTIFF without a picture": b"II+\0" + bytes(12),
    "DICOM": dicom(DEEP, Rows=LARGE, Columns=LARGE),
    "DICOM of 11,000²": dicom(DEEP, Rows=11_000, Columns=11_000),
    "DICOM of a million frames": dicom(DEEP, NumberOfFrames=1_000_000),
    "PNG of 10,000² and a kilobyte": png(10_000, 10_000, bytes(1000)),
}  # fmt: skip
BOMBS = {
    "PNG whose pixels go on for half a gigabyte": lambda: png(32, 32, zeros(512)),
    "PNG with a colour profile of half a gigabyte": lambda: png(
        32, 32, zlib.compress(bytes(range(33)) * 32), chunk(b"iCCP", b"profile\0\0" + zeros(512))
    ),
    "PNG with a comment of half a gigabyte": lambda: png(
        32, 32, zlib.compress(bytes(33 * 32)), chunk(b"zTXt", b"Comment\0\0" + zeros(512))
    ),
    "TIFF whose one strip is half a gigabyte": lambda: tiff(32, 32, zeros(512)),
    "deflated DICOM of more than any picture holds": lambda: deflated(300),
}
BROKEN = {
    "a DICOM file that is cut off": lambda: dicom(DEEP)[:-100],
    "a DICOM file that ends within its header": lambda: dicom(DEEP)[:300],
    "a DICOM file without pixels": lambda: dicom(None),
    "one pixel": lambda: encoded(np.full((1, 1), 9, np.uint8)),
    "one pixel in a DICOM file": lambda: dicom(np.full((1, 1), 9, np.uint16)),
    "an empty file": lambda: b"",
}


@pytest.fixture(scope="module")
def url(tiny: Workspace) -> Iterator[str]:
    with served(tiny, "tiny_synthetic") as address:
        with Caller(address) as caller:
            caller.pictures(GOOD, dicom(DEEP))  # what is loaded with the first of them stays
        yield address


@pytest.fixture
def caller(url: str) -> Iterator[Caller]:
    with Caller(url) as opened:
        yield opened


def refused(answer: Answer) -> str:
    """Our sentence."""
    assert answer.status == 400, answer
    assert "Traceback" not in answer.text
    told = answer.message
    assert told.startswith("row 0, column 'image': "), told
    assert len(told) < 300
    return told.removeprefix("row 0, column 'image': ")


class Held:
    """The memory of the one worker behind a URL."""

    def __init__(self, url: str) -> None:
        (self._worker,) = workers(url)
        forget_peak(self._worker)
        self._before = resident(self._worker)

    @property
    def kept(self) -> float:
        """Megabytes more than before."""
        return resident(self._worker) - self._before

    @property
    def most(self) -> float:
        """Megabytes more than before, at any time since."""
        return peak(self._worker) - self._before


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_promises_too_much_is_refused_before_room_is_made(url: str, caller: Caller, name: str) -> None:
    held, begun = Held(url), perf_counter()
    told = refused(caller.pictures(HEADERS[name]))
    assert told.startswith(("too large: ", "unreadable: ", "the file holds 1000000 pictures: "))
    assert held.most < KEPT
    assert perf_counter() - begun < 5


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_goes_off_nowhere(url: str, caller: Caller, name: str) -> None:
    content = BOMBS[name]()
    assert len(content) < 2 << 20
    held = Held(url)
    answer = caller.pictures(content)
    # Where the pixels are whole, what stands behind them or beside them isn't unpacked.
    if answer.status != 200:
        refused(answer)
    assert held.most < AT_ONCE
    assert held.kept < KEPT
    assert caller.pictures(GOOD).status == 200


@pytest.mark.parametrize("frame", [1, 500_000, 1_000_000])
def test_a_frame_that_is_not_there_is_refused(caller: Caller, frame: int) -> None:
    content = base64.b64encode(HEADERS["DICOM of a million frames"]).decode()
    refused(caller.post({"dataframe_records": [{"image": content, "image_frame": frame}]}))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_400_with_our_sentence(caller: Caller, name: str) -> None:
    refused(caller.pictures(BROKEN[name]()))


@pytest.mark.parametrize("value", [float("nan"), None, 7, True, [[]], {}, "", "  ", [[float("nan")] * 32] * 32])
def test_what_is_no_picture_is_a_400_with_our_sentence(caller: Caller, value: Any) -> None:
    refused(caller.post({"dataframe_records": [{"image": value}]}))


@pytest.mark.parametrize("body", [
    {"dataframe_split": {"columns": ["image"], "data": []}}, {"dataframe_records": []}, {"inputs": {"image": []}},
    {"instances": []}, {"inputs": []},
])  # fmt: skip
def test_no_row_is_a_400(caller: Caller, body: Any) -> None:
    answer = caller.post(body)
    assert answer.status == 400
    assert "Traceback" not in answer.text


def test_ten_thousand_rows_are_answered_in_bounded_memory(url: str, caller: Caller) -> None:
    row = base64.b64encode(GOOD).decode()
    held = Held(url)
    answer = caller.post({"dataframe_split": {"columns": ["image"], "data": [[row]] * 10_000}})
    rows = answer.content["predictions"]
    assert len(rows) == 10_000
    assert all(each == rows[0] for each in rows)
    assert held.most < 500
    (alone,) = caller.pictures(GOOD).content["predictions"]
    assert abs(alone["probability"] - rows[0]["probability"]) < 1e-6


def require_refusal_of_120_megabytes(url: str, caller: Caller, document: dict[str, Any], most: float) -> None:
    """MLflow sets no limit; what stands in front of the server should."""
    held = Held(url)
    told = refused(caller.post(json.dumps(document).encode()))
    assert told.startswith("unreadable: nothing but zeros")
    assert held.most < most
    assert held.kept < 300
    assert caller.pictures(GOOD).status == 200


def test_a_body_of_120_megabytes_is_read_and_refused(url: str, caller: Caller) -> None:
    document = {"dataframe_records": [{"image": "A" * (120 << 20)}]}
    require_refusal_of_120_megabytes(url, caller, document, 1200)


@pytest.mark.accept
@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_the_other_forms_take_more_memory_for_it(url: str, caller: Caller, form: str) -> None:
    text = "A" * (120 << 20)
    documents = {"inputs": {"image": [text]}, "instances": [{"image": text}]}
    require_refusal_of_120_megabytes(url, caller, {form: documents[form]}, 2500)


def test_one_long_row_among_many_short_ones_takes_no_room_for_all(url: str, caller: Caller) -> None:
    """NumPy's arrays of text give every row the room of the longest."""
    held = Held(url)
    answer = caller.post({"inputs": {"image": ["A" * 4_000_000] + [""] * 200}})
    assert answer.status == 400
    assert held.most < AT_ONCE
