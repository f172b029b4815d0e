"""Signals of one or several leads over a window of time: electrocardiograms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.lib.errors import Unusable
from components.lib.kinds import _signal_summary
from components.lib.kinds._record_headers import check_record, check_text, record_header, require_regular
from components.lib.kinds._signal_requests import HIGHEST_RATE, check_length, check_rate, requested
from components.lib.kinds._traces import strips
from components.lib.kinds._waveforms import Waveform, read_record
from components.lib.kinds.base import Array, Cleaned, Corruption, Explained, Fitted, InputKind, RequestColumn
from components.lib.settings import Settings

if TYPE_CHECKING:
    import keras

__all__ = [
    "Signal",
    "SignalPolicy",
    "Waveform",
    "check_record",
    "check_text",
    "read_record",
    "record_header",
    "require_regular",
]

MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}
"""What one of a unit is in mV; both signs that look like µ are in use."""
FLAT_SPREAD = 0.01
"""mV, standard deviation; the noise of a connected electrode alone is of this size."""
HIGHEST_PEAK = 20.0
"""mV from a lead's median; QRS complexes reach 5, artefacts more."""
MOST_MISSING = 0.01
MOST_CLIPPED = 0.02
"""Shares of the values of a lead."""
CLIPPED_RUN = 5
"""That many equal values in a row at the lowest or highest value are the rail of an amplifier."""
BASELINE, LONG = 0.2, 0.25
"""Runs within that many mV of a lead's median are a smooth baseline, coarsely digitised, up to that share of it."""
EPSILON = 1e-4
"""mV, added to the standard deviation."""


class SignalPolicy(Settings):
    """Online augmentation of signals; 0 switches one off."""

    noise: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Largest standard deviation of white noise, mV."""
    wander: Annotated[float, Field(ge=0, le=5)] = 0.1
    """Largest amplitude of a slow wander of the baseline, mV."""
    scale: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    """Largest relative change of amplitude."""
    shift: Annotated[float, Field(ge=0, le=5)] = 0.02
    """Largest shift in time, seconds; the ends are filled with the last value."""


class Signal(InputKind):
    """A window of an electrocardiogram: cleaned to float32 (values, leads) in mV, at one rate."""

    kind: Literal["signal"]
    seconds: Annotated[float, Field(gt=0, le=600)]
    """Length of the window, seconds."""
    rate: Annotated[float, Field(ge=10, le=5000)]
    """Samples a second that every signal is resampled to."""
    leads: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=80)], ...], Field(min_length=1, max_length=64)]
    """Leads by name, in order, whatever their case; "II|MLII" takes the first of these names that is there."""
    centred: bool = False
    """The target is about what stands in the middle of the window, one beat of several: the network is told where."""

    policy_class: ClassVar[type[Settings]] = SignalPolicy
    raw_types: ClassVar[tuple[type, ...]] = (Waveform, np.ndarray)
    default_model: ClassVar[str] = "resnet"
    quality_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "spread": (FLAT_SPREAD, HIGHEST_PEAK),
        "peak": (FLAT_SPREAD, HIGHEST_PEAK),
        "missing": (0.0, MOST_MISSING),
        "clipped": (0.0, MOST_CLIPPED),
        "rate": (5.0, HIGHEST_RATE),
    }
    serving_packages: ClassVar[tuple[str, ...]] = ("wfdb",)
    map_packages: ClassVar[tuple[str, ...]] = ("matplotlib",)
    noun: ClassVar[str] = "traces"

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not 16 <= self.shape[0] <= 100_000:
            raise ValueError(f"seconds × rate gives {self.shape[0]} values; 16 to 100,000 make a window")
        if not all(all(name.strip() for name in lead.split("|")) for lead in self.leads):
            raise ValueError("a lead has no name; write names, and | between those that mean the same")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        return (round(self.seconds * self.rate), len(self.leads))

    @property
    def columns(self) -> tuple[str, ...]:
        return self.leads

    @property
    def dtype(self) -> str:
        return "float32"

    def clean(self, raw: Waveform | Array) -> Cleaned:
        """Pick the leads, convert to mV, refuse what shows no heart, fill short gaps, resample.

        Quality figures are of the worst lead: spread and peak in mV (peak from the lead's median), missing and clipped
        as shares of the window, rate in Hz as it was recorded.

        Args:
            raw: a Waveform of the window's length; or an array (T,) or (T, leads) in mV, at this kind's rate and leads.
        """
        waveform = raw if isinstance(raw, Waveform) else self._plain(raw)
        values, rate = self._picked(waveform), waveform.rate
        check_rate(rate)
        if rate < self.rate / 2:
            raise Unusable(f"wrong rate: {rate:g} Hz; below half of {self.rate:g} Hz the shape of a beat is lost")
        check_length(len(values), rate, self.seconds)
        if np.isinf(values).any():
            raise Unusable("infinite values")
        gaps = np.isnan(values)
        missing = float(gaps.mean(axis=0).max())
        if missing > MOST_MISSING:
            raise Unusable(f"gaps: {missing:.1%} of a lead is missing, at most {MOST_MISSING:.0%} can be filled")
        filled = _filled(values, gaps)
        quality = {**_quality(filled), "missing": missing, "rate": rate}
        if quality["spread"] < FLAT_SPREAD:
            raise Unusable(f"flat: a lead spreads {quality['spread']:.4f} mV")
        if quality["clipped"] > MOST_CLIPPED:
            raise Unusable(f"clipped: {quality['clipped']:.1%} of a lead stands at its lowest or highest value")
        if quality["peak"] > HIGHEST_PEAK:
            raise Unusable(
                f"out of range: {quality['peak']:.4g} mV; up to {HIGHEST_PEAK:g} is plausible: check the unit"
            )
        return Cleaned(self._resampled(filled, rate), quality)

    def figures(self, cleaned: Array) -> dict[str, float]:
        """Spread and peak of the worst lead, mV."""
        told = _quality(np.asarray(cleaned, np.float64))
        return {name: told[name] for name in ("spread", "peak")}  # a shifted copy holds its last value, and isn't cut

    def to_network(self, cleaned: Array, fitted: Fitted) -> NDArray[np.float32]:
        """float32 (N, T, leads) in mV, as it is."""
        return np.array(cleaned, np.float32)

    def standardise(self, inputs: Any) -> Any:
        """Each lead of each trace minus its mean over time, by its standard deviation.

        Where the window is `centred` a last channel says how near a place is to the middle, 1 there and 0 at the ends:
        pooling over time alone could not tell the beat that is asked about from its neighbours. After CoordConv, Liu
        et al. 2018, arXiv:1807.03247.
        """
        from keras import ops

        traces = ops.cast(inputs, "float32")  # an offset of some mV takes all digits of a half-precision number
        centred = traces - ops.mean(traces, axis=1, keepdims=True)
        scaled = centred / (ops.sqrt(ops.mean(ops.square(centred), axis=1, keepdims=True)) + EPSILON)
        if not self.centred:
            return scaled
        nearness = 1 - np.abs(np.linspace(-1, 1, self.shape[0], dtype=np.float32))
        return ops.concatenate([scaled, ops.zeros_like(scaled[..., :1]) + nearness[:, None]], axis=-1)

    def summary_words(self, fitted: Fitted) -> Mapping[str, tuple[str, str]]:
        return _signal_summary.WORDS

    def summary(self, cleaned: Array, fitted: Fitted) -> NDArray[np.float64]:
        return _signal_summary.summary(cleaned, self.rate)

    @property
    def corruptions(self) -> Mapping[str, Corruption]:
        return _signal_summary.corruptions(self.rate)

    def strangers(self, cleaned: Array, generator: np.random.Generator) -> Mapping[str, Array]:
        return _signal_summary.strangers(cleaned, self.rate, generator)

    def request_columns(self, name: str) -> tuple[RequestColumn, ...]:
        meaning = (
            f"{self.shape[0]} values in mV at {self.rate:g} Hz, (T,) or (T, {len(self.leads)}); or an object "
            '{"values", "rate", "leads", "unit", "at"}; or a ZIP of a WFDB record, base64-encoded'
        )
        return (RequestColumn(name, "any", True, meaning),)

    def from_request(self, name: str, row: Mapping[str, Any]) -> Waveform:
        return requested(row.get(name), self.seconds, self.rate, self.leads)

    def to_request(self, name: str, raw: Waveform | Array) -> dict[str, Any]:
        """The leads that this kind takes, in mV; a gap as null. Also Unusable where one isn't there."""
        waveform = raw if isinstance(raw, Waveform) else self._plain(raw)
        values = self._picked(waveform)
        told = [[None if np.isnan(value) else value for value in row] for row in values.tolist()]
        leads = [lead.split("|")[0] for lead in self.leads]
        return {name: {"values": told, "rate": waveform.rate, "leads": leads, "unit": "mV"}}

    def random_layers(self, policy: Any, seed: int) -> Sequence[keras.layers.Layer]:
        from components.lib.kinds._signal_layers import RandomNoise, RandomScale, RandomShift, RandomWander

        layers: list[keras.layers.Layer] = []
        if policy.shift * self.rate >= 1:
            layers.append(RandomShift(int(policy.shift * self.rate), seed=seed, dtype="float32"))
        if policy.scale:
            layers.append(RandomScale(policy.scale, seed=seed + 1, dtype="float32"))
        if policy.wander:
            layers.append(RandomWander(policy.wander, self.rate, seed=seed + 2, dtype="float32"))
        if policy.noise:
            layers.append(RandomNoise(policy.noise, seed=seed + 3, dtype="float32"))
        return layers

    def random_copy(self, cleaned: Array, policy: Any, generator: np.random.Generator) -> Array:
        """One copy under the same policy, by NumPy: shifted, scaled, wandering, noisy."""
        length, leads = self.shape
        most = int(policy.shift * self.rate)
        places = np.clip(np.arange(length) - generator.integers(-most, most, endpoint=True), 0, length - 1)
        altered = np.asarray(cleaned, np.float64)[places] * (1 + generator.uniform(-policy.scale, policy.scale))
        angle = 2 * np.pi * generator.uniform(0.05, 0.5) * np.arange(length)[:, None] / self.rate
        phase = generator.uniform(0, 2 * np.pi, leads)
        altered += generator.uniform(0, policy.wander, leads) * np.sin(angle + phase)
        altered += generator.uniform(0, policy.noise) * generator.standard_normal((length, leads))
        copy: Array = altered.astype(np.float32)
        return copy

    def picture(self, cleaned: Array, evidence: NDArray[np.floating] | None, strongest: float) -> bytes:
        """One strip a lead on ECG paper; warm behind it where the model looked."""
        return strips(cleaned, self.rate, [lead.split("|")[0] for lead in self.leads], evidence, strongest)

    def legend(self, what: str, *, explained: Explained) -> str:
        paper = "Each lead on paper of .04 s by .1 mV, bold lines at .2 s and .5 mV, from its median"
        if explained == "none":
            return f"{paper}. The model has no class-activation map; the traces are shown alone."
        return (
            f"{paper}; warm where a time speaks {what} (class-activation map, all traces on one scale). The map is "
            "coarse: it shows when the network looked, not the onset and end of a wave."
        )

    def _plain(self, raw: Array) -> Waveform:
        """An array as a signal at this kind's rate and leads, in mV."""
        values = np.asarray(raw)
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] != len(self.leads) or values.dtype.kind not in "iuf":
            raise Unusable(
                f"unreadable: an array of shape {np.shape(raw)} and type {values.dtype}; "
                f"expected numbers ({self.shape[0]}, {len(self.leads)})"
            )
        names = tuple(lead.split("|")[0] for lead in self.leads)
        return Waveform(values.astype(np.float64), self.rate, names, ("mV",) * len(names))

    def _picked(self, waveform: Waveform) -> NDArray[np.float64]:
        """The wanted leads (T, leads) in mV."""
        there = {name.strip().lower(): place for place, name in reversed([*enumerate(waveform.leads)])}
        columns = []
        for lead in self.leads:
            place = next((there[n] for n in (a.strip().lower() for a in lead.split("|")) if n in there), None)
            if place is None:
                raise Unusable(f"missing lead: expected {lead.replace('|', ' or ')}, found {_told(waveform.leads)}")
            unit = waveform.units[place].strip().lower()
            if unit not in MILLIVOLTS:
                raise Unusable("wrong unit: expected mV, uV or V")
            with np.errstate(over="ignore"):  # becomes infinite, and is refused for it
                columns.append(waveform.values[:, place] * MILLIVOLTS[unit])
        return np.stack(columns, axis=1)

    def _resampled(self, values: NDArray[np.float64], rate: float) -> NDArray[np.float32]:
        """At this kind's rate, by a polyphase filter that lets nothing alias; exactly its length."""
        ratio = Fraction(self.rate / rate).limit_denominator(4000)
        if ratio != 1:
            from scipy.signal import resample_poly

            values = resample_poly(values, ratio.numerator, ratio.denominator, axis=0, padtype="line")
        length = self.shape[0]
        values = np.pad(values, ((0, max(0, length - len(values))), (0, 0)), mode="edge")[:length]
        return values.astype(np.float32)


def _told(leads: Sequence[str]) -> str:
    """Names of leads; a header's other words are free text, and only counted."""
    plain = [name for name in leads if re.fullmatch(r"[A-Za-z0-9+-]{1,8}", name)]
    strange = [f"{len(leads) - len(plain)} of another form"] if len(plain) < len(leads) else []
    return ", ".join([*plain[:15], *strange]) or "none"


def _filled(values: NDArray[np.float64], gaps: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Gaps filled by straight lines, at the ends with the nearest value."""
    if not gaps.any():
        return values
    filled, time = values.copy(), np.arange(len(values))
    for lead in np.flatnonzero(gaps.any(axis=0)):
        gap = gaps[:, lead]
        filled[gap, lead] = np.interp(time[gap], time[~gap], values[~gap, lead])
    return filled


def _quality(values: NDArray[np.float64]) -> dict[str, float]:
    """Spread, peak and clipped share of the worst lead."""
    with np.errstate(over="ignore", invalid="ignore"):  # absurd values come out as infinite, and are refused for it
        peak = np.abs(values - np.median(values, axis=0)).max()
        spread = values.std(axis=0).min()
    clipped = max(_clipped(values[:, lead]) for lead in range(values.shape[1]))
    return {"spread": float(spread), "peak": float(peak), "clipped": clipped}


def _clipped(trace: NDArray[np.float64]) -> float:
    """Share of a trace (T,) in runs at its lowest or highest value; runs of 0 are padding, not a rail."""
    total, middle = 0.0, float(np.median(trace))
    for rail in {float(trace.min()), float(trace.max())} - {0.0}:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], trace == rail, [False]]).astype(np.int8)))
        runs = edges[1::2] - edges[::2]
        share = float(runs[runs >= CLIPPED_RUN].sum() / len(trace))
        total += share if share > LONG or abs(rail - middle) > BASELINE else 0.0
    return total
