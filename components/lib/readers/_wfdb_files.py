"""Headers and annotations of WFDB records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.lib.errors import DataError


def header_of(path: Path) -> tuple[float, int]:
    """Rate (Hz) and length (samples) of a record.

    Args:
        path: of the record, without extension.

    Raises:
        DataError: there is no header, or it is damaged.
    """
    import wfdb

    try:
        header: Any = wfdb.rdheader(str(path))
        rate, length = float(header.fs), header.sig_len
        if length is None:  # a header may leave it to the signal file
            length = wfdb.rdrecord(str(path)).sig_len
        lines = len(header.file_name or ()) if isinstance(header, wfdb.Record) else header.n_sig  # else of segments
        if not rate > 0 or not header.n_sig or lines != header.n_sig:
            raise ValueError(f"{header.n_sig} signals at {rate:g} Hz")
    except Exception as error:  # wfdb raises whatever its parsing runs into
        raise _unreadable(
            path.with_name(f"{path.name}.hea"), "the header of a WFDB record with signals", error
        ) from None
    return rate, int(length)


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
