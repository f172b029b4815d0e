"""How often the calibration error's interval raises an alarm, of right probabilities and of wrong ones.

    python -m benchmarks.calibration_error            # five minutes on one core; prints the table of docs/statistics.md
    python -m benchmarks.calibration_error --draws 100

Size: the stated probabilities come true, so the lower end should be above 0 in one of 40 draws. Power: they don't, in
three ways that a report must see. Where patients repeat, each has three samples, their logits and outcomes alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from components.lib.bootstrap import Design
from components.lib.calibration_interval import calibration_error

LARGEST_SIZE, LEAST_POWER, HELD_FROM = 0.05, 0.8, 900
"""Goals; that of power from so many samples on: fewer are shown."""
Floats = NDArray[np.float64]
Truth = Callable[[Floats], Floats]
"""Probabilities as they come true, from those that are stated."""


def _one_group(stated: Floats) -> Floats:
    """Of the tenth with the lowest probabilities, half come true."""
    return np.asarray(np.where(stated <= np.quantile(stated, 0.1), 0.5, stated))


TRUTHS: Mapping[str, Truth] = {
    "as stated (size)": lambda stated: stated,
    "half as extreme": lambda stated: expit(np.log(stated / (1 - stated)) / 2),
    "half as often": lambda stated: stated / 2,
    "lowest tenth at 0.5": _one_group,
}


@dataclass(frozen=True)
class Setting:
    """What is drawn."""

    patients: int
    each: int
    """Samples of a patient."""
    centre: float
    """Mean of the stated logits, whose deviation is 1.5."""

    def raised(self, truth: Truth, draws: int) -> float:
        """Share of draws whose lower end is above 0."""
        return float(np.mean([self._draw(truth, seed) > 0 for seed in range(draws)]))

    def _draw(self, truth: Truth, seed: int) -> float:
        generator = np.random.default_rng(seed)
        patients = np.repeat(np.arange(self.patients), self.each)
        shared = generator.normal(0, 1, (2, self.patients))[:, patients]
        alone = generator.normal(0, 1, (2, len(patients)))
        alike, weight = (shared, 0.7) if self.each > 1 else (alone, 1.0)
        mixed = weight * alike + np.sqrt(1 - weight**2) * alone
        stated = expit(self.centre + 1.5 * mixed[0])
        true = norm.cdf(mixed[1]) < truth(stated)
        design = Design.of(true.astype(np.intp), patients if self.each > 1 else None)
        return calibration_error(stated, true, design).low


SETTINGS = (
    Setting(200, 1, 0.0), Setting(1000, 1, 0.0), Setting(1000, 1, -3.0), Setting(3000, 1, -4.7), Setting(300, 3, 0.0),
    Setting(1000, 3, -3.0),
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Simulate, print the table and the verdict."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration_error", description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    draws = parser.parse_args(arguments).draws
    print(f"| samples | positive | {' | '.join(TRUTHS)} |", "|---" * (len(TRUTHS) + 2) + "|", sep="\n")
    size, power = 0.0, 1.0
    for setting in SETTINGS:
        found = [setting.raised(truth, draws) for truth in TRUTHS.values()]
        size = max(size, found[0])
        power = min(power, *found[1:]) if setting.patients * setting.each >= HELD_FROM else power
        samples = f"{setting.patients * setting.each:,}" + (f", {setting.each} a patient" if setting.each > 1 else "")
        share = expit(setting.centre + 1.5 * norm.ppf(np.linspace(0.0005, 0.9995, 1000))).mean()
        print(f"| {samples} | {share:.2f} | {' | '.join(f'{each:.3f}' for each in found)} |", flush=True)
    print(
        f"\nlargest size {size:.3f}, at most {LARGEST_SIZE}; least power {power:.3f} from {HELD_FROM} samples, "
        f"at least {LEAST_POWER}"
    )
    return int(size > LARGEST_SIZE or power < LEAST_POWER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
