"""Choices that every kind of data leaves open alike: classes and their order, the split, how long to train."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from components.lib.errors import DataError
from components.lib.kinds._classes import MOST_CHARACTERS, percentage
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.train_settings import RARE
from components.lib.visible import is_odd
from pipelines.look.findings import Questions, counted, some
from pipelines.look.health import means_health, verdict
from pipelines.look.labels import read_labels

MOST_CLASSES = 20
"""Different values up to which a column of words or whole numbers holds classes."""
SCARCE = 50
"""Samples, or patients, of a class below which chance alone may leave a side of the split without one."""
MADE = 0.15
"""Share of a given train that becomes validation where none is given."""
SENSITIVITIES = ("80", "90", "95", "99")
"""Of 100 samples of a rare finding, how many the threshold may be asked to find."""
LEAST = 3
"""Samples of a class that a split needs at least: one for each side."""


@dataclass
class Classes:
    """The classes of a target.

    Args:
        names: those that the task takes, in their order.
        found: sentences.
        why: the reason that stands beside them.
        rarest: samples of the rarest one; patients, once it is known which they are of.
        settings: further keys of the target: spellings, unknown, positive, finding.
        threshold: how the threshold is chosen, of two classes of which the finding is rare; else left to training.
        why_threshold: the reason.
    """

    names: list[str]
    found: list[str] = field(default_factory=list)
    why: str = ""
    rarest: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    threshold: dict[str, Any] = field(default_factory=dict)
    why_threshold: str = ""

    @property
    def kind(self) -> str:
        """The kind of target."""
        return "binary" if len(self.names) == 2 else "multiclass"

    @property
    def target(self) -> dict[str, Any]:
        """The target in the task file."""
        return {"kind": self.kind, "classes": self.names, **self.settings}

    def of(self, labels: pd.Series) -> pd.Series:
        """The class of each label, null where unknown; what is no class stays as it is."""
        kind: Any = (Binary if len(self.names) == 2 else Multiclass).model_validate_json(json.dumps(self.target))
        return kind.column(labels)  # type: ignore[no-any-return]


def _require_usable_names(labels: Iterable[str]) -> None:
    """Refuse labels that no class can be called by.

    Raises:
        DataError: some are too long, or hold characters that break a line or can't be seen.
    """
    long = sum(len(label) > MOST_CHARACTERS for label in labels)
    odd = sum(any(map(is_odd, label)) for label in labels)
    if long or odd:
        told = {"longer": long, "with control, line-separating or direction characters": odd}
        raise DataError(
            "classes",
            expected=f"labels of at most {MOST_CHARACTERS} characters that can be seen",
            found=", ".join(f"{number} {how}" for how, number in told.items() if number),
            todo="rename them in the data; or write a task file by hand, with a short name under `classes:` and the "
            "label as it stands in the data under `spellings: {name: [label]}` (docs/new-task.md)",
        )


def classes_from(counts: Mapping[str, int], questions: Questions) -> Classes:
    """Classes from the words that stand for them and how often each does; at least two.

    Spellings of one class are one, labels that mean "unknown" are none. Words that look like a slip of the pen are
    pointed out and left out, so that ingest stops at them.
    """
    _require_usable_names(counts)
    read = read_labels(counts, questions)
    kept = dict(read.counts)
    found = []
    for rare, common in slips(kept):
        told = f"{rare!r} ({kept[rare]:,}) looks like {common!r} ({kept[common]:,})"
        if len(kept) > 2 and questions.confirm(
            f"{told}: is it a slip?", default=True, why="the names are nearly equal, and it is rare"
        ):
            del kept[rare]
            found.append(f"{told}: left out of the classes, ingest stops until the data are corrected")
        else:
            found.append(f"{told}: correct the data if it's a slip")
    names = ordered(kept)
    why = ""
    if len(names) == 2:
        names, why = _finding_last(names, questions)
    rarest = min(kept.values())
    listed = ", ".join(f"{name} ({kept[name]:,})" for name in names)
    scarce = [name for name in names if kept[name] < LEAST * 4]
    found = [f"{counted(len(names), 'class', 'classes')}: {listed}", *read.found, *found]
    if scarce:
        found.append(
            f"few samples of {some(scarce)}: each side of the split must have one; if ingest says that one lacks it, "
            "add samples or take the class out"
        )
    settings: dict[str, Any] = {}
    if spellings := {name: many for name, many in read.spellings.items() if name in kept}:
        settings["spellings"] = spellings
    if read.unknown:
        settings["unknown"] = sorted(read.unknown)
    classes = Classes(names, found, why, rarest, settings)
    choose_threshold(classes, kept[names[-1]] / sum(kept.values()), questions)
    return classes


def choose_threshold(classes: Classes, share: float, questions: Questions) -> None:
    """Ask for the sensitivity that the threshold must reach, where the finding is so rare that it can't be left open.

    Args:
        classes: gets `threshold`.
        share: of the finding among all samples, 0..1.
        questions: asked.
    """
    if len(classes.names) != 2 or share >= RARE:
        return
    finding = classes.settings.get("positive", classes.names[1])
    why = f"{percentage(share)} of the samples are labelled {finding}: sensitivity and specificity don't weigh alike"
    asked = f"How many of 100 samples labelled {finding} must the threshold find?"
    found = questions.choose(asked, SENSITIVITIES, "95", why)
    classes.threshold = {"method": "sensitivity", "sensitivity": int(found) / 100}
    stated = "nobody was asked, see `assumed`" if any(asked in each for each in questions.assumed) else "as answered"
    classes.why_threshold = f"{why} ({stated}); `cost` instead, if it is known what a miss costs"


def numbered_classes(
    counts: Mapping[int, int], questions: Questions, names: Sequence[str] | None = None
) -> tuple[Classes, dict[str, list[int]]]:
    """Classes that raw data number, in the order of their numbers; and `source.codes` where these are not 0, 1, ….

    Args:
        counts: number of a class to its samples.
        questions: asked which of two is the finding.
        names: of the classes, where they are known.
    """
    numbers = sorted(counts)
    called = list(names or (f"class_{number}" for number in numbers))
    codes = {} if numbers == list(range(len(numbers))) else {"codes": numbers}
    listed = ", ".join(f"{name} ({counts[number]:,})" for name, number in zip(called, numbers, strict=True))
    found = [f"{len(called)} classes: {listed}" + ("" if names else " (the data have no names for them)")]
    why = f"in the order of the labels {', '.join(map(str, numbers[:3]))}{', …' if len(numbers) > 3 else ''}"
    settings = {}
    if len(called) == 2:
        finding, reason = finding_of(called, questions)
        settings = {"positive": finding} if finding != called[1] else {}
        why = f"{why}; {reason}"
    why += "" if names else "; rename them, in this order"
    classes = Classes(called, found, why, min(counts.values()), settings)
    last = settings.get("positive", called[-1])
    share = dict(zip(called, (counts[number] for number in numbers), strict=True))[last] / sum(counts.values())
    choose_threshold(classes, share, questions)
    return classes, codes


def ordered(counts: Mapping[str, int]) -> list[str]:
    """Numbers by their value, words by the alphabet, what means health first."""
    try:
        return sorted(counts, key=float)
    except ValueError:
        return sorted(counts, key=lambda name: (not means_health(name), name))


def _finding_last(names: list[str], questions: Questions) -> tuple[list[str], str]:
    """Of two classes, the one that is looked for last, and why; asked where the names don't say it."""
    finding, why = finding_of(names, questions)
    return [*(name for name in names if name != finding), finding], why


def finding_of(names: Sequence[str], questions: Questions) -> tuple[str, str]:
    """Which of two classes is the finding, and the reason that stands in the task file; asked where it is unclear."""
    told = verdict(*names)
    (finding,) = (name for name in names if name != told.healthy)
    why = f"{told.healthy} is the healthy one: {told.why}"
    if not told.certain:
        finding = questions.choose(
            "Which class is the finding, whose probability is served?", list(names), finding, told.why
        )
        why = "nobody was asked, see `assumed`" if questions.assumed else "as answered"
    other = next(name for name in names if name != finding)
    return finding, f"{finding} is the finding: its probability is served ({why}); `positive: {other}` turns it round"


def slips(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Rare names that are nearly a common one: pairs of the rare and the common, each rare one once."""
    found = []
    for rare in sorted(counts):
        for common in sorted(counts, key=lambda name: -counts[name]):
            if counts[rare] * 10 <= counts[common] and _alike(rare, common):
                found.append((rare, common))
                break
    return found


def _alike(one: str, other: str) -> bool:
    """Equal but for one letter: another, one too many, one too few, or two that changed places.

    Not where figures or a short word tell them apart (grade1 and grade2, type a and type b), or a start (abnormal).
    """
    first, second = (re.split(r"[\W_]+", name.lower()) for name in (one, other))
    if re.findall(r"\d+", one) != re.findall(r"\d+", other):
        return False
    if "".join(first) == "".join(second):
        return True
    differing = [(a, b) for a, b in zip(first, second, strict=False) if a != b]
    if len(first) != len(second) or len(differing) != 1 or min(map(len, differing[0])) < 4:
        return False
    a, b = differing[0]
    return not a.endswith(b) and not b.endswith(a) and _one_letter(a, b)


def _one_letter(a: str, b: str) -> bool:
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    left, right = a[start:], b[start:]
    swapped = left[:2] == right[:2][::-1] and left[2:] == right[2:]
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]


def made_split(groups: int, *, by: str, classes: Classes | None) -> tuple[dict[str, Any], str]:
    """A split that medpipe makes, and the reason of its method and shares.

    Args:
        groups: patients, or samples where no patient is known.
        by: patient or sample.
        classes: of the target; None for a number.
    """
    few = groups < 1000
    shares = (0.2, 0.25) if few else (0.15, 0.15)
    why = f"of {counted(groups, by)}: " + (
        "a smaller test would say little" if few else "enough of them to leave most for training"
    )
    method = "hash"
    if classes is not None and classes.rarest >= LEAST and (classes.rarest < SCARCE or groups < 2 * SCARCE):
        method, why = "stratified", f"{why}; so few that chance could leave a side without a class"
    return {**split_by(by), "method": method, "validation": shares[0], "test": shares[1]}, why


def split_by(by: str) -> dict[str, Any]:
    """`split.by`; where no patient is known, with the key that accepts it: ingest would stop otherwise."""
    return {"by": "patient"} | ({"unknown_patients": "accept"} if by == "sample" else {})


def is_split(sides: Collection[str | None]) -> bool:
    """Whether the data have a split of their own that can be kept: train and test; validation can be made."""
    return {"train", "test"} <= {*sides} <= {"train", "validation", "test"}


def kept_split(sides: Collection[str | None], by: str) -> tuple[dict[str, Any], str]:
    """The data's own split, and the reason; where it has no validation, a part of train becomes it."""
    if "validation" in sides:
        return {**split_by(by), "method": "given"}, "the data's own split"
    why = "the data's own train and test; they have no validation, which is made from train: this share of it"
    return {**split_by(by), "method": "given", "validation": MADE}, why


def trained_on(train: int, sides: Collection[str | None]) -> int:
    """How many of train's samples are left to train on."""
    return train if "validation" in sides else round((1 - MADE) * train)


def training(samples: int, what: str, classes: Classes | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """The section `train`: how long, on how many samples at a time, what the threshold is for; and the reasons.

    Args:
        samples: of the training side.
        what: image, table or signal.
        classes: of the target; None for a number.
    """
    sizes = [(200, 16), (4000, 32), (20_000, 64)]
    batch = next((size for most, size in sizes if samples < most), 128)
    more: dict[str, Any] = {}
    why = {
        "train.epochs": "at most: training ends when validation gains no more",
        "train.batch_size": f"about {samples:,} samples to train on; 16 or 8 if memory runs out",
    }
    if what == "table":
        epochs, patience = (100, 20) if samples < 1000 else (60, 15)
        if samples >= 5000:
            more = {"width": 64, "learning_rate": 0.003, "dropout_rate": 0.05}
            why["train.width"] = "rows are many: a wider net, that forgets less"
    elif what == "signal":
        epochs, patience, batch = (10, 5, batch) if samples < 10_000 else (5, 3, 64)
    else:
        epochs, patience = (20, 8) if samples < 1000 else (10, 5)
    if classes is not None and classes.threshold:
        more["threshold"] = classes.threshold
        why["train.threshold"] = classes.why_threshold
    return {"epochs": epochs, "patience": patience, "batch_size": batch, **more}, why
