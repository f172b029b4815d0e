"""Small DICOM files, made in memory, for tests to spoil."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

CR = "1.2.840.10008.5.1.4.1.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
REAL = Path(pydicom.data.__file__).parent / "test_files"
"""Real files inside pydicom's own package."""
SERIES = "1.2.826.0.1.3680043.8.498.7"


def dataset(pixels: NDArray[Any] | None, *, photometric: str | None = None, **attributes: Any) -> Dataset:
    """A dataset of one picture (H, W) or (H, W, 3), whose attributes may be added or replaced; None leaves one out."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = CR, "1.2.826.0.1.3680043.8.498.1", "CR"
    if pixels is not None:
        made.Rows, made.Columns = pixels.shape[:2]
        made.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
        if pixels.ndim == 3:
            made.PlanarConfiguration = 0
        made.PhotometricInterpretation = photometric or ("MONOCHROME2" if pixels.ndim == 2 else "RGB")
        made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
        made.HighBit = made.BitsStored - 1
        made.PixelRepresentation = int(pixels.dtype.kind == "i")
        content = pixels.tobytes()
        made.add_new("PixelData", "OW", content + b"\0" * (len(content) % 2))
    for name, value in attributes.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    if "BitsStored" in attributes and "HighBit" not in attributes:
        made.HighBit = made.BitsStored - 1
    return made


def saved(made: Dataset, syntax: UID = ExplicitVRLittleEndian, *, compress: bool = False) -> bytes:
    """The bytes of a file; with `compress`, through pydicom's own encoder."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if compress else syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    if compress:
        made.compress(syntax, encoding_plugin="pydicom")
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def dicom(pixels: NDArray[Any] | None, **attributes: Any) -> bytes:
    """A file of one picture."""
    return saved(dataset(pixels, **attributes))


def item(**attributes: Any) -> Dataset:
    """One item of a sequence."""
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def slices(
    count: int = 6, *, series: str = SERIES, shape: tuple[int, int] = (5, 4), thick: float = 2.5, seed: int = 0,
    **attributes: Any,
) -> list[Dataset]:  # fmt: skip
    """Axial CT slices from the feet up, every voxel another value, 2 mm between rows and 1 mm between columns."""
    values = np.random.default_rng(seed).permutation(count * shape[0] * shape[1]).reshape(count, *shape)
    return [
        dataset(
            values[i].astype(np.int16), SOPClassUID=CT, Modality="CT", SeriesInstanceUID=series,
            SOPInstanceUID=f"{series}.{i + 1}", InstanceNumber=count - i, PixelSpacing=[2, 1],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[-10, -20, 30 + thick * i],
            RescaleSlope="2", RescaleIntercept="-1024", **attributes,
        )
        for i in range(count)
    ]  # fmt: skip


def real(name: str) -> bytes:
    """A file inside pydicom's own package; nothing is fetched."""
    return (REAL / name).read_bytes()
