"""How a picture was stored: told in words of a list, whatever its file says of itself."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from dicoms import dicom, real
from films import encoded, film
from PIL import Image

from components.lib.kinds._origin import OTHER, origin


def pillow(form: str, mode: str = "L", **options: Any) -> bytes:
    """A file as another program than OpenCV writes it."""
    file = io.BytesIO()
    Image.fromarray(film(1)).convert(mode).save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (encoded(film(1)), ("PNG", None, "grey")),
        (pillow("PNG", "P"), ("PNG", None, "palette")),
        (encoded(np.dstack([film(1)] * 4)), ("PNG", None, "RGB and transparency")),
        (pillow("JPEG", quality=83), ("JPEG", "quality 83", "grey")),
        (pillow("JPEG", "RGB", quality=40), ("JPEG", "quality 40", "colour")),
        (pillow("JPEG", "CMYK", quality=100), ("JPEG", "quality 100", "CMYK")),
        (pillow("TIFF", compression="tiff_deflate"), ("TIFF", "deflate", "grey, 1 a pixel")),
        (pillow("TIFF", "RGB"), ("TIFF", "none", "RGB, 3 a pixel")),
        (encoded(film(1), ".bmp"), ("BMP", None, "8 bits")),
        (film(1), ("array", None, "1 channels")),
    ],
)
def test_files_of_every_format(raw: Any, told: tuple[str | None, ...]) -> None:
    found = origin(raw)
    assert (found["format"], found["compression"], found["colours"]) == told
    assert found["modality"] is None


def test_every_quality_of_another_program_is_known() -> None:
    told = [origin(pillow("JPEG", quality=quality))["compression"] for quality in (1, 10, 50, 75, 95)]
    assert told == ["quality 1", "quality 10", "quality 50", "quality 75", "quality 95"]


def test_tables_of_a_camera_s_own_are_told_apart() -> None:
    one, other = (pillow("JPEG", qtables=[[step + value for value in range(64)]]) for step in (1, 2))
    names = {str(origin(raw)["compression"]) for raw in (one, other)}
    assert len(names) == 2
    assert all(name.startswith("table ") for name in names)


def test_coded_values_of_a_header() -> None:
    told = origin(
        dicom(
            film(1).astype(np.uint16), BitsStored=12, Modality="DX", ViewPosition="PA", KVP="117.4",
            ImagerPixelSpacing=[0.1431, 0.1431],
        )
    )  # fmt: skip
    assert {name: word for name, word in told.items() if word} == {
        "format": "DICOM", "compression": "ExplicitVRLittleEndian", "modality": "DX", "view": "PA",
        "photometric": "MONOCHROME2", "bits_stored": "12", "kilovolts": "120 kV", "spacing": "0.14 mm",
    }  # fmt: skip


def test_a_word_of_the_hospital_s_own_is_not_repeated() -> None:
    told = origin(dicom(film(1), Modality="ZWINGLI", ViewPosition="MUELLER", KVP="7" * 12, PatientName="Zwingli"))
    assert (told["modality"], told["view"], told["kilovolts"]) == (OTHER, OTHER, None)
    assert "ZWINGLI" not in str(told).upper()


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_gdcm.dcm"])
def test_real_files(name: str) -> None:
    told = origin(real(name))
    assert told["format"] == "DICOM"
    assert told["modality"] in {"CT", "MR", "NM", "OT"}


def test_an_odd_header_is_unknown_and_loses_no_sample() -> None:
    assert set(origin(b"\xff\xd8\xff\xe0").values()) == {None}
    assert set(origin(b"BM").values()) == {None}
