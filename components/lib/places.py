"""Where raw data lie: a path of this machine, or a place on a server, alike to a reader.

    data/films, /mnt/films      a `pathlib.Path`, as it always was
    s3://bucket/prefix          a bucket of S3, or of a store that speaks its language (MinIO, Ceph)
    https://host/films.zip      a web server; it lists nothing, so a folder there needs an index that names its files

Who may read is told by the environment, never by a place: AWS_ENDPOINT_URL, AWS_PROFILE, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_CA_BUNDLE … for S3, ~/.netrc (or NETRC) and HTTPS_PROXY for web servers.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import quote, urlsplit

from components.lib.errors import SpecError, nearest
from components.lib.plain_path import path_problem
from components.lib.remote import LONGEST, Remote

__all__ = ["Place", "Remote", "copy_to", "fetched", "held", "is_remote", "place", "readers", "refusal"]

SCHEMES = ("s3", "https", "http")
READERS = 16
"""Files that are asked for at the same time: an answer takes long, and the processor waits."""

Place = Path | Remote


def place(text: str, folder: Path | None = None) -> Place:
    """What a text names: a place on a server where it has a scheme, else a path.

    Args:
        text: `source.path`, or what stands on a command line.
        folder: where relative paths start; None: where the program was started.

    Raises:
        SpecError: a scheme that isn't known, or a URL that holds a secret.
    """
    problem = refusal(text)
    if problem:
        expected, found = problem
        raise SpecError("a place of raw data", expected=expected, found=found, todo="docs/data.md, Data on a server")
    if not is_remote(text):
        return Path(text) if folder is None else folder / text
    scheme, rest = text.split("://", 1)
    rest = (
        re.sub("/+", "/", rest).rstrip("/")
        if scheme.lower() == "s3"
        else quote(rest, safe="/%:[]@!$&'()*+,;=~").rstrip("/")
    )
    return Remote(f"{scheme.lower()}://{rest}")


def is_remote(text: str) -> bool:
    """Whether a text names a place on a server, or tries to."""
    return "://" in text


def refusal(text: str) -> tuple[str, str] | None:
    """What is wrong with a place, as what was expected and what was found, without what may be secret; or None."""
    problem = path_problem(text)
    if problem:
        return "a path or a URL in one line of UTF-8: rename the folder", problem
    if not is_remote(text):
        return None
    scheme, _, rest = text.partition("://")
    known = ", ".join(f"{each}://" for each in SCHEMES)
    if scheme.lower() not in SCHEMES:
        shown = scheme if re.fullmatch(r"[\w.+:-]{1,20}", scheme) else "another scheme"
        return f"a path of this machine, or one of {known}", f"{shown}://{nearest(scheme, SCHEMES)}"
    split = urlsplit(text)
    if "@" in split.netloc:
        return "a URL without user and password, which would be written down", "one with them"
    if scheme.lower() != "s3" and ("?" in rest or "#" in rest):
        return (
            "a URL without ? and #: what stands behind may be a signature, and would be written down",
            "one with them",
        )
    if not split.netloc or "::" in text:
        return "a URL with the name of a server or of a bucket", "none"
    return None


def held(place: Place) -> IO[bytes]:
    """A copy of a file on a server, on this machine's disk, without a name there: it goes when it is closed."""
    copy = tempfile.TemporaryFile(prefix="medpipe-")  # noqa: SIM115  whoever asked closes it
    with place.open("rb") as source:
        shutil.copyfileobj(source, copy, LONGEST)
    copy.seek(0)
    return copy


@contextmanager
def fetched(place: Place) -> Iterator[Path]:
    """A file under a path of this machine, for libraries that take nothing else: itself, or a copy that goes after."""
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="medpipe-") as folder:
        # Of the name the ends alone, which say how it is packed.
        copy = Path(folder) / f"file{''.join(PurePosixPath(place.name).suffixes[-2:])}"
        copy_to(place, copy)
        yield copy


def copy_to(place: Place, copy: Path) -> None:
    """Copy a file to this machine.

    Raises:
        FileNotFoundError: it isn't there.
    """
    with place.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, LONGEST)


def readers(place: Place) -> int | None:
    """How many files to ask for at the same time; None: as many as there are processors."""
    return READERS if isinstance(place, Remote) else None
