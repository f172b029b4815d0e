"""Pixels that only GDCM decodes, and JPEG 2000, in a process of their own, with limits on its memory and time: over
some damaged files GDCM ends the process it runs in, and OpenJPEG makes room for whatever a stream states.

The child is started with the first such file and ends with its parent. Run as a script it is that child.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import resource
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 10
"""Seconds that a picture may take."""
MOST_MEMORY = 512 << 20
"""Bytes by which the child may grow."""
_lock = threading.Lock()
_children: dict[int, subprocess.Popen[bytes]] = {}


def decode(content: bytes, options: dict[str, Any]) -> tuple[NDArray[Any], str]:
    """One frame's stored pixels and their photometric interpretation, through one of pydicom's plugins.

    Args:
        content: the encapsulated pixel data.
        options: pydicom's pixel options as plain values, `syntax`, the transfer syntax, `index`, of the frame,
            and `decoding_plugin`.

    Raises:
        ValueError: GDCM can't, or didn't survive it.
    """
    with _lock:
        child = _children.get(os.getpid())
        if child is None or child.poll() is not None:
            # -P: this folder holds modules named as the standard library's are.
            child = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", str(Path(__file__))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
            )  # fmt: skip
            _children[os.getpid()] = child
            atexit.register(child.kill)
        assert child.stdin is not None
        assert child.stdout is not None
        late = threading.Timer(LONGEST, child.kill)
        late.start()
        try:
            _send(child.stdin, json.dumps(options).encode(), content)
            told, pixels = _received(child.stdout)
        except (OSError, EOFError):
            child.kill()
            child.wait()
            raise ValueError("GDCM ended over it") from None
        finally:
            late.cancel()
    if not told:
        raise ValueError("GDCM can't decode it")
    return np.load(io.BytesIO(pixels), allow_pickle=False), told.decode()


def _send(pipe: IO[bytes], *parts: bytes) -> None:
    pipe.write(struct.pack("<QQ", *map(len, parts)) + b"".join(parts))
    pipe.flush()


def _received(pipe: IO[bytes]) -> tuple[bytes, bytes]:
    lengths = pipe.read(16)
    if len(lengths) < 16:
        raise EOFError
    first, second = (pipe.read(length) for length in struct.unpack("<QQ", lengths))
    return first, second


def _serve() -> None:
    """Decode what comes in until the parent is gone."""
    from pydicom.pixels import get_decoder

    held = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    allowed = held + MOST_MEMORY if most == resource.RLIM_INFINITY else min(held + MOST_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, most))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what C++ prints must not stand between the answers
    while True:
        try:
            head, content = _received(sys.stdin.buffer)
        except EOFError:
            return
        try:
            options = json.loads(head)
            decoder = get_decoder(options.pop("syntax"))
            stored, told = decoder.as_array(content, **options)
            file = io.BytesIO()
            np.save(file, stored, allow_pickle=False)
            _send(answers, str(told["photometric_interpretation"]).encode(), file.getvalue())
        except Exception:  # whatever it is, the parent says that the file is damaged
            _send(answers, b"", b"")


if __name__ == "__main__":
    _serve()
