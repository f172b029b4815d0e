"""Examples of every kind, for the contract that all kinds keep: tests/components/lib/kinds/test_contract.py.

A new kind needs an entry in `INPUTS` or in `TARGETS`, under the name that a task file gives it.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import cv2
import keras
import numpy as np
import pandas as pd
from films import encoded, film
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.lib.kinds import INPUT_KINDS, TARGET_KINDS, InputKind, TargetKind
from components.lib.kinds.base import Array, Raw
from components.lib.kinds.signal import Waveform
from components.lib.kinds.table import Row
from components.lib.settings import Settings
from components.lib.train_settings import Train

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class InputExample:
    """An input kind with settings, samples, and what it must refuse."""

    settings: dict[str, Any]
    """As a task file has them, `kind` left out; small, so that networks on it are built fast."""
    samples: Callable[[np.random.Generator], list[Raw]]
    """Good raw samples, of every raw type and form; 20 or more, each another."""
    refused: Sequence[tuple[Raw, str]]
    """Raw samples that can't be used, and words of the reason."""
    policy: dict[str, Any] = field(default_factory=dict)
    """An online augmentation that alters every sample."""


@dataclass(frozen=True)
class TargetExample:
    """A target kind with settings, raw values, what it must refuse, and a network that knows the truth."""

    settings: dict[str, Any]
    """As a task file has them, `kind` left out."""
    values: Callable[[np.random.Generator], list[Any]]
    """Raw values as readers give them: 40 or more, varied, every spelling that is taken; none unknown."""
    refused: Sequence[tuple[list[Any], str]]
    """Columns with a wrong value, and words of the problem."""
    logits: Callable[[Array, Mapping[str, float]], Array]
    """Logits (N, units) that say the truth, from encoded targets and what `fit` gave; their negative the opposite."""


def films(generator: np.random.Generator) -> list[Raw]:
    """Files and arrays of 8 and 16 bits, grey and colour, with and without transparency, of several sizes."""

    def pixels(*shape: int, most: int = 256, dtype: type = np.uint8) -> NDArray[Any]:
        return generator.integers(0, most, shape).astype(dtype)

    files = [encoded(pixels(16, 16)), encoded(pixels(20, 30, 3)), encoded(pixels(9, 40, 4))]
    deep = [encoded(pixels(16, 16, most=4096, dtype=np.uint16)), pixels(18, 16, most=1024, dtype=np.uint16)]
    arrays = [pixels(16, 16), pixels(16, 16, 1), pixels(30, 20, 3), pixels(16, 16, 4)]
    return [*files, *deep, *arrays, *(encoded(pixels(16, 16), suffix) for suffix in [".png", ".bmp", ".tif"] * 4)]


NO_FILMS: list[tuple[Raw, str]] = [
    (b"", "empty"),
    (b"/srv/raw/Smith.png", "unreadable"),
    (encoded(film(1))[:60], "unreadable"),
    (encoded(np.full((16, 16), 7, np.uint8)), "blank"),
    (np.full((16, 16), 7, np.uint16), "blank"),
    (np.zeros((0, 16), np.uint8), "unreadable"),
    (np.zeros((), np.uint8), "unreadable"),
    (np.zeros((4, 4, 2), np.uint8), "unreadable"),
    (np.zeros((2, 4, 4, 3), np.uint8), "unreadable"),
    *((np.arange(256).reshape(16, 16).astype(dtype), "unreadable") for dtype in (float, bool, complex, object, "U3")),
]


def traces(generator: np.random.Generator) -> list[Raw]:
    """Waveforms of several rates, units and orders of leads, with short gaps; arrays at the kind's own rate."""

    def values(rate: float) -> NDArray[np.float64]:
        return generator.normal(0, 0.3, (round(2 * rate), 2))

    def recorded(rate: float, leads: tuple[str, ...] = ("II", "V1"), unit: str = "mV", scale: float = 1) -> Waveform:
        return Waveform(scale * values(rate), rate, leads, (unit,) * 2)

    gap = recorded(250.0)
    gap.values[100:103] = np.nan
    arrays = [values(64), values(64).astype(np.float32), generator.integers(-3, 4, (128, 2))]
    others = [
        recorded(128.0, unit="uV", scale=1e3),
        recorded(64.0, unit="V", scale=1e-3),
        recorded(64.0, ("v1", "mlii")),
    ]
    return [*arrays, *others, gap, *(recorded(rate) for rate in [64.0, 50.0, 100.0, 257.3] * 4)]


def trace(rate: float = 64.0, seconds: float = 2.0, leads: tuple[str, ...] = ("II", "V1"), **changes: Any) -> Waveform:
    """A good waveform but for what is changed: `value` everywhere, or `unit`, or `add` on every value."""
    values = np.random.default_rng(0).normal(0, 0.3, (round(seconds * rate) if rate > 0 else 128, len(leads)))
    values = np.full_like(values, changes["value"]) if "value" in changes else values * changes.get("times", 1)
    return Waveform(values, rate, leads, (changes.get("unit", "mV"),) * len(leads))


NO_TRACES: list[tuple[Raw, str]] = [
    (trace(seconds=3), "wrong length"),
    (Waveform(np.zeros((0, 2)), 64.0, ("II", "V1"), ("mV", "mV")), "wrong length"),
    (trace(rate=20.0), "wrong rate"),
    (trace(rate=0.0), "wrong rate"),
    (trace(rate=float("nan")), "wrong rate"),
    (trace(rate=1e9, seconds=1e-6), "wrong rate"),
    (trace(leads=("II", "/srv/raw/Smith.dat")), "missing lead"),
    (trace(leads=()), "missing lead"),
    (trace(unit="mm\nHg"), "wrong unit"),
    (trace(value=0.5), "flat"),
    (trace(value=np.nan), "gaps"),
    (trace(value=np.inf), "infinite"),
    (trace(times=1e3), "out of range"),
    (trace(times=1e200), "out of range"),
    (trace(times=1e306, unit="V"), "infinite"),
    (np.zeros((128, 3)), "unreadable"),
    (np.zeros(()), "unreadable"),
    (np.zeros((0, 2)), "wrong length"),
    *((np.zeros((128, 2)).astype(dtype), "unreadable") for dtype in (bool, complex, object, "U3", "M8[s]")),
]

TABLE = {"numbers": ["age", "bmi"], "categories": {"sex": ["male", "female"], "ward": None}, "rare": 2}


def rows(generator: np.random.Generator) -> list[Raw]:
    """Numbers as text and as numbers, missing cells, blanks around words; columns in any order, and one too many."""
    made = []
    for number in range(30):
        age = generator.uniform(20, 90)
        cells: list[tuple[str, str | float | None]] = [
            ("age", (float(age), f"{age:.3f}", int(age), "", None)[number % 5]),
            ("bmi", (f" {generator.normal(27, 4):.2f} ", float("nan"), generator.normal(27, 4))[number % 3]),
            ("sex", ("male", " female", "NA")[number % 3 if number % 7 else 0]),
            ("ward", (None, "Süd", "Nord", "a/b")[number % 4]),
            ("name", f"/srv/raw/Smith-{number}"),
        ]
        made.append(Row(dict(cells[number % 5 :] + cells[: number % 5])))
    return made


def wards(generator: np.random.Generator) -> list[Raw]:
    """Rows that say something in a column of categories."""
    return [each for each in rows(generator) if each.values["ward"]]


def row(**cells: Any) -> Row:
    return Row({"age": "59", "bmi": 32.1, "sex": "female", "ward": "Nord", **cells})


NO_ROWS: list[tuple[Raw, str]] = [
    (Row({}), "column age"),
    (Row({"age": 5, "BMI": 6, "sex": "male", "ward": "Nord"}), "column bmi"),
    (row(age=None, bmi="", sex="NA", ward=float("nan")), "missing"),
    *((row(age=value), "column age") for value in ("/srv/raw/Smith", "1,5", True, [1], {}, b"5", "inf", 10**400)),
    *((row(sex=value), "column sex") for value in ("/srv/raw/Smith", "Male\n", 1, True, ["male"])),
    *((row(ward=value), "column ward") for value in ("x" * 65, "a\0b", 7, ["Nord"])),
]

INPUTS: dict[str, list[InputExample]] = {
    "image": [
        InputExample({"size": [16, 16]}, films, NO_FILMS, {"horizontal_flip": True}),
        InputExample({"size": [16, 24], "channels": 3, "resize": "stretch"}, films, NO_FILMS, {"sharpness": 0.5}),
    ],
    "signal": [
        InputExample({"seconds": 2.0, "rate": 64.0, "leads": ["II|MLII", "V1"]}, traces, NO_TRACES, {"shift": 0.2}),
        InputExample({"seconds": 2.0, "rate": 64.0, "leads": ["II|MLII", "V1"], "centred": True}, traces, NO_TRACES),
    ],
    "table": [
        InputExample(TABLE, rows, NO_ROWS, {"noise": 0.5, "drop": 0.3}),
        InputExample({**TABLE, "ranges": {"age": [0, 130]}}, rows, [(row(age=131), "column age")], {"drop": 0.5}),
        InputExample({"categories": TABLE["categories"], "rare": 2}, wards, [(row(sex="none of these"), "column sex")]),
    ],
}  # fmt: skip


def words(*classes: Any) -> Callable[[np.random.Generator], list[Any]]:
    """Each class 20 times, in any order."""
    return lambda generator: [classes[place % len(classes)] for place in generator.permutation(20 * len(classes))]


def numbers(generator: np.random.Generator) -> list[Any]:
    """Text, with blanks around it and with exponents."""
    return [f" {value:.2f}" if value > 150 else f"{value:.3e}" for value in generator.normal(150, 40, 48).clip(1, 599)]


def standardised(encoded: Array, scaling: Mapping[str, float]) -> Array:
    return ((encoded - scaling["mean"]) / scaling["deviation"]).astype(np.float32)


TARGETS: dict[str, list[TargetExample]] = {
    "binary": [
        TargetExample(
            {"classes": ["normal", "pneumonia"]}, words("normal", "pneumonia"),
            [(["normal", "Pneumonias"], "Pneumonias"), ([True, None], "True"), ([["normal"]], "normal")],
            lambda encoded, scaling: 6 * encoded - 3,
        ),
        TargetExample({"classes": ["0", "1"]}, words(0, 1), [([2.0], "2")], lambda encoded, scaling: encoded - 0.5),
    ],
    "multiclass": [
        TargetExample(
            {"classes": ["normal", "肺炎", "a/b: $x^$ ü"]}, words("normal", "肺炎", "a/b: $x^$ ü"),
            [(["normal", "viral"], "viral"), ([1], "1")], lambda encoded, scaling: 6 * encoded - 2,
        ),
        TargetExample(
            {"classes": ["1", "2"]}, words(1.0, 2.0), [([3, None], "3")], lambda encoded, scaling: encoded - 0.5
        ),
    ],
    "regression": [
        TargetExample(
            {"unit": "mg/dl", "minimum": 0, "maximum": 600}, numbers,
            [([5, "/srv/raw/Smith"], "no number"), ([-5.0], "outside"), ([np.inf], "infinite"), ([True], "no number")],
            standardised,
        ),
        TargetExample({"robust": True, "coverage": 0.5}, numbers, [(["1,5"], "point")], standardised),
    ],
}  # fmt: skip


def name_of(kind: type[Settings]) -> str:
    """What a task file calls a kind."""
    return str(get_args(kind.model_fields["kind"].annotation)[0])


KINDS = {name_of(kind): kind for kind in [*INPUT_KINDS, *TARGET_KINDS]}


@dataclass(frozen=True)
class Input:
    """An input kind and its samples, cleaned."""

    kind: InputKind
    example: InputExample
    raws: list[Any]
    cleaned: Array
    fitted: dict[str, Any]

    @property
    def network(self) -> Array:
        return self.kind.to_network(self.cleaned, self.fitted)

    def altered(self, policy: Settings, seed: int = 3, *, training: bool = True) -> Array:
        """The network's input behind the online augmentation."""
        values = keras.ops.convert_to_tensor(self.network)
        for layer in self.kind.random_layers(policy, seed):
            values = layer(values, training=training)
        return np.asarray(values)

    @property
    def policies(self) -> tuple[Settings, Settings]:
        """One that alters what it can, and one of zeros."""
        policy, defaults = self.kind.policy_class, self.kind.policy_class()
        zeros = {name: type(getattr(defaults, name))() for name in policy.model_fields}
        return policy(**self.example.policy), policy(**zeros)


def made(name: str, example: InputExample | TargetExample) -> Any:
    """The kind with the example's settings, read as a task file is."""
    return KINDS[name].model_validate_json(json.dumps({"kind": name, **example.settings}))


@functools.cache
def input_of(name: str, number: int) -> Input:
    """One example of an input kind, by the kind's name."""
    example = INPUTS[name][number]
    kind, raws = made(name, example), example.samples(np.random.default_rng(0))
    cleaned = np.stack([kind.clean(raw).array for raw in raws])
    cleaned.flags.writeable = False
    return Input(kind, example, raws, cleaned, kind.fit([cleaned]))


@dataclass(frozen=True)
class Target:
    """A target kind, and a network's answers for N samples of which some are unknown."""

    kind: TargetKind
    example: TargetExample
    values: pd.Series
    encoded: Array
    known: Array
    scaling: dict[str, float]
    logits: Array
    """Of a network that errs now and then; known and unknown samples (N, units)."""

    def output(self, logits: Array) -> Array:
        return np.asarray(self.kind.activation(logits, self.scaling))

    @functools.cached_property
    def served(self) -> tuple[Array, Array]:
        """Output and truth of the known samples."""
        return self.output(self.logits)[self.known], self.encoded[self.known]

    @functools.cached_property
    def decision(self) -> dict[str, float]:
        return self.kind.fit_decision(*self.served, Train())

    @functools.cached_property
    def cases(self) -> dict[str, tuple[Array, Array]]:
        """Output and truth of many samples, one, none, and of those that are all of one value."""
        output, encoded = self.served
        other = int((encoded != encoded[0]).reshape(len(encoded), -1).any(axis=1).argmax())
        same = {f"constant {at}": np.repeat(encoded[at : at + 1], len(encoded), axis=0) for at in (0, other)}
        return {
            "good": (output, encoded), "one": (output[:1], encoded[:1]), "none": (output[:0], encoded[:0]),
            "constant output": (np.repeat(output[:1], len(output), axis=0), encoded),
            **{name: (output, truth) for name, truth in same.items()},
        }  # fmt: skip


@functools.cache
def target_of(name: str, number: int) -> Target:
    """One example of a target kind, by the kind's name; the first, the last and one more value are unknown."""
    example, generator = TARGETS[name][number], np.random.default_rng(0)
    kind, raw = made(name, example), example.values(generator)
    values = pd.Series([None, *raw[:9], float("nan"), *raw[9:], None], dtype=object, name="finding")
    encoded, known = kind.encode(values)
    scaling = kind.fit(encoded[known])
    logits = example.logits(encoded, scaling) * generator.uniform(-0.4, 1, (len(values), 1))
    logits = (logits + generator.normal(0, 0.1, logits.shape)).astype(np.float32)
    return Target(
        kind, example, values, encoded, known, scaling | kind.calibrate(logits[known], encoded[known], scaling), logits
    )


TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # with lone surrogates, which JSON can hold
NUMBERS = st.booleans() | st.integers() | st.just(10**400) | st.floats()
LEAVES = st.none() | NUMBERS | TEXT | st.text("AQID+/=", max_size=40)
FLAT = LEAVES | st.lists(LEAVES, max_size=4) | st.dictionaries(TEXT, LEAVES, max_size=3)
JSON = FLAT | st.lists(FLAT, max_size=4) | st.dictionaries(TEXT, FLAT, max_size=3)


@st.composite
def spoilt(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value, or any other, with something else somewhere in it."""
    if value and isinstance(value, dict | list) and draw(st.integers(0, 3)):
        place = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        changed = value.copy()
        changed[place] = draw(spoilt(value[place]))
        return changed
    wrapped = draw(st.integers(0, 4))
    return [value] if wrapped == 1 else {"values": value} if wrapped == 2 else draw(JSON)


def one_line(text: str) -> bool:
    """Text that people read, in a report or an answer by HTTP, and that names no file."""
    named = any(folder in text for folder in (str(ROOT), tempfile.gettempdir(), "/work/raw", "Smith"))
    return bool(text.strip()) and len(text.splitlines()) == 1 and bool(text.encode()) and not named


def is_plain(values: Any) -> bool:
    """JSON that reads back as it was: no tuples, no NumPy numbers, no NaN."""
    return bool(json.loads(json.dumps(values, allow_nan=False)) == values)


def is_png(picture: bytes) -> bool:
    """A PNG file that a decoder reads."""
    return picture.startswith(b"\x89PNG") and cv2.imdecode(np.frombuffer(picture, np.uint8), 1) is not None
