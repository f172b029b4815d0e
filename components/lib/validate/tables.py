"""Tables of counts and figures that stand on a gate's page. They leave out what a broken table doesn't have."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.lib.spec import SPLITS, TaskSpec
from components.lib.validate.reasons import one_reason
from components.lib.validate.suites import classes_of, quality_columns

FIRST_PLACES = 5
QUANTILES = {"least": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "most": 1.0}


def as_labels(samples: pd.DataFrame, spec: TaskSpec) -> pd.DataFrame:
    """The table with the labels of its class targets as text, the way their kinds read them: 1 and 1.0 are both "1"."""

    def text(value: object) -> str:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    numbers = [name for name in classes_of(spec) if name in samples and samples[name].dtype != "str"]
    return samples.assign(**{name: samples[name].map(text, na_action="ignore").astype("str") for name in numbers})


def counts(samples: pd.DataFrame, spec: TaskSpec) -> pd.DataFrame:
    """Per split (rows): samples, known patients, and samples of each class, unknown ones included."""
    if "split" not in samples:
        return pd.DataFrame({"split": list(SPLITS)})
    by_split = [samples[samples["split"] == split] for split in SPLITS]
    table = pd.DataFrame({"split": list(SPLITS), "samples": [len(part) for part in by_split]})
    if "patient" in samples:
        table["known patients"] = [part["patient"].nunique() for part in by_split]
    for name, classes in classes_of(spec).items():
        if name not in samples:
            continue
        for label in classes:
            table[f"{name}: {label}"] = [int((part[name] == label).sum()) for part in by_split]
        table[f"{name}: unknown"] = [int(part[name].isna().sum()) for part in by_split]
    return table


def quality(samples: pd.DataFrame, spec: TaskSpec) -> pd.DataFrame:
    """Per quality figure: its quantiles, how many are no finite number, and the range it must lie in."""
    rows = []
    for column, (low, high) in quality_columns(spec).items():
        if column in samples and pd.api.types.is_numeric_dtype(samples[column]):
            # Infinite figures fail their range check; between them there is no quantile.
            values = samples[column].replace([np.inf, -np.inf], np.nan)
            quantiles = {name: float(values.quantile(share)) for name, share in QUANTILES.items()}
            rows.append(
                {
                    "figure": column,
                    **quantiles,
                    "not finite": int(values.isna().sum()),
                    "must lie in": f"{low:g} to {high:g}",
                }
            )
    return pd.DataFrame(rows, columns=["figure", *QUANTILES, "not finite", "must lie in"])


def reasons(rejected: pd.DataFrame) -> pd.DataFrame:
    """Per reason for leaving samples out: how many, the commonest first; and where the first of them stand.

    Args:
        rejected: columns sample_id, split, reason and place (str); reasons that differ in a value alone are one.
    """
    kinds = one_reason(rejected["reason"].astype("str"))
    rejected = rejected.assign(reason=rejected["reason"].astype("str").map(kinds).astype("str"))
    counted = rejected.groupby("reason").size().rename("samples").reset_index()
    named = rejected[rejected["place"] != ""]
    if len(named):
        first = named.groupby("reason")["place"].agg(_first_few)
        counted["first at"] = counted["reason"].map(first).fillna("")
    return counted.sort_values(["samples", "reason"], ascending=[False, True], ignore_index=True)


def _first_few(places: pd.Series) -> str:
    more = ", …" if len(places) > FIRST_PLACES else ""
    return ", ".join(places.head(FIRST_PLACES)) + more
