"""What a request may take of a guarded server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, ValidationError

from components.lib.errors import MedpipeError, nearest
from components.lib.settings import Settings

VARIABLE = "MEDPIPE_SERVING_LIMITS"
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Limits(Settings):
    """Limits with their defaults; `--limit NAME=VALUE` sets one, and so does the environment."""

    header_seconds: Seconds = 10
    """for a connection to send the whole header of a request; then status 408"""
    header_kilobytes: int = Field(default=64, ge=8, le=1024)
    """of a header; then status 431"""
    body_seconds: Seconds = 30
    """for the body to arrive; then status 408"""
    body_megabytes: float = Field(default=32, gt=0, le=2048)
    """of a body, packed or not; then status 413"""
    bodies_megabytes: float = Field(default=256, gt=0, le=65536)
    """of all bodies that are held at a time; then status 503"""
    idle_seconds: Seconds = 5
    """that a connection may be kept open without a request; then it is closed"""
    send_seconds: Seconds = 30
    """for a caller to take its answer; then the connection is cut"""
    connections: int = Field(default=1000, ge=1, le=100_000)
    """at a time; then the one that has waited longest for a header is closed, or the new one where all are busy"""
    requests: int = Field(default=64, ge=1, le=10_000)
    """waiting or being answered at a time; then status 503"""
    work_seconds: Seconds = 10
    """for an answer, and before it for a worker to be free; then status 504 and the work ends, or status 503"""
    work_megabytes: int = Field(default=512, ge=32, le=1_048_576)
    """beyond what a worker holds once the model is loaded; then status 413"""


def limits(settings: Iterable[str] = ()) -> Limits:
    """The limits that hold: defaults, over them the environment's, over them these.

    Args:
        settings: NAME=VALUE each.

    Raises:
        MedpipeError: a limit that isn't one.
    """
    values: dict[str, object] = {}
    for source, words in ((VARIABLE, os.environ.get(VARIABLE, "").split()), ("--limit", settings)):
        for word in words:
            name, separator, value = word.partition("=")
            if name not in Limits.model_fields or not separator:
                raise _wrong(source, word, f"NAME=VALUE with one of {', '.join(Limits.model_fields)}", name)
            try:
                values[name] = json.loads(value)
                Limits.model_validate(values)
            except ValidationError as error:
                raise _wrong(source, word, error.errors()[0]["msg"]) from None
            except ValueError:
                raise _wrong(source, word, "a number") from None
    return Limits.model_validate(values)


def _wrong(source: str, word: str, expected: str, name: str = "") -> MedpipeError:
    return MedpipeError(
        source,
        expected=expected,
        found=repr(word[:80]) + (nearest(name, Limits.model_fields) if name else ""),
        todo="python -m serving.guard --help lists the limits",
    )
