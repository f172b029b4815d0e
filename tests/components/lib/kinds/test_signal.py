"""Signals: what recorders send becomes mV at one rate, or is refused with a reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from traces import beats, waveform

from components.lib.errors import Unusable
from components.lib.kinds.signal import Signal, SignalPolicy, Waveform, read_record

ROOT = Path(__file__).parents[4]
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", ROOT.parent / "shared" / "data")) / "ecg_wfdb"
KIND = Signal(kind="signal", seconds=2.0, rate=125.0, leads=("II|MLII", "V1"))
ONE = Signal(kind="signal", seconds=2.0, rate=125.0, leads=("II",))


def refused(raw: Any, kind: Signal = KIND) -> str:
    with pytest.raises(Unusable) as caught:
        kind.clean(raw)
    return str(caught.value)


def test_mv_at_the_kinds_own_rate_stay_as_they_are() -> None:
    cleaned = KIND.clean(waveform(beats()))
    np.testing.assert_array_equal(cleaned.array, beats().astype(np.float32))
    assert (cleaned.array.shape, cleaned.array.dtype) == (KIND.shape, np.dtype(KIND.dtype))


@pytest.mark.parametrize("rate", [125.0, 128.0, 250.0, 257.3, 360.0, 500.0, 1000.0, 10_000.0])
def test_any_rate_gives_the_same_signal(rate: float) -> None:
    cleaned = KIND.clean(waveform(beats(rate), rate))
    assert cleaned.array.shape == KIND.shape
    assert np.abs(cleaned.array - beats())[2:-2].max() < 0.02
    assert cleaned.quality["rate"] == rate


def test_what_the_new_rate_cannot_hold_does_not_alias() -> None:
    time = np.arange(2000) / 1000
    hum = beats(1000) + 0.5 * np.sin(2 * np.pi * 120 * time)[:, None]  # would come back as 5 Hz
    assert np.abs(KIND.clean(waveform(hum, 1000.0)).array - beats())[5:-5].max() < 0.05


@pytest.mark.parametrize(("unit", "factor"), [("mV", 1), ("uV", 1e3), ("µV", 1e3), ("μV", 1e3), ("V", 1e-3), ("MV", 1)])
def test_units_become_mv(unit: str, factor: float) -> None:
    cleaned = KIND.clean(waveform(beats() * factor, units=(unit, unit)))
    np.testing.assert_allclose(cleaned.array, beats(), atol=1e-6)


def test_leads_are_found_by_name_whatever_their_case_and_order() -> None:
    raw = waveform(beats()[:, [1, 0]], leads=(" v1", "mlii"))
    np.testing.assert_array_equal(KIND.clean(raw).array, beats().astype(np.float32))
    both = Waveform(np.hstack([beats(), -beats()]), 125.0, ("II", "V1", "MLII", "V1"), ("mV",) * 4)
    np.testing.assert_array_equal(KIND.clean(both).array, beats().astype(np.float32))


def spoilt(change: Any) -> np.ndarray:
    values = beats(250.0)
    change(values)
    return values


def put(rows: slice, lead: int, value: float) -> np.ndarray:
    return spoilt(lambda values: values.__setitem__((rows, lead), value))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (put(slice(None), 1, 0.3), "flat: a lead spreads 0.0000 mV"),
        (np.clip(beats(250.0), -0.3, 0.5), "clipped: "),
        (put(slice(100, 140), 0, 3.3), "clipped: 8.0% of a lead stands at its lowest or highest value"),
        (put(slice(9, 10), 0, np.inf), "infinite values"),
        (put(slice(9, 10), 0, -np.inf), "infinite values"),
        (put(slice(100, 110), 1, np.nan), "gaps: 2.0% of a lead is missing"),
        (put(slice(None), 1, np.nan), "gaps: 100.0% of a lead is missing"),
        (beats(250.0) * 1000, "check the unit"),
        (beats(250.0) * 1e300, "check the unit"),
        (beats(250.0)[:-2], "wrong length: expected 500 values (2 s at 250 Hz), found 498"),
        (beats(250.0, 2.1), "wrong length"),
        (np.zeros((0, 2)), "wrong length"),
    ],
)
def test_what_shows_no_heart_is_refused_with_the_reason(values: np.ndarray, reason: str) -> None:
    assert reason in refused(waveform(values, 250.0))


@pytest.mark.parametrize("rate", [0.0, -125.0, np.nan, np.inf, 1e9])
def test_a_rate_that_is_none(rate: float) -> None:
    assert "wrong rate" in refused(waveform(beats(), rate))


def test_a_rate_too_low_to_restore_the_beats() -> None:
    assert refused(waveform(beats(60.0), 60.0)).startswith("wrong rate: 60 Hz; below half of 125 Hz")


def test_a_missing_lead_names_those_there() -> None:
    assert refused(waveform(beats(), leads=("II", "V5"))) == "missing lead: expected V1, found II, V5"
    assert "expected II or MLII" in refused(waveform(beats(), leads=("I", "V1")))


def test_a_foreign_unit() -> None:
    assert refused(waveform(beats(), units=("mV", "mmHg"))) == "wrong unit: expected mV, uV or V"


def test_short_gaps_are_bridged_and_told() -> None:
    values = beats(250.0)
    values[200:203, 1] = np.nan
    values[0, 1] = np.nan
    cleaned = KIND.clean(waveform(values, 250.0))
    assert cleaned.quality["missing"] == pytest.approx(4 / 500)
    assert np.isfinite(cleaned.array).all()
    assert np.abs(cleaned.array - beats()).max() < 0.05


def test_a_smooth_baseline_in_coarse_steps_is_no_rail() -> None:
    smooth = np.round(beats(500.0)[:, :1] / 0.02) * 0.02
    kept = ONE.clean(waveform(smooth, 500.0))
    assert kept.quality["clipped"] == 0
    assert "clipped" in refused(waveform(np.maximum(beats(500.0)[:, :1], 0.3), 500.0), ONE)


def test_padding_with_zeros_is_no_rail() -> None:
    values = np.maximum(beats()[:, :1], 0.011) - 0.01  # beats scaled from 0, as they are passed on
    values[200:] = 0
    assert ONE.clean(values).quality["clipped"] == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(63, 2000), st.floats(0.1, 3))
def test_whatever_is_kept_lies_in_the_stated_ranges(seed: int, rate: float, size: float) -> None:
    noise = np.random.default_rng(seed).normal(0, size, (round(2 * rate), 2)) * [1, 0.2]
    cleaned = KIND.clean(waveform(noise, rate))
    assert cleaned.array.shape == KIND.shape
    for name, (low, high) in KIND.quality_ranges.items():
        assert low <= cleaned.quality[name] <= high, name


def test_arrays_are_mv_at_the_kinds_own_rate() -> None:
    np.testing.assert_array_equal(KIND.clean(beats()).array, beats().astype(np.float32))
    np.testing.assert_array_equal(ONE.clean(beats()[:, 0]).array, beats()[:, :1].astype(np.float32))
    for wrong in (beats()[:, 0], np.zeros((2, 2, 2)), np.zeros(()), np.array([["a", "b"]])):
        assert refused(wrong).startswith("unreadable: an array of shape")


def test_content_tells_signals_apart() -> None:
    raw = waveform(beats())
    assert raw.content() == waveform(beats()).content()
    others = [waveform(beats() + 1e-9), waveform(beats(), 250.0), waveform(beats(), leads=("II", "V2"))]
    assert len({raw.content(), *(other.content() for other in others)}) == 4


def test_a_copy_follows_its_generator_and_changes_the_trace() -> None:
    cleaned, policy = KIND.clean(beats()).array, SignalPolicy()
    first, again, other = (KIND.random_copy(cleaned, policy, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == (cleaned.shape, cleaned.dtype)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0 < np.abs(first - cleaned).mean() < 0.2


NOTHING = {"noise": 0.0, "wander": 0.0, "scale": 0.0, "shift": 0.0}


def test_a_policy_of_nothing_copies_and_has_no_layers() -> None:
    cleaned, nothing = KIND.clean(beats()).array, SignalPolicy(**NOTHING)
    np.testing.assert_array_equal(KIND.random_copy(cleaned, nothing, np.random.default_rng(0)), cleaned)
    assert KIND.random_layers(nothing, 0) == []


@pytest.mark.parametrize(
    ("change", "largest"),
    [({"noise": 0.1}, 0.6), ({"wander": 0.5}, 0.5), ({"scale": 0.2}, 0.2), ({"shift": 0.1}, 1.6)],
)
def test_layers_alter_in_training_alone_and_no_more_than_stated(change: dict[str, float], largest: float) -> None:
    traces = np.stack([beats()] * 8).astype(np.float32)
    (layer,) = KIND.random_layers(SignalPolicy(**{**NOTHING, **change}), 3)
    np.testing.assert_array_equal(np.asarray(layer(traces, training=False)), traces)
    first, second = (np.asarray(layer(traces, training=True)) for _ in range(2))
    assert (first.shape, first.dtype) == (traces.shape, np.float32)
    assert not np.array_equal(first, second)
    assert not np.allclose(first[0], first[1])
    assert 0 < np.abs(first - traces).max() <= largest + 0.02
    (again,) = KIND.random_layers(SignalPolicy(**{**NOTHING, **change}), 3)
    np.testing.assert_array_equal(np.asarray(again(traces, training=True)), first)
    assert all(variable.path.endswith("seed_generator_state") for variable in layer.variables)


def test_a_shift_moves_by_whole_samples_and_fills_the_ends() -> None:
    traces = np.stack([beats()] * 8).astype(np.float32)
    (layer,) = KIND.random_layers(SignalPolicy(**{**NOTHING, "shift": 0.1}), 3)
    for shifted in np.asarray(layer(traces, training=True)):
        moves = [
            m
            for m in range(-12, 13)
            if np.array_equal(shifted, beats().astype(np.float32)[np.clip(np.arange(250) - m, 0, 249)])
        ]
        assert len(moves) == 1


def test_offset_and_gain_do_not_reach_the_network() -> None:
    traces = np.stack([beats(), beats() * 3 + 7]).astype(np.float32)
    first, second = np.asarray(KIND.standardise(KIND.to_network(traces, {})))
    np.testing.assert_allclose(first, second, atol=0.02)
    np.testing.assert_allclose(first.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(first.std(axis=0), 1, atol=0.01)
    flat = np.asarray(KIND.standardise(np.ones((1, *KIND.shape), np.float32)))
    np.testing.assert_array_equal(flat, 0)


def test_pictures_are_the_same_for_the_same_trace_and_show_the_evidence() -> None:
    cleaned = KIND.clean(beats()).array
    plain, again = (KIND.picture(cleaned, None, 1.0) for _ in range(2))
    assert plain.startswith(b"\x89PNG")
    assert plain == again
    warm = KIND.picture(cleaned, np.array([0.0, 1.0, 0.0]), 1.0)
    assert warm not in (plain, KIND.picture(cleaned, np.array([0.0, 0.5, 0.0]), 1.0))
    assert KIND.picture(cleaned, np.array([0.0, -1.0, 0.0]), 1.0) == KIND.picture(cleaned, np.zeros(3), 1.0)
    assert b"Software" not in plain


def test_legends_say_what_is_shown() -> None:
    assert "speaks for V (" in KIND.legend("for V", explained="class_activation_map")
    assert "shown alone" in KIND.legend("for V", explained="none")


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0.0}, {"rate": 1.0}, {"rate": 0}, {"leads": ()}, {"leads": ("II|",)}, {"leads": ("",)},
        {"seconds": 0.1}, {"seconds": 600.0, "rate": 1000.0}, {"seconds": float("nan")}, {"unit": "mV"},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Signal.model_validate({"kind": "signal", "seconds": 2.0, "rate": 125.0, "leads": ("II",), **wrong})


def test_cleaning_loads_neither_keras_nor_tensorflow_nor_matplotlib() -> None:
    code = (
        "import sys; import numpy as np; from components.lib.kinds.signal import Signal;"
        "Signal(kind='signal', seconds=1, rate=100, leads=('II',)).clean(np.sin(np.arange(100.)));"
        "print({'keras', 'tensorflow', 'jax', 'matplotlib', 'wfdb'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.skipif(not REAL.exists(), reason=f"real data are not there: {REAL.name}; set MEDPIPE_REAL_DATA")
@pytest.mark.parametrize(
    ("name", "leads"), [("100", ("II|MLII", "V5")), ("a103l", ("II", "V")), ("s0010_re", ("I", "aVR", "V1", "V6"))]
)
def test_windows_of_real_records_are_clean(name: str, leads: tuple[str, ...]) -> None:
    kind = Signal(kind="signal", seconds=3.0, rate=125.0, leads=leads)
    whole = read_record(REAL / name)
    length = round(3 * whole.rate)
    for start in range(0, min(len(whole.values) - length, 60 * length), length):
        cleaned = kind.clean(Waveform(whole.values[start : start + length], whole.rate, whole.leads, whole.units))
        assert cleaned.quality["clipped"] == 0


@pytest.mark.skipif(not REAL.exists(), reason=f"real data are not there: {REAL.name}; set MEDPIPE_REAL_DATA")
def test_real_signals_that_are_no_electrocardiogram_are_refused() -> None:
    kind = Signal(kind="signal", seconds=3.0, rate=125.0, leads=("ABP",))
    whole = read_record(REAL / "03700181")
    assert "wrong unit" in refused(Waveform(whole.values[:375], whole.rate, whole.leads, whole.units), kind)
