"""What the audits of the data raised, where a reader of the model's figures sees it."""

from __future__ import annotations

from components.evaluate.part import Evaluated, Part
from components.lib.giveaways import ASK
from components.lib.page import Section, paragraph
from components.lib.validate import giveaways, turned_labels
from components.lib.validate.outcome import receipt_beside
from components.lib.validate.shortcuts import RAISED_LINE

TITLE = "What the audits of the data raised"


def part(evaluated: Evaluated) -> Part:
    """The findings that clean left beside its dataset; what can make figures look too good becomes a warning."""
    lines = receipt_beside(evaluated.data.path)
    if lines is None:
        return Part(sections=(_none("Clean left no record of its audits beside this dataset: clean the data again."),))
    learnt = evaluated.data.info.digest in evaluated.network.info.lineage.values()
    warnings = tuple(filter(None, (_warning(line, learnt=learnt) for line in lines)))
    told = [f"{line[:1].upper()}{line[1:]}." for line in lines]
    if not any("shortcut" in line for line in lines):
        told.append("Shortcuts: not looked for, by the task file or because there is no target with classes.")
    if learnt and any(line.startswith(RAISED_LINE) for line in lines):
        told.append(
            "A shortcut that is raised was found by a plain model in the training samples: the network may go by it "
            "too, and would then do worse where it isn't there."
        )
    return Part(sections=(Section(TITLE, tuple(paragraph(text) for text in told)),), warnings=warnings)


def _warning(line: str, *, learnt: bool) -> str:
    """A line of the receipt as a sentence for the top of the report; empty where it is in order.

    Args:
        line: of the receipt.
        learnt: whether the network was trained on this dataset.
    """
    if line.startswith(RAISED_LINE):
        where, _, what = line.removeprefix(RAISED_LINE).partition(" alone: ")
        target, _, area = what.partition(" is told with AUC ")
        return (
            f"{where[:1].upper()}{where[1:]} alone {'tell' if where.endswith('s') else 'tells'} the classes of "
            f"{target} with an AUC of {area}, where 0.5 is chance: "
            + (
                "the network may have learnt this, not the finding."
                if learnt
                else "a network that goes by it looks better on these samples than it is."
            )
        )
    if line.startswith(turned_labels.RAISED_LINE):
        told = line.removeprefix(turned_labels.RAISED_LINE)
        unless = "Until that is known, neither the network nor its metrics mean anything there."
        return f"{told[:1].upper()}{told[1:]}. {unless}"
    if line.startswith(giveaways.RAISED_LINE):
        told = line.removeprefix(giveaways.RAISED_LINE).partition(f"; {ASK}")[0]
        return (
            f"{told}. If that is filled in only once the answer is known, the metrics here are too good: a new sample "
            "doesn't have it yet."
        )
    return ""


def _none(text: str) -> Section:
    return Section(TITLE, (paragraph(text),))
