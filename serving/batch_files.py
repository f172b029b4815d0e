"""Samples that lie in files of their own: which files a kind of input reads, and all files of a folder in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.lib.errors import DataError
from components.lib.kinds import InputKind
from components.lib.kinds._signal_requests import check_rate
from components.lib.kinds._waveforms import window_of
from components.lib.kinds.base import Raw
from components.lib.kinds.signal import Signal, Waveform, read_record
from components.lib.readers.folder import entries_of, is_folder, is_picture, read_file

HEADER = ".hea"
"""How the file of a WFDB record ends that names its other files."""


@dataclass(frozen=True)
class Files:
    """How samples of one kind lie in files, one a sample."""

    noun: str
    """What they are, for people."""
    is_one: Callable[[Path], bool]
    """Whether a file is a sample, by its name; where that says nothing, by how it begins."""
    read: Callable[[Path], Raw]
    """One sample as the kind cleans it; raises OSError and Unusable."""
    parts: Callable[[Path], tuple[Path, ...]]
    """The files of a sample, first the one that must be there."""

    def there(self, path: Path) -> bool:
        """Whether a path names a sample that is there."""
        return os.path.isfile(self.parts(path)[0])  # noqa: PTH113  also false for a text that is no path at all

    def stamp(self, path: Path) -> str:
        """Size and time of change of a sample's files: another stamp, another sample. Empty where it isn't there."""
        told = []
        for part in self.parts(path):
            try:
                found = os.stat(part)  # noqa: PTH116  as above
            except (OSError, ValueError):
                continue
            told.append(f"{found.st_size}:{found.st_mtime_ns}")
        return " ".join(told)


def files_of(kind: InputKind) -> Files | None:
    """How samples of a kind lie in files; None where they don't."""
    if bytes in kind.raw_types:
        return Files("PNG, JPEG, TIFF, BMP or DICOM files", _is_picture, read_file, lambda path: (path,))
    if isinstance(kind, Signal):
        return Files("WFDB records", lambda path: path.suffix == HEADER, partial(_window, kind), _of_record)
    return None


def _is_picture(path: Path) -> bool:
    """By its suffix; a file without one, or with a number as archives write them, by the letters of DICOM."""
    if path.suffix and not path.suffix[1:].isdigit():
        return is_picture(path.name)
    if path.name.upper() == "DICOMDIR":
        return False
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _of_record(path: Path) -> tuple[Path, ...]:
    record = path.name.removesuffix(HEADER)
    return path.with_name(f"{record}{HEADER}"), path.with_name(f"{record}.dat")


def _window(kind: Signal, path: Path) -> Waveform:
    """The middle of a record, as of a packed one in a request that names no moment."""
    waveform = read_record(path.with_name(path.name.removesuffix(HEADER)))
    check_rate(waveform.rate)
    return window_of(waveform, None, kind.seconds)


def in_order(root: Path) -> Iterator[str]:
    """Relative paths of all files below a folder that aren't hidden, sorted, without holding more than a folder's.

    Every folder is read once: a link to one inside is left out, since that has a name of its own; a link to one outside
    is followed, where `batch` allows it.

    Raises:
        DataError: a folder can't be listed, or a name is no UTF-8, which no table can hold.
    """
    home, seen, waiting = root.resolve(), set[tuple[int, int]](), [""]
    while waiting:
        name = waiting.pop()
        if name and not name.endswith("/"):
            yield name
        else:
            # With the "/" at their ends folders stand where their files will in the order of all paths.
            waiting += sorted(_entries(root, name, home, seen), reverse=True)


def _entries(root: Path, below: str, home: Path, seen: set[tuple[int, int]]) -> list[str]:
    """What lies in one folder, as relative paths; a folder's ends with "/"."""
    found = entries_of(root / below, seen, "--data")
    strange = sum(any("\ud800" <= sign <= "\udfff" for sign in e.name) for e in found if not e.name.isascii())
    if strange:
        raise DataError(
            str(root / below),
            expected="names of files in UTF-8",
            found=f"{strange} in another encoding",
            todo="rename them (convmv -f latin1 -t utf8 -r --notest FOLDER)",
        )
    names = []
    for entry in found:
        if not is_folder(entry):
            names.append(f"{below}{entry.name}")
        elif not (entry.is_symlink() and Path(entry.path).resolve().is_relative_to(home)):
            names.append(f"{below}{entry.name}/")
    return names
