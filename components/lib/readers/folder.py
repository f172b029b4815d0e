"""A folder of PNG, JPEG, TIFF, BMP or DICOM files: with an index table beside them, or one folder per class.

    index.csv or index.parquet      columns path, one per target; patient, split, site, sex, age where known
    <class>/<file>                  without an index; the folder's name is the class
    <split>/<class>/<file>          the same with given splits (train, val, validation, test, training, testing)
    patients.csv                    beside class folders, named by `patients`: whose the files are

Subfolders below a class are read too, and so are links to folders, each folder once; what is hidden (`.name`, and what
a Mac packs into `__MACOSX`) is not. Files are named relative to the folder, with "/" between the parts. A path of the
index that isn't there is taken for the one file it means, if it is spelt otherwise: see `_paths.py`. The folder may lie
on S3, or with an index on a web server, where paths are taken as they are written.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import pandas as pd
from pydantic import model_validator

from components.lib.errors import DataError, Unusable
from components.lib.places import Place, Remote
from components.lib.readers._class_folders import COPY, placed
from components.lib.readers._paths import Names
from components.lib.readers._patient_from import FileSource
from components.lib.readers._tables import index_of, read_table, rows_told, with_attributes
from components.lib.readers._whose_table import with_patients
from components.lib.readers.base import Columns, Inputs, Load, Targets
from components.lib.settings import wrong
from components.lib.tables import PLAIN_FORM, TableForm

READ = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"}
NOT_READ = {".gif", ".webp", ".jp2", ".heic", ".avif"}
"""Pictures, too: they become rows, and cleaning says why they can't be used."""
FORMATS = "PNG, JPEG, TIFF, BMP or DICOM"
LARGEST = 500_000_000
"""Bytes of one file; the largest films have 100 million."""
# A file that is there and can't be read is a finding about a sample. Others, such as too many open files, are not.
OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.EIO}
LEFT_BEHIND = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information"}
"""What systems leave beside files: thumbnails, packed attributes, waste."""


class FolderColumns(Columns):
    """Names of the columns of an index table."""

    path: str = "path"
    """Path of the file, relative to the table."""


class Folder(FileSource):
    """A folder of PNG, JPEG, TIFF, BMP or DICOM files: with an index table beside them, or one folder per class."""

    reader: Literal["folder"]
    index: str | None = None
    """Table next to the images: CSV, Excel or Parquet; null: class folders."""
    patients: str | None = None
    """Table next to class folders that says whose each file is, in the columns `columns.path` and `columns.patient`,
    and its site, sex, age, study and date where it has a column for them; null: none, or an index."""
    format: TableForm = PLAIN_FORM
    """How the index, or the table of patients, is written, where it isn't a plain CSV."""
    columns: FolderColumns = FolderColumns()
    """Column names of the index, or of the table of patients."""

    raw_type: ClassVar[type] = bytes

    @model_validator(mode="after")
    def _one_table(self) -> Folder:
        require_one_table(self)
        return self

    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a file, sorted by path.

        Also DataError for a path that leaves the folder, a file that stands twice in the index, and a folder that
        can't be listed.
        """
        check_folder(raw, "pictures", self.index)
        if not self.index:
            names = names_below(raw)
            table = from_names(names, raw, targets)
            if self.patients:
                path = raw / self.patients
                return with_patients(table, read_table(path, form=self.format), path, self.columns, names, raw)
            return self.whose(table)
        path = raw / self.index
        rows = read_table(path, form=self.format)
        return self.whose(from_index(rows, path, self.columns, targets, _there(raw), partial(_all_names, raw), raw))

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads one file's bytes; also Unusable for one that is there and can't be read, or is no plain file."""

        if isinstance(raw, Remote):
            return lambda file, row: read_file(raw / file)
        # As text: to make a path costs more than to read a small film.
        return lambda file, row: read_file(f"{raw}{os.sep}{file}")


def require_one_table(source: Any) -> None:
    """Refuse settings that say twice whose files are.

    Raises:
        PydanticCustomError: a table of patients together with an index, or with an expression.
    """
    for key in ("index", "patient_from") if source.patients else ():
        if getattr(source, key) is not None:
            raise wrong("source.patients", f"that alone, without source.{key}", "both")


def check_folder(raw: Place, of: str, index: str | None) -> None:
    """Refuse what is no folder, and a folder that can't be listed where no index names its files.

    Raises:
        DataError: it is a file, isn't there, or lies on a web server and has no index.
    """
    if isinstance(raw, Remote) and not raw.lists:
        if index is None:
            raw.names_below()  # which says what to do
        return
    if not raw.is_dir():
        raise DataError(
            str(raw),
            expected=f"a folder of {of}",
            found="a file" if raw.exists() else "no such folder",
            todo="set source.path in the task file, or make the data first",
        )


def _there(raw: Place) -> Callable[[str], bool]:
    """Whether there is a file of a relative path. S3 is asked once for all; a web server when the file is read."""
    if isinstance(raw, Remote):
        return {*raw.names_below()}.__contains__ if raw.lists else lambda name: True
    return lambda name: os.path.lexists(raw / name)


def _all_names(raw: Place) -> list[str]:
    """Every relative path; none of a web server, which can't say."""
    return [] if isinstance(raw, Remote) and not raw.lists else names_below(raw)


def read_file(path: Place | str) -> bytes:
    """A file's bytes.

    Raises:
        OSError: it isn't there, or the machine fails.
        Unusable: it can't be read, is no plain file, or too large for a picture.
        ServerError: it lies on a server that fails.
    """
    try:
        told = path.stat() if isinstance(path, Remote) else os.stat(path)  # noqa: PTH116  it may be text
        if stat.S_ISDIR(told.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(told.st_mode):  # to read from a pipe would wait for ever
            raise Unusable("unreadable: not a regular file")
        if told.st_size > LARGEST:
            raise Unusable(f"too large: a file of at most {LARGEST // 1_000_000} MB is read")
        if isinstance(path, Remote):
            return path.read_bytes(told.st_size)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  likewise
            return file.read()
    except OSError as error:
        if error.errno not in OF_THE_FILE:
            raise
        raise Unusable(f"unreadable: {os.strerror(error.errno)}") from None
    except ValueError:  # a zero byte in the name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None


def pictures(folder: Path) -> list[Path]:
    """Picture files below a folder, whatever the case of their suffix, sorted; hidden ones left out.

    Raises:
        DataError: a folder that can't be listed.
    """
    return sorted(folder / name for name in names_below(folder) if is_picture(name))


def is_picture(name: str) -> bool:
    """Whether a relative path is that of a picture: by its suffix, and not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in READ | NOT_READ and not any(map(is_hidden, path.parts))


def is_hidden(part: str) -> bool:
    """Whether one part of a path is what systems hide, or leave beside the files they pack."""
    return part.startswith(".") or part.lower() in LEFT_BEHIND


def names_below(folder: Place) -> list[str]:
    """Relative paths of all files below a folder that aren't hidden; every folder once, whatever links lead to it.

    Raises:
        DataError: a folder that can't be listed: nobody knows what is missing then.
    """
    if isinstance(folder, Remote):
        return [name for name in folder.names_below() if not any(map(is_hidden, PurePosixPath(name).parts))]
    names: list[str] = []
    seen: set[tuple[int, int]] = set()
    plain, linked = [""], list[str]()
    while plain or linked:
        # Links last and in order, so that a folder keeps its own name where it has one in here.
        below = plain.pop() if plain else linked.pop(0)
        for entry in sorted(entries_of(folder / below, seen, "source.path"), key=lambda each: each.name):
            name = f"{below}/{entry.name}" if below else entry.name
            if is_folder(entry):
                (linked if entry.is_symlink() else plain).append(name)
            else:
                names.append(name)
    return names


def entries_of(folder: Path, seen: set[tuple[int, int]], place: str) -> list[os.DirEntry[str]]:
    """What lies in one folder and isn't hidden; nothing of one that was looked at before.

    Args:
        folder: on this machine.
        seen: device and number of the folders that were looked at; this one is added.
        place: what names the whole folder, for people.

    Raises:
        DataError: it can't be listed: nobody knows what is missing then.
    """
    try:
        told = folder.stat()
        if (told.st_dev, told.st_ino) in seen:
            return []
        seen.add((told.st_dev, told.st_ino))
        with os.scandir(folder) as entries:
            return [each for each in entries if not is_hidden(each.name)]
    except OSError as error:
        raise DataError(
            str(folder),
            expected="a folder you may list",
            found=os.strerror(error.errno or 0),
            todo=f"change its owner or mode (ls -ld shows them), or move it out of {place}",
        ) from None


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that is closed: reading it will tell
        return False


def from_names(names: Iterable[str], where: Place, targets: Targets) -> pd.DataFrame:
    """The index of pictures whose folders say their class, as `Source.samples` returns it.

    Args:
        names: relative paths of files; those of pictures count.
        where: they were found, for errors.
        targets: of the task.

    Raises:
        DataError: several targets, no picture, or a name that is no UTF-8.
    """
    if len(targets) != 1:
        raise DataError(
            "targets",
            expected="one target: folders name one class",
            found=", ".join(targets),
            todo="write an index CSV with a column for each target",
        )
    (target,) = targets
    found = list(filter(is_picture, names))
    # Bytes that are no UTF-8 stand in a name as half characters, which no table can hold.
    strange = sum(any("\ud800" <= sign <= "\udfff" for sign in name) for name in found if not name.isascii())
    if strange:
        raise DataError(
            str(where),
            expected="names of files in UTF-8",
            found=f"{strange} in another encoding",
            todo="rename them (convmv -f latin1 -t utf8 -r --notest FOLDER)",
        )
    told = placed(found)
    records = [{"file": name, "split": each.split, target: each.name} for name, each in zip(found, told, strict=True)]
    table = with_attributes(pd.DataFrame(records, columns=["file", "split", target]))
    if any(each.copy for each in told):
        table["refused"] = [COPY if each.copy else None for each in told]
    return _finished(table, where)


def from_index(
    rows: pd.DataFrame, path: Place, columns: FolderColumns, targets: Targets,
    exists: Callable[[str], bool], everything: Callable[[], Iterable[str]], root: Place | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The index of pictures that a table names, as `Source.samples` returns it.

    Args:
        rows: the table, as text.
        path: of the table, for errors.
        columns: what its columns are called.
        targets: of the task.
        exists: whether there is a file of that relative path.
        everything: all relative paths; asked for only where one of the table isn't there.
        root: the folder, for absolute paths; None: there is none.

    Raises:
        DataError: a column is missing, a path leads outside, a file is named twice, or there is no row.
    """
    table = index_of(rows, path, {"file": columns.path}, targets, columns)
    listed = [PurePosixPath(file).as_posix() if file else "" for file in table["file"].fillna("")]
    table["file"] = _as_they_lie(listed, exists, everything, root)
    if any(map(leads_outside, table["file"])):
        raise DataError(
            str(path),
            expected="paths relative to the folder, inside it",
            found=f"{sum(map(leads_outside, table['file']))} empty or leading outside",
            todo="correct the path column",
        )
    twice = table.index[table["file"].duplicated(keep=False)]
    if len(twice):
        # Which of the two is meant, nobody can say; and with one label each, a film would stand twice in a split.
        raise DataError(
            str(path),
            expected="every file once",
            found=f"{len(twice)} rows that name a file another row names, too: {rows_told(twice)}",
            todo="keep one row a file; several findings of a film are several columns",
        )
    return _finished(table, path)


def leads_outside(name: str) -> bool:
    """Whether a path is empty, absolute or leaves its folder, on any system."""
    parts = name.replace("\\", "/").split("/")
    return not name or not parts[0] or ".." in parts or (len(parts[0]) == 2 and parts[0][1] == ":")


def _as_they_lie(
    files: list[str], exists: Callable[[str], bool], everything: Callable[[], Iterable[str]], root: Place | None
) -> list[str]:
    """The paths, those that aren't there replaced by the one file that differs in spelling alone."""
    lost = [file for file in dict.fromkeys(files) if not (file and exists(file) and not leads_outside(file))]
    if not lost:
        return files
    found = dict(zip(lost, Names(everything(), root).resolve(lost).files, strict=True))
    return [found.get(file, file) for file in files]


def _finished(table: pd.DataFrame, where: Place) -> pd.DataFrame:
    if table.empty:
        raise DataError(
            str(where),
            expected=f"at least one {FORMATS} file",
            found="none",
            todo="check source.path and source.index in the task file",
        )
    return table.assign(row=0).sort_values("file", kind="stable", ignore_index=True)
