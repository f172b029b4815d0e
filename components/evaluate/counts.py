"""Results in counts: called against labelled, and abstentions as what they are, indeterminate results.

A sample on which the model abstains has no result. Left out of the table, it makes a test look better than it is; so
sensitivity and specificity are given for every sample as called, without the indeterminate ones, and with these counted
against the model (intention to diagnose).

Sources: STARD 2015, items 15 and 20, doi:10.1136/bmj.h5527, which STARD-AI takes over; three rows in place of two:
Schuetz, Schlattmann & Dewey 2012, doi:10.1136/bmj.e6717.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from components.evaluate.results import Called, Result
from components.lib.class_metrics import Share
from components.lib.conformal import abstained, fitted_least, members
from components.lib.decisions import percent, proportions
from components.lib.kinds._classes import Classes
from components.lib.page import paragraph, table
from components.lib.statistics import Bools, Estimate

MOST_CLASSES = 10
"""Classes up to which a table of every class against every other can be read."""
CAPTION = "Counts at the model's own threshold: true and false positives, false and true negatives."
AS_CALLED, WITHOUT, AGAINST = (
    "Every sample as it is called",
    "Indeterminate results left out",
    "Indeterminate results counted as wrong",
)


@dataclass(frozen=True)
class Answers(Called):
    """What a model called, and where it called nothing."""

    open: Bools
    """On which it abstains (n,)."""

    @classmethod
    def of(cls, result: Result, kind: Classes) -> Answers:
        """The answers to one target."""
        called, label, design = cls.known(result, kind)
        least = fitted_least(result.fitted.decision, len(kind.class_names))
        open_ = np.zeros(len(label), bool)
        if least is not None:
            open_ = abstained(members(kind.columns(result.output[result.known]), least), called)
        return cls(kind, called, label, design, open_)

    def crossed(self, k: int, among: Bools | None = None) -> tuple[int, int, int, int]:
        """TP, FP, FN and TN of class k against the rest, among some of the samples (n,)."""
        rows = np.ones(len(self.label), bool) if among is None else among
        called, labelled = self.called == k, self.label == k
        cells = (called & labelled, called & ~labelled, ~called & labelled, ~called & ~labelled)
        return tuple(int((cell & rows).sum()) for cell in cells)  # type: ignore[return-value]

    def rates(self, k: int) -> dict[str, tuple[Estimate, Estimate]]:
        """Sensitivity and specificity of class k against the rest, by what is done with indeterminate results."""
        called, labelled, answered = self.called == k, self.label == k, ~self.open
        nobody = "no such sample"
        found = proportions(
            {
                f"{AS_CALLED} 0": Share(called, labelled, nobody),
                f"{AS_CALLED} 1": Share(~called, ~labelled, nobody),
                f"{WITHOUT} 0": Share(called, labelled & answered, nobody),
                f"{WITHOUT} 1": Share(~called, ~labelled & answered, nobody),
                f"{AGAINST} 0": Share(called & answered, labelled, nobody),
                f"{AGAINST} 1": Share(~called & answered, ~labelled, nobody),
            },
            self.design,
        )
        return {how: (found[f"{how} 0"], found[f"{how} 1"]) for how in (AS_CALLED, WITHOUT, AGAINST)}


def tables(answers: Answers, caption: str = CAPTION) -> list[Markup]:
    """The tables of a target: of two classes two by two, and with a third row; of more each against the rest.

    Args:
        answers: what was called.
        caption: of the first table of two classes.
    """
    return _of_two(answers, caption) if len(answers.kind.class_names) == 2 else _of_several(answers)


def in_words(answers: Answers) -> list[str]:
    """The same for the model card: a sentence of counts, and one on abstentions."""
    if len(answers.kind.class_names) > 2:
        right, total = int((answers.called == answers.label).sum()), len(answers.label)
        told = [f"Called right: {right:,} of {total:,}."]
    else:
        no, yes = answers.kind.spoken
        tp, fp, fn, tn = answers.crossed(1)
        told = [
            f"Called {yes}: {tp:,} labelled so (TP), {fp:,} labelled {no} (FP). Called {no}: {tn:,} labelled so (TN), "
            f"{fn:,} labelled {yes} (FN)."
        ]
    if not answers.open.any():
        return told
    start = f"Indeterminate, since the model abstains: {int(answers.open.sum()):,} of {len(answers.label):,}."
    if len(answers.kind.class_names) > 2:
        return [*told, start]
    parts = [
        f"{how[:1].lower()}{how[1:]}: sensitivity {percent(found)}, specificity {percent(left)}"
        for how, (found, left) in answers.rates(1).items()
    ]
    return [*told, f"{start} {'; '.join(parts)[:1].upper()}{'; '.join(parts)[1:]}."]


def _of_two(answers: Answers, caption: str) -> list[Markup]:
    no, yes = answers.kind.spoken
    tp, fp, fn, tn = answers.crossed(1)
    rows = {
        f"Called {yes}": (f"TP {tp:,}", f"FP {fp:,}", tp + fp),
        f"Called {no}": (f"FN {fn:,}", f"TN {tn:,}", fn + tn),
    }
    blocks = [table(_crossed(rows, (tp + fn, fp + tn), answers), caption)]
    if not answers.open.any():
        return blocks
    inside = answers.open
    tp, fp, fn, tn = answers.crossed(1, ~inside)
    left = [int((inside & (answers.label == k)).sum()) for k in (1, 0)]
    rows = {
        f"Called {yes}": (f"TP {tp:,}", f"FP {fp:,}", tp + fp),
        "Indeterminate: the model abstains": (f"{left[0]:,}", f"{left[1]:,}", sum(left)),
        f"Called {no}": (f"FN {fn:,}", f"TN {tn:,}", fn + tn),
    }
    rates = answers.rates(1)
    frame = pd.DataFrame(
        [(how, percent(found), percent(other)) for how, (found, other) in rates.items()],
        columns=["Indeterminate results", "Sensitivity", "Specificity"],
    )
    why = (
        "Where the model abstains there is no result, and somebody has to decide without it. Left out, such samples "
        "make the model look better than it is; counted as wrong (intention to diagnose, Schuetz 2012) they show what "
        "it does for all who come."
    )
    return [
        *blocks,
        table(
            _crossed(rows, (tp + fn + left[0], fp + tn + left[1]), answers), "The same with abstentions on their own."
        ),
        table(frame),
        paragraph(why),
    ]


def _crossed(
    rows: Mapping[str, tuple[str, str, int]], sums: tuple[int, int], answers: Answers
) -> pd.DataFrame:  # fmt: skip
    """Rows of (labelled positive, labelled negative, sum), and the sums of the columns below."""
    no, yes = answers.kind.spoken
    body = [(name, of_yes, of_no, f"{total:,}") for name, (of_yes, of_no, total) in rows.items()]
    body.append(("Sum", f"{sums[0]:,}", f"{sums[1]:,}", f"{sum(sums):,}"))
    return pd.DataFrame(body, columns=["", f"Labelled {yes}", f"Labelled {no}", "Sum"])


def _of_several(answers: Answers) -> list[Markup]:
    names = answers.kind.class_names
    rows = [(name, *(f"{count:,}" for count in answers.crossed(k))) for k, name in enumerate(names)]
    caption = "Counts of each class against all others: true and false positives, false and true negatives."
    blocks = [table(pd.DataFrame(rows, columns=["Class", "TP", "FP", "FN", "TN"]), caption)]
    if len(names) <= MOST_CLASSES:
        blocks.append(table(_every(answers), "Counts of what is called (rows) and labelled (columns)."))
    if not answers.open.any():
        return blocks
    body = []
    for k, name in enumerate(names):
        labelled, rates = answers.label == k, answers.rates(k)
        right = int((labelled & ~answers.open & (answers.called == k)).sum())
        left = int((labelled & answers.open).sum())
        wrong = int(labelled.sum()) - right - left
        cells = (f"{right:,}", f"{wrong:,}", f"{left:,}")
        body.append((name, *cells, percent(rates[WITHOUT][0]), percent(rates[AGAINST][0])))
    columns = [
        "Labelled",
        "Called so",
        "Called otherwise",
        "Indeterminate",
        "Sensitivity without these",
        "Counted as wrong",
    ]
    why = (
        "Where the model abstains there is no result: sensitivity without such samples, and with them counted as wrong."
    )
    return [*blocks, table(pd.DataFrame(body, columns=columns), why)]


def _every(answers: Answers) -> pd.DataFrame:
    names = list(answers.kind.class_names)
    counts = np.zeros((len(names), len(names)), np.intp)
    np.add.at(counts, (answers.called, answers.label), 1)
    body = [
        (f"Called {name}", *(f"{n:,}" for n in row), f"{row.sum():,}") for name, row in zip(names, counts, strict=True)
    ]
    body.append(("Sum", *(f"{n:,}" for n in counts.sum(axis=0)), f"{counts.sum():,}"))
    return pd.DataFrame(body, columns=["", *(f"Labelled {name}" for name in names), "Sum"])
