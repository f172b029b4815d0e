"""What the readers of DICOM and NIfTI share: an index of any key, CSV or Parquet, and folders that name classes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from components.lib.errors import DataError
from components.lib.places import Place, Remote
from components.lib.readers._paths import Names
from components.lib.readers._tables import index_of, read_table, told_by
from components.lib.readers.base import Columns, Targets
from components.lib.readers.folder import names_below
from components.lib.tables import PLAIN_FORM, TableForm

SEPARATOR = "\n"
"""Between the paths of one sample that is kept in several files."""


def read_index(
    path: Place, needed: dict[str, str], targets: Targets, columns: Columns, form: TableForm = PLAIN_FORM
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The index of a table, CSV or Parquet, and which attributes the table has a column for.

    Raises:
        DataError: the table can't be read, or lacks a column.
    """
    rows = read_table(path, form=form)
    return index_of(rows, path, needed, targets, columns), told_by(rows, columns)


def check_inside(path: Place, listed: Iterable[str | None]) -> None:
    """Refuse paths of an index that are empty, name several files or leave the folder.

    Raises:
        DataError: with their number; a path may hold a name.
    """
    bad = [
        text for text in listed
        if not isinstance(text, str) or Path(text).is_absolute() or ".." in Path(text).parts or SEPARATOR in text
    ]  # fmt: skip
    if bad:
        raise DataError(
            str(path),
            expected="paths relative to the folder, inside it",
            found=f"{len(bad)} empty or leading outside",
            todo="correct the path column",
        )


def as_they_lie(raw: Place, listed: Iterable[str | None], *, folders: bool = False) -> list[str | None]:
    """The paths of an index as those of the files that they mean, however they are spelt; see `_paths.py`.

    Args:
        raw: the folder.
        listed: paths of an index, null where empty.
        folders: a path may also name a folder.
    """
    paths = [PurePosixPath(each).as_posix() if isinstance(each, str) and each else None for each in listed]
    lost = [each for each in paths if each and not _is_there(raw, each, folders=folders)]
    if not lost or (isinstance(raw, Remote) and not raw.lists):
        return paths
    names = {*names_below(raw)}
    names |= {str(parent) for name in names for parent in PurePosixPath(name).parents if folders and parent.name}
    known = list(dict.fromkeys(filter(None, paths)))
    meant = dict(zip(known, Names(names, raw).resolve(known).files, strict=True))
    return [each and meant[each] for each in paths]


def _is_there(raw: Place, path: str, *, folders: bool) -> bool:
    if isinstance(raw, Remote) or Path(path).is_absolute():
        return False
    return (raw / path).exists() if folders else (raw / path).is_file()


def one_target(targets: Targets) -> str:
    """The one target that folders can name.

    Raises:
        DataError: there are several, or none.
    """
    if len(targets) != 1:
        raise DataError(
            "targets",
            expected="one target: folders name one class",
            found=", ".join(targets) or "none",
            todo="write an index with a column for each target, and name it in source.index",
        )
    return next(iter(targets))


def files_below(folder: Place) -> list[str]:
    """Every file below a folder that isn't hidden, relative to it, sorted.

    Raises:
        DataError: a folder that can't be listed, or a name that no table can hold.
    """
    names = sorted(names_below(folder))
    strange = sum(SEPARATOR in name or any("\ud800" <= sign <= "\udfff" for sign in name) for name in names)
    if strange:
        raise DataError(
            str(folder),
            expected="names of files in UTF-8, without line breaks",
            found=f"{strange} others",
            todo="rename them (convmv -f latin1 -t utf8 -r --notest FOLDER)",
        )
    return names
