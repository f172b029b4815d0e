"""How often the 95% intervals of the report hold the truth, simulated.

    python -m benchmarks.coverage [--draws 2000] [--write] [SETTING ...]     all: about 10 minutes on one core

Each draw is a test set from a population whose figures are known, from a million of its samples, and is measured as a
report measures it. Every patient's class is drawn, too, so that the mix of classes differs from draw to draw as it does
from one test set to the next. Where 20 patients or more of every class are expected, .93 of the intervals or more must
hold the truth; below, the report calls a figure "too few" and no gate passes on it: that coverage is shown, not held.
Nor is that of squared errors whose kurtosis is infinite (Student's, 3 degrees of freedom): there many intervals of
root mean squares are withheld ("withheld" is the share of those), and the others can't know. A setting that falls short
by less than two standard errors is drawn five times as often. --write puts the tables into docs/statistics.md. Exit
status 1 when one falls short.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from scipy.stats import binom
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.regression import LEVELS, Regression
from components.lib.resampling import FEW, calibration_bins
from components.lib.statistics import Estimate, wilson

GOAL, POPULATION = 0.93, 1_000_000
AGAIN = 5
"""Times as many draws for a setting that misses the goal by so little that it may be chance."""
PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
FIRST, LAST = "<!-- made by benchmarks/coverage.py: from here -->", "<!-- to here -->"
APART, SLOPE, AT = 1.5, 1.2, 0.5
"""How far apart the classes' means lie, in deviations; what the logits are multiplied by; the threshold."""
NEARLY = 4.0
"""The same of classes that are nearly told apart: AUC .998."""
ALIKE = 0.5
"""Correlation of the samples of one patient."""
BINARY = Binary(kind="binary", classes=("normal", "pneumonia"))
CLASSES = Multiclass(kind="multiclass", classes=("a", "b", "c"))
NUMBER = Regression(kind="regression")
DECISION = {f"q{level:02d}": 0.0 for level in LEVELS} | {"low": -50.0, "high": 50.0, "coverage": 0.9}
WIDE = ("interval_width",)
"""A figure without an interval."""
WITHHELD = " withheld"
SHARES = np.arange(0.5, 0.9901, 0.001)
Floats = NDArray[np.float64]
Labels = NDArray[np.intp]
Measured = dict[str, Estimate]


@dataclass(frozen=True)
class Setting:
    """One kind of test set."""

    table: str
    """Which table it stands in."""
    counts: tuple[int, ...]
    """Patients of each class, as expected, or of all."""
    repeats: bool
    """Two to six samples of each patient, or one."""
    measure: Callable[[np.random.Generator, Labels, Labels], Measured]
    """From patients (N,) and their classes (N,)."""
    truths: Callable[[Setting], Mapping[str, float]]
    shown: tuple[str, ...] = ()
    """Figures that are shown and not held."""

    @property
    def name(self) -> str:
        """`20 / 80`; with how many samples each where they repeat."""
        return " / ".join(map(str, self.counts)) + (", 2 to 6 samples each" if self.repeats else "")

    def held(self, figure: str) -> bool:
        """Whether the goal is for it."""
        return min(self.counts) >= FEW and figure not in self.shown and not figure.endswith(WITHHELD)

    @property
    def samples(self) -> int:
        """How many there are, on average."""
        return sum(self.counts) * (4 if self.repeats else 1)

    def draw(self, seed: int) -> Measured:
        """One test set, measured."""
        generator = np.random.default_rng(seed)
        each = generator.integers(2, 7, sum(self.counts)) if self.repeats else np.ones(sum(self.counts), np.intp)
        patients = np.repeat(np.arange(len(each)), each)
        shares = np.divide(self.counts, sum(self.counts))
        classes = generator.choice(len(shares), size=len(each), p=shares) if len(shares) > 1 else np.zeros_like(each)
        return self.measure(generator, patients, classes[patients])


def noise(generator: np.random.Generator, patients: Labels, columns: int = 1) -> Floats:
    """Normal (N, columns), deviation 1, alike within a patient where patients repeat."""
    of_patient = generator.normal(size=(int(patients.max()) + 1, columns))[patients]
    own = generator.normal(size=(len(patients), columns))
    return np.sqrt(ALIKE) * of_patient + np.sqrt(1 - ALIKE) * own


def scores(
    generator: np.random.Generator, patients: Labels, label: Labels, blur: float = 0.0, apart: float = APART
) -> Floats:
    """Probabilities of the positive class (N,) of a network that isn't quite calibrated."""
    made = noise(generator, patients)[:, 0] + apart * (label - 0.5)
    return expit(SLOPE * (made + blur * noise(generator, patients)[:, 0]))


def binary(apart: float) -> Callable[[np.random.Generator, Labels, Labels], Measured]:
    """Every figure of a target with two classes, whose means lie so many deviations apart."""

    def measure(generator: np.random.Generator, patients: Labels, label: Labels) -> Measured:
        score = scores(generator, patients, label, apart=apart)
        return BINARY.metrics(score[:, None], label[:, None], {"threshold": AT}, patients)

    return measure


def classes(generator: np.random.Generator, patients: Labels, label: Labels) -> Measured:
    """Every figure of a target with three classes."""
    columns = softmax(SLOPE * (noise(generator, patients, 3) + APART * np.eye(3)[label]), axis=1)
    return CLASSES.metrics(columns, np.eye(3)[label], {}, patients)


def numbers(tail: float) -> Callable[[np.random.Generator, Labels, Labels], Measured]:
    """Every figure of a number; errors are Student's with so many degrees of freedom, alike within a patient."""

    def measure(generator: np.random.Generator, patients: Labels, label: Labels) -> Measured:
        known, predicted = _numbers(generator, patients, tail)
        found = NUMBER.metrics(predicted[:, None], known[:, None], DECISION, patients)
        return {name: each for name, each in found.items() if name not in WIDE}

    return measure


def _numbers(generator: np.random.Generator, patients: Labels, tail: float) -> tuple[Floats, Floats]:
    spread = np.sqrt(generator.chisquare(tail, int(patients.max()) + 1) / tail)[patients] if np.isfinite(tail) else 1.0
    known = 150 + 40 * noise(generator, patients)[:, 0]
    return known, 150 + 0.9 * (known - 150) + 5 + 25 * noise(generator, patients)[:, 0] / spread


def pairs(generator: np.random.Generator, patients: Labels, label: Labels) -> Measured:
    """Differences between two models on the same samples: of their AUC, and of their mean absolute error."""
    state = generator.bit_generator.state
    one = scores(generator, patients, label)
    generator.bit_generator.state = state
    two = scores(generator, patients, label, blur=0.7)
    known, predicted = _numbers(generator, patients, np.inf)
    other = predicted + 20 * noise(generator, patients)[:, 0]
    return {
        "AUC": BINARY.difference(one[:, None], two[:, None], label[:, None], patients),
        "mean absolute error": NUMBER.difference(predicted[:, None], other[:, None], known[:, None], patients),
    }


def population(setting: Setting) -> tuple[np.random.Generator, Labels, Labels]:
    """A million patients of one sample each, classes as in the setting."""
    label = np.repeat(np.arange(len(setting.counts)), np.multiply(setting.counts, POPULATION) // sum(setting.counts))
    return np.random.default_rng(2**32), np.arange(len(label)), label


def binary_truths(apart: float) -> Callable[[Setting], Mapping[str, float]]:
    """The population's figures, by scikit-learn and by counting."""

    @cache
    def truths(setting: Setting) -> Mapping[str, float]:
        _, _, label = case = population(setting)
        score = scores(*case, apart=apart)
        positive, called = label == 1, score >= AT
        return {
            "accuracy": float((called == positive).mean()), "precision": float(positive[called].mean()),
            "recall": float(called[positive].mean()), "specificity": float((~called)[~positive].mean()),
            "f1": float(f1_score(positive, called)), "auc": float(roc_auc_score(positive, score)),
            "average_precision": float(average_precision_score(positive, score)),
            "brier": float(((score - positive) ** 2).mean()), "ece": _ece(score, positive, setting.samples),
        }  # fmt: skip

    return truths


@cache
def class_truths(setting: Setting) -> Mapping[str, float]:
    """The population's figures, each class against the rest."""
    generator, patients, label = population(setting)
    columns = softmax(SLOPE * (noise(generator, patients, 3) + APART * np.eye(3)[label]), axis=1)
    called, one_hot = columns.argmax(axis=1), np.eye(3)[label]
    against = [(label == k, called == k, columns[:, k]) for k in range(3)]
    own = {
        name: [float(figure(*each)) for each in against]
        for name, figure in {
            "precision": lambda truth, hit, _: truth[hit].mean(), "recall": lambda truth, hit, _: hit[truth].mean(),
            "specificity": lambda truth, hit, _: (~hit)[~truth].mean(),
            "f1": lambda truth, hit, _: f1_score(truth, hit),
            "auc": lambda truth, _, column: roc_auc_score(truth, column),
            "average_precision": lambda truth, _, column: average_precision_score(truth, column),
        }.items()
    }  # fmt: skip
    macro = {name: float(np.mean(each)) for name, each in own.items()}
    single = {f"{name}_{c}": own[name][k] for name in ("recall", "f1") for k, c in enumerate("abc")}
    return {
        "accuracy": float((called == label).mean()), **macro, **single,
        "brier": float(((columns - one_hot) ** 2).sum(axis=1).mean()),
        "ece": _ece(columns.max(axis=1), called == label, setting.samples),
    }  # fmt: skip


def number_truths(tail: float) -> Callable[[Setting], Mapping[str, float]]:
    """The population's figures."""

    @cache
    def truths(setting: Setting) -> Mapping[str, float]:
        generator, patients, _ = population(setting)
        known, predicted = _numbers(generator, patients, tail)
        error = predicted - known
        return {
            "mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean())), "bias": float(error.mean()),
            "r2": 1 - float((error**2).mean() / known.var()), "coverage": float((np.abs(error) <= 50).mean()),
        }  # fmt: skip

    return truths


@cache
def pair_truths(setting: Setting) -> Mapping[str, float]:
    """The population's differences."""
    generator, patients, label = population(setting)
    positive = label == 1
    areas = [roc_auc_score(positive, scores(generator, patients, label, blur)) for blur in (0.0, 0.7)]
    known, predicted = _numbers(generator, patients, np.inf)
    other = predicted + 20 * noise(generator, patients)[:, 0]
    errors = [float(np.abs(each - known).mean()) for each in (predicted, other)]
    return {"AUC": float(areas[1] - areas[0]), "mean absolute error": errors[1] - errors[0]}


def _ece(confidence: Floats, true: NDArray[np.bool_], samples: int) -> float:
    """Of a population, over as many groups of equal size as so many samples get."""
    groups = int(calibration_bins(np.linspace(0, 1, samples)).max()) + 1
    group = np.searchsorted(np.quantile(confidence, np.linspace(0, 1, groups + 1)[1:-1]), confidence)
    return float(np.abs(np.bincount(group, confidence - true)).sum() / len(true))


TWO, THREE, OF_NUMBER = "Two classes: patients without and with the finding", "Three classes", "A number"
CLEAR = "Two classes that are nearly told apart (AUC .998)"
HEAVY = "A number, errors with heavy tails (Student's, 5 degrees of freedom)"
ENDLESS = "A number, errors of infinite kurtosis (Student's, 3 degrees of freedom)"
PAIRED = "Differences between two models on the same samples"
SETTINGS: Sequence[Setting] = (
    *(Setting(TWO, counts, False, binary(APART), binary_truths(APART))
      for counts in ((20, 20), (80, 20), (50, 50), (450, 50), (980, 20), (45, 5))),
    *(Setting(TWO, counts, True, binary(APART), binary_truths(APART))
      for counts in ((20, 20), (60, 20), (50, 50), (45, 5))),
    *(Setting(CLEAR, counts, repeats, binary(NEARLY), binary_truths(NEARLY))
      for counts, repeats in (((50, 50), False), ((450, 50), False), ((50, 50), True))),
    *(Setting(THREE, counts, False, classes, class_truths) for counts in ((20, 20, 20), (100, 40, 20))),
    Setting(THREE, (20, 20, 20), True, classes, class_truths),
    *(Setting(OF_NUMBER, (count,), repeats, numbers(np.inf), number_truths(np.inf))
      for count, repeats in ((20, False), (100, False), (20, True), (50, True), (8, False))),
    *(Setting(HEAVY, (count,), repeats, numbers(5.0), number_truths(5.0))
      for count, repeats in ((20, False), (100, False), (20, True), (50, True))),
    *(Setting(ENDLESS, (count,), False, numbers(3.0), number_truths(3.0), ("rmse", "r2"))
      for count in (20, 100)),
    *(Setting(PAIRED, counts, repeats, pairs, pair_truths)
      for counts, repeats in (((20, 20), False), ((50, 50), False), ((20, 20), True))),
)  # fmt: skip


def covered(setting: Setting, draws: int) -> dict[str, float]:
    """Share of the intervals that hold the truth, by figure; a figure that a draw can't give counts for none.

    Nor does one whose interval the report withholds from decisions because of heavy tails; how many are withheld stands
    behind the figures.
    """
    truths = setting.truths(setting)
    held: dict[str, list[bool]] = {name: [] for name in truths}
    withheld = dict.fromkeys(truths, 0)
    for seed in range(draws):
        found = setting.draw(seed)
        for name, truth in truths.items():
            if "heavy tails" in found[name].note:
                withheld[name] += 1
            elif found[name].known:
                held[name].append(found[name].low <= truth <= found[name].high)
    of_errors = [name for name in ("rmse", "r2") if name in truths]
    return {name: float(np.mean(each)) for name, each in held.items()} | {
        f"{name}{WITHHELD}": withheld[name] / draws for name in of_errors
    }


def close(setting: Setting, found: Mapping[str, float], draws: int) -> bool:
    """Whether the goal is missed by less than two standard errors of a coverage of .93: more draws tell."""
    least = min((value for name, value in found.items() if setting.held(name)), default=1.0)
    return 0 < GOAL - least < 2 * float(np.sqrt(GOAL * (1 - GOAL) / draws))


def wilson_exactly(n: int) -> tuple[float, float]:
    """Coverage of Wilson's interval for a share of n: the mean over shares from .5 to .99, and the least of them."""
    ends = [wilson(hits, n) for hits in range(n + 1)]
    low, high = (np.array([getattr(each, end) for each in ends]) for end in ("low", "high"))
    coverage = [float(binom.pmf(np.flatnonzero((low <= share) & (share <= high)), n, share).sum()) for share in SHARES]
    return float(np.mean(coverage)), min(coverage)


def table(found: Mapping[Setting, Mapping[str, float]], title: str) -> list[str]:
    """The settings of one table as Markdown; in brackets what isn't held."""
    own = {setting: figures for setting, figures in found.items() if setting.table == title}
    if not own:
        return []
    names = list(next(iter(own.values())))
    lines = [f"**{title}**", "", f"| patients | {' | '.join(name.replace('_', ' ') for name in names)} |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for setting, figures in own.items():
        shown = [f"{figures[name]:.3f}" if setting.held(name) else f"({figures[name]:.3f})" for name in names]
        lines.append(f"| {setting.name} | {' | '.join(shown)} |")
    return [*lines, ""]


def exact_table() -> list[str]:
    """Wilson's coverage as Markdown."""
    rows = [f"| {n} | {mean:.3f} | {least:.3f} |" for n in (20, 50, 100) for mean, least in [wilson_exactly(n)]]
    return ["**One share, exactly**", "", "| samples | mean over shares from .5 to .99 | the least of them |",
            "|---|---|---|", *rows, ""]  # fmt: skip


def write(lines: Sequence[str]) -> None:
    """Put the tables between their marks in docs/statistics.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(FIRST)
    _, after = rest.split(LAST)
    PAGE.write_text("\n".join([before + FIRST, "", *lines, LAST]) + after, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Simulate, print the tables and the verdict."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("settings", nargs="*", help="beginnings of table titles; none: all")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--write", action="store_true", help="into docs/statistics.md")
    asked = parser.parse_args(arguments)
    if asked.write and asked.settings:
        parser.error("--write wants all settings")
    chosen = [each for each in SETTINGS if not asked.settings or each.table.startswith(tuple(asked.settings))]
    found = {}
    for setting in chosen:
        start = time.perf_counter()
        found[setting] = covered(setting, asked.draws)
        if close(setting, found[setting], asked.draws):
            found[setting] = covered(setting, AGAIN * asked.draws)
        worst = min(found[setting], key=found[setting].__getitem__)
        print(f"{setting.table}: {setting.name}: least {found[setting][worst]:.3f} ({worst}), "
              f"{time.perf_counter() - start:.0f} s", flush=True)  # fmt: skip
    lines = [
        f"{asked.draws:,} draws a row, {AGAIN} times as many of one that is close. In brackets: not held, see above.",
        "",
    ]
    lines += [line for title in dict.fromkeys(each.table for each in chosen) for line in table(found, title)]
    lines += exact_table()
    print("\n".join(lines))
    if asked.write:
        write(lines)
    least, where = min((value, f"{name}, {setting.name}") for setting, figures in found.items()
                       for name, value in figures.items() if setting.held(name))  # fmt: skip
    print(f"least coverage with {FEW} patients or more of each class: {least:.3f} ({where}), goal {GOAL}")
    return int(least < GOAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
