"""A table of any form, read for `pipelines.new`: what is recognised is said, what stays open is asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.places import Place
from components.lib.tables import PLAIN_FORM, Recognised, TableForm, column_names, read_chunks, read_text
from components.lib.tables.numbers import plain_table
from components.lib.tables.read import is_excel, with_form
from components.lib.tables.recognise import recognise_text, recognise_workbook, with_numbers
from pipelines.look import names
from pipelines.look.findings import Questions, counted, refused, some

LEAVE_OUT, THOUSANDS, DECIMALS = "leave the column out", "it separates thousands", "it is the decimal sign"


@dataclass(frozen=True)
class Held:
    """A table as text with "" where empty.

    Args:
        text: its cells, numbers with decimal points.
        form: how it is written.
        found: sentences about its form.
        strange: columns that text can't hold.
        unclear: columns whose numbers can be read in two ways, and why; nobody may use them.
    """

    text: pd.DataFrame
    form: TableForm = PLAIN_FORM
    found: tuple[str, ...] = ()
    strange: frozenset[str] = frozenset()
    unclear: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """The section `format` of a source, where the table isn't a plain CSV."""
        settings = self.form.settings()
        return {"format": settings} if settings else {}


def hold(path: Place, questions: Questions, content: bytes | None = None) -> Held:
    """A table, its form recognised.

    Args:
        path: the table; for its name and for errors alone where its content is given.
        questions: asked for the sheet, whether the first line holds names, and signs in numbers that stay open.
        content: its bytes.

    Raises:
        DataError: it can't be read, has several sheets with tables, or two columns of one name.
    """
    if path.name.lower().endswith(".parquet"):
        text, strange = _parquet(path, content)
        return Held(text, strange=frozenset(strange))
    layout = _layout(path, questions, content)
    raw = read_text(path, layout.form, content, raw=True)
    _refuse_twice(path, column_names(path, layout.form, content))
    known = with_numbers(layout, raw.cells)
    form, unclear = known.form, dict[str, str]()
    for column, doubt in known.unclear.items():
        form, why = _asked(form, column, doubt, questions)
        unclear |= {column: why} if why else {}
    found = [*known.found]
    if raw.empty:
        found.append(f"{counted(raw.empty, 'empty row')} left out")
    return Held(plain_table(raw.cells, form).reset_index(drop=True), form, tuple(found), unclear=unclear)


def head_of(path: Place, sheet: str | None = None) -> pd.DataFrame:
    """The first rows of a table, for a look at its columns; of a workbook all rows of its table, none where it has
    several sheets and none is named.

    Args:
        path: the table.
        sheet: of a workbook.

    Raises:
        DataError: it can't be read.
    """
    if path.name.lower().endswith(".parquet"):
        return hold(path, Questions()).text
    if is_excel(path):
        layout = recognise_workbook(path, sheet=sheet)
        return pd.DataFrame() if layout.sheets else read_text(path, layout.form).cells
    return next(read_chunks(path, recognise_text(path).form, rows=200)).cells


def refuse_unclear(held: Held, where: Place, target: str | None) -> None:
    """Refuse a table whose target has numbers that can be read in two ways.

    Args:
        held: the table.
        where: it lies, for errors.
        target: that the user named; None: a column that is called like one.

    Raises:
        DataError: with the lines for the task file.
    """
    for column, why in held.unclear.items():
        called = names.plain(column) in names.TARGET or names.is_outcome(column)
        if column == target or (target is None and called):
            raise refused(
                where,
                expected=f"numbers in column {column!r}, which is called like the target, that can be read in one way",
                found=why,
                todo="answer on a terminal, or write the numbers with decimal points and without thousands separators; "
                "--target COLUMN names another target",
            )


def _layout(path: Place, questions: Questions, content: bytes | None) -> Recognised:
    layout = (
        recognise_workbook(path, content, questions.sheet) if is_excel(path) else recognise_text(path, content)
    )  # fmt: skip
    if layout.sheets:
        if not questions.ask:
            raise refused(
                path,
                expected="one sheet with a table",
                found=f"{len(layout.sheets)}: {', '.join(map(repr, layout.sheets))}",
                todo="name one of them: --sheet NAME",
            )
        chosen = questions.choose("Which sheet holds the samples?", layout.sheets, layout.sheets[0], "the first one")
        layout = recognise_workbook(path, content, chosen)
    if layout.header is None or not layout.header:
        why = "it reads like the rows below it" if layout.header is False else "nothing tells names from values"
        names_there = questions.confirm(
            "Does the first line of the table hold the names of its columns?", default=False, why=why
        )
        layout = Recognised(with_form(layout.form, header=names_there), layout.found, header=names_there)
    return layout


def _asked(form: TableForm, column: str, doubt: str, questions: Questions) -> tuple[TableForm, str]:
    """The form with the answer for a column; else why the column can't be used."""
    sign = next((each for each in doubt if each in ".,"), ".")
    why = f"numbers such as {doubt}: the {'point' if sign == '.' else 'comma'} may be decimal or separate thousands"
    both = "." in doubt and "," in doubt
    if not both:
        answer = questions.choose(
            f"Numbers of {column!r} look like {doubt}: what does the {sign!r} mean?",
            [THOUSANDS, DECIMALS, LEAVE_OUT], LEAVE_OUT, "nothing in the table tells",
        )  # fmt: skip
        other = "," if sign == "." else "."
        if answer != LEAVE_OUT:
            signs = {"decimal": other, "thousands": sign} if answer == THOUSANDS else {"decimal": sign}
            columns = {name: each.model_dump() for name, each in form.columns.items()}
            return with_form(form, columns=columns | {column: signs}), ""
    return form, f"{why}; source.format.columns in the task file can say which"


def _refuse_twice(path: Place, columns: list[str]) -> None:
    """Refuse two columns of one name, the second of which would be called another."""
    twice = sorted(name for name, count in Counter(columns).items() if count > 1)
    if twice:
        raise refused(path, expected="every column once", found=f"{some(twice)} twice", todo="rename one of them")


def _parquet(path: Any, content: bytes | None) -> tuple[pd.DataFrame, set[str]]:
    try:
        table = pq.read_table(path if content is None else pa.BufferReader(content))
    except (OSError, ValueError) as error:
        found = " ".join(str(error).split())[:160]
        raise refused(path, expected="a Parquet table", found=found, todo="write it again") from None
    held, strange = {}, set()
    for name in table.column_names:
        kind = table[name].type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            strange.add(name)
            continue
        cells = table[name].cast(kind).cast(pa.string()).to_pandas()
        held[name] = cells.astype(object).where(cells.notna(), "").astype("str")
    return pd.DataFrame(held), strange
