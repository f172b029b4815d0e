"""Headers of WFDB records, measured before wfdb parses them, and compared with the files that they speak of.

wfdb's regular expressions take the square of a line's length, and it makes room for as many values as a header states.
Format: WFDB Applications Guide, header(5) and signal(5); a line has at most 255 characters there.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from components.lib.errors import Unusable

MOST_HEADER, MOST_LINE, MOST_LINES = 1 << 20, 512, 20_000
"""Bytes of a header, characters of a line that is no comment, and lines."""
MOST_VALUES = 1 << 28
"""Of a record: 2 GB as numbers of 64 bits. A day of three leads at 1,000 Hz."""
CHANGED = "unreadable: the record's signal files are cut off, or not as its header says"
BYTES: dict[str, int | Fraction] = {
    "8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": Fraction(3, 2), "310": Fraction(4, 3),
    "311": Fraction(4, 3),
}  # fmt: skip
"""Of a value, by format. 508, 516 and 524 are compressed by FLAC."""
PADDING = 4
"""Bytes that a file may lack: formats that pack several values end within a group."""


def record_header(path: Path) -> Any:
    """The header of a record as wfdb has it; raises what wfdb raises.

    Args:
        path: of the record, without extension.

    Raises:
        FileNotFoundError: there is none.
        Unusable: it is too long, or a line of it is.
    """
    import wfdb

    check_text(path.with_name(f"{path.name}.hea"))
    return wfdb.rdheader(str(path))


def check_text(file: Path) -> None:
    """Refuse a header whose length alone would hold a processor.

    Raises:
        FileNotFoundError: there is none.
        Unusable: it has more bytes or lines than a header has, or a longer line; or it is no regular file.
    """
    require_regular(file)
    with file.open("rb") as opened:
        text = opened.read(MOST_HEADER + 1)
    lines = text.decode("ascii", "ignore").splitlines()  # as wfdb reads it
    if len(text) > MOST_HEADER or len(lines) > MOST_LINES:
        raise Unusable(f"unreadable: the record's header has more than {MOST_LINES} lines or {MOST_HEADER >> 20} MB")
    if any(len(line) > MOST_LINE and not line.lstrip().startswith("#") for line in lines):
        raise Unusable(f"unreadable: a line of the record's header has more than {MOST_LINE} characters")


def require_regular(file: Path) -> int:
    """Bytes of a file; refused where it is a pipe, a socket or a device, from which wfdb would read for ever.

    Raises:
        FileNotFoundError: there is none.
        Unusable: it is no regular file.
    """
    told = file.stat()
    if not stat.S_ISREG(told.st_mode):
        raise Unusable("unreadable: not a regular file")
    return told.st_size


def check_record(path: Path, most: int = MOST_VALUES) -> None:
    """Refuse a record that states more values than its files hold, or than fit into memory.

    Args:
        path: of the record, without extension.
        most: values, of all signals together.

    Raises:
        FileNotFoundError: its header, or one of its signal files, is not there.
        Unusable: it states more.
    """
    header = record_header(path)
    if hasattr(header, "seg_name"):
        _check_segments(path, header, most)
    else:
        _check_signals(path, header, most)


def _check_segments(path: Path, header: Any, most: int) -> None:
    lengths = [int(length) for length in header.seg_len]
    stated = max(sum(lengths), int(header.sig_len or 0)) * int(header.n_sig or 1)
    _require(stated, most)
    for name in {str(name) for name in header.seg_name} - {"~"}:
        part = path.with_name(name)
        if part.name != name:
            raise Unusable("unreadable: the record's header names segments in another folder")
        segment = record_header(part)
        if hasattr(segment, "seg_name"):
            raise Unusable("unreadable: a segment of the record is itself made of segments")
        _check_signals(part, segment, most)


def _check_signals(path: Path, header: Any, most: int) -> None:
    names = [str(name) for name in header.file_name or ()]
    if header.n_sig != len(names):  # wfdb would count to a number of thousands of millions
        raise Unusable(f"unreadable: the record's header describes {len(names)} signals and states another number")
    each = [int(count or 1) for count in header.samps_per_frame or ()]
    delay = max((int(skew or 0) for skew in header.skew or ()), key=abs, default=0)
    length = int(header.sig_len or 0)
    _require(sum(each) * (length + abs(delay)), most)
    for name in {*names} - {"~"}:
        own = [index for index, file in enumerate(names) if file == name]
        _check_file(path.with_name(name), header, own, length * sum(each[index] for index in own), most)


def _check_file(file: Path, header: Any, own: Sequence[int], values: int, most: int) -> None:
    """Refuse a signal file that holds less than the header states, or states itself more than fits."""
    form, skipped = str(header.fmt[own[0]]), int((header.byte_offset or [0] * (own[0] + 1))[own[0]] or 0)
    if file.name.startswith("."):  # which no search of the folder for links and pipes looks at
        raise Unusable("unreadable: the record's header names a hidden file")
    held = require_regular(file)
    if form not in BYTES:
        return  # FLAC: the values that are stated were counted, and its reader makes room for no more
    if header.sig_len and values * BYTES[form] > max(0, held - skipped) + PADDING:
        raise Unusable(CHANGED)
    if not header.sig_len:  # wfdb takes as many as the file holds
        _require(int(held / BYTES[form]), most)


def _require(values: int, most: int) -> None:
    if values > most:
        raise Unusable(f"expected at most {most} values in the record, found {values}")
