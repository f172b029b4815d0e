"""The diabetes set that comes with scikit-learn, as a table that a study might hand over.

442 patients: age, sex, body mass index, mean blood pressure and six blood tests at the start, and a measure of how far
the disease had come one year later, 25 to 346. Efron, Hastie, Johnstone & Tibshirani 2004, Least Angle Regression,
doi:10.1214/009053604000000067. Sex stands as "1" and "2": the set doesn't say which is which, so it is a category of
these two names. It names no units either; the values look like mg/dl and mmHg. The patients' ids are ours.
"""

from __future__ import annotations

import csv
from pathlib import Path

from components.lib.phantoms.diabetes import Diabetes

COLUMNS = (
    "age", "sex", "bmi", "blood_pressure", "cholesterol", "ldl", "hdl", "cholesterol_ratio", "triglycerides_log",
    "glucose",
)  # fmt: skip
"""In scikit-learn's order, where the last six are s1 to s6."""


def diabetes(settings: Diabetes, out: Path) -> None:
    """Write `diabetes.csv` into the folder `out`: one row for each patient, D-001 to D-442; always the same bytes."""
    from sklearn.datasets import load_diabetes

    values, progression = load_diabetes(return_X_y=True, scaled=False)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "diabetes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("patient", *COLUMNS, "progression"))
        for number, (row, outcome) in enumerate(zip(values.tolist(), progression.tolist(), strict=True), 1):
            writer.writerow((f"D-{number:03d}", *(_neat(value) for value in (*row, outcome))))


def _neat(value: float) -> str:
    """The shortest text of a number; whole ones without a point."""
    return repr(value).removesuffix(".0")
