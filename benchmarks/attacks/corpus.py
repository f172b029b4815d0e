"""Small files of every format that is read, and damage to them: drawn from a seed, so that a fault can be had again."""

from __future__ import annotations

import io
import random
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""What stands where a length may stand."""
HEAD = 400
"""Bytes at the start of a file, or at its end, that are damaged most: there stand its lengths."""


def damaged(name: str, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """So many damaged files of a format: how it is read, and its bytes.

    Args:
        name: of `FORMATS`.
        count: of files.
        seed: equal seeds give equal files.
    """
    kind, make = FORMATS[name]
    files = make()
    chance = random.Random(f"{name} {seed}")
    for number in range(count):
        yield kind, _damaged(files[number % len(files)], chance)


def _damaged(raw: bytes, chance: random.Random) -> bytes:
    content = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if not content:
            break
        place = _place(len(content), chance)
        how = chance.randrange(8)
        if how < 2:
            content[place] = chance.randrange(256)
        elif how < 4:
            form = chance.choice(("<I", ">I", "<H", ">H", "<Q", ">Q"))
            value = chance.choice(LENGTHS) & (2 ** (8 * struct.calcsize(form)) - 1)
            content[place : place + struct.calcsize(form)] = struct.pack(form, value)
        elif how == 4:
            del content[place:]
        elif how == 5:
            content[place:place] = content[place : place + chance.randrange(1, 200)] * chance.randrange(1, 20)
        elif how == 6:
            content[place:place] = bytes([chance.choice(b"0 1,\n\0\xff9")]) * chance.choice((1, 40, 3000))
        else:
            content[place : place + chance.randrange(1, 40)] = b""
    return bytes(content)


def _place(length: int, chance: random.Random) -> int:
    where = chance.randrange(3)
    if where == 0:
        return chance.randrange(min(HEAD, length))
    return chance.randrange(max(0, length - HEAD), length) if where == 1 else chance.randrange(length)


def _picture(channels: int = 1) -> np.ndarray:
    small = np.random.default_rng(channels).integers(0, 256, (6, 7, channels), np.uint8)
    return np.asarray(cv2.resize(small, (40, 36), interpolation=cv2.INTER_CUBIC))


def _pillow(picture: np.ndarray, form: str, **options: object) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, form, **options)
    return file.getvalue()


@cache
def _pngs() -> list[bytes]:
    deep = _picture().astype(np.uint16) * 257
    return [_pillow(_picture(), "PNG"), _pillow(_picture(3), "PNG", icc_profile=bytes(400)),
            _pillow(_picture(4), "PNG"), cv2.imencode(".png", deep)[1].tobytes(),
            _pillow(_picture() // 16, "PNG", bits=4)]  # fmt: skip


@cache
def _jpegs() -> list[bytes]:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    return [_pillow(_picture(), "JPEG"), _pillow(_picture(3), "JPEG", exif=exif),
            _pillow(_picture(3), "JPEG", progressive=True), _pillow(_picture(3), "JPEG", subsampling=2)]  # fmt: skip


@cache
def _tiffs() -> list[bytes]:
    deep = _picture().astype(np.uint16) * 257
    packed = [_pillow(_picture(3), "TIFF", compression=name) for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")]
    return [*packed, _pillow(_picture(), "TIFF"), cv2.imencode(".tif", deep)[1].tobytes()]


@cache
def _bmps() -> list[bytes]:
    return [_pillow(_picture(), "BMP"), _pillow(_picture(3), "BMP"), _pillow(_picture(4), "BMP")]


@cache
def _dicoms() -> list[bytes]:
    """Plain, in JPEG and in JPEG 2000, of our own making."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

    found = []
    for syntax, content in (
        (ExplicitVRLittleEndian, _picture().tobytes()),
        (JPEGBaseline8Bit, encapsulate([_pillow(_picture(), "JPEG")])),
        (JPEG2000Lossless, encapsulate([_pillow(_picture(), "JPEG2000", no_jp2=True)])),
    ):
        made, meta = Dataset(), FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
            syntax, CTImageStorage, "1.2.3",
        )  # fmt: skip
        made.file_meta, made.SOPClassUID, made.SOPInstanceUID = meta, CTImageStorage, "1.2.3"
        made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 36, 40, 1, "MONOCHROME2"
        made.BitsAllocated = made.BitsStored = 8
        made.HighBit, made.PixelRepresentation, made.WindowCenter, made.WindowWidth = 7, 0, "120", "200"
        made.PixelData = content
        made["PixelData"].VR = "OB"
        file = io.BytesIO()
        made.save_as(file, enforce_file_format=True)
        found.append(file.getvalue())
    return found


@cache
def _volumes() -> list[bytes]:
    import nibabel

    values = np.random.default_rng(0).integers(0, 900, (9, 8, 7)).astype(np.int16)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, name in ((nibabel.Nifti1Image, "a.nii"), (nibabel.Nifti1Image, "a.nii.gz"),
                           (nibabel.Nifti2Image, "b.nii")):  # fmt: skip
            file = Path(folder, name)
            nibabel.save(kind(values, np.diag([2.0, 2.0, 3.0, 1.0])), file)
            found.append(file.read_bytes())
    return found


@cache
def _archives() -> list[bytes]:
    pictures, found = np.random.default_rng(0).integers(0, 256, (8, 14, 14), np.uint8), []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, train_images=pictures, train_labels=np.arange(8) % 2)
        found.append(file.getvalue())
    return found


@cache
def _records() -> list[bytes]:
    """A header, a line of zeros, and the signals."""
    import wfdb

    wave, found = np.sin(np.arange(500) / 9)[:, None] * [1.0, -0.5], []
    for form in ("16", "212", "24", "80"):
        with tempfile.TemporaryDirectory() as folder:
            wfdb.wrsamp("r1", fs=125, units=["mV"] * 2, sig_name=["II", "V1"], p_signal=wave, fmt=[form] * 2,
                        adc_gain=[50.0] * 2, baseline=[0] * 2, write_dir=folder)  # fmt: skip
            header, signals = (Path(folder, name).read_bytes() for name in ("r1.hea", "r1.dat"))
        found.append(header + b"\n\0\n" + signals)
    return found


def _table() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    return pd.DataFrame({
        "patient": [f"P{number}" for number in range(40)], "age": chance.integers(20, 90, 40),
        "crp": chance.normal(5, 2, 40).round(2), "sex": chance.choice(["f", "m"], 40), "seen": True,
    })  # fmt: skip


@cache
def _parquets() -> list[bytes]:
    found = []
    for compression in ("snappy", "zstd", None):
        file = io.BytesIO()
        _table().to_parquet(file, compression=compression, index=False)
        found.append(file.getvalue())
    return found


@cache
def _csvs() -> list[bytes]:
    plain = _table()
    return [plain.to_csv(index=False).encode(), plain.to_csv(index=False, sep=";", decimal=",").encode("utf-16"),
            plain.to_csv(index=False, sep="\t", quoting=1).encode()]  # fmt: skip


FORMATS: dict[str, tuple[str, Callable[[], list[bytes]]]] = {
    "PNG": ("image", _pngs), "JPEG": ("image", _jpegs), "TIFF": ("image", _tiffs), "BMP": ("image", _bmps),
    "DICOM": ("image", _dicoms), "NIfTI": ("volume", _volumes), "NPZ": ("archive", _archives),
    "WFDB": ("signal", _records), "Parquet": ("parquet", _parquets), "CSV": ("csv", _csvs),
}  # fmt: skip
"""How it is read, by `reading.READERS`, and whole files."""
