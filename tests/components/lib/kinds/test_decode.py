"""Every form of picture file: decoded as a viewer shows it."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import encoded
from odd_films import COLOUR, COLOURS, DEEP, FORMATS, GREY, ORIENTATION, SMOOTH, near, reason, saved
from PIL import Image as Picture
from PIL import ImageOps, TiffImagePlugin
from pydicom.data import get_testdata_file

from components.lib.errors import Unusable
from components.lib.kinds._decode import decode
from components.lib.kinds.image import Image


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("picture", [GREY, COLOUR], ids=["grey", "colour"])
def test_eight_bits(form: str, picture: Picture.Image) -> None:
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    assert near(decode(saved(picture, form, **options)), picture, most=3 if form == "JPEG" else 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("pixels", [DEEP, COLOURS.astype(np.uint16) * 200])
def test_sixteen_bits(suffix: str, pixels: np.ndarray) -> None:
    decoded = decode(encoded(pixels if pixels.ndim == 2 else pixels[..., ::-1], suffix))
    assert decoded.dtype == np.uint16
    assert near(decoded, pixels)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_one_bit_is_black_and_white(form: str) -> None:
    assert near(decode(saved(GREY.convert("1"), form)), GREY.convert("1").convert("L"))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("options", [{}, {"bits": 4}])
def test_a_palette_is_resolved(form: str, options: dict[str, Any]) -> None:
    picture = COLOUR.quantize(16)
    assert near(decode(saved(picture, form, **(options if form == "PNG" else {}))), picture.convert("RGB"))


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_four_inks_become_rgb(form: str) -> None:
    raw = saved(COLOUR.convert("CMYK"), form, **({"quality": 100} if form == "JPEG" else {}))
    assert near(decode(raw), Picture.open(io.BytesIO(raw)).convert("RGB"), most=1)


def test_ycck_jpeg_becomes_rgb() -> None:
    """YCCK says so in Adobe's segment; the pixels of a CMYK file under it are what Pillow makes of them."""
    raw = bytearray(saved(COLOUR.convert("CMYK"), "JPEG", quality=100))
    place = raw.index(b"Adobe") + 11
    raw[place] = 2
    assert near(decode(bytes(raw)), Picture.open(io.BytesIO(bytes(raw))).convert("RGB"), most=3)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_tiff_compressions(compression: str | None) -> None:
    assert near(decode(saved(GREY, "TIFF", compression=compression)), GREY, most=12 if compression == "jpeg" else 0)


def test_a_tiff_whose_0_is_white_is_turned_round() -> None:
    raw = bytearray(saved(Picture.fromarray(DEEP), "TIFF"))
    assert near(decode(bytes(raw)), DEEP)
    place = raw.index(struct.pack("<HHI", 262, 3, 1))
    raw[place + 8] = 0
    assert near(decode(bytes(raw)), 65535 - DEEP.astype(int))
    assert near(decode(saved(GREY, "TIFF", tiffinfo={262: 0})), GREY)  # Pillow turns 8 bits when it writes them
    assert near(
        decode(saved(GREY.convert("1"), "TIFF", compression="group4", tiffinfo={262: 0})),
        GREY.convert("1").convert("L"),
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "deep TIFF"])
def test_the_orientation_is_applied(form: str, orientation: int) -> None:
    if form.endswith("TIFF"):
        picture = Picture.fromarray(DEEP) if form.startswith("deep") else COLOUR
        raw = saved(picture, "TIFF", tiffinfo={ORIENTATION: orientation})
    else:
        exif = Picture.Exif()
        exif[ORIENTATION] = orientation
        raw = saved(COLOUR, form, exif=exif.tobytes())
    upright = ImageOps.exif_transpose(Picture.open(io.BytesIO(raw)))
    assert near(decode(raw), upright, most=3)
    assert upright.size == ((32, 20) if orientation < 5 else (20, 32))


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_an_impossible_orientation_is_none(orientation: int) -> None:
    exif = Picture.Exif()
    exif[ORIENTATION] = orientation
    assert near(decode(saved(GREY, "JPEG", exif=exif.tobytes(), quality=100)), GREY, most=3)


@pytest.mark.parametrize("damaged", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0no TIFF at all"])
def test_damaged_exif_leaves_the_picture(damaged: bytes) -> None:
    raw = saved(GREY, "JPEG", quality=100)
    raw = raw[:2] + b"\xff\xe1" + struct.pack(">H", len(damaged) + 2) + damaged + raw[2:]
    assert near(decode(raw), GREY, most=3)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_what_is_transparent_is_black(form: str) -> None:
    alpha = np.full_like(SMOOTH, 255)
    alpha[:, :10], alpha[:, 10:20] = 0, 128
    raw = saved(Picture.fromarray(np.dstack([COLOURS, alpha])), form)
    decoded = decode(raw)
    assert not decoded[:, :10].any()
    assert near(decoded[:, 10:20], COLOURS[:, 10:20] * (128 / 255), most=1)
    assert near(decoded[:, 20:], COLOURS[:, 20:])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_transparency_of_16_bits(suffix: str) -> None:
    alpha = np.full_like(DEEP, 65535)
    alpha[:, :10] = 0
    pixels = np.dstack([DEEP, DEEP // 2, DEEP // 3, alpha])
    decoded = decode(encoded(pixels, suffix))
    assert not decoded[:, :10].any()
    assert near(decoded[:, 10:], pixels[:, 10:, [2, 1, 0]])


def test_grey_with_transparency_and_a_transparent_colour_of_a_palette() -> None:
    with_alpha = Picture.merge("LA", [GREY, Picture.new("L", GREY.size, 0)])
    assert not decode(saved(with_alpha, "PNG")).any()
    assert reason(saved(with_alpha, "TIFF")) == "unreadable: a grey TIFF with transparency"
    palette = COLOUR.quantize(4)
    decoded = decode(saved(palette, "PNG", transparency=0))
    assert not decoded[np.asarray(palette) == 0].any()


@pytest.mark.parametrize("name", ["film.png", "film.jpg", "film.dcm", "film"])
def test_the_content_decides_whatever_the_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(encoded(SMOOTH, ".png"))
    assert near(decode((tmp_path / name).read_bytes()), SMOOTH)


def test_what_follows_a_picture_is_left() -> None:
    for form in FORMATS:
        assert decode(saved(GREY, form) + b"\0" * 100 + b"trailer").shape == SMOOTH.shape


def test_dicom_is_decoded_as_its_header_says() -> None:
    raw = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    assert decode(raw).shape == (128, 128)
    assert reason(raw[:20000]).startswith("unreadable: the DICOM file")


def test_a_tiff_of_motorola_and_a_large_one() -> None:
    big = TiffImagePlugin.ImageFileDirectory_v2()
    raw = saved(GREY, "TIFF", big_tiff=True, tiffinfo=big)
    assert raw[:4] == b"II+\0"
    assert near(decode(raw), GREY)


def test_a_film_is_cleaned_upright_and_on_black() -> None:
    """Through the kind: what the network gets of a photograph taken with the camera on its side."""
    exif = Picture.Exif()
    exif[ORIENTATION] = 6
    kind = Image(kind="image", size=(32, 32), resize="stretch")
    turned = kind.clean(saved(GREY, "JPEG", exif=exif.tobytes(), quality=100))
    assert (turned.quality["height"], turned.quality["width"]) == (32, 20)
    wanted = kind.clean(np.ascontiguousarray(np.rot90(SMOOTH, -1)))
    assert near(turned.array, wanted.array, most=6)
    alpha = np.dstack([COLOURS, np.zeros_like(SMOOTH)])
    with pytest.raises(Unusable, match="blank"):
        kind.clean(alpha)
