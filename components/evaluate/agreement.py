"""Agreement of several readers among one another, and of the model with each: kappa on the test samples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result
from components.lib import agreement as kappa
from components.lib.page import Section, paragraph, table
from components.lib.reader_columns import reader_column
from components.lib.statistics import Bools, Estimate

TITLE = "Agreement of readers"
HOW = (
    "Kappa is agreement beyond chance: 0 is chance, 1 is perfect. Its value falls where a class is rare, so compare "
    "kappas of the same samples alone. Readers are numbered as in the task file. Intervals: 95%, by bootstrap over "
    "patients."
)


@dataclass(frozen=True)
class Rater:
    """Somebody who labelled the test samples: a reader, the truth, or the model."""

    name: str
    labels: NDArray[np.intp]
    """Position of the class (N,); anything where unknown."""
    known: Bools


def has_readers(evaluated: Evaluated) -> bool:
    """Whether any target has the labels of several readers, or of one beside the truth."""
    return any(_readers(evaluated, result) for result in evaluated.results)


def part(evaluated: Evaluated) -> Part:
    """A table of all pairs for each target that readers labelled; else nothing."""
    blocks: list[Markup] = []
    limits: list[str] = []
    for result in evaluated.results:
        readers = _readers(evaluated, result)
        if readers:
            ordered = result.target in evaluated.spec.evaluate.ordered
            found, sentence = _of_target(result, readers, ordered=ordered)
            blocks += found
            limits.append(sentence)
    return Part((Section(TITLE, (paragraph(HOW), *blocks)),), limits=tuple(limits)) if blocks else Part()


def _readers(evaluated: Evaluated, result: Result) -> list[Rater]:
    samples, found = evaluated.samples, list[Rater]()
    if not result.kind.class_names:
        return found
    while (column := reader_column(result.target, len(found) + 1)) in samples:
        encoded, known = result.kind.encode(samples[column])
        labels = result.kind.labels(encoded)  # type: ignore[attr-defined]
        found.append(Rater(f"reader {len(found) + 1}", labels, known))
    return found


def _of_target(result: Result, readers: list[Rater], *, ordered: bool) -> tuple[list[Markup], str]:
    classes = len(result.kind.class_names)
    names = list(result.kind.class_names)
    said = np.array([names.index(str(label)) for label in result.answer["label"]], np.intp)
    model = Rater("model", said, np.ones(len(said), bool))
    truth = Rater("truth", result.kind.labels(result.encoded), result.known)  # type: ignore[attr-defined]
    pairs = [*combinations(readers, 2), *((model, each) for each in readers), *((truth, each) for each in readers),
             (model, truth)]  # fmt: skip
    rows = []
    for one, other in pairs:
        both = one.known & other.known
        forms = {"kappa": False, **({"weighted": True} if ordered else {})}
        statistics = {
            name: kappa.cohen(one.labels[both], other.labels[both], classes, weighted=weighted)
            for name, weighted in forms.items()
        }
        found = kappa.measured(statistics, int(both.sum()), result.patients_of(both))
        same = float((one.labels[both] == other.labels[both]).mean()) if both.any() else np.nan
        row = {"Between": f"{one.name} and {other.name}", "n": int(both.sum()), "Same label": _percent(same)}
        rows.append(
            row | {"Kappa": str(found["kappa"])} | ({"Kappa, weighted": str(found["weighted"])} if ordered else {})
        )
    among, sentence = _among(result, readers, classes)
    told = f"Of {len(readers)} readers together: {among}." if len(readers) > 2 else ""
    blocks = [table(pd.DataFrame(rows), result.title), *([paragraph(told)] if told else [])]
    if ordered:
        blocks.append(paragraph("Weighted: a disagreement counts with the square of the classes that lie between."))
    return blocks, sentence


def _among(result: Result, readers: list[Rater], classes: int) -> tuple[str, str]:
    """Kappa of all readers, in words; and the sentence for the card."""
    both = np.all([each.known for each in readers], axis=0)
    labels = np.stack([each.labels[both] for each in readers], axis=1)
    if len(readers) == 1:
        return "", f"{result.title}: one reader's labels were compared with truth and model; see the report."
    statistic = kappa.fleiss(labels, classes) if len(readers) > 2 else kappa.cohen(labels[:, 0], labels[:, 1], classes)
    who = "all" if len(readers) > 2 else "both"
    found: Estimate = kappa.measured({"kappa": statistic}, int(both.sum()), result.patients_of(both), who)["kappa"]
    form = "Fleiss' kappa" if len(readers) > 2 else "Cohen's kappa"
    if not found.known:
        return f"{form} is unknown, {found.note}", f"{result.title}: how far {len(readers)} readers agree is unknown."
    of = f"on {int(both.sum()):,} test samples that {who} labelled"
    return f"{form} {found} {of}", f"{result.title}: {len(readers)} readers agree with {form} {found} {of}."


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f}%"
