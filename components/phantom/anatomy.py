"""The patient of a synthetic chest film: who it is, and how much the body attenuates X-rays along each ray.

Every body is drawn at one size and stretched when it is filmed. Lengths are centimetres, x to the patient's left (the
right of the picture), y downwards from the apex of the lungs. Maps are float32 (ROWS, COLUMNS): a length of material
along each ray or, multiplied by an attenuation coefficient, a dimensionless optical depth.
"""

from functools import lru_cache
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.lib.phantoms.chest import ChestPhantom

Map = NDArray[np.float32]
HEIGHT, WIDTH, DEPTH = 24.5, 13.6, 16.5  # of the lungs; half the width and the whole depth of the chest
PITCH, LEFT, TOP, COLUMNS, ROWS = 0.1, -21.0, -8.0, 420, 460
X = (LEFT + PITCH * np.arange(COLUMNS, dtype=np.float32))[None, :]
Y = (TOP + PITCH * np.arange(ROWS, dtype=np.float32))[:, None]

# Linear attenuation at 60 keV, 1/cm: mass attenuation (cm2/g) x density (g/cm3) of the ICRU-44 tissues in Hubbell and
# Seltzer, NIST Standard Reference Database 126, doi:10.18434/T4D01F; lung with the density it has when inflated.
SOFT, FAT, LUNG, CORTICAL = 0.2048 * 1.06, 0.1974 * 0.95, 0.2053 * 0.26, 0.3148 * 1.92
AIRLESS = SOFT - LUNG  # what a centimetre of consolidated lung adds
SPONGY = 0.30  # marrow and trabeculae, between soft tissue and cortical bone

HEART = (  # ellipsoids: centre x, y; half axes along, across and through; degrees turned in the plane
    (2.7, 18.6, 7.2, 5.0, 6.5, 36),  # left heart
    (-1.4, 18.1, 3.4, 5.0, 6.0, 0),  # right heart
    (1.9, 12.3, 2.3, 4.0, 3.2, -8),  # outflow
    (2.5, 7.4, 1.5, 1.5, 2.6, 0),  # arch of the aorta
)


class Person(NamedTuple):
    """What stays the same on every film of a patient."""

    number: int
    age: int
    sex: Literal["F", "M"]
    site: str
    fat: float  # cm under the skin
    size: tuple[float, float, float]  # across, down and through, as multiples of the body drawn
    pneumonia: tuple[bool, ...]  # on each film


class Anatomy(NamedTuple):
    """A patient's maps."""

    depth: Map  # optical depth of the healthy body
    air: Map  # cm of inflated lung
    lungs: NDArray[np.bool_]  # the lung fields as seen from the front
    bases: Map  # 0 to 1: how near the diaphragm, where shallow breathing leaves haze


def person(settings: ChestPhantom, number: int) -> Person:
    """Draw patient `number`; the prevalence changes the findings alone."""
    generator = np.random.default_rng([settings.seed, number])
    sex: Literal["F", "M"] = "F" if generator.random() < 0.48 else "M"
    age, fat = np.clip(generator.normal(56, 18), 18, 94), np.clip(generator.gamma(4, 0.4), 0.4, 4)
    site = str(generator.choice(["A", "B", "C"], p=[0.4, 0.35, 0.25]))
    size = np.clip(generator.normal(0.93 if sex == "F" else 1.02, 0.05), 0.8, 1.13)
    across, down, through = (size * generator.normal(1, (0.03, 0.04, 0.06))).tolist()
    # A later film repeats the first one's finding more often than not; the prevalence stays the same on each.
    sick = (generator.random(2) < settings.prevalence)[generator.integers([1, 2, 2])]
    films = generator.choice([1, 2, 3], p=[0.67, 0.23, 0.1])
    return Person(number, int(age), sex, site, float(fat), (across, down, through), tuple(sick[:films].tolist()))


def soft_step(value: ArrayLike, width: float) -> Map:
    """From 0 to 1 around zero, over about `width`."""
    return np.asarray(0.5 + 0.5 * np.tanh(np.asarray(value, np.float32) / width), np.float32)


def noise(generator: np.random.Generator, scale: float) -> Map:
    """Smooth noise: mean 0, deviation about 1, with features of `scale` cm."""
    shape = (int(ROWS * PITCH / scale) + 3, int(COLUMNS * PITCH / scale) + 3)
    coarse = 1.3 * generator.standard_normal(shape, dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC), np.float32)


def _heart(large: float) -> Map:
    """Centimetres of heart and great vessels; `large` is 1 at the usual size."""
    total = np.zeros((ROWS, COLUMNS), np.float32)
    for x, y, along, across, through, degrees in HEART:
        turned = (X / large - x + 1j * (Y - y)) * np.exp(-1j * np.radians(degrees))
        inside = 1 - (turned.real / along) ** 2 - (turned.imag / across) ** 2
        total = np.maximum(total, 2 * through * np.sqrt(np.maximum(inside, 0)))
    return total


def _tubes(curves: NDArray[np.float64], high: float, deep: float, hollow: float = 0.0) -> Map:
    """Length of the rays through tubes along points (curves, N, 3), with half axes in the plane and along the ray.

    Sums small ellipsoids, so ribs whiten by themselves where they turn at the side. `hollow` takes out the marrow.
    """
    lengths = np.linalg.norm(np.diff(curves, axis=1), axis=2)
    x, y = curves[:, 1:, 0].ravel(), curves[:, 1:, 1].ravel()
    field = ((TOP, TOP + ROWS * PITCH), (LEFT, LEFT + COLUMNS * PITCH))
    lines = np.histogram2d(y, x, (ROWS, COLUMNS), field, weights=lengths.ravel())[0]
    offsets = np.arange(-int(high / PITCH) - 1, int(high / PITCH) + 2) * PITCH / high
    inside = 1 - offsets[:, None] ** 2 - offsets[None, :] ** 2
    kernel = np.sqrt(np.maximum(inside, 0)) - hollow * np.sqrt(np.maximum(inside - 0.5, 0))
    return np.asarray(cv2.filter2D(lines.astype(np.float32), -1, kernel * 1.5 * deep / high), np.float32)


def _skeleton(who: Person, outer: Map, generator: np.random.Generator) -> Map:
    """Optical depth that bone adds to the soft tissue it stands in: ten pairs of ribs, collar bones, spine."""
    # Ribs are rings that start at the spine, sink towards the front and end in cartilage.
    rib = np.arange(10)[:, None]
    angle = np.linspace(0.12, np.pi * (0.80 - 0.022 * np.maximum(rib[:, 0] - 4, 0)), 420, axis=1)
    start = HEIGHT * (0.005 + 0.094 * rib) + generator.normal(0, 0.12, (10, 1))
    fall = HEIGHT * generator.normal(0.35, 0.025) * np.minimum(0.5 + 0.14 * rib, 1)
    wall = np.interp(start + fall / 2, Y[:, 0], outer[:, 0]) + 0.3
    y, z = start + fall * (1 - np.cos(angle)) / 2, DEPTH / 2 * np.cos(angle)
    ribs = np.stack([wall * np.sin(angle) ** 0.85, y, z], axis=2)
    t, lift = np.linspace(0, 1, 200), generator.normal(0, 0.8)
    collar = np.stack([1.8 + 15.2 * t, 4 + lift * t - 4.4 * t**2, 3 + 6 * t - 11 * t**2], axis=1)[None]
    bone = sum(_tubes(ribs * (s, 1, 1), 0.62, 0.28, 0.5) + _tubes(collar * (s, 1, 1), 0.62, 0.42, 0.5) for s in (-1, 1))
    disc = 0.35 + 0.65 * soft_step(0.36 - np.abs(np.mod(Y / 2.15, 1) - 0.5), 0.05)
    spine = (SPONGY - SOFT) * 3.2 * disc * soft_step(1.55 + 0.012 * Y - np.abs(X), 0.15)
    mineral = generator.normal(1.08, 0.05) - 0.005 * max(who.age - 40, 0)  # old bone has lost some
    return np.asarray(mineral * ((CORTICAL - SOFT) * bone + spine), np.float32)


def _vessels(generator: np.random.Generator) -> Map:
    """Centimetres of vessel: seven trees a side that leave the hila, fork twice and thin out towards the edge."""
    side, total = np.repeat([-1.0, 1.0], 7), np.zeros((ROWS, COLUMNS), np.float32)
    angle = np.tile(np.linspace(-1.25, 1.45, 7), 2) + generator.normal(0, 0.12, 14)
    length, start = generator.uniform(3.3, 5.6, 14), np.stack([3.4 * side, 9.4 + 0 * side, 0 * side], axis=1)
    for radius in (0.36, 0.20, 0.12):
        bend = np.sign(angle)[:, None] / 320 + generator.normal(0, 0.035, (len(side), 80))
        turn = angle[:, None] + np.cumsum(bend, axis=1)
        stride = np.stack([side[:, None] * np.cos(turn), np.sin(turn), 0.5 * np.sin(3 * turn)], axis=2)
        curves = start[:, None] + np.cumsum(stride * length[:, None, None] / 80, axis=1)
        total += _tubes(curves, radius, radius)
        start = np.concatenate([curve[generator.integers(25, 79, 3)] for curve in curves])
        side, angle, length = np.repeat(side, 3), np.repeat(angle, 3), np.repeat(length, 3)
        angle, length = angle + generator.normal(0, 0.5, len(angle)), length * generator.uniform(0.6, 0.95, len(length))
    return total


@lru_cache(maxsize=1)  # a patient's films follow each other
def anatomy(who: Person, seed: int) -> Anatomy:
    """Build the body of a patient."""
    generator = np.random.default_rng([seed, who.number, 99])
    # Half widths of the chest and of the mediastinum, and the diaphragm, the right dome of which the liver lifts.
    down, aside = np.clip(Y / HEIGHT, 0, 1), np.abs(X) - 6.3
    outer = WIDTH * (0.33 + 0.67 * (1 - (1 - np.minimum(down / 0.72, 1)) ** 2.1) ** 0.62)
    inner = 2.5 + 2.0 * (1 - np.sqrt(np.clip(Y / 3.0, 0, 1))) + 0.35 * np.sin(9 * down)
    arch = generator.uniform(3.2, 5.0) * np.abs(aside / 6.8) ** 2.2 * np.where(aside < 0, 0.45, 1)
    dome = HEIGHT - generator.uniform(0.8, 2.2) * (X < 0) + arch
    cavity = DEPTH * np.sqrt(np.maximum(1 - (X / outer) ** 2, 0)) * np.clip(0.45 + 2.2 * down, 0, 1) * (Y > 0)
    cavity *= soft_step(dome - Y, 0.2)
    heart = _heart(float(np.clip(generator.normal(1.0 + 0.003 * (who.age - 50), 0.08), 0.82, 1.3)))
    air = cavity - np.clip(heart, 0.8 * cavity * soft_step(inner - np.abs(X), 0.35), 0.88 * cavity)
    # The body as if it were solid: neck, shoulders, trunk.
    half_width = np.interp(Y, [-8, -5, -2.5, 0.5, 4, 9, 14, 40], [5.6, 6.2, 9.5, 18, 23, 20, 17.6, 16.8])
    through = DEPTH * np.interp(Y, [-8, 0, 8, 40], [0.7, 0.82, 1.21, 1.27])
    solid = through * np.sqrt(np.maximum(1 - (X / (half_width + who.fat)) ** 2, 0))
    flesh = cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 6)
    depth = SOFT * np.maximum(flesh - air, 0) + LUNG * air + 1.3 * who.fat * FAT * (flesh > 1)
    mottle = 0.05 * noise(generator, 2.5) * air + 0.04 * noise(generator, 0.5) * np.sqrt(air)
    depth += AIRLESS * (np.minimum(_vessels(generator), 2.5) * np.clip(air / 4, 0, 1) + mottle)
    depth = np.maximum(depth + _skeleton(who, outer, generator), 0).astype(np.float32)
    lungs = (air > 0.55 * cavity) & (cavity > 0.3 * DEPTH) & (np.abs(X) > inner) & (dome > Y)
    return Anatomy(depth, air.astype(np.float32), lungs, soft_step(Y - dome + 4.5, 3.0) * (dome > Y))
