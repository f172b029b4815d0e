"""Headers and annotations of WFDB records."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.lib.errors import DataError
from components.lib.kinds.signal import check_record, check_text, record_header, require_regular
from components.lib.places import Place, Remote, copy_to


@contextmanager
def record_here(path: Place, *annotators: str, signals: bool = True) -> Iterator[Path]:
    """A record under a path of this machine: itself, or a copy of its files that goes after.

    Args:
        path: of the record, without extension.
        annotators: extensions of the annotations that are read, too.
        signals: whether the signals are read; without them their header must say how long they are.

    Raises:
        ServerError: it lies on a server that fails. A file that isn't there is left to whoever reads the record.
    """
    if isinstance(path, Path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="medpipe-") as folder:
        copy = Path(folder) / path.name
        _copy_record(path, copy, signals=signals)
        for annotator in annotators:
            _copy(path.with_name(f"{path.name}.{annotator}"), copy.with_name(f"{path.name}.{annotator}"))
        try:
            yield copy
        except DataError as error:  # told of the place that people know
            where = error.where.replace(folder, str(path.parent))
            raise DataError(where, expected=error.expected, found=error.found, todo=error.todo) from None


def _copy_record(path: Remote, copy: Path, *, signals: bool) -> None:
    """A record's header, and what it names: signals, or the records that it is made of."""
    _copy(path.with_name(f"{path.name}.hea"), copy.with_name(f"{copy.name}.hea"))
    try:
        header: Any = record_header(copy)
    except Exception:  # wfdb raises whatever its parsing runs into; whoever reads the record will say more
        return
    if not signals and header.sig_len is not None:
        return
    parts = {name for name in getattr(header, "seg_name", None) or () if name not in ("~", path.name)}
    names = {name for name in getattr(header, "file_name", None) or () if name and name != "~"}
    for name in sorted(parts | names):
        if Path(name).name != name:  # a header can't send anybody out of the folder
            continue
        if name in parts:
            _copy_record(path.with_name(name), copy.with_name(name), signals=True)
        else:
            _copy(path.with_name(name), copy.with_name(name))


def _copy(place: Remote, copy: Path) -> None:
    if not copy.exists():
        try:
            copy_to(place, copy)
        except (FileNotFoundError, IsADirectoryError):
            return


def header_of(path: Path) -> tuple[float, int]:
    """Rate (Hz) and length (samples) of a record.

    Args:
        path: of the record, without extension.

    Raises:
        DataError: there is no header, or it is damaged.
    """
    import wfdb

    try:
        header: Any = record_header(path)
        rate, length = float(header.fs), header.sig_len
        if length is None:  # a header may leave it to the signal file
            check_record(path)
            length = wfdb.rdrecord(str(path)).sig_len
        lines = len(header.file_name or ()) if isinstance(header, wfdb.Record) else header.n_sig  # else of segments
        if not rate > 0 or not header.n_sig or lines != header.n_sig:
            raise ValueError(f"{header.n_sig} signals at {rate:g} Hz")
    except Exception as error:  # wfdb raises whatever its parsing runs into
        raise _unreadable(
            path.with_name(f"{path.name}.hea"), "the header of a WFDB record with signals", error
        ) from None
    return rate, int(length)


def comments_of(path: Path) -> dict[str, str]:
    """Comments of a record's header that have a name: "# Patient ID: 17" is {"Patient ID": "17"}.

    Empty where there is none, or the header can't be read.

    Args:
        path: of the record, without extension.
    """
    try:
        header: Any = record_header(path)
    except Exception:  # as in header_of, which says why
        return {}
    found: dict[str, str] = {}
    for comment in header.comments or ():
        name, sign, value = str(comment).partition(":" if ":" in str(comment) else "=")
        if sign and value.strip():
            found.setdefault(name.strip().strip("<>#").strip(), value.strip())
    return found


def annotations_of(
    path: Path, annotator: str, rate: float
) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.str_]]:
    """Sample numbers, symbols and notes (N,) of a record's annotations, in the order of time.

    Args:
        path: of the record, without extension.
        annotator: extension of the annotation file.
        rate: of the record, Hz.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    import wfdb

    try:
        if (header := path.with_name(f"{path.name}.hea")).exists():  # wfdb reads it, too
            check_text(header)
        require_regular(path.with_name(f"{path.name}.{annotator}"))
        # Codes, not symbols: turning them into symbols is a step of wfdb's own that pandas 4 will break.
        told: Any = wfdb.rdann(str(path), annotator, return_label_elements=["label_store"])
        symbols = {label.label_store: label.symbol for label in wfdb.io.annotation.ann_labels}
        if told.custom_labels is not None:
            symbols |= dict(zip(told.custom_labels["label_store"], told.custom_labels["symbol"], strict=True))
        symbol = np.array([symbols.get(code, "") for code in told.label_store.tolist()], np.str_)
        note = np.array([(text or "").strip("\0 \t\r\n") for text in told.aux_note], np.str_)
        sample = np.asarray(told.sample, np.int64)
        if told.fs and told.fs != rate:  # annotations may count in a time of their own
            sample = np.rint(sample * (rate / told.fs)).astype(np.int64)
    except Exception as error:  # as in header_of
        raise _unreadable(path.with_name(f"{path.name}.{annotator}"), "annotations of a WFDB record", error) from None
    order = np.argsort(sample, kind="stable")
    return sample[order], symbol[order], note[order]


def _unreadable(path: Path, expected: str, error: Exception) -> DataError:
    missing = isinstance(error, FileNotFoundError)
    found = "no such file" if missing else " ".join(f"{type(error).__name__}: {error}".split())[:160]
    todo = "add the file, or leave the record out of the index" if missing else "fetch the file again"
    return DataError(str(path), expected=expected, found=found, todo=todo)
