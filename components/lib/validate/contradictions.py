"""One picture, two labels: copies and near duplicates whose labels contradict each other. One of them must be wrong."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from components.lib.spec import TaskSpec
from components.lib.validate.checks import Finding
from components.lib.validate.near_duplicates import NearDuplicates
from components.lib.validate.outcome import name_some

COLUMNS = ["sample_id", "split", "label", "sample_id_2", "split_2", "label_2"]
SHOWN = 50


def of_copies(samples: pd.DataFrame, spec: TaskSpec) -> pd.DataFrame:
    """Pairs of samples with equal content and different labels.

    Rows of a table may well be equal and have different outcomes: of those nothing is said.

    Args:
        samples: columns sample_id, split, sha256 and one per target (null where unknown).
        spec: the task.

    Returns:
        columns sample_id, split, label, and the same with _2: of each content with two labels the first of each.
    """
    found: list[tuple[object, ...]] = []
    for name, kind in spec.targets.items():
        if not kind.class_names or not all(each.equal_is_same for each in spec.inputs.values()):
            continue
        known = samples[samples[name].notna()]
        several = known.groupby("sha256")[name].transform("nunique") > 1
        for _, copies in known[several].groupby("sha256", sort=False):
            first = copies.drop_duplicates(name)[["sample_id", "split", name]].itertuples(index=False, name=None)
            found += [(*one, *other) for one, other in combinations(first, 2)]
    return pd.DataFrame(found, columns=COLUMNS)


def finding(samples: pd.DataFrame, near: list[NearDuplicates], spec: TaskSpec) -> Finding:
    """What clean's receipt and page say of them."""
    copies = of_copies(samples, spec).assign(how="equal")
    alike = [each.contradicting.assign(how="near duplicates") for each in near if each.complete]
    pairs = pd.concat([copies, *alike], ignore_index=True)
    if pairs.empty:
        return Finding(())
    ids = sorted({*pairs["sample_id"], *pairs["sample_id_2"]})
    line = f"contradicting labels: {len(pairs)} pair{'' if len(pairs) == 1 else 's'} of equal or nearly equal pictures"
    shown = pairs.head(SHOWN).rename(
        columns={"sample_id": "sample", "split": "stands in", "sample_id_2": "like", "split_2": "which stands in",
                 "label_2": "and its label", "how": "they are"}
    )  # fmt: skip
    line = f"{line}; sample_ids: {name_some(ids)}"
    return Finding((line,), (("Contradicting labels", shown),), warnings=(line,))


def receipt_line(samples: pd.DataFrame, spec: TaskSpec) -> tuple[str, ...]:
    """The same of exact copies for ingest's receipt, before any of them is dropped."""
    pairs = of_copies(samples, spec)
    if pairs.empty:
        return ()
    ids = sorted({*pairs["sample_id"], *pairs["sample_id_2"]})
    plural = "" if len(pairs) == 1 else "s"
    return (f"contradicting labels: {len(pairs)} pair{plural} of exact duplicates; sample_ids: {name_some(ids)}",)
