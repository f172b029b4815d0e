"""The process that holds the model and answers one request after the other, each within bounds.

It answers by the function that MLflow's own server answers by, so that an answer of status 200 is the same, byte for
byte. What MLflow would answer with its traceback, with what was sent, or not at all, has a sentence here.

Nothing is imported from `components`: a version brings its own.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from typing import Any

import mlflow.environment_variables
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from serving.body_limits import BodyError, check_body
from serving.guard.wire import ANSWER, FAILED, MEGABYTE, READY, REQUEST, Answer, problem

PAGE = resource.getpagesize()
PR_SET_PDEATHSIG = 1
C_LIBRARY = ctypes.CDLL(None)


class _Stop(BaseException):
    """What the model raised, past MLflow, which would wrap whatever is an `Exception`."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Model:
    """A loaded model, as MLflow's function asks it."""

    def __init__(self, model: Any) -> None:
        self.metadata, self._predict = model.metadata, model.predict

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Ask the model.

        Raises:
            _Stop: with what it raised.
        """
        try:
            return self._predict(data, params=params)
        except Exception as error:
            raise _Stop(error) from None


def run(connection: socket.socket, path: str, megabytes: int) -> None:
    """Load a model, say that it is ready, and answer until the connection ends.

    Args:
        connection: to the process that takes requests.
        path: of the model's folder.
        megabytes: that a request may take beyond what is held once the model is loaded.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process says when to end
    C_LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ[mlflow.environment_variables._MLFLOW_IS_IN_SERVING_ENVIRONMENT.name] = "true"
    try:
        loaded = scoring_server.load_model_with_mlflow_config(path)
        model, schema = _Model(loaded), loaded.metadata.get_input_schema()
    except Exception as error:
        _send(connection, (FAILED, "text/plain", f"{type(error).__name__}: {error}".encode()))
        return
    _set_bound(megabytes)
    most = _held() + megabytes * MEGABYTE // 2
    _send(connection, (READY, "text/plain", b""))
    last = False
    while not last and (request := _received(connection)) is not None:
        answer = answered(model, schema, *request)
        del request
        last = _keeps_more_than(most)  # which later requests would lack: another one takes its place
        _send(connection, answer, last=last)


def answered(model: Any, schema: Any, content_type: str, body: bytes) -> Answer:
    """What MLflow answers; with a sentence where it has none, and to bodies that it isn't to parse."""
    try:
        check_body(content_type, body)
        found = scoring_server.invocations(body, content_type, model, schema)
    except BodyError as error:
        return problem(error.status, error.sentence)
    except _Stop as stopped:
        return _refused(stopped.error, unforeseen=500)
    except Exception as error:
        return _refused(error, unforeseen=400)
    if found.status != 200:
        return problem(found.status, found.response)
    return found.status, found.mimetype, found.response.encode()


def _refused(error: Exception, *, unforeseen: int) -> Answer:
    """A refusal for what was raised; without a traceback, and without an excerpt of what was sent."""
    if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "Failed to allocate" in str(error):
        return problem(413, "too large: the request needs more memory than one may take", "RESOURCE_EXHAUSTED")
    if isinstance(error, MlflowException):
        return problem(error.get_http_status_code(), _without_data(error.message), error.error_code)
    if isinstance(error, RecursionError):
        return problem(400, "the body is nested too deep")
    if unforeseen == 500:
        print(f"the model raised {type(error).__name__}", file=sys.stderr, flush=True)
        return problem(500, "the model could not answer", "INTERNAL_ERROR")
    return problem(unforeseen, f"the body can't be read: {str(error)[:200]}")


def _without_data(message: str) -> str:
    """MLflow's sentence without what it repeats of the body."""
    if message.startswith("Failed to enforce schema of"):
        return message.rpartition("Error: ")[2]
    return message.partition("\nInput: ")[0]


def _set_bound(megabytes: int) -> None:
    """Let no allocation go through that would take so much more than now."""
    bound = _held() + megabytes * MEGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))


def _keeps_more_than(most: int) -> bool:
    """Whether so many bytes are still held when all that is free is given back to the system."""
    if _held() <= most:
        return False
    C_LIBRARY.malloc_trim(0)
    return _held() > most


def _held() -> int:
    """Bytes of the data of this process, as RLIMIT_DATA counts them."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  it is read for every request
        return int(file.read().split()[5]) * PAGE


def _received(connection: socket.socket) -> tuple[str, bytes] | None:
    head = _exactly(connection, REQUEST.size)
    if head is None:
        return None
    kind, length = REQUEST.unpack(head)
    content = _exactly(connection, kind + length)
    return None if content is None else (bytes(content[:kind]).decode("latin-1"), bytes(content[kind:]))


def _exactly(connection: socket.socket, count: int) -> memoryview | None:
    """So many bytes; None where the connection ends before."""
    content = memoryview(bytearray(count))
    filled = 0
    while filled < count:
        got = connection.recv_into(content[filled:])
        if not got:
            return None
        filled += got
    return content


def _send(connection: socket.socket, answer: Answer, *, last: bool = False) -> None:
    status, kind, content = answer
    connection.sendall(ANSWER.pack(status, last, len(kind), len(content)) + kind.encode() + content)
