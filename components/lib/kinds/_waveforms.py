"""Signals with their units, rate and leads; and how one is read from a WFDB record, on disk or packed for a request."""

from __future__ import annotations

import base64
import binascii
import io
import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.lib.errors import Unusable
from components.lib.kinds._record_headers import CHANGED, check_record, record_header

LARGEST_ZIP = 8 << 20
"""Bytes that a packed record of a request may hold, unpacked."""
MOST_FILES = 16
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}\.[A-Za-z0-9]{1,10}")


@dataclass(frozen=True)
class Waveform:
    """A signal of several leads: values (T, leads) float64 in `units`, `rate` samples a second; NaN where a gap is."""

    values: NDArray[np.float64]
    rate: float
    leads: tuple[str, ...]
    units: tuple[str, ...]

    def content(self) -> bytes:
        """All of it as bytes, by which exact duplicates are known."""
        told = f"{self.values.shape} {float(self.rate)!r} {self.leads!r} {self.units!r}"
        return told.encode("utf-8", "backslashreplace") + np.ascontiguousarray(self.values, "<f8").tobytes()


def window_of(waveform: Waveform, at: float | None, seconds: float) -> Waveform:
    """The `seconds` around a moment; a signal of that length stays as it is where no moment is named.

    Args:
        waveform: any length.
        at: the window's middle, seconds from the start; None: the middle of the signal.
        seconds: length of the window.

    Raises:
        Unusable: the window reaches past an end. A signal that is too short, and no moment named, stays as it is.
    """
    held, rate = len(waveform.values), waveform.rate
    count = seconds * rate
    if at is None and held <= count + 1 + 1e-6:
        return waveform
    if at is None:
        at = held / 2 / rate
    if not seconds / 2 - 1 / rate <= at <= (held - count / 2 + 1) / rate:
        raise Unusable(
            f"expected `at` between {seconds / 2:g} and {held / rate - seconds / 2:g} s, the middle of a window of "
            f"{seconds:g} s inside a signal of {held / rate:g} s; found {at:g}"
        )
    start = min(max(0, round(at * rate - count / 2)), max(0, held - round(count)))
    return Waveform(waveform.values[start : start + round(count)], rate, waveform.leads, waveform.units)


def read_record(path: Path) -> Waveform:
    """A WFDB record in physical units; signals of several rates are brought to the rate of the frames.

    Args:
        path: of the record, without extension.

    Raises:
        FileNotFoundError: the header or a signal file is not there.
        Unusable: it can't be read; the text names no file.
    """
    import wfdb

    try:
        check_record(path)
        with np.errstate(all="ignore"):
            record = wfdb.rdrecord(str(path))
        values = np.asarray(record.p_signal, np.float64)
        leads = tuple(str(name or "").strip() for name in record.sig_name)
        units = tuple(str(unit or "mV").strip() for unit in record.units)
        waveform = Waveform(values, float(record.fs), leads, units)
    except (FileNotFoundError, Unusable):
        raise
    except Exception:  # wfdb raises whatever its parsing runs into, and its texts hold paths
        raise Unusable(CHANGED) from None
    if values.ndim != 2 or values.shape[1] != len(leads) or len(leads) != len(units):
        raise Unusable("unreadable: the record has no signal")
    return waveform


def packed_record(text: str) -> Waveform:
    """The one WFDB record in a ZIP file, from its base64 text, with or without a `data:` prefix.

    Raises:
        Unusable: with one sentence for the caller.
    """
    body = "".join((text.partition(",")[2] if text.startswith("data:") else text).split())
    if len(body) > LARGEST_ZIP * 4 // 3 + 4:
        raise Unusable(f"expected a packed record of at most {LARGEST_ZIP >> 20} MB, found more: send a part of it")
    try:
        content = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise Unusable("is no valid base64; send a ZIP of one WFDB record, base64-encoded") from None
    files = _unzipped(content)
    headers = [name for name in files if name.endswith(".hea")]
    if len(headers) != 1:
        raise Unusable(f"expected a ZIP of one WFDB record with one .hea file, found {len(headers)} of them")
    with tempfile.TemporaryDirectory() as folder:
        for name, held in files.items():
            (Path(folder) / name).write_bytes(held)
        path = Path(folder) / headers[0].removesuffix(".hea")
        _check_header(path, set(files))
        try:
            return read_record(path)
        except FileNotFoundError:
            raise Unusable("expected the record's header and its signal files in the ZIP, found one missing") from None


def _unzipped(content: bytes) -> dict[str, bytes]:
    """Name to bytes of every file of a ZIP, all in one folder."""
    if content.count(b"PK\x01\x02") > 4 * MOST_FILES:  # zipfile makes an object for each, before any can be counted
        raise Unusable(f"expected at most {MOST_FILES} files in the ZIP, found many more")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
            return _members(archive, members)
    except Unusable:
        raise
    except Exception:  # zipfile and its decompressors raise a dozen kinds of errors on damaged files
        raise Unusable("expected a ZIP file of one WFDB record, found something else, or it is damaged") from None


def _members(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> dict[str, bytes]:
    if len(members) > MOST_FILES:
        raise Unusable(f"expected at most {MOST_FILES} files in the ZIP, found {len(members)}")
    files: dict[str, bytes] = {}
    for member in members:
        folder, _, name = member.filename.rpartition("/")
        link = (member.external_attr >> 16) & 0o170000 == 0o120000
        if not PLAIN_NAME.fullmatch(name) or ".." in folder or member.filename.startswith("/") or name in files or link:
            raise Unusable("expected plain files with plain names in the ZIP, found a link, a path or another name")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA's header asks for any memory
            raise Unusable("expected files in the ZIP that are stored or deflated, found another compression")
        with archive.open(member) as file:  # what the directory says of the size may be wrong, so count while reading
            files[name] = file.read(LARGEST_ZIP + 1 - sum(map(len, files.values())))
        if sum(map(len, files.values())) > LARGEST_ZIP:
            raise Unusable(f"expected a record of at most {LARGEST_ZIP >> 20} MB unpacked, found more")
    return files


def _check_header(path: Path, files: set[str]) -> None:
    """Refuse a header that names files outside its ZIP, or more samples than a request may hold."""
    try:
        header: Any = record_header(path)
        names = [str(name) for name in getattr(header, "file_name", None) or ()]  # a record of segments has none
        if not names:
            raise Unusable("expected a record of one segment with signals, found another")
        if header.n_sig == len(names) and (missing := {*names} - files):
            raise Unusable(f"expected the signal files that the header names in the ZIP, found {len(missing)} missing")
        check_record(path, LARGEST_ZIP)
    except Unusable:
        raise
    except Exception:  # as in read_record
        raise Unusable("unreadable: the record's header is damaged") from None
