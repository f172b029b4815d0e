"""Whether the first line of a table holds the names of its columns, or a sample already."""

from __future__ import annotations

import re

FEW = 20
"""Different words up to which a column holds categories, of which the first line would be one."""
_KNOWN = """id path file filename image patient patient_id subject name age sex gender label class target outcome
diagnosis date split site alter geschlecht diagnose patientin datum âge sexe nom diagnostic edad sexo
nombre diagnóstico paciente 年龄 性别 姓名 诊断 病人 患者 年齢 性別 診断 結果 结果"""
KNOWN = frozenset(_KNOWN.split())
"""Names of columns, in small letters."""


def has_names(rows: list[list[str]]) -> bool | None:
    """Whether the first row holds names; None where it could be either.

    Args:
        rows: cells of the first rows, none of them empty as a whole.
    """
    first, body = [cell.strip() for cell in rows[0]], rows[1:200]
    if not body:
        return True
    named = [cell for cell in first if cell]
    votes = [_vote(cell, [row[at].strip() for row in body if at < len(row)]) for at, cell in enumerate(first) if cell]
    names, sample = votes.count(1), votes.count(-1)
    known = sum(re.sub(r"[\s-]+", "_", cell.lower()) in KNOWN for cell in named)
    if known >= 2 or (known and not sample):
        return True
    if len({*named}) < len(named) and sample:
        return False
    if names and names >= sample:
        return True
    return False if sample > names else None


def _vote(cell: str, below: list[str]) -> int:
    """1: the cell is the name of its column; -1: it is one of its values; 0: it could be either."""
    below = [each for each in below if each]
    if not below:
        return 0
    number = _kind(cell) != "word"
    kinds = [_kind(each) for each in below]
    if _kind(cell) == "date" and kinds.count("number") > 0.5 * len(kinds):
        return 1  # a column a day
    same = sum(kind != "word" for kind in kinds) / len(kinds)
    if same > 0.5:
        return -1 if number else 1
    if number:
        return -1 if same > 0 else 0
    if cell in below:
        return -1
    shapes = {_shape(each) for each in below}
    if len(shapes) == 1 and shapes != {"a"}:
        return -1 if _shape(cell) in shapes else 1
    distinct = len({*below})
    return 1 if distinct <= FEW and distinct * 4 <= len(below) else 0


def _kind(cell: str) -> str:
    """`number`, `date` or `word`."""
    if re.fullmatch(r"[<>]?[+\-\u2212]?[0-9][0-9.,'\u2019\u00a0\u202f ]*(?:[eE][+-]?[0-9]+)?%?", cell):
        return "number"
    if re.fullmatch(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[T ][0-9:.]+)?", cell):
        return "date"
    return "word"


def _shape(cell: str) -> str:
    """The form of a value: digits as 9, letters as a, each run of them once; P007 and P12 are alike."""
    return re.sub(r"a+", "a", re.sub(r"9+", "9", re.sub(r"[0-9]", "9", re.sub(r"[^\W\d_]", "a", cell))))
