"""What goes wrong between here and a server of raw data, in our four parts.

The words of the libraries are never repeated: a redirection in them may hold a signature.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from components.lib.errors import ServerError

TOO_MANY = 429
TIMEOUTS = {"TimeoutError", "ReadTimeoutError", "ConnectTimeoutError", "ServerTimeoutError"}
UNKNOWN_USER = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError"}
UNREACHED = {"EndpointConnectionError", "ClientConnectorError", "ConnectionRefusedError", "gaierror"}
AGAIN = "run the same command again when the server answers: finished parts are kept"


def passes(error: Exception) -> bool:
    """Whether it is worth another attempt: a busy server, or a connection that broke."""
    status, kinds = _status(error), _kinds(error)
    if status is not None:
        return status >= 500 or status == TOO_MANY
    if "FileNotFoundError" in kinds and error.__cause__ is None:
        return False
    return not kinds & {"PermissionError", *TIMEOUTS, *UNKNOWN_USER}


def told(error: Exception, url: str, seconds: float) -> Exception:
    """What to raise for an error of a library.

    Args:
        error: theirs.
        url: of the file or the folder, without secrets.
        seconds: that the server was waited for.

    Returns:
        FileNotFoundError where the server says so of a file, ServerError for everything else.
    """
    status, kinds = _status(error), _kinds(error)
    on_s3 = url.startswith("s3:")
    who = "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" if on_s3 else "a line in ~/.netrc"
    if "NoSuchBucket" in kinds:
        todo = "check source.path; AWS_ENDPOINT_URL names the server"
        return ServerError(url, expected="a bucket that is there", found="no such bucket", todo=todo)
    if status == 404 or (status is None and "FileNotFoundError" in kinds and error.__cause__ is None):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)
    if kinds & UNKNOWN_USER:
        todo = f"set {who}; AWS_ENDPOINT_URL names the server"
        return ServerError(url, expected="credentials for S3", found="none that can be used", todo=todo)
    if status in (401, 403) or "PermissionError" in kinds:
        todo = f"ask who runs the server; who you are is told by {who}"
        found = f"refused, status {status or 403}"
        return ServerError(url, expected="permission to read" + on_s3 * " and to list", found=found, todo=todo)
    where = "AWS_ENDPOINT_URL and source.path" if on_s3 else "source.path, and HTTPS_PROXY where there is one"
    found = _found(error, status, kinds, seconds)
    return ServerError(url, expected="a server that answers", found=found, todo=f"check {where}; {AGAIN}")


def _found(error: Exception, status: int | None, kinds: set[str], seconds: float) -> str:
    if status is not None:
        return f"status {status}"
    if kinds & TIMEOUTS:
        return f"no answer within {seconds:g} seconds"
    if kinds & UNREACHED:
        return "nobody takes the connection"
    return f"the connection broke off ({type(error).__name__})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it came from."""
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__


def _kinds(error: Exception) -> set[str]:
    """Names of its classes, and of those it came from: the libraries are imported by whoever uses them."""
    return {kind.__name__ for each in _chain(error) for kind in type(each).__mro__}


def _status(error: Exception) -> int | None:
    """HTTP's status, where a server sent one."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        told_by_s3 = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
        status = told_by_s3 or getattr(each, "status", None)
        if isinstance(status, int) and status >= 400:
            return status
    return None
