"""Reads files in a process of its own, under a limit of memory, and says what became of them.

    python -m benchmarks.attacks.reading KIND < FILES        what `read_apart` starts

Whatever a file holds, it is read or refused in words: any other error, a death, gigabytes or seconds are faults.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

MEGABYTES = 512
"""That reading may take beyond what the process holds before."""
SECONDS = 10.0
"""That one file may take."""


@dataclass
class Told:
    """What became of some files."""

    read: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    """Errors that are no refusal, each with the number of its file."""
    megabytes: float = 0.0
    """Peak beyond what the process held before the first file."""
    seconds: float = 0.0
    """Of the slowest file."""

    @property
    def held(self) -> bool:
        """Whether nothing but reading and refusing happened, within memory and time."""
        return not self.broken and self.megabytes < MEGABYTES and self.seconds < SECONDS


def read_apart(kind: str, files: Sequence[bytes], megabytes: int = MEGABYTES) -> Told:
    """What becomes of files in a process whose address space may grow by so many megabytes.

    Args:
        kind: of `READERS`.
        files: their content.
        megabytes: of memory.
    """
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-W", "ignore", "-m", "benchmarks.attacks.reading", kind, str(megabytes)]
    lines = b"\n".join(base64.b64encode(each) for each in files)
    done = subprocess.run(
        words, input=lines, capture_output=True, env=environment, check=False, timeout=60 + len(files),
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    if done.returncode:
        return Told(broken=[f"the process ended with {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}"])
    return Told(**json.loads(done.stdout.splitlines()[-1]))


def _image(raw: bytes, folder: Path) -> None:
    from components.lib.kinds.image import Image

    Image(kind="image", size=(32, 32)).clean(raw)


def _signal(raw: bytes, folder: Path) -> None:
    """A header, a line of zeros, and the signals."""
    from components.lib.kinds.signal import read_record

    header, _, signals = raw.partition(b"\n\0\n")
    (folder / "r1.hea").write_bytes(header)
    (folder / "r1.dat").write_bytes(signals)
    read_record(folder / "r1")


def _volume(raw: bytes, folder: Path) -> None:
    from components.lib.readers._nifti_volumes import read_volume

    file = folder / ("v.nii.gz" if raw[:2] == b"\x1f\x8b" else "v.nii")
    file.write_bytes(raw)
    read_volume(file)


def _archive(raw: bytes, folder: Path) -> None:
    from components.lib.readers.npz import read_array

    (folder / "a.npz").write_bytes(raw)
    read_array(folder / "a.npz", "train_images")


def _parquet(raw: bytes, folder: Path) -> None:
    from components.lib.readers._tables import read_table

    (folder / "t.parquet").write_bytes(raw)
    read_table(folder / "t.parquet")


def _csv(raw: bytes, folder: Path) -> None:
    from components.lib.tables import read_text, recognise

    (folder / "t.csv").write_bytes(raw)
    read_text(folder / "t.csv", recognise(folder / "t.csv").form)


READERS: dict[str, Callable[[bytes, Path], None]] = {
    "image": _image, "signal": _signal, "volume": _volume, "archive": _archive, "parquet": _parquet, "csv": _csv,
}  # fmt: skip


def _figure(name: str) -> float:
    """Of this process, megabytes: VmSize, VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def _main(kind: str, megabytes: int) -> Told:
    from components.lib.errors import MedpipeError, Unusable

    told, read = Told(), READERS[kind]
    with tempfile.TemporaryDirectory() as name:
        for number, line in enumerate(sys.stdin.buffer.read().split(b"\n")):
            raw = base64.b64decode(line)
            folder = Path(name, str(number))
            folder.mkdir()
            if number == 0:
                _warm(kind, folder)
                resource.setrlimit(resource.RLIMIT_AS, (int(_figure("VmSize") + megabytes) << 20,) * 2)
                Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
                before = _figure("VmRSS")
            begun = time.perf_counter()
            try:
                read(raw, folder)
                told.read += 1
            except (Unusable, MedpipeError, FileNotFoundError):
                told.refused += 1
            except BaseException as error:  # whatever it is, it is a fault
                told.broken.append(f"{number}: {type(error).__name__}: {error}"[:200])
            told.seconds = max(told.seconds, time.perf_counter() - begun)
        told.megabytes = round(_figure("VmHWM") - before, 1)
        told.seconds = round(told.seconds, 3)
    return told


def _warm(kind: str, folder: Path) -> None:
    """Load what reading loads: it is no part of what a file takes."""
    import cv2

    cv2.setNumThreads(1)
    try:
        READERS[kind](b"nothing", folder)
    except Exception:  # only what it loads counts
        return


if __name__ == "__main__":
    print(json.dumps(asdict(_main(sys.argv[1], int(sys.argv[2])))))
