"""Metrics with and without the test samples whose label clean suspects: how much hangs on labels that may be wrong."""

from __future__ import annotations

from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result
from components.evaluate.sensitivity import effect, measured, tables
from components.lib.page import Section, paragraph
from components.lib.statistics import Bools
from components.lib.validate.labels import read

TITLE = "With and without suspected labels"
WITH_THEM = "with them the model looks {better}"
HOW = (
    "A plain model of train and validation, which saw no test sample, disagrees with these labels. Some of them are "
    "right, of samples that are hard. Metrics without them are therefore the best that corrected labels could give, "
    "not what they would give: a model also errs on hard samples. Nobody corrected a label by this."
)


def part(evaluated: Evaluated) -> Part:
    """A table per target with suspected labels, and a sentence for the card; nothing where none was looked for."""
    handed = read(evaluated.data.path)
    tested, samples = handed.rows, evaluated.samples
    if not (samples["split"] == "test").all():
        return Part()
    found, told = {}, []
    for result in evaluated.results:
        if why := handed.not_judged.get(result.target):
            told.append(f"{result.title}: which labels are wrong isn't judged: {why}.")
            continue
        mine = tested[tested["target"] == result.target]
        looked: Bools = samples["sample_id"].isin(mine["sample_id"]).to_numpy()
        wrong: Bools = samples["sample_id"].isin(mine.loc[mine["suspected"], "sample_id"]).to_numpy()
        if looked.any():
            told.append(_sentence(result, looked, wrong))
        if wrong.any():
            found[result.target] = measured(result, ~wrong)
            told[-1] += f" {effect(result, found[result.target], WITH_THEM)}"
    if not told:
        return Part()
    blocks = (*map(paragraph, told), *((paragraph(HOW),) if found else ()))
    return Part((Section(TITLE, (*blocks, *tables(evaluated.results, found, "suspected labels"))),), limits=tuple(told))


def _sentence(result: Result, looked: Bools, wrong: Bools) -> str:
    of = f"{int(looked.sum()):,}" + ("" if looked.sum() == result.known.sum() else f" of {int(result.known.sum()):,}")
    number = int(wrong.sum())
    if not number:
        return f"{result.title}: of {of} labels in test none is suspected to be wrong."
    return f"{result.title}: of {of} labels in test {number:,} {'is' if number == 1 else 'are'} suspected to be wrong."
