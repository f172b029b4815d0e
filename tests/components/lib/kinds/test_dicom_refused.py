"""DICOM files that are refused, and why; whatever they hold, there is a picture or a reason, and no name in it."""

from __future__ import annotations

import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
import pytest
from dicoms import REAL, dataset, dicom, real, saved
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate, get_frame

from components.lib.errors import Unusable
from components.lib.kinds._dicom import LARGEST, pixels

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
TWELVE = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


def reason(raw: bytes) -> str:
    with pytest.raises(Unusable) as caught:
        pixels(raw)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MR_truncated.dcm", "cut off"),
        ("rtdose.dcm", "several frames"),
        ("rtplan.dcm", "no pixels"),
        ("waveform_ecg.dcm", "no pixels"),
        ("JPEG-lossy.dcm", "pylibjpeg-libjpeg"),
        ("badVR.dcm", "damaged"),
        ("JPEG2000-embedded-sequence-delimiter.dcm", "another size"),
    ],
)
def test_real_files_that_are_refused(name: str, expected: str) -> None:
    assert expected in reason(real(name))


def test_several_frames_are_refused() -> None:
    raw = dicom(np.zeros((4, 4), np.uint8), NumberOfFrames=2, PixelData=b"\0" * 32)
    assert reason(raw) == "several frames: a DICOM file with one picture is taken"


@pytest.mark.parametrize("lost", ["PixelData", "Rows", "Columns"])
def test_no_picture(lost: str) -> None:
    assert "no pixels" in reason(dicom(RAMP, **{lost: None}))


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    raw = dicom(RAMP, Rows=60000, Columns=60000)
    assert reason(raw) == f"too large: a DICOM picture of more than {LARGEST >> 20} MB"


def test_a_compressed_picture_larger_than_its_header_says() -> None:
    made = dcmread(REAL / "MR_small_jp2klossless.dcm")
    made.Rows = 32
    assert "another size" in reason(saved(made, made.file_meta.TransferSyntaxUID))


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_RLE.dcm",
    ],
)  # fmt: skip
def test_a_compressed_picture_that_is_cut_off(name: str) -> None:
    made = dcmread(REAL / name)
    frame = get_frame(made.PixelData, 0, number_of_frames=1)
    assert pixels(saved(made, made.file_meta.TransferSyntaxUID)).size
    for share in (0.3, 0.95):
        made.PixelData = encapsulate([frame[: int(share * len(frame))]])
        assert "cut off" in reason(saved(made, made.file_meta.TransferSyntaxUID))


def test_a_jpeg_of_many_scans_inside_is_refused() -> None:
    made = dcmread(REAL / "SC_rgb_jpeg_dcmtk.dcm")
    frame = get_frame(made.PixelData, 0, number_of_frames=1)
    end = frame.rindex(b"\xff\xd9")
    scan = frame[frame.rindex(b"\xff\xda") : end]
    made.PixelData = encapsulate([frame[:end] + scan * 30 + frame[end:]])
    assert "more scans" in reason(saved(made, made.file_meta.TransferSyntaxUID))


def test_a_deflated_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.lib.kinds._dicom.MOST_UNPACKED", 1 << 17)
    raw = saved(dataset(RAMP), uid.DeflatedExplicitVRLittleEndian)
    assert (pixels(raw) == RAMP).all()
    end = 144 + int.from_bytes(raw[140:144], "little")
    packer = zlib.compressobj(9, wbits=-15)
    bomb = packer.compress(b"\0" * (1 << 18)) + packer.flush()
    assert "deflated" in reason(raw[:end] + bomb)


def test_a_file_of_nothing_but_small_elements_is_refused_soon() -> None:
    raw, begun = dicom(RAMP), perf_counter()
    element = b"\x09\x00\x01\x10LO\0\0"
    at = raw.index(b"\x10\x00\x10\x00") if b"\x10\x00\x10\x00" in raw else raw.index(b"\x28\x00")
    assert "more elements" in reason(raw[:at] + element * 2_000_000 + raw[at:])
    assert perf_counter() - begun < 10


def test_an_encoding_without_a_decoder_is_named() -> None:
    made = dcmread(REAL / "MR_small_jp2klossless.dcm")
    assert "pylibjpeg-openjpeg" in reason(saved(made, uid.HTJ2KLossless))
    assert "MPEG2" in reason(saved(made, uid.MPEG2MPML))
    private = saved(made, uid.JPEG2000).replace(uid.JPEG2000.encode(), b"1.2.826.10008.1.2.4.91")
    assert reason(private) == "unreadable: a picture in an unknown encoding, which is not read"


def test_a_figure_that_is_no_number_is_named_without_it() -> None:
    raw = dicom(RAMP, RescaleSlope="3.25", RescaleIntercept="0").replace(b"3.25", b"Bob ")
    assert "Bob" not in reason(raw)


def test_warnings_of_pydicom_are_kept_from_threads_too(capfd: pytest.CaptureFixture[str]) -> None:
    padded = dicom(RAMP, PixelData=RAMP.tobytes() + b"\0" * 64)
    before = warnings.filters[:]
    with ThreadPoolExecutor(4) as executor:
        assert all((shown == RAMP).all() for shown in executor.map(pixels, [padded] * 40))
    assert warnings.filters == before
    assert capfd.readouterr() == ("", "")


FILES = [
    dicom(TWELVE, BitsStored=12, WindowCenter="10", WindowWidth="20", PatientName="SECRET^NAME"),
    saved(dataset(COLOURS), uid.RLELossless, compress=True),
    saved(dataset(RAMP), uid.DeflatedExplicitVRLittleEndian),
    real("MR_small_jp2klossless.dcm"), real("MR_small_jpeg_ls_lossless.dcm"), real("SC_rgb_jpeg_dcmtk.dcm"),
]  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, len(FILES) - 1),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), max_size=4),
    st.floats(0, 2),
)
def test_damage_gives_a_picture_or_a_reason(which: int, changes: list[tuple[float, bytes]], end: float) -> None:
    raw = bytearray(FILES[which])
    for place, content in changes:
        at = int(place * (len(raw) - 1))
        raw[at : at + len(content)] = content
    told = ""
    try:
        shown = pixels(bytes(raw[: int(end * len(raw)) if end < 1 else None]))
    except Unusable as refused:
        shown, told = RAMP, str(refused)
    assert shown.dtype in (np.uint8, np.uint16)
    assert shown.shape[2:] in ((), (3,))
    assert "SECRET" not in told
