"""Outputs that appear complete or not at all, and work that a killed step can go on from.

Work collects in `.<out>.partial-<digest>` beside the output, the digest standing for inputs, code and settings: a rerun
of the same work takes it up, changed work starts afresh. DVC deletes outputs before a step starts; it leaves the
sibling alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from components.lib.digests import SUMS, file_digest, write_sums
from components.lib.faults import full_disk

SCRATCH = ".scratch"


@contextmanager
def output(out: Path, work: Mapping[str, object], *, private: bool = False) -> Iterator[Path]:
    """A directory to write into that becomes `out`, with its SHA256SUMS, when the block ends without an error.

    Args:
        out: where the output goes; what stands there is replaced.
        work: what the output is made from (digests, settings): it tells interrupted work that may be continued from
            work that may not. The code of `components` always counts.
        private: whether nobody but its owner may read it, whatever the umask.

    Yields:
        the partial directory; files of an interrupted run of the same work are already in it. Checkpoints and other
        scratch go below `.scratch`, which is removed at the end.

    Raises:
        MedpipeError: the disk is full. The partial directory stays, the output doesn't appear.
    """
    partial = partial_of(out, work)
    with collecting(partial, out):
        if private:
            partial.chmod(0o700)
        (partial / SUMS).unlink(missing_ok=True)  # of a run that was killed at its very end
        yield partial
        shutil.rmtree(partial / SCRATCH, ignore_errors=True)
        write_sums(partial)
        for file in partial.rglob("*") if private else ():
            file.chmod(0o700 if file.is_dir() else 0o600)
    if out.exists():
        shutil.rmtree(out)
    partial.replace(out)


@contextmanager
def collecting(partial: Path, out: Path) -> Iterator[None]:
    """The folder that the work for an output collects in, made where it isn't there; that of other work goes.

    Args:
        partial: that folder, as `partial_of` names it.
        out: what will be written.

    Raises:
        MedpipeError: the disk is full. What is finished stays, the output doesn't appear.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for other in out.parent.glob(f".{out.name}.partial-*"):
            if other != partial:
                shutil.rmtree(other)
        partial.mkdir(exist_ok=True)
        yield
    except OSError as error:
        told = full_disk(error, out)
        if told is None:
            raise
        raise told from error


def partial_of(out: Path, work: Mapping[str, object]) -> Path:
    """Where the work for an output collects."""
    # Keys stay in their order: columns of a table in another order are other work.
    text = json.dumps({"work": work, "code": code_digest()}, default=str)
    return out.parent / f".{out.name}.partial-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def scratch(partial: Path) -> Path:
    """The folder for checkpoints inside a partial output."""
    folder = partial / SCRATCH
    folder.mkdir(exist_ok=True)
    return folder


@cache
def code_digest() -> str:
    """SHA-256 over the Python files of `components`."""
    root = Path(__file__).parents[1]
    lines = [f"{p.relative_to(root).as_posix()}:{file_digest(p)}" for p in sorted(root.rglob("*.py"))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, complete or not at all."""
    work = path.with_name(f".{path.name}.tmp")
    work.write_bytes(content)
    work.replace(path)
