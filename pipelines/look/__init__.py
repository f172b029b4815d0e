"""What raw data are: a task as plain values, the reason of every choice, and sentences that say what was found.

One file a format; each takes what it recognises. What is recognised and can't be trained on is refused by name
(refusals.py), so that nothing is mis-read.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.lib.errors import DataError
from components.lib.places import Place, Remote, copy_to
from components.lib.readers.folder import is_picture
from components.lib.tables import SUFFIXES
from pipelines.look.beats import beat_files, form_of_beats, look_at_beats
from pipelines.look.beside import find_index, refuse_unusable, refuse_without_paths
from pipelines.look.dicom import dicom_names, look_at_dicom
from pipelines.look.findings import ASSUMED, Draft, Questions, counted, refused
from pipelines.look.forms import head_of, hold
from pipelines.look.index import look_at_index
from pipelines.look.medmnist import is_medmnist, look_at_archive, other_arrays
from pipelines.look.pictures import look_at_class_folders
from pipelines.look.refusals import (
    VOLUMES,
    another_format,
    first_line,
    is_long,
    nothing_known,
    refuse_boxes,
    refuse_series,
    volumes,
)
from pipelines.look.signals import look_at_records
from pipelines.look.sources import PACKED, Files, folder_files, packed_files
from pipelines.look.tables import look_at_table
from pipelines.look.text import task_text
from pipelines.look.whose import patients_alone

__all__ = ["Draft", "Questions", "look", "task_text"]

NOBODY_KNOWN = "samples of one patient may be in several splits; `refuse` stops the run"
TABLES = SUFFIXES


def look(data: Place, questions: Questions | None = None) -> Draft:
    """What the data are, and a task for them.

    Args:
        data: a file or a folder, here or on a server.
        questions: asked where the data leave a choice; None: every default is taken.

    Raises:
        DataError: nothing there that is understood, or that can be trained on.
        ServerError: it lies on a server that fails.
    """
    questions = questions or Questions()
    questions.data = str(data) if questions.data == "DATA" else questions.data
    name = data.name.lower()
    # Of a web server nobody can say whether a folder is there.
    known = not isinstance(data, Remote) or data.lists or name.endswith((*PACKED, ".npz", *TABLES))
    if known and not data.exists():
        raise refused(
            data,
            expected="a folder of pictures or of ECG records, a MedMNIST archive (.npz), a table, a ZIP or TAR",
            found="no such file or folder",
            todo="name the data by path, or by URL",
        )
    if isinstance(data, Remote):
        draft = _on_server(data, questions)
    elif data.is_dir():
        draft = _folder(data, questions)
    elif name.endswith(".npz"):
        if not is_medmnist(data):
            raise other_arrays(data)
        draft = look_at_archive(data, questions)
    elif name.endswith(PACKED):
        draft = _archive(data, questions)
    elif name.endswith(VOLUMES):
        raise volumes(str(data), "a volume")
    elif name.endswith(TABLES):
        draft = _table(data, questions)
    else:
        raise another_format(data)
    columns = draft.values["source"].get("columns", {}).get("targets", {})
    if questions.target not in (None, *draft.values["targets"], *columns.values()):
        raise refused(
            data,
            expected=f"a table, or a table beside files, for --target {questions.target}",
            found=f"data without columns; what is predicted is {', '.join(draft.values['targets'])}",
            todo="leave --target out",
        )
    if draft.values["split"].get("unknown_patients") == "accept":
        draft.why["split.unknown_patients"] = NOBODY_KNOWN
        sentence = f"{ASSUMED}a sample without a patient id counts as a patient of its own ({NOBODY_KNOWN})"
        questions.assumed += [sentence] if sentence not in questions.assumed else []
    draft.found += [sentence for sentence in questions.assumed if sentence not in draft.found]
    draft.assumed = list(questions.assumed)
    return draft


def _table(data: Path, questions: Questions) -> Draft:
    """A file that is a table, the index of pictures beside it, or beats as text."""
    if form_of_beats(data):
        return look_at_beats(data, {"": data}, questions)
    if not data.name.lower().endswith(".gz"):
        files = folder_files(data.parent) if _names_files(data, questions) else None
        index = find_index(files, questions, data.name) if files else None
        if files and index:
            return look_at_index(files, index, files.source("folder"), questions)
    return look_at_table(data, questions)


def _names_files(data: Path, questions: Questions) -> bool:
    """Whether a cell of the first row names a file beside the table; the folder isn't listed for less."""
    table = head_of(data, questions.sheet)
    if table.empty:
        return False
    row = table.iloc[0].astype("str").str.strip()
    return any(0 < len(cell) < 200 and "\0" not in cell and (data.parent / cell).is_file() for cell in row)


def _archive(data: Place, questions: Questions) -> Draft:
    """A ZIP or TAR of pictures."""
    files = packed_files(data)
    draft = _pictures(files, questions)
    if draft is None:
        raise refused(
            data,
            expected="pictures in the archive, in one folder a class or with an index.csv",
            found=f"{counted(len(files.names), 'file')}, none of them a picture",
            todo="unpack it, and name the folder",
        )
    return draft


def _on_server(data: Remote, questions: Questions) -> Draft:
    """Data on a server: what is read as a whole is looked at in a copy that goes after."""
    name = data.name.lower()
    if name.endswith(PACKED):
        return _archive(data, questions)
    if name.endswith((".npz", *TABLES)):
        return _in_a_copy(data, questions)
    if data.is_dir():
        files = folder_files(data)
        if files.ending(".hea"):
            return look_at_records(files, questions)
        draft = _pictures(files, questions)
        if draft is None and (found := dicom_names(files.unwrapped())):
            draft = look_at_dicom(files.unwrapped(), found, questions)
        if draft is not None:
            return draft
    raise refused(
        data,
        expected="on S3: a folder of pictures, DICOM files or ECG records; there and on a web server: a ZIP or TAR of "
        "pictures, a MedMNIST archive (.npz), a table (.csv, .txt, .xlsx, .parquet …)",
        found="something else" if data.lists else "something else, or a folder, which a web server can't list",
        todo="name one of the files; or copy the data here, look at them, and set source.path of task.yaml to the URL",
    )


def _in_a_copy(data: Remote, questions: Questions) -> Draft:
    with tempfile.TemporaryDirectory(prefix="medpipe-") as folder:
        copy = Path(folder) / data.name
        copy_to(data, copy)
        try:
            draft = look(copy, questions)
        except DataError as error:  # told of the place that the user named
            where = error.where.replace(str(copy), str(data))
            raise DataError(where, expected=error.expected, found=error.found, todo=error.todo) from None
    draft.values["source"]["path"] = str(data)
    return draft


def _folder(data: Path, questions: Questions) -> Draft:
    files = folder_files(data)
    if files.ending(".hea"):
        return look_at_records(files, questions)
    draft = _pictures(files, questions)
    if draft is not None:
        return draft
    bare = files.unwrapped()
    if found := dicom_names(bare):
        return look_at_dicom(bare, found, questions)
    if number := len(files.ending(*VOLUMES)):
        raise volumes(str(data), counted(number, "volume"))
    if beats := beat_files(data):
        return look_at_beats(data, beats, questions)
    return _tables(files, data, questions)


def _pictures(files: Files, questions: Questions) -> Draft | None:
    """Pictures with an index, or in folders of classes; None where there are none."""
    bare = files.unwrapped()
    for each in [files] if bare.names == files.names else [files, bare]:
        pictures = [name for name in each.names if is_picture(name) and not name.lower().endswith((".dcm", ".dicom"))]
        held = pictures or (dicom_names(each) if each.packed else [])
        if not held and "index.csv" not in each.names:
            continue
        if pictures:
            refuse_boxes(each, len(pictures))
        index = find_index(each, questions) if held else None
        if index is not None:
            whose = patients_alone(each, index, pictures, questions)
            if whose is not None:
                return look_at_class_folders(each, pictures, each.source("folder"), questions, whose)
            return look_at_index(each, index, each.source("folder"), questions)
        if pictures:
            refuse_unusable(each)
        if "index.csv" in each.names and (pictures or not dicom_names(each)):
            _refuse_index(each)
    pictures = [name for name in bare.names if is_picture(name)]
    if not pictures or (not bare.packed and dicom_names(bare)):
        return None
    return look_at_class_folders(bare, pictures, bare.source("folder"), questions)


def _refuse_index(files: Files) -> None:
    """An index.csv that names no file: of pictures that aren't there, or it is no index.

    Raises:
        DataError: unless there is nothing else than the table: it may be one with samples as rows.
    """
    if len(files.names) > 1 or first_line(files.read("index.csv"))[:1] != []:
        raise refuse_without_paths(
            files.place, hold(files.place / "index.csv", Questions(), files.read("index.csv")).text
        )


def _tables(files: Files, folder: Path, questions: Questions) -> Draft:
    """A folder with one table in it; series over time are refused by name.

    Raises:
        DataError: none, or several.
    """
    texts = files.ending(".txt", ".csv", ".psv", ".tsv")
    long = [name for name in texts[:: max(1, len(texts) // 20)] if is_long(first_line(files.read(name)))]
    if long and len(texts) > 1:
        import pandas as pd

        same = [name for name in texts if name.rpartition("/")[0] == long[0].rpartition("/")[0]]
        refuse_series(folder, pd.DataFrame(columns=first_line(files.read(long[0]))), len(same) - 1)
    tables = _readable([name for name in files.top() if name.lower().endswith(TABLES)], folder, questions.sheet)
    if len(tables) == 1:
        return look_at_table(folder / tables[0], questions, raw=folder)
    if len(tables) > 1:
        raise refused(
            folder,
            expected="one table with all samples",
            found=f"{counted(len(tables), 'table')}, and no files that they name",
            todo="name one of them by its path; or join them, with a column split where they are sides of one",
        )
    if below := files.ending(*(suffix for suffix in TABLES if not suffix.startswith(".txt"))):
        raise refused(
            folder,
            expected="one table with all samples",
            found=f"{counted(len(below), 'table')} in folders below",
            todo="name one of them by its path; or join them",
        )
    if number := len(files.ending(*PACKED, ".npz")):
        raise refused(folder, expected="data", found=counted(number, "archive"), todo="name one of them by its path")
    raise nothing_known(files)


def _readable(tables: list[str], folder: Path, sheet: str | None) -> list[str]:
    """Those of a folder's files that are tables; a text without columns is none.

    Raises:
        DataError: one is a series over time; or the only one can't be read.
    """
    found = []
    for name in tables:
        try:
            head = head_of(folder / name, sheet)
        except DataError:
            if len(tables) == 1:
                raise
            found += [] if name.lower().endswith((".txt", ".txt.gz")) else [name]
            continue
        if len(head.columns) > 1 or not name.lower().endswith((".txt", ".txt.gz")):
            refuse_series(folder, head)
            found.append(name)
    return found
