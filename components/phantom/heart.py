"""The patient of a synthetic electrocardiogram: who it is, and when atria and ventricles beat. Times are seconds."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from components.lib.phantoms.ecg import EcgPhantom

LEAD_IN = 3.0  # s of heartbeat before the record starts, so that it starts in the middle of life
REFRACTORY = 0.3  # s: no shorter interval gets through
# Multiples of these, modulo 1, fill the cube evenly however many are taken: a Kronecker sequence, with the powers of
# the real root of x^4 = x + 1. So a small phantom, too, has the share of each rhythm that was asked for.
EVEN = np.array([0.8191725134, 0.6710436067, 0.5497004779])


class Patient(NamedTuple):
    """What stays the same throughout a record."""

    number: int
    age: int
    sex: Literal["F", "M"]
    site: str
    fibrillation: tuple[float, float]  # from, to; equal where there is none
    breathing: float  # Hz
    ventricular: float  # probability of an ectopic beat after a beat that was none
    supraventricular: float

    def fibrillates(self, time: float) -> bool:
        """Whether the atria fibrillate at a time."""
        return self.fibrillation[0] <= time < self.fibrillation[1]


class Beat(NamedTuple):
    """One excitation of the ventricles."""

    time: float  # of the R peak
    symbol: str  # N, A (supraventricular ectopic) or V (ventricular ectopic)
    cycle: float  # mean interval of the last beats: what QT follows
    conducted: float  # share of the ventricles excited on the normal path: 0 where ectopic, between where two ways meet


class Atrium(NamedTuple):
    """One excitation of the atria in sinus rhythm: a P wave."""

    time: float  # of its peak
    ectopic: bool


class Rhythm(NamedTuple):
    """All that the heart did, a little before and after the record included."""

    beats: list[Beat]
    atria: list[Atrium]


def _burden(even: float, share: float) -> float:
    """Share of ectopic beats of one patient: none for a third, then rising; `share` on average."""
    return float(max(even - 0.35, 0) / 0.65**2 * 2 * share)


def patient(settings: EcgPhantom, number: int) -> Patient:
    """Draw patient `number`, alike however many there are."""
    generator = np.random.default_rng([settings.seed, number, 0])
    even = (np.random.default_rng([settings.seed]).random(3) + number * EVEN) % 1
    ill = bool(even[0] < settings.fibrillation)
    age = int(np.clip(generator.normal(72 if ill else 56, 10 if ill else 17), 18, 94))
    sex: Literal["F", "M"] = "F" if generator.random() < 0.48 else "M"
    site = str(generator.choice(["A", "B", "C"], p=[0.4, 0.35, 0.25]))
    always, starts, change = generator.random() < 0.7, generator.random() < 0.5, generator.uniform(0.25, 0.75)
    change *= settings.seconds
    first, last = -LEAD_IN - 1, settings.seconds + LEAD_IN
    episode = (first, last) if always else (change, last) if starts else (first, change)
    many, early = _burden(even[1], settings.ventricular), _burden(even[2], settings.supraventricular)
    # After an ectopic beat comes one that is none, so half of all beats is the most there can be.
    rarer = 1 / (1 - min(many + early, 0.47)) * min(1, 0.47 / max(many + early, 1e-9))
    breathing = float(generator.uniform(0.18, 0.32))
    return Patient(number, age, sex, site, episode if ill else (0, 0), breathing, many * rarer, early * rarer)


class _Pace(NamedTuple):
    """How the heart of one patient beats."""

    sinus: float  # mean interval in sinus rhythm
    fibrillating: float  # and in fibrillation
    irregular: float  # coefficient of variation in fibrillation
    respiratory: float  # share by which breathing changes the interval
    phases: tuple[float, float]  # of breathing and drift
    conduction: float  # peak of P to peak of R
    junctional: bool  # whether its early P waves hide in T and QRS
    early: tuple[float, float]  # least share of an interval after which a ventricular, a supraventricular beat comes


def _pace(generator: np.random.Generator, who: Patient) -> _Pace:
    sinus, fibrillating = 60 / generator.uniform(50, 100), 60 / generator.uniform(65, 135)
    respiratory = 0.12 * generator.uniform(0.1, 1) ** 1.5 * (1 - who.age / 130)  # sinus arrhythmia fades with age
    phases, early = generator.uniform(0, 2 * np.pi, 2).tolist(), generator.uniform(0.56, 0.72, 2).tolist()
    irregular, conduction = generator.uniform(0.18, 0.3), generator.uniform(0.13, 0.19)
    hidden = bool(generator.random() < 0.25)
    return _Pace(sinus, fibrillating, irregular, respiratory, tuple(phases), conduction, hidden, tuple(early))


def _sinus(generator: np.random.Generator, pace: _Pace, who: Patient, time: float) -> float:
    """The interval that follows `time` in sinus rhythm."""
    breath = pace.respiratory * np.sin(2 * np.pi * who.breathing * time + pace.phases[0])
    drift = 0.03 * np.sin(2 * np.pi * 0.021 * time + pace.phases[1])
    return float(pace.sinus * (1 + breath + drift + 0.008 * generator.standard_normal()))


def _irregular(generator: np.random.Generator, pace: _Pace) -> float:
    """An interval in fibrillation: each wave of the atria has its chance to get through, so none knows the last one."""
    spare = pace.fibrillating - REFRACTORY
    shape = (spare / (pace.irregular * pace.fibrillating)) ** 2
    return float(REFRACTORY + generator.gamma(shape, spare / shape))


def rhythm(settings: EcgPhantom, who: Patient) -> Rhythm:
    """Let the heart of a patient beat for the length of a record.

    An early beat of the atria resets the sinus node, so the pause after it is short of compensating; a ventricular one
    leaves the node alone, whose next wave finds the ventricles refractory: the pause compensates in full.
    """
    generator = np.random.default_rng([settings.seed, who.number, 1])
    pace = _pace(generator, who)
    beats: list[Beat] = []
    atria: list[Atrium] = []
    time, pause, cycle = -LEAD_IN, 0.0, pace.fibrillating if who.fibrillates(0) else pace.sinus
    while time < settings.seconds + 1:
        ill, symbol = who.fibrillates(time), "N"
        whole = _irregular(generator, pace) if ill else _sinus(generator, pace, who, time)
        chance, jitter, late = generator.random(), generator.uniform(0, 0.1), generator.uniform(0.97, 1.15)
        interval, conducted, odd = pause or whole, 1.0, generator.random() < 0.15
        if pause:
            pause = 0.0
        elif chance < who.ventricular:
            symbol, whole = "V", pace.fibrillating if ill else whole
            fused = odd and not ill  # it comes so late that the sinus node excites a part of the ventricles
            conducted = generator.uniform(0.3, 0.55) if fused else 0.0
            interval = max(whole * (0.8 if fused else pace.early[0]) + whole * jitter, REFRACTORY)
            pause = 2 * whole - interval
            if not ill:
                atria.append(Atrium(time + whole - pace.conduction, False))
        elif chance < who.ventricular + who.supraventricular and not ill:
            symbol, pause = "A", whole * late
            interval = max(whole * (pace.early[1] + jitter), REFRACTORY)
            conducted = generator.uniform(0, 0.5) if odd else 1.0  # too early for the right bundle: wide, yet no V
        if ill and not who.fibrillates(time + interval):  # the sinus node needs a moment to take over
            symbol, conducted, pause, interval = "N", 1.0, 0.0, who.fibrillation[1] - time + late * pace.sinus
        time += interval
        cycle += 0.25 * (interval - cycle)
        if who.fibrillates(time):
            symbol, conducted = ("V", conducted) if symbol == "V" else ("N", 1.0)
        elif symbol != "V":
            share = 1.0 if symbol == "N" else 0.35 if pace.junctional else 0.8
            atria.append(Atrium(time - share * pace.conduction, symbol == "A"))
        beats.append(Beat(time, symbol, cycle, conducted))
    return Rhythm(beats, atria)
