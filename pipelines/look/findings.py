"""What a look at raw data gives: a task, the reason of every choice, sentences for people; and what it had to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from components.lib.errors import DataError
from components.lib.places import Place
from components.lib.shell_words import quoted

GUIDE = "docs/new-task.md says what is read, and how to write a task file by hand"

ASSUMED = "assumed: "
"""How sentences about answers that nobody gave begin."""
MORE_TO_COME = "Training may add some, and prints them."


@dataclass
class Draft:
    """A task, as far as the data say it. Nothing in it names a file or a patient, but for `source.path`.

    Args:
        values: the task file as plain values, without its name.
        found: sentences that say what was found, and why it was taken so.
        why: dotted key of a value ("inputs.image.size") to the reason that stands beside it in the task file.
        assumed: sentences, one per answer that nobody gave; they are among `found`, too.
        left_out: column, or group of files, to the reason why it is not used.
        table: every column of the source's table as text, null where unknown; None where there is no table.
    """

    values: dict[str, Any]
    found: list[str]
    why: dict[str, str]
    assumed: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    table: pd.DataFrame | None = field(default=None, repr=False, compare=False)


@dataclass
class Questions:
    """What the data leave open: asked on a terminal, elsewhere assumed and said.

    Args:
        ask: whether somebody is there to answer.
        target: the column to predict, where the user named it.
        sheet: of an Excel workbook, where the user named it.
        assumed: sentences, one an answer that nobody gave.
        data: what was named, as the user wrote it.
    """

    ask: bool = False
    target: str | None = None
    sheet: str | None = None
    assumed: list[str] = field(default_factory=list)
    data: str = "DATA"

    def command(self, target: str) -> str:
        """What to type so that this target is taken."""
        return f"python -m pipelines.new {quoted(self.data)} --target {quoted(target)}"

    def choose(self, question: str, options: Sequence[str], default: str, why: str) -> str:
        """One of the options.

        Args:
            question: ends with a question mark.
            options: what may be answered, in the order in which they are shown.
            default: what an empty answer means, and no answer.
            why: the reason of the default.
        """
        if not self.ask:
            return self._assume(question, default, why)
        print(f"\n{question}")
        for number, option in enumerate(options, start=1):
            print(f"  {number}  {option}{f'   <- {why}' if option == default else ''}")
        while True:
            try:
                answer = input(f"Number or name, empty for {default}: ").strip()
            except EOFError:
                return self._assume(question, default, why)
            if not answer:
                return default
            if answer in options:
                return answer
            if answer.isdigit() and 1 <= int(answer) <= len(options):
                return options[int(answer) - 1]
            print(f"{answer[:40]!r} is none of them.")

    def _assume(self, question: str, default: str, why: str) -> str:
        self.assumed.append(f"{ASSUMED}{question} {default} ({why})")
        return default

    def confirm(self, question: str, *, default: bool, why: str) -> bool:
        """Yes or no."""
        return self.choose(question, ["yes", "no"], "yes" if default else "no", why) == "yes"


def refused(data: Place, *, expected: str, found: str, todo: str = "") -> DataError:
    """The error for data that no task can be made of.

    Args:
        data: what was looked at.
        expected: what would have been understood.
        found: what was there.
        todo: what to do; the guide is added.
    """
    return DataError(str(data), expected=expected, found=found, todo=f"{todo}; {GUIDE}" if todo else GUIDE)


def counted(number: int, one: str, several: str | None = None) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def some(names: Sequence[str], at_most: int = 8) -> str:
    """Names with commas between them, and how many more there are."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
