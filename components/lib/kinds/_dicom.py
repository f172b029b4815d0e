"""DICOM files as pictures: decoded and shown as the file says, or refused with a reason that names nobody.

Sources: DICOM PS3.5 (encoding), PS3.3 C.7.6.3 (pixels and colours), C.7.6.16 (frames), C.11 (grey values). Overlays are
not burnt in. Pixels stay as they are stored: PatientOrientation of CR and DX may call for turning or mirroring a film,
which viewers don't agree on. Compressed pixels are decoded by pydicom with Pillow where it can, since it refuses files
that are cut off; else with GDCM, in a process of its own, since it can end the one it runs in.
"""

from __future__ import annotations

import io
import logging
import threading
import warnings
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.lib.errors import SeveralPictures, Unusable
from components.lib.kinds._dicom_grey import shown
from components.lib.kinds._headers import check_frame
from components.lib.kinds._picture_lengths import MOST_SCANS

LARGEST = 1 << 27
"""Bytes (rows × columns × colours × bytes a value) that a picture may hold; showing it takes three times as many."""
PICTURE_TAGS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "VOILUTSequence", "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData", "PixelPresentation",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths", "PixelData", "FloatPixelData", "DoubleFloatPixelData",
)  # fmt: skip
"""All that is ever read of a picture's file: nothing of the patient."""
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
DEFLATED = "1.2.840.10008.1.2.1.99"
MOST_UNPACKED = LARGEST + (1 << 24)
"""Bytes that a deflated file may unpack to."""
MOST_READS = 400_000
"""Times that a file may be read from: twice an element, of which a picture's file has hundreds."""
PIECE = 1 << 16
"""Bytes of a deflated file that are unpacked at a time, only to count them."""
_lock = threading.Lock()
_inside: list[warnings.catch_warnings[None]] = []
_depth = 0


def is_dicom(raw: bytes) -> bool:
    """Whether bytes are a DICOM file: with its preamble (PS3.10 7.1), or without, as some old archives keep them."""
    if raw[128:132] == b"DICM":
        return True
    known_group = raw[:2] in (b"\x02\x00", b"\x08\x00") and raw[3:4] == b"\x00"
    explicit = raw[4:6].isalpha() and raw[4:6].isupper()
    return known_group and len(raw) > 16 and (explicit or int.from_bytes(raw[4:8], "little") < min(len(raw), 1024))


def pixels(raw: bytes, frame: int | None = None) -> NDArray[Any]:
    """One picture of a DICOM file, as a screen would show it: light is high, colours are RGB.

    Args:
        raw: the file.
        frame: which of its frames, from 1; None: it must hold one.

    Returns:
        (H, W) uint8 where the file says how to show it or holds at most 8 bits, else (H, W) uint16; or (H, W, 3) uint8.

    Raises:
        Unusable: several frames and none of them meant, no such frame, no pixels, too many, cut off, damaged, or
            encoded in a way that isn't read.
    """
    with only_unusable():
        dataset = parsed(raw, PICTURE_TAGS)
        stored, photometric = decoded(dataset, frame)
        if photometric.startswith("MONOCHROME"):
            return shown(stored, dataset)
        if photometric == "PALETTE COLOR":
            return _painted(stored, dataset)
        if photometric != "RGB" or stored.ndim != 3:
            raise Unusable("unreadable: a DICOM file whose colours are not grey, RGB, palette or YBR")
        bits = min(int(dataset.get("BitsStored") or 8), 8 * stored.dtype.itemsize)
        if bits > 8 and "YBR" in str(dataset.get("PhotometricInterpretation")):
            raise Unusable("unreadable: YBR colours of more than 8 bits")
        return np.ascontiguousarray(stored if stored.dtype == np.uint8 and bits == 8 else _eight_bits(stored, bits))


@contextmanager
def only_unusable() -> Iterator[None]:
    """Turn whatever pydicom and its decoders raise into Unusable, and keep their warnings: both quote headers."""
    with _quiet():
        try:
            yield
        except Unusable:
            raise
        except MemoryError:
            raise Unusable("too large: the DICOM file does not fit into memory") from None
        except Exception:
            raise Unusable("unreadable: the DICOM file is cut off or damaged") from None


def parsed(raw: bytes, tags: Collection[str], *, stop_before_pixels: bool = False) -> Any:
    """A file's dataset with these attributes alone.

    Raises:
        Unusable: a deflated file that unpacks to more than any picture holds; else whatever pydicom runs into.
    """
    import pydicom

    if DEFLATED.encode() in raw[128:1024]:
        _check_deflated(raw)
    dataset = pydicom.dcmread(
        _Counted(raw), force=True, specific_tags=list(tags), stop_before_pixels=stop_before_pixels
    )
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        uid = pydicom.uid
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    return dataset


def decoded(dataset: Any, frame: int | None = None) -> tuple[NDArray[Any], str]:
    """The stored pixels of one frame, (H, W) or (H, W, 3), and their photometric interpretation.

    Args:
        dataset: of several frames, it keeps what it says of this one alone.
        frame: which one, from 1; None: the file must hold one.

    Raises:
        Unusable: with the reason; else whatever pydicom runs into.
    """
    from pydicom.pixels import get_decoder

    _check_size(dataset, frame)
    index = (frame or 1) - 1
    _keep_groups(dataset, index)
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise Unusable(f"unreadable: a picture in {_named(syntax)}, which is not read") from None
    if not decoder.is_available:
        raise Unusable(f"unreadable: {_named(syntax)} needs a decoder that is not installed: pylibjpeg-openjpeg")
    if syntax == JPEG_EXTENDED and int(dataset.get("BitsStored") or 0) > 8:
        raise Unusable("unreadable: lossy JPEG of 12 bits needs a decoder that is not installed: pylibjpeg-libjpeg")
    if syntax.is_encapsulated:
        _check_frame(dataset, index)
    bits, width = int(dataset.get("BitsStored") or 0), int(dataset.get("BitsAllocated") or 0)
    top = int(dataset.get("HighBit", bits - 1) or 0)
    # Before 2014 the stored bits could lie above others, which held overlays.
    shifted = bool(bits) and bits - 1 < top < width and (not syntax.is_encapsulated or "RLE" in syntax.name)
    options: dict[str, Any] = {"correct_unused_bits": False} if shifted else {}
    plugin = _plugin(decoder, dataset, bits)
    # OpenJPEG, which Pillow uses, makes room for every tile and precinct that a stream states.
    if plugin == "gdcm" or (plugin == "pillow" and "2000" in decoder.UID.name):
        stored, photometric = _apart(dataset, index, plugin)
    else:
        stored, told = decoder.as_array(
            dataset, index=index, decoding_plugin=plugin, allow_excess_frames=False, **options
        )  # fmt: skip
        photometric = str(told["photometric_interpretation"])
    stored = np.asarray(stored)
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if shifted:
        stored = (stored << (width - 1 - top)) >> (width - bits)
    return stored, photometric.replace("PALETTE_COLOR", "PALETTE COLOR")


class _Counted(io.BytesIO):
    """A file that may be read from a number of times: each small element takes pydicom ten microseconds."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MOST_READS:
            raise Unusable("unreadable: a DICOM file of more elements than a picture's has")
        return super().read(size)


def _apart(dataset: Any, index: int, plugin: str) -> tuple[NDArray[Any], str]:
    """What a decoder makes of a frame in a process of its own."""
    from components.lib.kinds._gdcm import decode

    options = {
        "syntax": str(dataset.file_meta.TransferSyntaxUID), "rows": int(dataset.Rows), "columns": int(dataset.Columns),
        "samples_per_pixel": int(dataset.get("SamplesPerPixel") or 1), "bits_allocated": int(dataset.BitsAllocated),
        "bits_stored": int(dataset.BitsStored), "pixel_representation": int(dataset.PixelRepresentation),
        "photometric_interpretation": str(dataset.PhotometricInterpretation), "index": index,
        "number_of_frames": int(dataset.get("NumberOfFrames") or 1),
        "planar_configuration": int(dataset.get("PlanarConfiguration") or 0), "decoding_plugin": plugin,
    }  # fmt: skip
    return decode(bytes(dataset.PixelData), options)


def _check_size(dataset: Any, frame: int | None) -> None:
    held = [name for name in PIXELS if name in dataset]
    if not held or not dataset[held[0]].value:
        raise Unusable("no pixels: a DICOM file without a picture")
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    frames, colours = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    if rows < 1 or columns < 1:
        raise Unusable("no pixels: a DICOM picture without rows or columns")
    if rows * columns * colours * max(1, int(dataset.get("BitsAllocated") or 0) // 8) > LARGEST:
        raise Unusable(f"too large: a DICOM picture of more than {LARGEST >> 20} MB")
    if frame is not None:
        check_frame(frame, max(1, frames))
    elif frames > 1:
        raise SeveralPictures("several frames: a DICOM file with one picture is taken", frames)


def _keep_groups(dataset: Any, index: int) -> None:
    """Of what an enhanced file says frame by frame (PS3.3 C.7.6.16), keep what it says of this one."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if not groups or index == 0:  # who reads the groups takes the first
        return
    if index >= len(groups):
        raise Unusable("unreadable: the DICOM file is cut off or damaged")
    dataset.PerFrameFunctionalGroupsSequence = [groups[index]]


def _check_frame(dataset: Any, index: int) -> None:
    """Refuse a codestream that is not as its header states, before a decoder makes room for it: decoders in C++ make
    room for what the stream says."""
    from pydicom.encaps import get_frame

    offsets = [dataset.get(name) for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")]
    frame = get_frame(
        dataset.PixelData, index, number_of_frames=int(dataset.get("NumberOfFrames") or 1),
        extended_offsets=tuple(offsets) if all(offsets) else None,
    )  # fmt: skip
    told = _codestream(frame)
    if told is None:
        if "RLE" not in dataset.file_meta.TransferSyntaxUID.name:
            raise Unusable("unreadable: the DICOM file is cut off or damaged")
        return
    if frame[:2] == b"\xff\xd8" and frame.count(b"\xff\xda") > MOST_SCANS:
        raise Unusable("unreadable: a DICOM file with a JPEG of more scans than a picture has")
    rows, columns, colours, bits = told
    if (rows, columns) != (int(dataset.Rows), int(dataset.Columns)):
        raise Unusable("unreadable: the compressed picture has another size than its DICOM header states")
    if colours != int(dataset.get("SamplesPerPixel") or 1) or not 1 < bits <= min(16, int(dataset.BitsAllocated)):
        raise Unusable("unreadable: the compressed picture has other colours or another depth than its header states")


def _codestream(frame: bytes) -> tuple[int, int, int, int] | None:
    """Rows, columns, colours and bits that a JPEG, JPEG-LS or JPEG 2000 stream states; None for what is neither.

    Sources: ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2, 15444-1 A.5.1.
    """
    start = 0
    if frame[:8] == b"\x00\x00\x00\x0cjP  ":  # boxes around the stream; one of no length would hold pydicom for ever
        start = 12
        while frame[start + 4 : start + 8] != b"jp2c":
            length = int.from_bytes(frame[start : start + 4], "big")
            if length < 8 or start > len(frame):
                return None
            start += length
        start += 8
    if frame[start : start + 4] == b"\xff\x4f\xff\x51":
        right, bottom, left, top = np.frombuffer(frame, ">u4", 4, start + 8).tolist()
        colours = int.from_bytes(frame[start + 40 : start + 42], "big")
        return bottom - top, right - left, colours, (frame[start + 42] & 0x7F) + 1
    at = 2
    while frame[:2] == b"\xff\xd8" and at + 9 < len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = (int.from_bytes(frame[at + i : at + i + 2], "big") for i in (5, 7))
            return rows, columns, frame[at + 9], frame[at + 4]
        at += 1 if marker == 0xFF else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def _plugin(decoder: Any, dataset: Any, bits: int) -> str:
    """Pillow for 8 bits and for grey JPEG 2000, where it can; else GDCM, where it can; "": pydicom itself."""
    eight = bits <= 8 or (int(dataset.get("SamplesPerPixel") or 1) == 1 and "2000" in decoder.UID.name)
    plugins = ("pillow", "gdcm") if eight else ("gdcm", "pillow")
    return next((plugin for plugin in plugins if plugin in decoder.available_plugins), "")


def _named(syntax: Any) -> str:
    """A transfer syntax by its name in the standard; one that isn't in it is not told, for it may say anything."""
    return (
        f"transfer syntax {syntax.name}" if not syntax.is_private and syntax.name != syntax else "an unknown encoding"
    )


def _check_deflated(raw: bytes) -> None:
    """Refuse a deflated file that unpacks to gigabytes."""
    length = int.from_bytes(raw[140:144], "little")  # of the file meta group, which its first element states
    unpacker, unpacked = zlib.decompressobj(-zlib.MAX_WBITS), 0
    for start in range(144 + length, len(raw), PIECE):
        piece = raw[start : start + PIECE]
        while piece and unpacked <= MOST_UNPACKED and not unpacker.eof:  # a byte of padding may stand behind it
            unpacked += len(unpacker.decompress(piece, PIECE))
            piece = unpacker.unconsumed_tail
    if unpacked > MOST_UNPACKED or raw[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        raise Unusable("too large: a deflated DICOM file that unpacks to more than is read")


def _painted(stored: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    """Palette colours as RGB."""
    from pydicom.pixels import apply_color_lut

    if stored.dtype.itemsize > 2 or stored.ndim != 2:
        raise Unusable("unreadable: palette colours of more than 16 bits")
    patterns = np.arange(256**stored.dtype.itemsize).astype(f"u{stored.dtype.itemsize}")
    palette = np.asarray(apply_color_lut(patterns.view(stored.dtype), dataset))[..., :3]
    # Entries of 16 bits fill them, but some devices write 8 bits into each.
    if palette.dtype == np.uint16:
        palette = palette >> 8 if palette.max() > 255 else palette
    return np.ascontiguousarray(palette.astype(np.uint8)[stored.view(patterns.dtype)])


def _eight_bits(stored: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    top = 2**bits - 1
    return np.asarray(np.rint(np.clip(stored.astype(np.float32), 0, top) * np.float32(255 / top)), np.uint8)


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings while any thread reads DICOM: filters belong to the process, so all threads share one change."""
    global _depth
    with _lock:
        if _depth == 0:
            logging.getLogger("pydicom").propagate = False
            _inside.append(warnings.catch_warnings())
            _inside[0].__enter__()
            warnings.simplefilter("ignore")
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _inside.pop().__exit__(None, None, None)
