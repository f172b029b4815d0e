"""GDCM in a process of its own: a file that ends it is refused, and the next one is decoded."""

from __future__ import annotations

import pytest
from dicoms import REAL, real
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.utils import as_pixel_options

from components.lib.kinds._dicom import pixels
from components.lib.kinds._gdcm import decode


def test_a_frame_that_ends_gdcm_is_refused_and_the_next_is_decoded() -> None:
    made = dcmread(REAL / "JPEGLSNearLossless_16.dcm")
    frame = bytearray(get_frame(made.PixelData, 0, number_of_frames=1))
    assert frame[2:4] == b"\xff\xf7"
    frame[6] = 40  # bits: GDCM throws what nothing catches
    options = {**as_pixel_options(made), "syntax": str(made.file_meta.TransferSyntaxUID)}
    with pytest.raises(ValueError, match="GDCM ended"):
        decode(encapsulate([bytes(frame)]), options)
    assert pixels(real("JPEGLSNearLossless_16.dcm")).shape == (50, 10)


def test_what_is_no_picture_is_told() -> None:
    with pytest.raises(ValueError, match="GDCM can't"):
        decode(b"no such thing", {"syntax": "1.2.840.10008.1.2.4.80"})
