"""A .zip, .tar or .tar.gz as names and bytes, from any place in it, without unpacking it to a disk.

The archive is looked through once: names, places, sizes. After that every read opens the file for itself, so that
threads and processes don't meet. A .tar.gz is unpacked once in passing, and the state of the decompressor is kept at
most 1024 times on the way (some 50 kB each): to read an entry it goes on from the nearest state before it, as zran.c
in zlib's examples does. XZ and bzip2 can't be entered in the middle and are refused.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from components.lib.errors import DataError, Unusable
from components.lib.places import Place
from components.lib.readers.folder import LARGEST, leads_outside

MOST_ENTRIES, LONGEST_NAME = 2_000_000, 4096
MOST_RATIO, LARGE = 200, 10_000_000
"""An entry of more bytes than LARGE, or an archive of 100 times as many, that shrank to less than 1/200 is a bomb."""
TODO = "pack it anew from the folder, with plain files alone: zip -r, or tar -czf"
DAMAGED = "unreadable: damaged inside the archive"
PIECE, LONGEST_PIECE = 1 << 16, 1 << 18
STEP, MOST_POINTS = 1 << 20, 1024
GZIP = 31
"""zlib's way to say: with gzip's header, the largest window."""


@dataclass(frozen=True)
class Entry:
    """Where a file lies in an archive."""

    start: int
    """Of its header in a .zip; of its bytes in a tar, unpacked."""
    size: int
    packed: int
    checksum: int | None = None
    """CRC-32; a tar has none."""


@dataclass(frozen=True)
class Point:
    """A place in a gzip stream from which unpacking can go on."""

    unpacked: int
    packed: int
    state: Any
    """zlib's decompressor; copies of it are used."""


@dataclass(frozen=True)
class Packed:
    """An archive that was looked through."""

    path: Place
    entries: dict[str, Entry]
    points: tuple[Point, ...] = ()
    """Of a .tar.gz, in order."""

    def read(self, name: str) -> bytes:
        """One file's bytes; from any thread.

        Raises:
            FileNotFoundError: no such file inside, or no such archive any more.
            Unusable: it is damaged.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if entry.checksum is not None:
            return self._from_zip(entry)
        content = self.read_at(entry.start, entry.size)
        if len(content) != entry.size:
            raise Unusable(DAMAGED)
        return content

    def read_at(self, start: int, size: int) -> bytes:
        """Bytes of a tar, counted as if it weren't compressed; fewer at its end."""
        if not self.points:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(size)
        nearest = max((p for p in self.points if p.unpacked <= start), key=lambda point: point.unpacked)
        found, place = bytearray(), nearest.unpacked
        try:
            for piece, _ in _unpacked(self.path, nearest):
                found += piece[max(0, start - place) :]
                place += len(piece)
                if len(found) >= size:
                    break
        except (zlib.error, EOFError):
            raise Unusable(DAMAGED) from None
        return bytes(found[:size])

    def _from_zip(self, entry: Entry) -> bytes:
        with self.path.open("rb") as file:
            file.seek(entry.start)
            head = file.read(30)
            # The name and the extra field stand between; their lengths differ from those in the directory.
            file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), os.SEEK_CUR)
            content = file.read(entry.packed)
        try:
            if head[:4] != b"PK\x03\x04":
                raise Unusable(DAMAGED)
            if int.from_bytes(head[8:10], "little") == zipfile.ZIP_DEFLATED:
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, entry.size + 1)
        except zlib.error:
            raise Unusable(DAMAGED) from None
        if len(content) != entry.size or zlib.crc32(content) != entry.checksum:
            raise Unusable(DAMAGED)
        return content


def open_archive(path: Place) -> Packed:
    """Look through an archive, or remember that it was; its content says what it is.

    Raises:
        DataError: no such file, no such archive, cut off, or something in it that is no plain file, leads outside, is
            encrypted or unpacks to too much.
    """
    try:
        told = path.stat()
        if not stat.S_ISREG(told.st_mode):
            raise _refused(path, "a folder; the folder reader reads it" if path.is_dir() else "no plain file")
        return _opened(path, told.st_size, told.st_mtime_ns)
    except OSError as error:
        raise _refused(
            path, os.strerror(error.errno or 0), "set source.path in the task file, or make the data first"
        ) from None


@lru_cache(maxsize=1)
def _opened(path: Place, size: int, changed: int) -> Packed:
    with path.open("rb") as file:
        start = file.read(512)
    try:
        if start.startswith(b"\x1f\x8b"):
            stream = _Stream(path)
            with tarfile.open(fileobj=stream, mode="r|", bufsize=PIECE) as tar:  # type: ignore[call-overload]
                return _looked_through(path, tar, stream)
        if start.startswith((b"\xfd7zXZ\0", b"BZh")):
            raise _refused(path, "a tar packed by XZ or bzip2, which can only be read from its start")
        if start.startswith(b"PK"):
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                return _zip(path, archive, size)
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            return _looked_through(path, tar, None)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, Unusable):
        raise _refused(path, "no such archive, or one that is cut off or damaged") from None


def _zip(path: Place, archive: zipfile.ZipFile, size: int) -> Packed:
    entries: dict[str, Entry] = {}
    for number, told in enumerate(archive.infolist(), 1):
        name = told.filename.replace("\\", "/")  # as some programs on Windows write it
        mode = stat.S_IFMT(told.external_attr >> 16) if told.create_system == 3 else 0
        if told.flag_bits & 0x41:
            raise _refused(path, f"entry {number} is encrypted")
        if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(path, f"entry {number} is a link or a device")
        if told.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(path, f"entry {number} is compressed in a way other than deflate")
        if told.file_size > LARGE and told.file_size > MOST_RATIO * told.compress_size:
            raise _refused(path, f"entry {number} shrank to less than 1/{MOST_RATIO}: it may be a bomb")
        if told.compress_size > size:
            raise _refused(path, f"entry {number} is larger than the archive")
        entry = Entry(told.header_offset, told.file_size, told.compress_size, told.CRC)
        _add(entries, path, number, name, None if told.is_dir() else entry)
    _refuse_bomb(path, sum(entry.size for entry in entries.values()), size)
    return Packed(path, entries)


def _looked_through(path: Place, tar: tarfile.TarFile, stream: _Stream | None) -> Packed:
    entries: dict[str, Entry] = {}
    number = 0
    while (told := tar.next()) is not None:
        number += 1
        if stream:
            stream.allowed = 2 * LARGEST
        tar.members = []  # type: ignore[attr-defined]  # else it would remember every one
        if not (told.isreg() or told.isdir()) or told.issparse():
            raise _refused(path, f"entry {number} is a link, a device or has holes")
        entry = Entry(told.offset_data, told.size, told.size)
        _add(entries, path, number, told.name, None if told.isdir() else entry)
    packed = Packed(path, entries, tuple(stream.points) if stream else ())
    # A damaged header ends the walk as the end mark does.
    if packed.read_at(tar.offset, tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise EOFError
    return packed


def _add(entries: dict[str, Entry], path: Place, number: int, name: str, entry: Entry | None) -> None:
    """Enter a file, None for a folder, or refuse it. Names aren't told: they may be a patient's."""
    if leads_outside(name):
        raise _refused(path, f"entry {number} leads outside the archive")
    if len(name) > LONGEST_NAME:  # a tar may have names of any length, and patterns of a task file are asked about them
        raise _refused(path, f"entry {number} has a name of more than {LONGEST_NAME} characters")
    if number > MOST_ENTRIES:
        raise _refused(path, f"more than {MOST_ENTRIES} entries")
    if entry is None:
        return
    if entry.size > LARGEST:
        raise _refused(path, f"entry {number} unpacks to more than {LARGEST // 1_000_000} MB")
    plain = PurePosixPath(name).as_posix()
    if plain in entries:
        raise _refused(path, f"entry {number} has the name of another one")
    entries[plain] = entry


def _refuse_bomb(path: Place, unpacked: int, packed: int) -> None:
    if unpacked > 100 * LARGE and unpacked > MOST_RATIO * packed:
        raise _refused(path, f"it unpacks to more than {MOST_RATIO} times its size: it may be a bomb")


def _unpacked(path: Place, point: Point) -> Iterator[tuple[bytes, Point]]:
    """Unpacked pieces of a gzip file from a point on, each with the point after it, whose state is still in use."""
    state, place, waiting = point.state.copy(), point.unpacked, b""
    with path.open("rb") as file:
        file.seek(point.packed)
        while True:
            waiting = waiting or file.read(PIECE)
            if state.eof:  # another stream may follow, or zeros that fill up a block
                waiting = waiting.lstrip(b"\0")
                if not waiting and not (waiting := file.read(PIECE).lstrip(b"\0")):
                    return
                state = zlib.decompressobj(GZIP)
            ended = not waiting
            piece = state.decompress(waiting, LONGEST_PIECE)
            if ended and not piece and not state.eof:
                raise EOFError
            waiting = state.unused_data if state.eof else state.unconsumed_tail
            place += len(piece)
            yield piece, Point(place, file.tell() - len(waiting), state)


class _Stream:
    """A gzip file unpacked from start to end, for tarfile; it leaves points behind."""

    def __init__(self, path: Place) -> None:
        self.path, self.step = path, STEP
        self.points = [Point(0, 0, zlib.decompressobj(GZIP))]
        self.pieces = _unpacked(path, self.points[0])
        self.buffer = bytearray()
        self.allowed = LARGEST
        """Bytes until the next entry: tarfile would take a header of any length into memory."""

    def read(self, size: int) -> bytes:
        """The next bytes, fewer at the end."""
        self.allowed -= size
        if self.allowed < 0:
            raise EOFError
        while len(self.buffer) < size and (found := next(self.pieces, None)) is not None:
            piece, point = found
            self.buffer += piece
            _refuse_bomb(self.path, point.unpacked, point.packed)
            if point.unpacked - self.points[-1].unpacked >= self.step and not point.state.eof:
                self.points.append(Point(point.unpacked, point.packed, point.state.copy()))
            if len(self.points) > MOST_POINTS:
                self.points[:], self.step = self.points[::2], 2 * self.step
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken


def _refused(path: Place, found: str, todo: str = TODO) -> DataError:
    return DataError(str(path), expected="a .zip, .tar or .tar.gz of plain files", found=found, todo=todo)
