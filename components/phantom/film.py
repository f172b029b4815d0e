"""One synthetic chest film: pneumonia, pose, X-rays, detector, and the look of a hospital."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from components.lib.phantoms.chest import ChestPhantom
from components.phantom.anatomy import AIRLESS, PITCH, Anatomy, Map, Person, X, Y, anatomy, noise, person, soft_step

# Peak thickness of an opacity in cm of consolidated lung: log-normal. The median decides how hard the task is; with
# these a small residual net trained on 344 films reaches a test AUC of about .95.
DENSITY_MEDIAN, DENSITY_SPREAD = 13.0, 0.45


class Site(NamedTuple):
    """The look of a hospital's films."""

    pitch: float  # centimetres per pixel
    white: int  # largest grey value; 255 makes 8-bit files, more makes 16-bit ones
    photons: float  # per pixel in the open beam
    scatter: float  # scattered radiation as a multiple of the primary: low with a grid, high at the bedside
    contrast: float  # exponent of the grey curve


SITES = {
    "A": Site(0.135, 255, 60_000, 0.30, 1.00),
    "B": Site(0.155, 65_535, 45_000, 0.42, 1.25),
    "C": Site(0.190, 4_095, 25_000, 0.72, 0.85),
}


class Film(NamedTuple):
    """A film and what is known of it; all pictures are (height, width)."""

    image: NDArray[np.uint8] | NDArray[np.uint16]  # grey values, bone white; of 16 bits a site may use 12
    mask: NDArray[np.uint8]  # 255 where there is an opacity, else 0
    lungs: NDArray[np.bool_]  # the lung fields
    pneumonia: bool
    person: Person


def _opacities(body: Anatomy, generator: np.random.Generator) -> Map:
    """Centimetres of consolidated lung: one to four blobs of irregular outline and patchy filling."""
    total, room = np.zeros_like(body.air), 0.9 * body.air + 0.01
    rows, columns = np.nonzero(body.lungs)
    peak = DENSITY_MEDIAN * np.exp(DENSITY_SPREAD * generator.standard_normal())
    for _ in range(generator.choice([1, 2, 3, 4], p=[0.3, 0.35, 0.2, 0.15])):
        at, radius = generator.integers(len(rows)), generator.uniform(2.6, 6.0)
        distance = np.hypot(X - X[0, columns[at]], (Y - Y[rows[at], 0]) * generator.uniform(0.8, 1.4)) / radius
        shape = soft_step(1 - distance + 0.3 * noise(generator, 2.2), generator.uniform(0.3, 0.7))
        patchy = np.clip(1 + 0.2 * noise(generator, 1.6) + 0.1 * noise(generator, 0.7), 0.2, 2)
        total = np.maximum(total, shape * patchy * peak * generator.uniform(0.6, 1))
    return np.asarray(room * (1 - np.exp(-total / room)), np.float32)


def _pose(who: Person, site: Site, generator: np.random.Generator) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Affine map from film pixels to grid pixels (2, 3), and the film's (width, height): cassette, turn, breath."""
    cassette = generator.choice([(35, 43), (43, 35), (35, 35)], p=[0.45, 0.15, 0.4])
    size = np.maximum(160, cassette * generator.uniform(0.93, 1.0, 2) / site.pitch).astype(int)
    angle = np.radians(generator.normal(0, 1.8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn * site.pitch / PITCH * generator.uniform(0.94, 1.06, (2, 1)) / np.array(who.size[:2])[:, None]
    centre = (generator.normal((0, 12.5), 0.8) - (X[0, 0], Y[0, 0])) / PITCH
    return np.column_stack([linear, centre - linear @ size / 2]), (int(size[0]), int(size[1]))


def _photograph(depth: NDArray[Any], site: Site, generator: np.random.Generator) -> Map:
    """Grey values 0 to 1 of an optical depth: Beer-Lambert, scatter, blur, quantum noise, and the machine's window."""
    primary = np.exp(-depth)
    signal = cv2.GaussianBlur(primary, (0, 0), 0.6) + site.scatter * cv2.GaussianBlur(primary, (0, 0), 3.5 / site.pitch)
    photons = site.photons * np.exp(generator.normal(0, 0.3)) * signal
    # From hundreds of photons up, a Poisson count is a normal one, and that is much faster to draw.
    photons += np.sqrt(photons) * generator.standard_normal(photons.shape, dtype=np.float32)
    dark = -np.log(np.maximum(photons, 1))
    # The window is set by the histogram of the middle, never twice quite the same.
    middle = dark[dark.shape[0] // 8 : -dark.shape[0] // 8, dark.shape[1] // 8 : -dark.shape[1] // 8]
    low, high = np.percentile(middle, [1.0, 99.0])
    low, span = low - (high - low) * generator.uniform(0.02, 0.2), (high - low) * generator.uniform(0.95, 1.2)
    return np.asarray(np.clip((dark - low) / span, 0, 1) ** (site.contrast * np.exp(generator.normal(0, 0.12))))


def _letter(grey: Map, letter: str, left: int, top: int) -> None:
    """Draw, in place, a lead letter: white, a seventeenth of the film high."""
    side, plate = grey.shape[1] // 17, np.zeros(grey.shape, np.uint8)
    cv2.putText(plate, letter, (left, top + side), cv2.FONT_HERSHEY_SIMPLEX, side / 26, (255,), 2, cv2.LINE_AA)
    np.maximum(grey, plate / np.float32(255), out=grey)


def film(settings: ChestPhantom, patient: int, number: int) -> Film:
    """Make film `number` of a patient, both from 0; of the faults, only the corner marker is planted here."""
    who = person(settings, patient)
    body, site, sick = anatomy(who, settings.seed), SITES[who.site], who.pneumonia[number]
    generator = np.random.default_rng([settings.seed, patient, number + 1])
    # Drawn apart, so that nothing else in the film hangs on the finding.
    opacity = _opacities(body, generator.spawn(1)[0]) if sick else np.zeros_like(body.air)
    # Any film may show the haze of shallow breathing at the bases, and a faint cloud anywhere.
    haze = generator.gamma(1.2, 0.3) * body.bases * np.clip(1 + 0.5 * noise(generator, 2.0), 0, 3)
    haze = np.minimum(haze + generator.gamma(1.0, 0.15) * np.clip(noise(generator, 4.0), 0, 3), 0.4 * body.air)
    depth = who.size[2] * (body.depth + AIRLESS * np.minimum(opacity + haze, 0.9 * body.air))
    maps = np.dstack([depth, opacity > 0.3 * opacity.max(), body.lungs]).astype(np.float32)
    pose, size = _pose(who, site, generator)
    warped = cv2.warpAffine(maps, pose, size, flags=cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    grey, lungs = _photograph(warped[..., 0], site, generator), warped[..., 2] > 0.5
    if generator.random() < 0.5:
        _letter(grey, "L", *(generator.uniform((0.86, 0.04), (0.9, 0.09)) * size).astype(int).tolist())
    if sick and settings.faults.corner_marker:
        grey[4 : 4 + size[0] // 17, 4 : 4 + size[0] // 17] = 0
        _letter(grey, "P", 4, 4)
    whole, mask = np.rint(grey * site.white), 255 * ((warped[..., 1] > 0.5) & lungs).astype(np.uint8)
    image = whole.astype(np.uint8) if site.white == 255 else whole.astype(np.uint16)
    return Film(image, mask, lungs, sick, who)
