"""What the process that takes requests and its workers say to each other.

Nothing is imported from `components`, since a worker imports this: a version brings its own.
"""

from __future__ import annotations

import json
import socket
import struct

REQUEST = struct.Struct("!II")
"""Bytes of the content type, bytes of the body; both follow."""
ANSWER = struct.Struct("!H?HI")
"""Status, whether it is the worker's last, bytes of the content type, bytes of the content; both follow. The first
answer, to no request, says that the worker is ready."""
READY, FAILED = 200, 500
JSON = "application/json"
MEGABYTE = 1 << 20

Answer = tuple[int, str, bytes]
"""Status, content type, content."""


def problem(status: int, sentence: str, code: str = "INVALID_PARAMETER_VALUE") -> Answer:
    """A refusal in MLflow's form."""
    return status, JSON, json.dumps({"error_code": code, "message": sentence}).encode()


def run_worker(connection: socket.socket, model: str, megabytes: int) -> None:
    """`worker.run`, which isn't imported where nothing but its name is needed."""
    from serving.guard import worker

    worker.run(connection, model, megabytes)
