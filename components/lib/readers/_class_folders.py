"""Which class the folders of a file name, and which files are copies of others one folder down.

Some sets hold everything twice: `no/1.jpg`, `yes/2.jpg`, and again `brain_tumor_dataset/no/1.jpg`. The folder around
the classes is no class.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from components.lib.kinds._labels import normal_form
from components.lib.readers._tables import SPLIT_NAMES

COPY = "a copy: the same name lies in the same class folder, one folder up"


@dataclass(frozen=True)
class Placed:
    """What the folders of a file say.

    Args:
        split: train, validation, test, or None.
        name: the folder of the class; None where there is none.
        copy: whether the same file lies in the class folder itself, too.
    """

    split: str | None
    name: str | None
    copy: bool = False


def placed(files: Iterable[str]) -> list[Placed]:
    """For each relative path, in their order: <split>/<class>/…, <class>/…, or one of these below a folder that holds
    nothing but the other classes.
    """
    parts = [PurePosixPath(file).parts for file in files]
    splits = [SPLIT_NAMES.get(part[0].lower()) if len(part) > 1 else None for part in parts]
    below = [part[1:] if split else part for part, split in zip(parts, splits, strict=True)]
    around = _around_classes(below)
    there = {(split, *_key(part)) for part, split in zip(below, splits, strict=True)}
    found = []
    for part, split in zip(below, splits, strict=True):
        if len(part) > 2 and part[0] in around:
            copy = (split, *_key(part[1:])) in there
            found.append(Placed(split, part[1], copy))
        else:
            found.append(Placed(split, part[0] if len(part) > 1 else None))
    return found


def _key(part: tuple[str, ...]) -> tuple[str, ...]:
    return normal_form(part[0]), *part[1:]


def _around_classes(below: Iterable[tuple[str, ...]]) -> set[str]:
    """Folders whose files all lie in folders that are called like two or more of the folders beside them."""
    inside: dict[str, set[str]] = {}
    for part in below:
        if len(part) > 1:
            inside.setdefault(part[0], set()).add(normal_form(part[1]) if len(part) > 2 else "")
    forms = {folder: normal_form(folder) for folder in inside}
    return {
        folder for folder, held in inside.items()
        if len(held) >= 2 and held <= {form for other, form in forms.items() if other != folder}
    }  # fmt: skip
