"""What the electrodes see of a heart: a sum of Gaussians for each beat, fibrillatory waves, and all that disturbs.

The waves are drawn around each R peak, after the model of McSharry et al. 2003, doi:10.1109/TBME.2003.808805. A wave is
a row of CENTRE, RISE, FALL (s) and of its height in lead II and in lead V1 (mV).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from components.lib.phantoms.ecg import EcgPhantom
from components.phantom.heart import Beat, Patient, Rhythm

Signal = NDArray[np.float64]
LEADS = ("II", "V1")
REACH = 0.45  # s around its middle within which a wave is drawn
RAIL = 5.0  # mV: what the amplifier can show

P = np.array([(-0.012, 0.018, 0.018, 0.085, 0.060), (0.020, 0.019, 0.019, 0.075, -0.045)])
QRS = np.array(
    [
        (-0.026, 0.008, 0.008, -0.08, 0.00),
        (-0.013, 0.010, 0.010, 0.00, 0.22),
        (0.000, 0.0105, 0.0105, 1.00, 0.00),
        (0.012, 0.013, 0.013, 0.00, -0.90),
        (0.028, 0.010, 0.010, -0.18, 0.00),
    ]
)
SECOND_R = np.array([(0.048, 0.015, 0.017, -0.22, 0.75)])


class Heart:
    """The shapes of one patient's waves.

    Args:
        generator: from which they are drawn.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        size, wide = generator.lognormal(0, 0.15), generator.uniform(0.85, 1.3)
        axis, across = generator.uniform(0.55, 1.45), generator.uniform(0.6, 1.3)
        self.p = P * (1, 1, 1, *generator.uniform(0.45, 1.3, 2))
        self.qrs = QRS * (wide, wide, wide, size * axis, size * across)
        self.qrs[4, 3] *= 2.2 - axis  # the further left the axis, the smaller R and the deeper S in lead II
        self.t = generator.uniform(0.14, 0.36), generator.uniform(-0.10, 0.20)
        if generator.random() < 0.1:  # right bundle branch block: a second R in V1, T against it; wide but not ectopic
            self.qrs, self.t = np.vstack([self.qrs * (1, 1, 1, 1, 0.6), SECOND_R]), (self.t[0], -0.2)
        self.qt = generator.uniform(0.385, 0.435)  # s at 60 beats a minute
        # A focus low in the atrium excites it upwards: P is upside down. High up, it makes P tall and pointed; one near
        # the sinus node hardly differs from it.
        kinds = (1, 1, 1, -1.1, -1.3), (0.7, 0.6, 0.6, 1.9, 2.2), (0.8, 0.85, 0.85, 0.7, 1.3)
        self.odd = self.p * generator.choice(kinds, p=[0.45, 0.25, 0.3])
        self.foci = [self._focus(generator, size) for _ in range(2)]
        self.second = generator.choice([0, 0.25])  # share of the second focus

    def _focus(self, generator: np.random.Generator, size: float) -> Signal:
        """A ventricular beat: slow from muscle to muscle, so wide and tall, and repolarised the other way round."""
        wide = generator.uniform(0.022, 0.030)
        tall = np.sqrt(size) * generator.uniform(0.8, 1.8, 2) * generator.choice([-1, 1], 2, p=[0.4, 0.6])
        shape = np.array([(-1.7, 0.5, 0.5, -0.15), (0.0, 0.8, 1.0, 1.0), (1.9, 0.7, 0.8, 0.4)])
        waves = np.column_stack([shape[:, :3] * wide, shape[:, 3:] * tall])
        end = (0.31 + 2 * wide - 0.06, 0.075, 0.05, *(-generator.uniform(0.25, 0.4) * tall))
        return np.vstack([waves, end])

    def ventricles(self, beat: Beat, generator: np.random.Generator) -> Signal:
        """The waves of one beat: QRS and T. QT follows the cube root of the cycle length (Fridericia)."""
        faster, other = np.cbrt(np.clip(beat.cycle, 0.4, 1.5)), 1 - beat.conducted
        end, rise, fall = self.qt * faster - 0.04, 0.055 * faster, 0.038 * faster
        normal = np.vstack([self.qrs, (end - 2.2 * fall, rise, fall, *self.t)])
        if beat.symbol == "V":
            focus = self.foci[int(generator.random() < self.second)].copy()
            focus[-1, :3] *= faster
            normal[:, 3:] *= beat.conducted
            focus[:, 3:] *= other
            normal = np.vstack([normal, focus])
        elif other:  # the right bundle lags behind
            normal = np.vstack([normal, SECOND_R * (1, 1, 1, 1.6 * other, 1.6 * other)])
        normal[:, 3:] *= generator.normal(1, 0.04)
        return normal


def _draw(signal: Signal, rate: int, time: float, waves: Signal) -> None:
    """Add waves around `time` to the signal (samples, 2)."""
    low, high = max(int((time - REACH) * rate), 0), min(int((time + 2 * REACH) * rate), len(signal))
    if low >= high:
        return
    offset = np.arange(low, high) / rate - time - waves[:, :1]
    width = np.where(offset < 0, waves[:, 1:2], waves[:, 2:3])
    signal[low:high] += np.exp(-0.5 * (offset / width) ** 2).T @ waves[:, 3:]


def _smooth(generator: np.random.Generator, time: Signal, width: float) -> Signal:
    """Noise at each `time` that keeps its value over about `width` seconds: mean 0, deviation about 1."""
    coarse = np.arange(time[0] - 4 * width, time[-1] + 4 * width, width / 4)
    values = gaussian_filter1d(generator.standard_normal(len(coarse)), 4)
    return np.asarray(np.interp(time, coarse, values * np.sqrt(8 * np.sqrt(np.pi))))


def _fibrillation(generator: np.random.Generator, who: Patient, time: Signal, rate: int) -> Signal:
    """Fibrillatory waves (samples, 2), mV: 4 to 9 Hz, never twice the same, best seen in V1."""
    frequency = np.clip(generator.uniform(4.8, 7.8) + 0.5 * _smooth(generator, time, 0.4), 4, 9)
    turns = 2 * np.pi * np.cumsum(frequency) / rate
    shape = np.sin(turns) + 0.3 * np.sin(2 * turns + generator.uniform(0, 2 * np.pi))
    height = np.clip(1 + 0.3 * _smooth(generator, time, 0.5), 0.4, 1.6) * generator.uniform(0.025, 0.09)
    on = 0.25 * (1 + np.tanh((time - who.fibrillation[0]) / 0.1)) * (1 + np.tanh((who.fibrillation[1] - time) / 0.1))
    return np.outer(on * height * shape, (generator.uniform(0.35, 0.7), 1))


def _disturbances(settings: EcgPhantom, who: Patient, generator: np.random.Generator, time: Signal) -> Signal:
    """What is not the heart (samples, 2), mV: the baseline, the amplifier, the mains, muscles, movement."""
    number = len(time)
    level = settings.noise * {"A": 0.8, "B": 1.0, "C": 1.4}[who.site] * generator.uniform(0.7, 1.4)
    hum = level * (generator.uniform(0.3, 1) if generator.random() < 0.3 else 0)
    added = np.empty((number, 2))
    for lead in range(2):
        phase, strength = generator.uniform(0, 2 * np.pi, 3), generator.uniform(0.5, 1.2, 2) * settings.wander
        slow = strength[0] * np.sin(2 * np.pi * who.breathing * time + phase[0]) * generator.uniform(0.3, 1)
        slow += strength[1] * 0.6 * _smooth(generator, time, 0.8)
        muscle = np.diff(generator.standard_normal(number + 1)) * np.clip(_smooth(generator, time, 1) - 0.8, 0, 2)
        white = generator.standard_normal(number)
        added[:, lead] = slow + level * (white + muscle) + hum * np.sin(2 * np.pi * 50 * time + phase[2])
    for start in generator.uniform(0, settings.seconds, generator.poisson(settings.seconds / 60)):
        inside = np.clip((time - start) / generator.uniform(0.4, 1.2), 0, 1)
        moved = np.sin(np.pi * inside) ** 2 * np.sin(2 * np.pi * generator.uniform(0.7, 2.5) * inside + 1)
        added += np.minimum(25 * level, 0.8) * moved[:, None] * generator.uniform(-1, 1, 2)
    return added


def leads(settings: EcgPhantom, who: Patient, heart: Rhythm) -> Signal:
    """Record a heart.

    Returns:
        Signal (seconds × rate, 2) in mV, leads II and V1, within ±5 mV.
    """
    shapes = Heart(np.random.default_rng([settings.seed, who.number, 2]))
    generator, disturbing = (np.random.default_rng([settings.seed, who.number, stream]) for stream in (3, 4))
    time = np.arange(settings.seconds * settings.rate) / settings.rate
    signal = np.zeros((len(time), 2))
    for beat in heart.beats:
        _draw(signal, settings.rate, beat.time, shapes.ventricles(beat, generator))
    for atrium in heart.atria:
        _draw(signal, settings.rate, atrium.time, shapes.odd if atrium.ectopic else shapes.p)
    signal *= 1 + 0.04 * np.sin(2 * np.pi * who.breathing * time)[:, None]  # breathing turns the heart
    if who.fibrillation[0] < who.fibrillation[1]:
        signal += _fibrillation(generator, who, time, settings.rate)
    return np.clip(signal + _disturbances(settings, who, disturbing, time), -RAIL, RAIL)
