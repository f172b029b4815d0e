"""Errors a user can act on: where, expected, found, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from components.lib.visible import visible


class MedpipeError(Exception):
    """A failure with the four parts a user needs to mend it.

    Args:
        where: file, key, step or sample_id the error is about.
        expected: what should have been there.
        found: what was there.
        todo: the next thing to do, as a command where there is one.
    """

    def __init__(self, where: str, *, expected: str, found: str, todo: str) -> None:
        super().__init__(where, expected, found, todo)
        self.where, self.expected, self.found, self.todo = where, expected, found, todo

    def __reduce__(self) -> tuple[Any, ...]:
        """How it travels between processes: by default an exception with keyword arguments can't be made again."""
        return _again, (type(self), self.args)

    def __str__(self) -> str:
        where, expected, found, todo = map(_shown, (self.where, self.expected, self.found, self.todo))
        return f"{where}\n  expected: {expected}\n  found:    {found}\n  to do:    {todo}"


def _shown(part: str) -> str:
    """A part as a terminal may show it; lines of its own never look like another part."""
    return visible(part).replace("\n", "\n            ")


def _again(error: type[MedpipeError], parts: tuple[str, str, str, str]) -> MedpipeError:
    where, expected, found, todo = parts
    return error(where, expected=expected, found=found, todo=todo)


class SpecError(MedpipeError):
    """The task file is wrong."""


class DataError(MedpipeError):
    """A file or directory of data is wrong as a whole."""


class ServerError(MedpipeError):
    """A server of raw data can't be reached, refuses, or breaks off: no finding about the data."""


class GateError(MedpipeError):
    """A validation gate refused a step's output."""


class ModelError(MedpipeError):
    """A model directory is wrong, or training could not produce one."""


class Unusable(Exception):  # noqa: N818  it is a finding about a sample, not a fault of the program
    """ONE sample can't be used; its text is the reason, free of names and pixels."""


class SeveralPictures(Unusable):
    """A file holds several pictures, and nobody said which one is meant.

    Args:
        reason: as of `Unusable`.
        count: how many pictures the file holds; 0 where that can't be told.
    """

    def __init__(self, reason: str, count: int = 0) -> None:
        super().__init__(reason)
        self.count = count


def nearest(word: str, known: Iterable[str]) -> str:
    """`; nearest: X` for a mistyped word, capitals or not; or nothing."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return f"; nearest: {names[close[0]]}" if close else ""
