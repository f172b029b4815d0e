"""Signs in numbers: which one is decimal and which separates thousands, and numbers as plain text.

`1.234` is 1.234 or 1234; only other cells can tell. A sign that could be either is never taken for the decimal one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from components.lib.tables.form import ColumnForm, Decimal, TableForm, Thousands

SPACES = " \u00a0\u2007\u2009\u202f"
APOSTROPHES = "'\u2019"
SIGNS: dict[str, str] = {".": r"\.", ",": ",", " ": f"[{SPACES}]", "'": f"[{APOSTROPHES}]"}
"""Thousands sign to the pattern that matches all of its forms."""
NUMBERS_FROM = 0.5
"""Share of a column's cells that are numbers in some form, from which on it tells about the table's signs."""
SIGN = r"[+\-\u2212]?"
INTEGER = re.compile(rf"{SIGN}[0-9]+")
NUMERIC = re.compile(rf"{SIGN}[0-9{SPACES}{APOSTROPHES}.,]*[0-9][.,]?(?:[eE][+-]?[0-9]+)?")
LIST = re.compile(r"[0-9]{1,2}(?:,[0-9]{1,2}){2,}")
"""Several codes in a cell, 1,2,4: no number in any form."""


def _decimal(sign: str) -> re.Pattern[str]:
    """Numbers in which the sign can only be decimal: it stands once, not before exactly three digits."""
    return re.compile(
        rf"{SIGN}(?:[0-9]*{sign}(?:[0-9]{{1,2}}|[0-9]{{4,}})|(?:0[0-9]*|[0-9]{{4,}})?{sign}[0-9]{{3}}|[0-9]+{sign})"
        rf"(?:[eE][+-]?[0-9]+)?|{SIGN}[0-9]*{sign}[0-9]*[eE][+-]?[0-9]+"
    )


def _grouped(sign: str, other: str) -> re.Pattern[str]:
    """Numbers in which the sign can only separate thousands: it stands twice, or before another decimal sign."""
    return re.compile(
        rf"{SIGN}[1-9][0-9]{{0,2}}(?:{sign}[0-9]{{3}})(?:(?:{sign}[0-9]{{3}})+(?:{other}[0-9]*)?|{other}[0-9]*)"
    )


POINT, COMMA = _decimal(r"\."), _decimal(",")
POINTS, COMMAS = _grouped(r"\.", ","), _grouped(",", r"\.")
LAKHS = re.compile(rf"{SIGN}[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}(?:\.[0-9]*)?")
"""Groups as in India: 12,34,567."""
OPEN_POINT, OPEN_COMMA = (re.compile(rf"{SIGN}[1-9][0-9]{{0,2}}{sign}[0-9]{{3}}") for sign in (r"\.", ","))
"""Both readings are possible."""
SPACED = {
    sign: re.compile(rf"{SIGN}[1-9][0-9]{{0,2}}(?:{SIGNS[sign]}[0-9]{{3}})+([.,][0-9]+)?") for sign in (" ", "'")
}  # fmt: skip


@dataclass(frozen=True)
class Signs:
    """What the cells of one column say.

    Args:
        form: the signs; None where the cells leave them open.
        evidence: whether cells prove a decimal sign.
        doubt: for people: which cells can be read in two ways, as a form such as 9.999.
        codes: the cells are lists of codes, and stay as they are.
    """

    form: ColumnForm | None
    evidence: bool = False
    doubt: str = ""
    codes: bool = False


def signs_of(cells: Iterable[str]) -> Signs | None:
    """What the cells of a column say of its numbers; None for a column of words, or of whole numbers without a sign.

    Args:
        cells: text; blanks around it and empty cells don't count.
    """
    known = [cell for cell in (each.strip() for each in cells) if cell]
    numeric = [cell for cell in known if NUMERIC.fullmatch(cell)]
    signed = [cell for cell in numeric if not INTEGER.fullmatch(cell)]
    if not signed or len(numeric) < NUMBERS_FROM * len(known):
        return None
    if any(LIST.fullmatch(cell) for cell in signed) and not any(COMMAS.fullmatch(cell) for cell in signed):
        return Signs(ColumnForm(), codes=True)
    count = {
        name: sum(bool(pattern.fullmatch(cell)) for cell in signed)
        for name, pattern in {
            "point": POINT, "comma": COMMA, "points": POINTS, "commas": COMMAS, "lakhs": LAKHS,
            "open_point": OPEN_POINT, "open_comma": OPEN_COMMA,
        }.items()
    }  # fmt: skip
    spaced: Thousands | None = None
    for sign, pattern in SPACED.items():
        for found in filter(None, map(pattern.fullmatch, signed)):
            spaced = " " if sign == " " else "'"
            count["point" if (found[1] or "")[:1] == "." else "comma" if found[1] else "none"] = 1
    return _judged(count, spaced, integers=[cell for cell in numeric if INTEGER.fullmatch(cell)])


def _judged(count: dict[str, int], spaced: Thousands | None, integers: list[str]) -> Signs:
    comma = bool(count["comma"] or count["points"])
    point = bool(count["point"] or count["commas"] or count["lakhs"])
    either = count["open_point"] + count["open_comma"]
    if comma and point:
        doubt = "decimal points and decimal commas" + (", and 9.999" if either else "")
        return Signs(None if either or count["points"] or count["commas"] else ColumnForm(decimal=","), True, doubt)
    if spaced:
        if either and not (comma or point):
            return Signs(None, doubt="9.999 or 9,999 beside 9 999")
        return Signs(ColumnForm(decimal="," if comma else ".", thousands=spaced), comma or point)
    if comma:
        # A cell such as 9,999 is decimal here; one such as 9.999 has thousands.
        return Signs(ColumnForm(decimal=",", thousands="." if count["points"] or count["open_point"] else None), True)
    if point:
        grouped = count["commas"] or count["lakhs"] or count["open_comma"]
        return Signs(ColumnForm(thousands="," if grouped else None), True)
    if count["open_point"] and count["open_comma"]:
        return Signs(None, doubt="9.999 and 9,999")
    if not either:
        return Signs(ColumnForm())
    sign = "." if count["open_point"] else ","
    short = [cell for cell in integers if len(cell.lstrip("+-\u2212")) <= 3]
    grouped = bool(integers) and len(short) == len(integers)
    return Signs(None, doubt=f"9{sign}999" + (" beside 999" if grouped else ""))


def table_signs(columns: dict[str, Signs], delimiter: str) -> tuple[ColumnForm, dict[str, ColumnForm], dict[str, str]]:
    """Signs of a whole table; of columns that differ from it; and columns that stay open, with what makes them so.

    Args:
        columns: name to what its cells say.
        delimiter: of the table.
    """
    proven = {name: signs.form for name, signs in columns.items() if signs.form is not None and signs.evidence}
    told = {name: signs.form for name, signs in columns.items() if signs.form is not None}
    decimals: list[Decimal] = [form.decimal for form in proven.values()]
    decimal: Decimal = "," if decimals.count(",") > decimals.count(".") else "."
    grouping = [form.thousands for form in told.values() if form.thousands and form.decimal == decimal]
    thousands: Thousands | None = next((sign for sign, _ in Counter(grouping).most_common(1)), None)
    one, agreed, unclear = len({*decimals}) == 1, dict[str, ColumnForm](), dict[str, str]()
    for name, signs in columns.items():
        if signs.form is None and one and _agrees(signs.doubt, decimal):
            between: Thousands | None = None if signs.doubt[1] == decimal else "," if decimal == "." else "."
            agreed[name] = ColumnForm(decimal=decimal, thousands=between)
            thousands = thousands or between
        elif signs.form is None:
            unclear[name] = signs.doubt
    whole = ColumnForm(decimal=decimal, thousands=thousands)
    apart = {
        name: form for name, form in (told | agreed).items()
        if (form.decimal != decimal and (columns[name].evidence or columns[name].codes))
        or form.thousands not in (None, thousands)
    }  # fmt: skip
    return whole, apart, unclear


def _agrees(doubt: str, decimal: Decimal) -> bool:
    """Whether the table's proven signs leave one reading of a column: its sign is decimal there, or of thousands."""
    if doubt.endswith("beside 999"):  # whole numbers below 1000, and 9.999 above: rather thousands
        return doubt[1] != decimal
    return doubt in ("9.999", "9,999")


def plain_numbers(cells: pd.Series, form: ColumnForm) -> pd.Series:
    """Text in which every number of the form is written with a decimal point and nothing between thousands.

    Args:
        cells: text; what is no number of the form stays as it is.
        form: the column's signs.
    """
    thousands = form.thousands or ("." if form.decimal == "," else None)
    if thousands is None:
        return cells
    group, decimal = SIGNS[thousands], SIGNS[form.decimal]
    groups = rf"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+"
    if thousands == ",":
        groups += r"|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"
    pattern = rf"\s*{SIGN}(?:{groups}|[0-9]*)(?:{decimal}[0-9]*)?(?:[eE][+-]?[0-9]+)?\s*"
    numbers = cells.str.contains("[0-9]") & cells.str.fullmatch(pattern)
    if not numbers.any():
        return cells
    written = cells[numbers].str.strip().str.replace(group, "", regex=True).str.replace(form.decimal, ".", regex=False)
    return cells.where(~numbers, written.reindex(cells.index))


def plain_table(table: pd.DataFrame, form: TableForm) -> pd.DataFrame:
    """A table of text whose numbers are plain, by the form of each column."""
    if form.decimal == "." and form.thousands is None and not form.columns:
        return table
    return pd.DataFrame({name: plain_numbers(table[name], form.of(str(name))) for name in table}, index=table.index)
