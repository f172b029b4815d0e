"""What each side of the split should hold: samples, classes, known values. A line each, or a check that stops the run.

Small sets are often all there is, so by default they are told of and taken (`split.limits.policy: report`).
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from components.lib.spec import SPLITS, TaskSpec
from components.lib.validate.outcome import NAMED_AT_MOST, Check
from components.lib.validate.suites import classes_of

MISSING_TARGET = 0.5
"""Highest share of unknown values of a target of which the task says nothing."""


def limits(samples: pd.DataFrame, spec: TaskSpec) -> list[Check]:
    """A check for each limit of `split.limits`, whatever its policy.

    Args:
        samples: columns sample_id, split, one per target (labels as text), and the attributes that the task limits.
        spec: the task.
    """
    if "split" not in samples:
        return [Check("The sides hold what they should", "could not run", 'The column "split" does not exist.')]
    sizes = samples["split"].value_counts()
    rows = {side: int(sizes.get(side, 0)) for side in SPLITS}
    return [
        _sizes(rows, spec.split.limits.samples),
        *_classes(samples, spec),
        *(_missing(samples, rows, name, highest) for name, highest in _highest(spec).items()),
    ]


def judged(checks: Iterable[Check], spec: TaskSpec) -> tuple[list[Check], list[str]]:
    """Checks that count, and lines for the receipt: where the policy is `report` a failed one is only told.

    One that could not run is never taken for a pass.
    """
    every = list(checks)
    if spec.split.limits.policy == "fail":
        return every, []
    return [each for each in every if each.status != "failed"], [
        f"not kept: {each.sentence[0].lower()}{each.sentence[1:]} ({each.found})"
        for each in every
        if each.status == "failed"
    ]


def _sizes(rows: dict[str, int], least: int) -> Check:
    few = [f"{side} {count}" for side, count in rows.items() if count < least]
    return Check(
        f"Every side has at least {least} samples",
        "failed" if few else "passed",
        ", ".join(few or [f"{side} {count}" for side, count in rows.items()]),
        "add patients, raise the share of that side under `split:`, or lower `split.limits.samples`",
    )


def _classes(samples: pd.DataFrame, spec: TaskSpec) -> list[Check]:
    """For each target with classes: samples of each, and its share of the known labels."""
    checks, limit = [], spec.split.limits
    for name, classes in classes_of(spec).items():
        few, rare, every = f"Every side has at least {limit.per_class} samples of each {name}", [], []
        shares = f"Every {name} is at least {100 * limit.balance:g}% of each side"
        if name not in samples:
            lost = f'The column "{name}" does not exist.'
            checks += [Check(sentence, "could not run", lost) for sentence in (few, shares)]
            continue
        counts = samples.groupby(["split", name], observed=False).size()
        small = []
        for side in SPLITS:
            known = {label: int(counts.get((side, label), 0)) for label in classes}
            total = sum(known.values())
            every += [f"{side} {label} {count}" for label, count in known.items()]
            small += [f"{side} {label} {count}" for label, count in known.items() if count < limit.per_class]
            rare += [
                f"{side} {label} {count} of {total}" for label, count in known.items() if count < limit.balance * total
            ]
        add = f"add samples of that class, set `split.method: stratified`, or lower `split.limits.{{}}` ({name})"
        found = ", ".join(every)
        checks += [
            Check(few, "failed" if small else "passed", ", ".join(small) or found, add.format("per_class")),
            Check(shares, "failed" if rare else "passed", ", ".join(rare) or found, add.format("balance")),
        ]
    return checks


def _highest(spec: TaskSpec) -> dict[str, float]:
    return {**dict.fromkeys(spec.targets, MISSING_TARGET), **spec.split.limits.missing}


def _missing(samples: pd.DataFrame, rows: dict[str, int], name: str, highest: float) -> Check:
    sentence = f"{name} is unknown in at most {100 * highest:g}% of each side"
    if name not in samples:
        return Check(sentence, "could not run", f'The column "{name}" does not exist.')
    unknown = samples[name].isna()
    counts = samples.loc[unknown, "split"].value_counts()
    told = {side: int(counts.get(side, 0)) for side in SPLITS}
    bad = [side for side in SPLITS if told[side] > highest * rows[side]]
    ids = samples.loc[unknown & samples["split"].isin(bad), "sample_id"].astype(str) if bad else pd.Series(dtype="str")
    return Check(
        sentence,
        "failed" if bad else "passed",
        ", ".join(f"{side} {told[side]} of {rows[side]}" for side in bad or SPLITS),
        f"fill in {name} in the source, leave such samples out, or raise `split.limits.missing.{name}`",
        tuple(ids.sort_values().head(NAMED_AT_MOST)),
        len(ids),
    )
