"""Reads files in a process of its own, under a limit of memory, and says what became of them.

Whatever a file holds, it is read or refused in words: any other error, a death, gigabytes or seconds are faults.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
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


def read_apart(kind: str, files: Iterable[bytes], megabytes: int = MEGABYTES) -> Told:
    """As `read_each`, of files of one kind."""
    return read_each(((kind, each) for each in files), megabytes)


def read_each(files: Iterable[tuple[str, bytes]], megabytes: int = MEGABYTES) -> Told:
    """What becomes of files in a process whose address space may grow by so many megabytes.

    Args:
        files: how each is read, of `READERS`, and its content.
        megabytes: of memory.
    """
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    code = f"from benchmarks.attacks.reading import answer; answer({megabytes})"
    words = [sys.executable, "-W", "ignore", "-c", code]
    lines = [f"{kind} ".encode() + base64.b64encode(content) for kind, content in files]
    done = subprocess.run(
        words, input=b"\n".join(lines), capture_output=True, env=environment, check=False, timeout=120 + len(lines),
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


def _gzipped(raw: bytes, folder: Path) -> None:
    from components.lib.tables import read_text

    (folder / "t.csv.gz").write_bytes(raw)
    read_text(folder / "t.csv.gz")


def _workbook(raw: bytes, folder: Path) -> None:
    from components.lib.tables import read_text

    (folder / "t.xlsx").write_bytes(raw)
    read_text(folder / "t.xlsx")


def _packed(raw: bytes, folder: Path) -> None:
    """A WFDB record in a ZIP, as a request has it."""
    from components.lib.kinds.signal import Signal

    Signal(kind="signal", seconds=2.0, rate=125.0, leads=("II",)).from_request(
        "ecg", {"ecg": base64.b64encode(raw).decode()}
    )


def _body(raw: bytes, folder: Path) -> None:
    """The body of a request as MLflow's server parses it, behind what checks it."""
    from mlflow.pyfunc.scoring_server import infer_and_parse_data, parse_csv_input, parse_parquet_input

    from components.lib.errors import Unusable
    from serving.body_limits import CSV, JSON, BodyError, check_body

    kind, _, body = raw.partition(b"\n")
    media_type = {b"json": JSON, b"csv": CSV}.get(kind, "application/vnd.apache.parquet")
    try:
        check_body(media_type, body)
    except BodyError as found:
        raise Unusable(found.sentence) from None
    if media_type == JSON:
        document = json.loads(body)
        infer_and_parse_data({name: value for name, value in document.items() if name != "params"})
    elif media_type == CSV:
        parse_csv_input(io.StringIO(body.decode()))
    else:
        parse_parquet_input(io.BytesIO(body))


READERS: dict[str, Callable[[bytes, Path], None]] = {
    "image": _image, "signal": _signal, "volume": _volume, "archive": _archive, "parquet": _parquet, "csv": _csv,
    "gzipped": _gzipped, "workbook": _workbook, "packed": _packed, "body": _body,
}  # fmt: skip


def _figure(name: str) -> float:
    """Of this process, megabytes: VmSize, VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def answer(megabytes: int) -> None:
    """Read the files at standard input and print what became of them as JSON: what `read_each` starts."""
    with redirect_stdout(sys.stderr):
        told = _read(megabytes)
    print(json.dumps(asdict(told)))


def _read(megabytes: int) -> Told:
    from components.lib.errors import MedpipeError, Unusable

    told = Told()
    lines = [line.split(b" ") for line in sys.stdin.buffer.read().split(b"\n")]
    with tempfile.TemporaryDirectory() as name:
        for kind in {kind.decode() for kind, _ in lines}:
            Path(name, kind).mkdir()
            _warm(kind, Path(name, kind))
        resource.setrlimit(resource.RLIMIT_AS, (int(_figure("VmSize") + megabytes) << 20,) * 2)
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        before = _figure("VmRSS")
        for number, (kind, text) in enumerate(lines):
            folder = Path(name, str(number))
            folder.mkdir()
            raw, begun = base64.b64decode(text), time.perf_counter()
            try:
                READERS[kind.decode()](raw, folder)
                told.read += 1
            except (Unusable, MedpipeError, FileNotFoundError):
                told.refused += 1
            except BaseException as error:  # whatever it is, it is a fault
                told.broken.append(f"{kind.decode()} {number}: {type(error).__name__}: {error}"[:200])
            told.seconds = max(told.seconds, time.perf_counter() - begun)
            shutil.rmtree(folder)
    told.megabytes, told.seconds = round(_figure("VmHWM") - before, 1), round(told.seconds, 3)
    return told


def _warm(kind: str, folder: Path) -> None:
    """Load what reading loads: it is no part of what a file takes."""
    import cv2

    from benchmarks.attacks.corpus import FORMATS

    cv2.setNumThreads(1)
    if kind == "body":
        READERS[kind](b'json\n{"inputs": {"a": [1]}}', folder)
    if kind == "packed":
        importlib.import_module("wfdb")
    for raw in [each for reads, make in FORMATS.values() if reads == kind for each in make()]:
        READERS[kind](raw, folder)
