"""DICOM pictures: shown as the file says, or refused with a reason that says nothing of the patient."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicoms import REAL, dataset, dicom, item, real, saved
from pydicom import dcmread, uid
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

from components.lib.errors import Unusable
from components.lib.kinds._dicom import is_dicom, pixels

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
TWELVE = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"II*\0", b"MM\0*", b"", b"DICM"])
def test_other_pictures_are_no_dicom(head: bytes) -> None:
    assert not is_dicom(head + b"\0" * 300)


def test_a_file_without_its_preamble_is_dicom() -> None:
    raw = dicom(RAMP)
    assert is_dicom(raw)
    assert is_dicom(raw[132:])
    assert (pixels(raw[132:]) == RAMP).all()


def test_eight_bits_stay_as_they_are() -> None:
    shown = pixels(dicom(RAMP))
    assert shown.dtype == np.uint8
    assert (shown == RAMP).all()


def test_monochrome1_is_turned_round() -> None:
    assert (pixels(dicom(RAMP, photometric="MONOCHROME1")) == 255 - RAMP).all()


def test_twelve_bits_fill_sixteen() -> None:
    shown = pixels(dicom(TWELVE, BitsStored=12))
    assert shown.dtype == np.uint16
    assert (shown == np.rint(TWELVE / 4095 * 65535)).all()


def test_signed_values_begin_below_nought() -> None:
    signed = TWELVE.astype(np.int16) - 2048
    assert (pixels(dicom(signed, BitsStored=12)) == pixels(dicom(TWELVE, BitsStored=12))).all()


def test_bits_above_the_stored_ones_do_not_count() -> None:
    assert (pixels(dicom(TWELVE | 0xF000, BitsStored=12)) == pixels(dicom(TWELVE, BitsStored=12))).all()
    high = dicom(TWELVE << 4 | 0x7, BitsStored=12, HighBit=15)
    assert (pixels(high) == pixels(dicom(TWELVE, BitsStored=12))).all()


def test_a_negative_slope_turns_the_picture_round() -> None:
    assert (pixels(dicom(RAMP, RescaleSlope="-2", RescaleIntercept="10")) == 255 - RAMP).all()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # PS3.3 C.11.2.1.2.1: centre 100, width 100 → below 50 black, above 149 white, linear between.
        ("LINEAR", lambda x: np.clip((x - 99.5) / 99 + 0.5, 0, 1)),
        ("LINEAR_EXACT", lambda x: np.clip((x - 100) / 100 + 0.5, 0, 1)),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 100) / 100))),
    ],
)
def test_windows(function: str, expected: Any) -> None:
    values = 2.0 * RAMP - 56
    shown = pixels(
        dicom(
            RAMP, RescaleSlope="2", RescaleIntercept="-56", WindowCenter=["100", "5"], WindowWidth=["100", "5"],
            VOILUTFunction=function,
        )
    )  # fmt: skip
    assert shown.dtype == np.uint8
    assert (shown == np.rint(expected(values) * 255)).all()


def test_a_window_of_a_wide_film_gives_eight_bits() -> None:
    shown = pixels(dicom(TWELVE, BitsStored=12, WindowCenter="2048", WindowWidth="4096", photometric="MONOCHROME1"))
    assert shown.dtype == np.uint8
    assert (shown[0, 0], shown[-1, -1]) == (255, 1)


def test_a_window_of_one_value_is_a_threshold() -> None:
    assert set(np.unique(pixels(dicom(RAMP, WindowCenter="100", WindowWidth="1")))) == {0, 255}


def test_a_window_without_width_is_none() -> None:
    assert (pixels(dicom(RAMP, WindowCenter="0", WindowWidth="0")) == RAMP).all()


def test_a_voi_table_goes_before_a_window() -> None:
    table = item(LUTDescriptor=[256, 0, 8], LUTData=bytes(range(255, -1, -1)))
    table["LUTData"].VR = "OW"
    table["LUTDescriptor"].VR = "US"
    raw = dicom(RAMP, VOILUTSequence=[table], WindowCenter="10", WindowWidth="10")
    assert (pixels(raw) == 255 - RAMP).all()


def test_a_modality_table() -> None:
    table = item(LUTDescriptor=[4, 100, 16], LUTData=[0, 10, 20, 1000], ModalityLUTType="US")
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    shown = pixels(dicom(RAMP, ModalityLUTSequence=[table], WindowCenter="10.5", WindowWidth="21"))
    assert shown.ravel()[[0, 100, 101, 102, 103, 255]].tolist() == [0, 0, 128, 255, 255, 255]


def test_padding_is_as_dark_as_the_darkest_pixel() -> None:
    film = np.full((8, 8), 3000, np.int16)
    film[2:6, 2:6] = [[100, 200, 300, 400]] * 4
    film[0] = -2000
    shown = pixels(dicom(film, PixelPaddingValue=-2000))
    assert (shown[0] == shown.max(initial=0, where=film == 100)).all()
    assert shown[0, 0] == shown[2, 2] < shown[2, 3]


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_in_either_order(planar: int) -> None:
    raw = dataset(COLOURS)
    if planar:
        raw.PlanarConfiguration, raw.PixelData = 1, COLOURS.transpose(2, 0, 1).tobytes()
    assert (pixels(saved(raw)) == COLOURS).all()


def test_ybr_becomes_rgb() -> None:
    grey = np.stack([RAMP, np.full_like(RAMP, 128), np.full_like(RAMP, 128)], axis=-1)
    assert (pixels(dicom(grey, photometric="YBR_FULL")) == RAMP[..., None]).all()


def test_colours_of_sixteen_bits_become_eight() -> None:
    assert (pixels(dicom(COLOURS.astype(np.uint16) * 257)) == COLOURS).all()


@pytest.mark.parametrize("wide", [False, True])
def test_a_palette_becomes_rgb(wide: bool) -> None:
    raw = dataset(RAMP, photometric="PALETTE COLOR")
    for number, name in enumerate(["Red", "Green", "Blue"]):
        entries = COLOURS.reshape(256, 3)[:, number].astype("<u2") * (257 if wide else 1)
        raw.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        raw.add_new(f"{name}PaletteColorLookupTableData", "OW", entries.tobytes())
    assert (pixels(saved(raw)) == COLOURS).all()


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian])
def test_every_way_to_write_them_uncompressed(syntax: uid.UID) -> None:
    assert (pixels(saved(dataset(TWELVE, BitsStored=12), syntax)) == pixels(dicom(TWELVE, BitsStored=12))).all()


def test_run_lengths() -> None:
    raw = saved(dataset(TWELVE, BitsStored=12), uid.RLELossless, compress=True)
    assert (pixels(raw) == pixels(dicom(TWELVE, BitsStored=12))).all()


def test_one_frame_of_an_enhanced_file_has_its_window_in_a_group() -> None:
    group = item(FrameVOILUTSequence=[item(WindowCenter="100", WindowWidth="100")])
    raw = dicom(RAMP, NumberOfFrames=1, SharedFunctionalGroupsSequence=[group])
    assert (pixels(raw) == pixels(dicom(RAMP, WindowCenter="100", WindowWidth="100"))).all()


def test_numbers_with_a_point() -> None:
    raw = dataset(None, Rows=2, Columns=2, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=32)
    raw.FloatPixelData = np.array([0, 0.5, 1, 2], np.float32).tobytes()
    assert pixels(saved(raw)).tolist() == [[0, 16384], [32768, 65535]]
    raw.FloatPixelData = np.array([0, np.nan, 1, 2], np.float32).tobytes()
    with pytest.raises(Unusable, match="no numbers"):
        pixels(saved(raw))


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
    ],
)  # fmt: skip
def test_one_real_slice_in_six_encodings(name: str) -> None:
    slice_ = dcmread(REAL / "MR_small.dcm")
    stored = slice_.pixel_array.astype(np.float64)
    expected = np.clip((stored - (float(slice_.WindowCenter) - 0.5)) / (float(slice_.WindowWidth) - 1) + 0.5, 0, 1)
    assert (pixels(real(name)) == np.rint(expected * 255)).all()


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_rle.dcm", "SC_ybr_full_422_uncompressed.dcm",
        "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_gdcm_KY.dcm", "SC_rgb_rle_16bit.dcm", "SC_rgb_jls_lossy_line.dcm",
    ],
)  # fmt: skip
def test_real_bars_of_colour(name: str) -> None:
    shown = pixels(real(name))
    assert (shown.dtype, shown.shape) == (np.uint8, (100, 100, 3))
    assert np.abs(shown[5, 50].astype(int) - [255, 0, 0]).max() < 12


def test_a_real_palette_and_a_real_photograph() -> None:
    palette = pixels(real("examples_palette.dcm"))
    assert (palette.dtype, palette.ndim) == (np.uint8, 3)
    film = dcmread(REAL / "examples_rgb_color.dcm")
    assert (pixels(real("examples_rgb_color.dcm")) == pixel_array(film)).all()


def test_real_grey_files_are_as_pydicom_shows_them() -> None:
    """Held against pydicom's own chain of modality and VOI, but for where the grey scale begins and ends."""
    differences = {}
    for path in filter(Path.is_file, REAL.rglob("*")):
        try:
            shown = pixels(path.read_bytes()).astype(np.float64)
        except Unusable:
            continue
        if shown.ndim == 2 and shown.std() > 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                film = dcmread(path, force=True)
                told = apply_voi_lut(apply_modality_lut(film.pixel_array, film), film).astype(np.float64)
                sign = -1 if film.PhotometricInterpretation == "MONOCHROME1" else 1
            scale = np.polyfit(sign * told.ravel(), shown.ravel(), 1)
            differences[path.name] = float(np.abs(np.polyval(scale, sign * told) - shown).max())
            assert scale[0] > 0
    assert len(differences) > 40
    assert {name: value for name, value in differences.items() if value >= 1} == {}


def test_a_film_of_a_million_pixels_is_quick() -> None:
    film = np.random.default_rng(0).integers(0, 4096, (1024, 1024)).astype(np.uint16)
    raw = dicom(film, BitsStored=12, WindowCenter="2000", WindowWidth="3000", photometric="MONOCHROME1")
    pixels(raw)

    def seconds() -> float:
        start = time.perf_counter()
        pixels(raw)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.05
