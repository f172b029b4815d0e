"""How often `promote: auto` replaces a champion: by one that is no better, by a better one, by a worse one.

    python -m benchmarks.promote [--retrainings 100] [SETTING ...]     all: about 6 minutes on one core

Every retraining is simulated: what two models say of the same samples, alike as two trainings of one net are (their
logits' noise correlates by .8), calibrated and given an operating point on a validation set of its own, and compared by
the code that compares yours. Equal models are retrained in a row on one frozen test set, each against the champion of
that moment, which a promotion replaces. Goals: at most 5 promotions in 100 retrainings of equal models; none of a model
of AUC .709 in place of one of .829; of an AUC .05 higher, on 5,000 test samples, 80 in 100 or more. Exit status 1 when
one isn't reached.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, ndtri
from sklearn.linear_model import LogisticRegression

from components.lib.divisions import divisions
from components.lib.kinds.binary import Binary
from components.lib.paired import differences
from components.lib.thresholds import fit_thresholds
from components.lib.train_settings import Threshold
from components.register.verdict import overall, rows
from components.register.worst_group import worst_groups

ALIKE = 0.8
"""Correlation of two models' noise on one sample."""
WITHIN = 0.5
"""Correlation of the noise of two samples of one patient."""
MARGIN = 0.05
MOST_OF_EQUAL, LEAST_OF_BETTER = 0.05, 0.8
KIND = Binary(kind="binary", classes=("without", "with"))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """One hospital's test set, and two models."""

    name: str
    patients: int
    prevalence: float
    champion: float
    """True AUC."""
    challenger: float
    goal: str = ""
    """`equal`, `worse`, `better`; empty: shown, not held."""
    repeats: bool = False
    """One to five samples of each patient."""


SETTINGS = (
    Setting("equal: 300 samples, half of them positive", 300, 0.5, 0.83, 0.83, "equal"),
    Setting("equal: 624 samples, 62% positive", 624, 0.62, 0.83, 0.83, "equal"),
    Setting("equal: 2,000 samples, 10% positive", 2000, 0.1, 0.83, 0.83, "equal"),
    Setting("equal: 5,000 samples, 20% positive", 5000, 0.2, 0.83, 0.83, "equal"),
    Setting("equal: 300 patients, 1 to 5 samples each", 300, 0.4, 0.83, 0.83, "equal", repeats=True),
    Setting("better by .05: 624 samples, 62% positive", 624, 0.62, 0.83, 0.88),
    Setting("better by .05: 2,000 samples, 30% positive", 2000, 0.3, 0.83, 0.88),
    Setting("better by .05: 5,000 samples, 20% positive", 5000, 0.2, 0.83, 0.88, "better"),
    Setting("worse, .709 for .829: 624 samples, 62% positive", 624, 0.62, 0.829, 0.709, "worse"),
)


class Samples:
    """A set of samples: whose they are, what is true, and the noise that all models share."""

    def __init__(self, setting: Setting, patients: int, generator: np.random.Generator) -> None:
        each = generator.integers(1, 6, patients) if setting.repeats else np.ones(patients, np.intp)
        self.patients = np.repeat(np.arange(patients), each)
        self.positive = (generator.random(patients) < setting.prevalence)[self.patients]
        self.site = np.array(["a", "b", "c"])[generator.choice(3, patients, p=[0.5, 0.3, 0.2])][self.patients]
        self.shared = self.noise(generator)

    def noise(self, generator: np.random.Generator) -> Floats:
        """Normal (N,), deviation 1, alike within a patient."""
        of_patient = generator.normal(size=int(self.patients.max()) + 1)[self.patients]
        return np.sqrt(WITHIN) * of_patient + np.sqrt(1 - WITHIN) * generator.normal(size=len(self.patients))

    def logits(self, auc: float, generator: np.random.Generator) -> Floats:
        """What a model of this AUC gives (N,), before it is calibrated."""
        apart = np.sqrt(2) * float(ndtri(auc))
        own = np.sqrt(ALIKE) * self.shared + np.sqrt(1 - ALIKE) * self.noise(generator)
        return own + apart * (self.positive - 0.5)


@dataclass(frozen=True)
class Trained:
    """A simulated model on the test samples."""

    output: Floats
    decision: dict[str, float]


def trained(auc: float, test: Samples, setting: Setting, generator: np.random.Generator) -> Trained:
    """A model: calibrated, and its threshold chosen, on a validation set of its own of the same size."""
    validation = Samples(setting, setting.patients, generator)
    logits = validation.logits(auc, generator)
    fitted = LogisticRegression(C=np.inf).fit(logits[:, None], validation.positive)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    chosen = fit_thresholds(expit(intercept + slope * logits), validation.positive, Threshold())
    return Trained(expit(intercept + slope * test.logits(auc, generator))[:, None], chosen)


def promoted(champion: Trained, challenger: Trained, test: Samples) -> bool:
    """Whether `promote: auto` would replace the one by the other."""
    models, encoded = (champion, challenger), test.positive[:, None].astype(np.float32)
    one, other = (KIND.paired_measures(each.output, encoded, each.decision, champion.decision) for each in models)
    table = pd.DataFrame({"patient": test.patients.astype(str), "site": test.site})
    groups, _ = worst_groups(
        KIND, ("auc", one["auc"]), table, divisions(table, np.full(len(table), True), {}, ()),
        [each.output for each in models], encoded, [each.decision for each in models],
    )  # fmt: skip
    found = differences({**one, **groups[0]}, {**other, **groups[1]}, test.patients)
    return overall(rows({("finding", name): each for name, each in found.items()}, MARGIN)) == "superior"


def simulate(setting: Setting, retrainings: int, seed: int) -> int:
    """Promotions among so many retrainings. Equal models are retrained in a row on one test set; others are compared
    with a champion, and on a test set, of their own."""
    generator, count = np.random.default_rng(seed), 0
    test = Samples(setting, setting.patients, generator)
    champion = trained(setting.champion, test, setting, generator)
    for _ in range(retrainings):
        if setting.goal != "equal":
            test = Samples(setting, setting.patients, generator)
            champion = trained(setting.champion, test, setting, generator)
        challenger = trained(setting.challenger, test, setting, generator)
        if promoted(champion, challenger, test):
            count += 1
            champion = replace(challenger) if setting.goal == "equal" else champion
    return count


def reached(setting: Setting, count: int, retrainings: int) -> bool:
    """Whether a setting's goal is."""
    share = count / retrainings
    held = {"equal": share <= MOST_OF_EQUAL, "better": share >= LEAST_OF_BETTER, "worse": count == 0}
    return held.get(setting.goal, True)


def main(words: Sequence[str] | None = None) -> int:
    """Print the table, and one line against the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retrainings", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("settings", nargs="*", help="words that a setting's name begins with; default: all")
    asked = parser.parse_args(words)
    chosen = [each for each in SETTINGS if not asked.settings or each.name.startswith(tuple(asked.settings))]
    counts = {}
    print(f"{'setting':<52}{'promoted of ' + str(asked.retrainings):>16}{'seconds':>9}  goal")
    for number, setting in enumerate(chosen):
        start = time.monotonic()
        counts[setting] = simulate(setting, asked.retrainings, asked.seed + 1000 * number)
        good = reached(setting, counts[setting], asked.retrainings)
        goal = {"": "shown", "equal": "5 at most", "better": "80 at least", "worse": "none"}[setting.goal]
        told = "" if not setting.goal else ": reached" if good else ": MISSED"
        print(f"{setting.name:<52}{counts[setting]:>16}{time.monotonic() - start:>9.0f}  {goal}{told}", flush=True)
    missed = [each.name for each in chosen if not reached(each, counts[each], asked.retrainings)]
    equal = [counts[each] for each in chosen if each.goal == "equal"]
    print(f"promotions of equal models in {asked.retrainings} retrainings: {max(equal, default=0)} at most (goal 5); "
          f"{'all goals reached' if not missed else f'missed: {missed}'}")  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
