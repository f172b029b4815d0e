"""Signals as callers send them: arrays of numbers, objects with rate and leads, packed WFDB records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.lib.errors import Unusable, nearest
from components.lib.kinds._waveforms import Waveform, packed_record, window_of

HIGHEST_RATE = 20_000.0
"""Hz; no recorder of signals from the body's surface samples faster."""
FORMS = (
    'expected an array of numbers in mV, an object {"values": …, "rate": Hz, "leads": […], "unit": "mV", "at": s}, '
    "or a ZIP of a WFDB record as a base64 string"
)
FOUND = {bool: "true or false", int: "one number", float: "one number"}
KEYS = ("values", "rate", "leads", "unit", "at")
PACKED_KEYS = ("wfdb", "at")


def requested(value: object, seconds: float, rate: float, leads: Sequence[str]) -> Waveform:
    """A cell of a request as a signal; cut to the window where its rate is stated.

    Args:
        value: any JSON value.
        seconds: length of the model's window.
        rate: of the model, Hz.
        leads: of the model; the first alternative of each stands for signals that name none.

    Raises:
        Unusable: with one sentence for the caller.
    """
    if isinstance(value, np.ndarray):  # MLflow makes arrays of lists
        value = value.tolist()
    if isinstance(value, str) and value:
        value = {"wfdb": value}
    if isinstance(value, list | tuple):
        value = {"values": value}
    if not isinstance(value, Mapping):
        raise Unusable(f"{FORMS}; found {FOUND.get(type(value), 'nothing')}")
    if "wfdb" in value:
        _check_keys(value, PACKED_KEYS)
        if not isinstance(value["wfdb"], str):
            raise Unusable("expected a ZIP of a WFDB record as a base64 string under `wfdb`")
        waveform = packed_record(value["wfdb"])
        check_rate(waveform.rate)
        return window_of(waveform, _number(value, "at"), seconds)
    if "values" not in value:
        raise Unusable(f"{FORMS}; found an object without `values`")
    return _described(value, seconds, rate, leads)


def check_rate(rate: float) -> None:
    """Refuse a rate that no signal has.

    Raises:
        Unusable: it is not a number, zero, negative or absurd.
    """
    if not 0 < rate <= HIGHEST_RATE:  # a comparison with NaN is false
        raise Unusable(f"wrong rate: {rate:g} Hz; expected a number above 0, at most {HIGHEST_RATE:g}")


def check_length(held: int, rate: float, seconds: float, todo: str = "") -> None:
    """Refuse a signal whose length is more than a sample away from the window's.

    Raises:
        Unusable: with both lengths.
    """
    if abs(held - seconds * rate) > 1 + 1e-6:
        wanted = f"expected {round(seconds * rate)} values ({seconds:g} s at {rate:g} Hz)"
        raise Unusable(f"wrong length: {wanted}, found {held}{todo}")


def _described(value: Mapping[str, Any], seconds: float, rate: float, leads: Sequence[str]) -> Waveform:
    """A signal from an object with `values`."""
    _check_keys(value, KEYS)
    values = _values(value["values"])
    stated, at = _number(value, "rate"), _number(value, "at")
    if stated is not None:
        check_rate(stated)
    names = value.get("leads")
    if isinstance(names, np.ndarray):
        names = names.tolist()
    if names is None:
        names = [lead.split("|")[0] for lead in leads]
        if values.shape[1] != len(names):
            raise Unusable(
                f"expected values of {len(names)} leads ({', '.join(names)}), (T, {len(names)}); "
                f"found {values.shape[1]}: name the leads"
            )
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise Unusable("expected a list of names under `leads`")
    if len(names) != values.shape[1]:
        raise Unusable(f"expected a name for each of {values.shape[1]} leads under `leads`, found {len(names)}")
    unit = "mV" if value.get("unit") is None else value["unit"]
    if not isinstance(unit, str):
        raise Unusable("expected mV, uV or V under `unit`")
    waveform = Waveform(values, stated or rate, tuple(names), (unit,) * len(names))
    if stated is None:  # a signal of another rate must not be cut as if it were the model's
        check_length(len(values), rate, seconds, ": name the rate")
        return waveform
    return window_of(waveform, at, seconds)


def _check_keys(value: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = [str(key) for key in value if key not in known]
    if unknown:
        told = f"{unknown[0][:20]!r}{nearest(unknown[0][:20], known)}"
        raise Unusable(f"expected the keys {', '.join(known)}, found {told}")


def _number(value: Mapping[str, Any], key: str) -> float | None:
    """A finite number, or None where there is none."""
    number = value.get(key)
    if number is None:
        return None
    if isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < 1e15:
        return float(number)
    found = "no number" if not isinstance(number, float) or math.isfinite(number) else "no finite number"
    raise Unusable(f"expected a number under `{key}`, found {found}")


def _values(told: Any) -> NDArray[np.float64]:
    """Nested lists of numbers (T,) or (T, leads) as (T, leads) float64; null is a gap, NaN."""
    wrong = Unusable("expected numbers, (T,) or (T, leads) with as many in every row, under `values`")
    if isinstance(told, np.ndarray):
        told = told.tolist()
    if not isinstance(told, list | tuple) or not told:
        raise wrong
    rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in told]
    if not any(isinstance(row, list | tuple) for row in rows):
        rows = [[row] for row in rows]
    if not all(isinstance(row, list | tuple) for row in rows) or len(set(map(len, rows))) != 1 or not rows[0]:
        raise wrong
    flat = list(chain.from_iterable(rows))
    if not set(map(type, flat)) <= {int, float, type(None)}:
        raise wrong
    try:
        numbers = np.array([math.nan if number is None else float(number) for number in flat], np.float64)
    except OverflowError:  # a whole number that no float holds
        raise wrong from None
    return numbers.reshape(len(rows), len(rows[0]))
