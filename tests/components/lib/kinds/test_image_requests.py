"""Pictures as callers send them: files, arrays of numbers, and one frame of several."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from dicoms import REAL, dataset, dicom, item, saved
from films import encoded, film
from PIL import Image as Picture
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate, get_frame

from components.lib.errors import SeveralPictures, Unusable
from components.lib.kinds._decode import decode
from components.lib.kinds.image import Image

GREY = Image(kind="image", size=(16, 16))
COLOUR = Image(kind="image", size=(16, 16), channels=3)
RAMP = np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1))
DEEP = np.arange(400, dtype=np.uint16).reshape(20, 20) * 150
FRAMES = np.stack([film(seed, 20) for seed in range(3)])
DEEP_FRAMES = (np.stack([film(seed, 20) for seed in range(3)]).astype(np.uint16) << 4) + 7


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def asked(value: Any, frame: Any = None, kind: Image = GREY) -> np.ndarray:
    """The cleaned picture of a request, through JSON."""
    row = {"scan": value} if frame is None else {"scan": value, "scan_frame": frame}
    return kind.clean_request("scan", json.loads(json.dumps(row))).array


def refused(value: Any, frame: Any = None) -> str:
    with pytest.raises(Unusable) as caught:
        asked(value, frame)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_a_file_is_base64(prefix: str) -> None:
    content = encoded(film(0, 64))
    wrapped = prefix + base64.encodebytes(content).decode()  # as `base64 FILE` prints it
    for told in (prefix + text(content), wrapped):
        assert GREY.from_request("scan", {"scan": told}) == content


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "as a base64 string, or an array"),
        (float("nan"), "as a base64 string, or an array"),
        (3, "as a base64 string, or an array"),
        (b"bytes", "as a base64 string, or an array"),
        ("", "as a base64 string, or an array"),
        ("***", "no valid base64"),
        ("abc", "no valid base64"),
        ("Röntgen", "no valid base64"),
    ],
)
def test_other_requests_are_told_what_is_wanted(value: object, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        GREY.from_request("scan", {"scan": value})


def test_an_array_is_sent_as_a_png() -> None:
    request = GREY.to_request("scan", RAMP)
    np.testing.assert_array_equal(GREY.clean_request("scan", request).array, GREY.clean(RAMP).array)


@pytest.mark.parametrize(
    "pixels", [RAMP, RAMP[..., None], np.dstack([RAMP, RAMP.T, RAMP[::-1]]), np.dstack([RAMP] * 4)]
)
def test_numbers_are_the_picture_that_they_tell(pixels: np.ndarray) -> None:
    for told in (pixels.tolist(), {"values": pixels.tolist()}, {"values": pixels.tolist(), "bits": 8}):
        np.testing.assert_array_equal(asked(told, kind=COLOUR), COLOUR.clean(pixels).array)


def test_numbers_of_16_bits_are_windowed_as_a_film_of_16_bits_is() -> None:
    alone = asked(text(encoded(DEEP)))
    np.testing.assert_array_equal(asked({"values": DEEP.tolist(), "bits": 16}), alone)
    # Two pictures that only the word tells apart.
    small = (DEEP // 300).tolist()
    assert not np.array_equal(asked({"values": small, "bits": 16}), asked(small))


@pytest.mark.parametrize(
    "value",
    [
        [], [1, 2], [[]], [[1, 2], [3]], [[1, 2], 3], [[1, "2"]], [[1, 2.0]], [[True, False]], [[None, 1]],
        [["a" * 99]], [[-1, 2]], [[1, 256]], [[1, 10**400]], [[[[1]]]], [[{"values": 1}]], [[1e308]],
    ],
)  # fmt: skip
def test_what_is_no_array_of_grey_values_is_refused(value: Any) -> None:
    assert "of whole numbers from 0 to 255" in refused(value)
    assert "of whole numbers from 0 to 255" in refused({"values": value})


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({}, "expected an array"),
        ({"values": RAMP.tolist(), "bit": 16}, "found 'bit'; nearest: bits"),
        ({"values": RAMP.tolist(), "bits": 12}, "expected 8 or 16 under `bits`"),
        ({"values": RAMP.tolist(), "bits": True}, "expected 8 or 16 under `bits`"),
        ({"values": RAMP.tolist(), "bits": [8]}, "expected 8 or 16 under `bits`"),
        ({"values": "abc"}, "expected an array"),
        ({"values": [[70000]], "bits": 16}, "from 0 to 65535"),
        ([[1, 2, 3, 4]], "too small"),
        ([[[1, 2]] * 9] * 9, "1, 3 or 4 channels"),
        ([[7] * 9] * 9, "blank"),
    ],
)
def test_objects_and_arrays_that_are_no_picture(value: Any, sentence: str) -> None:
    assert sentence in refused(value)


def test_a_nest_without_end_is_refused_without_following_it() -> None:
    nest: list[Any] = [1]
    for _ in range(100_000):
        nest = [nest]
    with pytest.raises(Unusable, match="expected an array"):
        GREY.from_request("scan", {"scan": nest})


# Files of several pictures.


def cine(frames: np.ndarray, **attributes: Any) -> bytes:
    """A DICOM file of these frames (N, H, W)."""
    whole = np.concatenate(list(frames))
    return dicom(whole, Rows=frames.shape[1], NumberOfFrames=len(frames), **attributes)


def packed_cine(frames: np.ndarray) -> bytes:
    """The same, each frame run-length encoded by itself."""
    made = dataset(np.concatenate(list(frames)), Rows=frames.shape[1], NumberOfFrames=len(frames))
    return saved(made, uid.RLELossless, compress=True)


def scans(form: str = "TIFF", **options: Any) -> bytes:
    """Pages of 8 bits grey, 16 bits grey and RGB, each of a size of its own."""
    pages = [
        Picture.fromarray(each) for each in (film(1, 18), DEEP, np.dstack([film(2, 24), film(3, 24), film(4, 24)]))
    ]
    file = io.BytesIO()
    pages[0].save(file, form, save_all=True, append_images=pages[1:], **options)
    return file.getvalue()


@pytest.mark.parametrize("frames", [FRAMES, DEEP_FRAMES], ids=["8 bits", "16 bits"])
def test_a_frame_of_a_dicom_file_is_what_it_is_alone(frames: np.ndarray) -> None:
    for content in (cine(frames), packed_cine(frames)):
        for number, frame in enumerate(frames, start=1):
            np.testing.assert_array_equal(decode(content, number), decode(dicom(frame)))
            np.testing.assert_array_equal(asked(text(content), number), asked(text(dicom(frame))))


def encoded_by_pillow(frame: np.ndarray, form: str) -> bytes:
    file = io.BytesIO()
    Picture.fromarray(frame).save(file, form, **({"no_jp2": True} if form == "JPEG2000" else {}))
    return file.getvalue()


@pytest.mark.parametrize(
    ("frames", "form", "syntax"),
    [(FRAMES, "JPEG", uid.JPEGBaseline8Bit), (DEEP_FRAMES, "JPEG2000", uid.JPEG2000Lossless)],
    ids=["JPEG", "JPEG 2000"],
)
def test_a_compressed_frame_is_what_it_is_alone(frames: np.ndarray, form: str, syntax: uid.UID) -> None:
    packed = [encoded_by_pillow(each, form) for each in frames]
    made = dataset(frames[0], NumberOfFrames=len(frames), PixelData=encapsulate(packed))
    for number, frame in enumerate(packed, start=1):
        alone = dataset(frames[0], PixelData=encapsulate([frame]))
        np.testing.assert_array_equal(decode(saved(made, syntax), number), decode(saved(alone, syntax)))


def test_the_frame_that_is_meant_is_decoded_whatever_others_hold() -> None:
    made = dcmread(REAL / "MR_small_jpeg_ls_lossless.dcm")  # what GDCM decodes, in a process of its own
    frame = get_frame(made.PixelData, 0, number_of_frames=1)
    alone = decode(saved(made, made.file_meta.TransferSyntaxUID))
    made.NumberOfFrames, made.PixelData = 2, encapsulate([frame[: len(frame) // 2], frame])
    content = saved(made, made.file_meta.TransferSyntaxUID)
    np.testing.assert_array_equal(decode(content, 2), alone)
    assert "cut off" in refused(text(content), 1)


def test_what_is_said_of_a_frame_holds_for_it_alone() -> None:
    windows = [("100", "80"), ("30", "20"), ("200", "100")]
    groups = [item(FrameVOILUTSequence=[item(WindowCenter=centre, WindowWidth=width)]) for centre, width in windows]
    content = cine(FRAMES, PerFrameFunctionalGroupsSequence=groups)
    for number, (frame, (centre, width)) in enumerate(zip(FRAMES, windows, strict=True), start=1):
        alone = dicom(frame, WindowCenter=centre, WindowWidth=width)
        np.testing.assert_array_equal(decode(content, number), decode(alone))


def test_a_group_that_is_missing_is_damage() -> None:
    content = cine(FRAMES, PerFrameFunctionalGroupsSequence=[item(FrameVOILUTSequence=[item(WindowCenter="1")])])
    assert "cut off or damaged" in refused(text(content), 3)


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"big_tiff": True}], ids=["plain", "lzw", "big"])
def test_a_page_of_a_tiff_is_what_it_is_alone(options: dict[str, Any]) -> None:
    content = scans(**options)
    for number, page in enumerate((film(1, 18), DEEP, np.dstack([film(2, 24), film(3, 24), film(4, 24)])), start=1):
        blue_first = page[..., ::-1] if page.ndim == 3 else page
        alone = encoded(np.ascontiguousarray(blue_first))
        np.testing.assert_array_equal(decode(content, number), decode(alone))
        np.testing.assert_array_equal(asked(text(content), number, COLOUR), asked(text(alone), kind=COLOUR))


@pytest.mark.parametrize("content", [cine(FRAMES), packed_cine(FRAMES), scans()], ids=["cine", "packed", "scan"])
def test_several_pictures_are_never_silently_the_first(content: bytes) -> None:
    told = "the file holds 3 pictures: say which one is meant in the column 'scan_frame', 1 to 3"
    assert refused(text(content)) == told
    assert refused(text(content), 4) == "no picture 4 in the file: it holds 3 pictures, 1 to 3"
    with pytest.raises(SeveralPictures) as caught:  # the pipeline's own words
        GREY.clean(content)
    assert caught.value.count == 3
    assert "several" in str(caught.value)


@pytest.mark.parametrize("content", [encoded(RAMP), encoded(RAMP, ".tif"), dicom(RAMP)], ids=["PNG", "TIFF", "DICOM"])
def test_the_first_of_one_is_it(content: bytes) -> None:
    np.testing.assert_array_equal(asked(text(content), 1), asked(text(content)))
    assert refused(text(content), 2) == "no picture 2 in the file: it holds one picture"


def test_an_array_has_no_frames() -> None:
    assert "scan_frame is for files of several pictures" in refused(RAMP.tolist(), 1)
    assert "scan_frame is for files of several pictures" in refused({"values": RAMP.tolist()}, 2)


@pytest.mark.parametrize("frame", [0, -1, 1.5, True, "2", [1], {}, 1e300, 10**400])
def test_a_frame_is_a_whole_number_from_1(frame: Any) -> None:
    assert refused(text(cine(FRAMES)), frame) == "expected a whole number from 1 under 'scan_frame'"


def test_a_column_of_numbers_and_nulls_comes_as_floats() -> None:
    row = {"scan": text(cine(FRAMES)), "scan_frame": 2.0}
    np.testing.assert_array_equal(GREY.clean_request("scan", row).array, asked(text(cine(FRAMES)), 2))
    row = {"scan": text(encoded(RAMP)), "scan_frame": float("nan")}
    np.testing.assert_array_equal(GREY.clean_request("scan", row).array, GREY.clean(RAMP).array)


def test_a_tiff_whose_pages_go_round_in_a_circle_is_refused() -> None:
    content = bytearray(scans())
    first = int.from_bytes(content[4:8], "little")
    count = int.from_bytes(content[first : first + 2], "little")
    link = first + 2 + 12 * count
    content[link : link + 4] = first.to_bytes(4, "little")
    assert "damaged" in refused(text(bytes(content)))
    assert "damaged" in refused(text(bytes(content)), 2)


def test_colours_of_a_frame_stay_as_they_are() -> None:
    frames = np.stack([np.dstack([film(seed + each, 12) for each in range(3)]) for seed in (1, 5)])
    made = dataset(np.concatenate(list(frames)), Rows=12, NumberOfFrames=2)
    np.testing.assert_array_equal(decode(saved(made), 2), frames[1])
