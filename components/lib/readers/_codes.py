"""Classes that raw data number: which number is which class."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from components.lib.errors import DataError
from components.lib.kinds import TargetKind

Codes = tuple[int, ...] | None


def class_of_codes(labels: Iterable[Any], target: TargetKind, codes: Codes, where: str) -> dict[Any, str | None]:
    """The class of each number; None where the target says that it means "unknown".

    Args:
        labels: those that the data hold; whole numbers, if they are right.
        target: the classes in their order, and its labels for "unknown".
        codes: the number of each class, in that order; None: 0, 1, ….
        where: the data, for errors.

    Raises:
        DataError: a number of no class, or not one code for each class.
    """
    classes = target.listed_classes
    codes = tuple(range(len(classes))) if codes is None else codes
    if len(codes) != len(classes) or len({*codes}) != len(codes):
        raise DataError(
            "source.codes",
            expected=f"a number for each of the {len(classes)} classes, in their order, each once",
            found=", ".join(map(str, codes)) or "none",
            todo="correct source.codes or the classes of the target in the task file",
        )
    known: dict[int, str | None] = dict(zip(codes, classes, strict=True))
    known |= {int(label): None for label in getattr(target, "unknown", ()) if re.fullmatch(r"-?\d+", label)}
    found = {label: known.get(label) for label in labels}  # 1.0 is 1
    bad = sorted({str(label) for label in found if label not in known})
    if bad:
        counted = codes == tuple(range(len(codes)))
        numbered = f"0 to {len(codes) - 1}" if counted else ", ".join(map(str, codes))
        raise DataError(
            where,
            expected=f"labels {numbered}, for {', '.join(classes)}",
            found=", ".join(bad[:5]),
            todo="list every class in the task's target, in order; or its number under `unknown`",
        )
    return found
