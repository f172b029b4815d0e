"""The report's section on the nets whose mean a model is: how each does alone, and how far they lie apart."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from components.evaluate.results import words
from components.lib.model_dir import ModelInfo
from components.lib.numbers import number
from components.lib.page import Section, paragraph, table
from components.lib.spread import flat, spread


def sections(model: ModelInfo) -> list[Section]:
    """None for a model of one net."""
    if not model.members:
        return []
    shown = {
        f"{target}/{metric}": f"{target}: {words(metric)}" if len(model.targets) > 1 else words(metric)
        for target, kind in model.targets.items()
        for metric in kind.comparable
    }
    rows = [
        {
            "Net": str(position),
            "Fold": "–" if each.fold is None else str(each.fold),
            "Seed": str(each.seed),
            "Judged on": f"{each.samples:,} samples",
            "Epochs": str(each.epochs),
            **{title: _told(flat(each).get(name)) for name, title in shown.items()},
        }
        for position, each in enumerate(model.members, 1)
    ]
    found = spread(model.members)
    for title, part in (("Mean", "mean"), ("Standard deviation", "deviation")):
        figures = {shown[name]: number(getattr(found[name], part)) for name in shown if name in found}
        rows.append({"Net": title, **figures})
    frame = pd.DataFrame(rows).fillna("")
    return [Section(f"Members: {len(model.members)} nets", (table(frame, _caption(model)), _told_plainly(model)))]


def _caption(model: ModelInfo) -> str:
    return (
        "Each on the fold it didn't learn from."
        if model.cross_validated
        else "Each on the validation split, by which its epoch was chosen."
    )


def _told_plainly(model: ModelInfo) -> Markup:
    """What the table says, for who doesn't train nets."""
    folds = len({each.fold for each in model.members})
    text = f"The model's answer is the mean of {len(model.members)} nets. "
    text += (
        f"Train and validation were cut into {folds} folds; each net learnt from all folds but one. "
        "Calibration and decision rest on what nets said of the fold they didn't learn from. "
        if model.cross_validated
        else "They learnt from the same samples and differ in their seed alone. "
    )
    text += "The standard deviation is how much one net's figures change with "
    text += "the patients it learns from and is judged on, and with its seed." if model.cross_validated else "its seed."
    return paragraph(text)


def _told(value: float | None) -> str:
    return "–" if value is None else number(value)
