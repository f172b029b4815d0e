"""The report's figures against third-party programs, on random cases of several sizes and prevalences.

    python -m benchmarks.agreement               # a minute; prints the table of docs/statistics.md
    python -m benchmarks.agreement --cases 2     # fewer cases of each size

R's pROC and rms are asked where Rscript and both packages are there; where they aren't, the last line says so. Exit
status 1 where a figure is farther from its reference than its tolerance.

Tolerances are the rounding of either program where both compute the same, and wider where a method differs: then the
table says how. Confidence limits are compared where both programs have the same kind.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from benchmarks.agreement_python import differences_of_classes, differences_of_numbers, differences_of_one
from benchmarks.agreement_r import ask_r, missing_in_r

SIZES, PREVALENCES, CASES = (60, 300, 1500), (0.02, 0.1, 0.5), 5
OF_R = ("pROC", "rms")
LEAST = 3
"""Samples of the rarer class, without which a case is drawn again."""
Floats = NDArray[np.float64]

TOLERANCES: Mapping[tuple[str, str], float] = {
    ("accuracy, precision, recall, specificity, F1", "scikit-learn"): 1e-12,
    ("AUC", "scikit-learn"): 1e-12,
    ("average precision", "scikit-learn"): 1e-12,
    ("Brier score", "scikit-learn"): 1e-12,
    ("Wilson's interval", "statsmodels"): 1e-9,
    ("calibration slope", "statsmodels GLM"): 1e-5,
    ("calibration in the large", "statsmodels GLM"): 1e-5,
    ("calibration error (ECE)", "uncertainty-calibration"): 1e-12,
    ("net benefit", "dcurves"): 1e-12,
    ("Holm: verdicts that differ", "statsmodels"): 0.0,
    ("several classes: AUC, F1, precision, recall, average precision", "scikit-learn"): 1e-12,
    ("prediction sets: members that differ", "MAPIE"): 0.0,
    ("mean absolute error, RMSE, R²", "scikit-learn"): 1e-9,
    ("bias and Student's interval", "scipy"): 1e-9,
    ("calibration slope and intercept of a number", "scipy linregress"): 1e-9,
    ("interval of a number", "MAPIE"): 1e-9,
    ("AUC", "pROC"): 1e-9,
    ("DeLong's standard error", "pROC"): 1e-6,
    ("difference of two AUCs", "pROC"): 1e-9,
    ("its interval's half width, bootstrap over DeLong less 1", "pROC"): 0.25,
    ("calibration slope", "rms val.prob"): 1e-5,
    ("calibration in the large", "rms lrm.fit, offset"): 1e-5,
    ("Brier score", "rms val.prob"): 1e-9,
    ("spline: ICI, E90, Emax", "rms lrm, rcs"): 1e-5,
    ("spline over loess: ICI, E90", "rms val.prob"): 0.1,
}
"""Figure and program to the greatest difference that is taken for agreement."""


@dataclass(frozen=True)
class Case:
    """Two models' probabilities of the same samples, of which some are positive."""

    score: Floats
    """(N,), as are the others."""
    other: Floats
    true: NDArray[np.bool_]


def cases(count: int) -> Iterator[Case]:
    """`count` cases of every size and prevalence, each with three samples or more of both classes."""
    for size in SIZES:
        for prevalence in PREVALENCES:
            generator = np.random.default_rng([size, round(1000 * prevalence)])
            made = 0
            while made < count:
                case = _case(generator, size, prevalence)
                if LEAST <= case.true.sum() <= size - LEAST:
                    made += 1
                    yield case
                elif size * prevalence < LEAST:
                    break


def _case(generator: np.random.Generator, size: int, prevalence: float) -> Case:
    """Scores that overlap, and that are neither calibrated nor in line with each other."""
    true = generator.random(size) < prevalence
    centre = np.log(prevalence / (1 - prevalence))
    shared, one, two = generator.normal(0, 1, (3, size))
    score = centre + 1.2 * (shared + 0.5 * one) + 1.3 * true
    return Case(expit(score), expit(0.8 * (centre + shared + 0.8 * two + 1.2 * true)), true)


def measured(count: int) -> dict[tuple[str, str], list[float]]:
    """Every difference that was found, by figure and program."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    drawn = list(cases(count))
    for case in drawn:
        _add(found, differences_of_one(case.score, case.true))
    generator = np.random.default_rng(0)
    for size in SIZES * count:
        columns = softmax(generator.normal(0, 1.5, (size, 4)), axis=1)
        label = np.array([generator.choice(4, p=row) for row in columns])
        _add(found, differences_of_classes(columns, label, generator))
        known = generator.normal(150, 40, size)
        _add(found, differences_of_numbers(known + generator.normal(3, 25, size), known))
    if not missing_in_r():
        _add(found, ask_r([(case.score, case.other, case.true) for case in drawn]))
    return found


def _add(found: dict[tuple[str, str], list[float]], more: Mapping[tuple[str, str], Sequence[float]]) -> None:
    for name, each in more.items():
        found[name] += each


def main(arguments: Sequence[str]) -> int:
    """Compare, print the table and the verdict."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help="of each size and prevalence")
    found = measured(parser.parse_args(arguments).cases)
    print("| figure | program | compared | greatest difference | tolerance |", "|---" * 5 + "|", sep="\n")
    wrong = []
    for (figure, program), tolerance in TOLERANCES.items():
        if program.startswith(OF_R) and missing_in_r():
            continue
        greatest = float(np.max(found[figure, program]))
        wrong += [f"{figure} ({program})"] if not greatest <= tolerance else []
        print(f"| {figure} | {program} | {len(found[figure, program]):,} | {greatest:.1e} | {tolerance:g} |")
    unasked = missing_in_r()
    verdict = f"{len(found) - len(wrong)} of {len(found)} comparisons agree, goal all"
    verdict += f"; they differ in: {', '.join(wrong)}" if wrong else ""
    print(f"\n{verdict}{f'; not compared with R: {unasked}' if unasked else ''}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
