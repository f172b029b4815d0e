"""A file or a folder on a server, with what readers use of `pathlib.Path`: S3 and web servers, by fsspec.

A file that isn't there raises FileNotFoundError. Whatever else goes wrong on the way is a ServerError: it stops the
run, and is never taken for a finding about a sample. What fails in passing is tried again; a server that says nothing
is waited for a quarter of a minute. Nothing is written to a server.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, unquote

from components.lib import place_faults
from components.lib.errors import DataError, ServerError

T = TypeVar("T")

CONNECT_WITHIN, ANSWER_WITHIN = 5, 15
"""Seconds a server has to take a connection, and to send the next bytes."""
ATTEMPTS, PAUSE = 3, 0.5
"""Attempts at what fails in passing; seconds before the second one, twice as many before the next."""
SHORTEST, LONGEST = 1 << 16, 1 << 23
"""Bytes that are fetched at a time; the more, the longer a file is read without a jump."""


@dataclass(frozen=True)
class Told:
    """What a server says of a file; the names are those of `os.stat_result`."""

    st_size: int
    st_mode: int
    st_mtime_ns: int
    """No time: a number that is another one when the file is."""


@dataclass(frozen=True)
class Remote:
    """A file or a folder on a server, with the methods of a `pathlib.Path` that readers use."""

    url: str
    """Without "/" at its end; that of a web server with what isn't ASCII written as %20."""

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Remote:
        below = PurePosixPath(name).as_posix()
        return self if below == "." else Remote(f"{self.url}/{below if self.lists else quote(below)}")

    @property
    def lists(self) -> bool:
        """Whether the server says which files there are."""
        return self.url.startswith("s3:")

    @property
    def name(self) -> str:
        """The last part, as a person writes it."""
        last = self.url.rpartition("/")[2]
        return last if self.lists else unquote(last)

    @property
    def suffix(self) -> str:
        """From the last point of the name on."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> Remote:
        """The folder above."""
        return Remote(self.url.rpartition("/")[0])

    def with_name(self, name: str) -> Remote:
        """Another file in the same folder."""
        return self.parent / name

    def absolute(self) -> Remote:
        """Itself."""
        return self

    def resolve(self) -> Remote:
        """Itself."""
        return self

    def stat(self) -> Told:
        """Size and version; FileNotFoundError where there is nothing, ServerError where nobody can say."""
        info = self._asked(lambda files: files.info(self.url))
        version = str(info.get("ETag") or info.get("Last-Modified") or info.get("LastModified") or "")
        number = int(hashlib.sha256(version.encode()).hexdigest()[:15], 16)
        mode = stat.S_IFDIR if info.get("type") == "directory" else stat.S_IFREG
        size = info.get("size")
        if size is None:
            self._refuse("a web server that says how long a file is", "none of it", "copy the data here, or to S3")
        return Told(int(size), mode, number)

    def exists(self) -> bool:
        """Whether there is a file or, on S3, a folder."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_file(self) -> bool:
        """Whether there is a file."""
        try:
            return stat.S_ISREG(self.stat().st_mode)
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        """Whether there is a folder; of a web server nobody can say, so no."""
        return self.lists and bool(self._asked(lambda files: files.isdir(self.url)))

    def read_bytes(self, size: int | None = None) -> bytes:
        """The whole file.

        Args:
            size: what `stat` said, where it was asked.
        """
        return self._bytes(self.stat().st_size if size is None else size)

    def read_text(self, encoding: str) -> str:
        """The whole file as text."""
        return self.read_bytes().decode(encoding)

    def open(self, mode: str = "rb") -> RemoteFile:
        """The file, to be read from any place in it."""
        told = self.stat()
        if stat.S_ISDIR(told.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return RemoteFile(self, told.st_size)

    def read_range(self, start: int, size: int) -> bytes:
        """So many bytes from the middle, which must be there."""
        return self._bytes(size, start=start, end=start + size) if size else b""

    def names_below(self) -> list[str]:
        """Relative paths of all files below a folder on S3, with "/" between the parts.

        Raises:
            DataError: nothing below, or a web server, which lists nothing.
            ServerError: no such bucket, or the server fails.
        """
        return [name for name, _ in self.versions_below()]

    def versions_below(self) -> list[tuple[str, str]]:
        """Those paths, sorted, each with what tells one version of the file from another."""
        if not self.lists:
            todo = "name an index that names the files in source.index; or pack them into a .zip: reader archive"
            found = "a web server, which can't"
            raise DataError(self.url, expected="something that can list its files", found=found, todo=todo)
        start = f"{self.url.removeprefix('s3://')}/"
        try:
            below = self._asked(lambda files: files.find(self.url, detail=True))
        except FileNotFoundError:
            below = {}
        names = [(path.removeprefix(start), str(info.get("ETag", ""))) for path, info in below.items()]
        names = sorted(each for each in names if each[0] and not each[0].endswith("/"))
        if not names:
            todo = "check source.path in the task file"
            raise DataError(self.url, expected="files below this place", found="none", todo=todo)
        return names

    def versions(self, beside: str | None = None) -> list[str]:
        """What tells these data from other ones, a line each.

        Args:
            beside: the file that names the others, where a web server can't.
        """
        if self.lists and self.is_dir():
            return [f"{name}:{version}" for name, version in self.versions_below()]
        told = (self / beside if beside else self).stat()
        return [f"{told.st_size}:{told.st_mtime_ns}"]

    def _asked(self, question: Callable[[Any], T]) -> T:
        """The answer of the server, asked again where it fails in passing."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return question(_filesystem(self.url.partition(":")[0]))
            except ServerError:
                raise
            except Exception as error:  # the libraries below raise dozens of kinds
                if attempt == ATTEMPTS or not place_faults.passes(error):
                    raise place_faults.told(error, self.url, ANSWER_WITHIN) from None
                time.sleep(PAUSE * 2 ** (attempt - 1))
        raise AssertionError("unreachable")

    def _bytes(self, size: int, **part: int) -> bytes:
        """The file, or a part of it, with just so many bytes."""

        def question(files: Any) -> bytes:
            content: bytes = files.cat_file(self.url, **part)
            if part and len(content) > size:
                todo = "copy the file here, or to S3"
                self._refuse("a server that sends parts of a file (range requests)", "one that sends the whole", todo)
            if len(content) != size:
                raise ConnectionError("another number of bytes came")
            return content

        return self._asked(question)

    def _refuse(self, expected: str, found: str, todo: str) -> NoReturn:
        raise ServerError(self.url, expected=expected, found=found, todo=todo) from None


class RemoteFile(io.RawIOBase):
    """A file on a server to read and to seek in. What is read in a row is fetched in ever larger pieces."""

    def __init__(self, place: Remote, size: int) -> None:
        self.place, self.size = place, size
        self._at, self._start, self._held, self._window = 0, 0, b"", SHORTEST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as a file does: zipfile counts on it
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer only at the end."""
        end = self.size if size is None or size < 0 else min(self.size, self._at + size)
        found = bytearray()
        while self._at < end:
            if not self._start <= self._at < self._start + len(self._held):
                self._fetch(end)
            piece = self._held[self._at - self._start :][: end - self._at]
            found += piece
            self._at += len(piece)
        return bytes(found)

    def readinto(self, buffer: Any) -> int:
        """As `read`, into memory that is there."""
        view = memoryview(buffer).cast("B")
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def _fetch(self, end: int) -> None:
        """Hold the bytes from here on, those up to `end` at least where they aren't many."""
        in_a_row = self._held and self._at == self._start + len(self._held)
        self._window = min(2 * self._window, LONGEST) if in_a_row else SHORTEST
        wanted = min(max(end - self._at, self._window), LONGEST, self.size - self._at)
        self._held, self._start = self.place.read_range(self._at, wanted), self._at


@lru_cache
def _filesystem(scheme: str) -> Any:
    """fsspec's way to a server. What a server says of its files is never remembered: they may change."""
    import fsspec  # type: ignore[import-untyped]

    if scheme == "s3":
        options = {"connect_timeout": CONNECT_WITHIN, "read_timeout": ANSWER_WITHIN}
        files = fsspec.filesystem(
            "s3", use_listings_cache=False, max_concurrency=1,
            config_kwargs={**options, "retries": {"total_max_attempts": 1, "mode": "standard"}},
        )  # fmt: skip
        files.retries = 1  # `_asked` counts the attempts, else they would multiply
        return files
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN, sock_read=ANSWER_WITHIN)
    return fsspec.filesystem(
        "http", encoded=True, headers={"Accept-Encoding": "identity"}, skip_instance_cache=True,
        client_kwargs={"trust_env": True, "timeout": timeout},
    )  # fmt: skip
