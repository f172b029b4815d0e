"""The cleaned data against the last ones that passed: what a new delivery of films or rows has changed.

What the last ones were like stands beside the dataset, in `<dataset>.last.json`: counts, shares and means, no samples.
It is no output: the dataset's bytes must not depend on what was there before.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.lib.dataset import Dataset
from components.lib.numbers import number
from components.lib.output import write_bytes
from components.lib.settings import Settings
from components.lib.spec import SPLITS, TaskSpec
from components.lib.validate.suites import classes_of, quality_columns

UNLIKELY = 4.0
"""Standard errors that a difference must exceed: with a hundred figures, chance alone gives one in 160 deliveries."""
SMALL_SHARE, SMALL_SHIFT = 0.02, 0.25
"""Differences that are told: of shares, and of means in standard deviations."""


class Share(Settings):
    """How many of how many."""

    count: int
    of: int


class Mean(Settings):
    """Mean and standard deviation of a figure over its known values."""

    mean: float
    deviation: float
    of: int


class Summary(Settings):
    """What one version of the cleaned data is like."""

    digest: str
    counts: dict[str, int]
    """Samples per split."""
    shares: dict[str, Share]
    """By name: samples of each class, samples without a target, rejected samples."""
    means: dict[str, Mean]
    """By name: quality figures, and targets that are numbers."""


@dataclass(frozen=True)
class Change:
    """One figure that is no longer what it was."""

    what: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before} before, {self.now} now"


def summarise(cleaned: Dataset, spec: TaskSpec) -> Summary:
    """Counts, shares and means of a cleaned dataset."""
    samples, rejected = cleaned.samples(), len(cleaned.rejected())
    shares = {"samples rejected": Share(count=rejected, of=len(samples) + rejected)}
    classes = classes_of(spec)
    means = {name: _mean(samples[name]) for name in [*spec.targets, *quality_columns(spec)] if name not in classes}
    for name in spec.targets:
        known = samples[name].notna()
        shares[f"samples without {name}"] = Share(count=int((~known).sum()), of=len(samples))
        for label in classes.get(name, ()):
            count = int((samples[name].astype("str") == label).sum())
            shares[f"{name} {label}"] = Share(count=count, of=int(known.sum()))
    return Summary(digest=cleaned.info.digest, counts=cleaned.info.counts, shares=shares, means=means)


def compare(before: Summary, now: Summary) -> list[Change]:
    """Figures that differ by more than chance and by enough to matter; what only one of the two has is left out.

    Shares by the two-sample z test with a pooled variance, means by Welch's statistic.
    """
    found = []
    for name, share in now.shares.items():
        old = before.shares.get(name)
        if old is not None and _shares_differ(old, share):
            found.append(Change(name, f"{old.count / old.of:.1%}", f"{share.count / share.of:.1%}"))
    for name, mean in now.means.items():
        earlier = before.means.get(name)
        if earlier is not None and _means_differ(earlier, mean):
            found.append(Change(f"mean of {name}", number(earlier.mean), number(mean.mean)))
    return found


def note_changes(dataset: Path, spec: TaskSpec) -> list[str]:
    """Compare a cleaned dataset that passed with the last one, and keep what it is like for the next time.

    Args:
        dataset: the directory; the figures of the last one that passed are in the file beside it, and so will be these.
        spec: the task.

    Returns:
        lines for people; none the first time, or for the same data.
    """
    now, file = summarise(Dataset(dataset), spec), dataset.with_name(f"{dataset.name}.last.json")
    before = _read(file)
    write_bytes(file, (json.dumps(now.model_dump(), indent=2, sort_keys=True) + "\n").encode())
    if before is None or before.digest == now.digest:
        return []
    counts = ", ".join(f"{split} {before.counts[split]} → {now.counts[split]}" for split in SPLITS)
    changes = compare(before, now)
    told = [f"  {change}" for change in changes] or ["  no figure differs by more than chance"]
    return [f"since the last data that passed: {counts}", *told]


def _read(file: Path) -> Summary | None:
    """The last summary; None where there is none, or one of another form."""
    try:
        return Summary.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _mean(values: pd.Series) -> Mean:
    known = pd.to_numeric(values, errors="coerce").dropna().to_numpy(np.float64)
    if not len(known):
        return Mean(mean=0.0, deviation=0.0, of=0)
    return Mean(mean=float(known.mean()), deviation=float(known.std()), of=len(known))


def _shares_differ(old: Share, new: Share) -> bool:
    if not old.of or not new.of:
        return False
    apart = new.count / new.of - old.count / old.of
    together = (old.count + new.count) / (old.of + new.of)
    error = math.sqrt(together * (1 - together) * (1 / old.of + 1 / new.of))
    return abs(apart) >= SMALL_SHARE and abs(apart) > UNLIKELY * error


def _means_differ(old: Mean, new: Mean) -> bool:
    if not old.of or not new.of:
        return False
    apart = abs(new.mean - old.mean)
    error = math.sqrt(old.deviation**2 / old.of + new.deviation**2 / new.of)
    return apart >= SMALL_SHIFT * old.deviation and apart > UNLIKELY * error
