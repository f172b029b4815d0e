"""The report's figures beside those of R's pROC and rms, asked through Rscript."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.bootstrap import Design
from components.lib.calibration_curve import KNOTS, NEEDED, curve, distances
from components.lib.kinds._paired import area_difference
from components.lib.kinds.binary import Binary
from components.lib.recalibration import LARGE, SLOPE, logits, measures
from components.lib.statistics import Z, auc

SCRIPT = Path(__file__).with_name("agreement.R")
BINARY = Binary(kind="binary", classes=("normal", "pneumonia"))
Floats = NDArray[np.float64]
Case = tuple[Floats, Floats, NDArray[np.bool_]]


@cache
def missing_in_r() -> str:
    """What R lacks here; empty where pROC and rms can be asked."""
    if shutil.which("Rscript") is None:
        return "Rscript isn't installed"
    wanted = "cat(setdiff(c('pROC', 'rms'), rownames(installed.packages())))"
    asked = subprocess.run(["Rscript", "-e", wanted], capture_output=True, text=True, check=False)
    return f"R lacks {asked.stdout.strip()}" if asked.stdout.strip() else ""


def ask_r(cases: Sequence[Case]) -> Mapping[tuple[str, str], list[float]]:
    """Differences by figure and program; one run of R for all cases.

    Args:
        cases: two models' probabilities (N,) each, and which samples are positive (N,).
    """
    with tempfile.TemporaryDirectory() as folder:
        rows, knots, answers = (Path(folder) / name for name in ("rows.csv", "knots.csv", "answers.csv"))
        pd.concat(
            pd.DataFrame({"case": at, "score": score, "other": other, "true": true.astype(int)})
            for at, (score, other, true) in enumerate(cases)
        ).to_csv(rows, index=False, float_format="%.17g")
        held = [[at, *_knots(score, true)] for at, (score, _, true) in enumerate(cases)]
        pd.DataFrame(held, columns=["case", *map(str, range(max(KNOTS)))]).to_csv(
            knots, index=False, float_format="%.17g"
        )
        subprocess.run(["Rscript", str(SCRIPT), str(rows), str(knots), str(answers)], check=True, capture_output=True)
        theirs = pd.read_csv(answers).sort_values("case")
    found: dict[tuple[str, str], list[float]] = {}
    for case, row in zip(cases, theirs.to_dict("records"), strict=True):
        for name, each in _differences(case, {str(k): float(v) for k, v in row.items()}).items():
            found.setdefault(name, []).extend(each)
    return found


def _knots(score: Floats, true: NDArray[np.bool_]) -> list[float]:
    """Those of our curve; none where it has no spline."""
    rarer = min(int(true.sum()), int((~true).sum()))
    count = next((count for count, needed in NEEDED.items() if rarer >= needed), 0)
    knots = np.quantile(logits(score), KNOTS[count]).tolist() if count else []
    return knots + [np.nan] * (max(KNOTS) - len(knots))


def _differences(case: Case, theirs: Mapping[str, float]) -> Mapping[tuple[str, str], list[float]]:
    score, other, true = case
    design = Design.of(true.astype(np.intp), None)
    area, cox = auc(score, true), measures(score, true, design)
    # Half the interval on the logit scale is 1.96 standard errors over v(1 - v).
    half = (np.log(area.high / (1 - area.high)) - np.log(area.low / (1 - area.low))) / 2
    error = half * area.value * (1 - area.value) / Z
    apart = area_difference(np.stack([1 - score, score], axis=1), np.stack([1 - other, other], axis=1), design.strata)
    brier = float(((score - true) ** 2).mean())
    found = {
        ("AUC", "pROC"): [abs(area.value - theirs["auc"])],
        ("difference of two AUCs", "pROC"): [abs(apart.value - theirs["difference"])],
        ("calibration slope", "rms val.prob"): [abs(cox[SLOPE].value - theirs["slope"])],
        ("calibration in the large", "rms lrm.fit, offset"): [abs(cox[LARGE].value - theirs["large"])],
        ("Brier score", "rms val.prob"): [abs(brier - theirs["brier"])],
    }
    if area.method.startswith("DeLong"):
        found["DeLong's standard error", "pROC"] = [abs(error - theirs["error"])]
    if min(true.sum(), (~true).sum()) >= 20:
        ratio = (apart.high - apart.low) / 2 / theirs["half"]
        found["its interval's half width, bootstrap over DeLong less 1", "pROC"] = [abs(ratio - 1)]
    smooth = curve(score, true, design)
    if smooth is not None and np.isfinite(theirs["spline_mean"]):
        gaps = [each.value for each in distances(smooth, score).values()]
        named = zip(gaps, ("spline_mean", "spline_90", "spline_max"), strict=True)
        found["spline: ICI, E90, Emax", "rms lrm, rcs"] = [abs(each - theirs[name]) for each, name in named]
        loess = zip(gaps, ("loess_mean", "loess_90"), strict=False)
        found["spline over loess: ICI, E90", "rms val.prob"] = [abs(each - theirs[name]) for each, name in loess]
    return found
