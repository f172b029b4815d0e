"""SHA-256 of files, and SHA256SUMS: what a step's output was when the step had written it.

Every output has the file, in the form that `sha256sum --check SHA256SUMS` reads. A step compares what it reads with it:
a part of a dataset when it is first read, all else when the directory is opened. That finds what a disk, a copy or a
hand changed since. It stops nobody who may write to the directory and writes SHA256SUMS anew, too.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path

from components.lib.errors import MedpipeError

SUMS = "SHA256SUMS"
UNVERIFIED = "MEDPIPE_NO_VERIFY"
"""Environment variable that `--no-verify` sets, for the processes that a step starts, too."""
RISK = (
    "inputs aren't compared with their SHA256SUMS; a damaged part, or a threshold that somebody changed, goes "
    "unnoticed into model and report"
)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS of a finished directory: of every file in it, by path; hidden files are none of it."""
    names = sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    shown = [name for name in names if name != SUMS and not any(part.startswith(".") for part in name.split("/"))]
    lines = [f"{file_digest(folder / name)}  {name}\n" for name in shown]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


class Sums:
    """What SHA256SUMS of a directory says; each file is compared once.

    Args:
        folder: a directory that a step wrote.
        error: what is raised.
        todo: what to do about a file that isn't as it was.

    Raises:
        MedpipeError: SHA256SUMS itself can't be read.
    """

    def __init__(self, folder: Path, error: type[MedpipeError], todo: str) -> None:
        self.folder, self._error, self._todo = folder, error, todo
        self._known: dict[str, str] | None = None
        self._right: set[str] = set()
        file = folder / SUMS
        if file.is_file() and not os.environ.get(UNVERIFIED):
            self._known = self._read(file)

    @property
    def missing(self) -> bool:
        """Whether an earlier version of medpipe, or not a step at all, wrote the directory: nothing can be compared."""
        return not (self.folder / SUMS).is_file()

    def require(self, *files: Path) -> None:
        """Compare files of the directory, in case somebody or something changed them; those that aren't there pass.

        Raises:
            MedpipeError: one is another than the step wrote.
        """
        if self._known is None:
            return
        for file in files:
            name = file.relative_to(self.folder).as_posix()
            if name in self._right or not file.is_file():
                continue
            known = self._known.get(name)
            if known is None:
                self._refuse(file, f"a file that {SUMS} lists", "one that came in later")
            elif (found := file_digest(file)) != known:
                there = f"{found[:12]}…: it was changed or damaged after the step wrote it"
                self._refuse(file, f"the file with SHA-256 {known[:12]}…, as {SUMS} says", there)
            self._right.add(name)

    def require_all(self, *endings: str) -> None:
        """Compare the files with these endings that lie directly in the directory."""
        self.require(*sorted(each for each in self.folder.iterdir() if each.suffix in endings))

    def _read(self, file: Path) -> dict[str, str]:
        known = {}
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            told = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
            if told is None:
                self._refuse(file, "lines of sha256sum: a digest, two blanks, a path", f"another line {number}")
            else:
                known[told[2]] = told[1]
        return known

    def _refuse(self, file: Path, expected: str, found: str) -> None:
        raise self._error(str(file), expected=expected, found=found, todo=self._todo)


def say_unverified(*sums: Sums) -> None:
    """Say of which directories nothing could be compared."""
    for each in sums:
        if each.missing:
            print(f"{each.folder}: no {SUMS}, as earlier versions of medpipe left none; its files are read unverified")


def take_unverified() -> None:
    """What `--no-verify` does, with a warning that says what it risks."""
    os.environ[UNVERIFIED] = "1"
    print(f"--no-verify: {RISK}", file=sys.stderr)
