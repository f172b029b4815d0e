"""How many models were judged on these test samples? Who picks the best of many picks luck, too.

The report holds the model's number alone, which never changes, so that equal work gives equal bytes; how often the
samples were opened, repeats included, goes to the run's tags and the terminal.

Source: the more often one test set is used to choose, the more its figures flatter: Dwork et al. 2015,
doi:10.1126/science.aaa9375.
"""

from __future__ import annotations

import hashlib
import json

import pandas as pd

from components.evaluate.part import Evaluated, Part
from components.lib.openings import Opening, record
from components.lib.page import Section, paragraph
from components.lib.tracking import Run

TITLE = "How often these samples were used"
SEVERAL, MANY = 5, 20
"""From so many models on the words are stronger."""


def open_test(run: Run, evaluated: Evaluated) -> Opening | None:
    """Write down, in the MLflow store, that these samples are opened for this model; None for synthetic data.

    Data that a program made can be made anew, so there is nothing to use up. To be called before any figure is seen.
    """
    if evaluated.data.info.synthetic:
        return None
    split = split_digest(evaluated)
    opening = record(run, split, evaluated.network.digest)
    run.set_tags(
        {
            "test.split": split[:16], "test.model_number": str(opening.number),
            "test.models": str(opening.models), "test.openings": str(opening.openings),
        }
    )  # fmt: skip
    return opening


def split_digest(evaluated: Evaluated) -> str:
    """SHA-256 of the test samples: their ids, their raw content and what is known of each target, in any order.

    Neither the other splits nor the settings of clean change it: the same patients in another size are still the same.
    """
    columns = ["sample_id", "sha256", *sorted(result.target for result in evaluated.results)]
    # Those that a server refuses are of the split too: another model may refuse others.
    whole = pd.concat([evaluated.samples, *([] if evaluated.refused is None else [evaluated.refused])])
    table = whole.reindex(columns=columns).astype(object)
    rows = table.where(table.notna(), None).to_numpy(object).tolist()
    text = json.dumps(sorted(json.dumps(row, default=str) for row in rows))
    return hashlib.sha256(text.encode()).hexdigest()


def line(evaluated: Evaluated, opening: Opening | None) -> str:
    """For the terminal."""
    if opening is None:
        return "test samples are synthetic: how often they are used isn't counted"
    often = "for the first time" if opening.openings == 1 else f"{opening.openings} times in all"
    models = "1 model" if opening.models == 1 else f"{opening.models} models"
    which = f"the {ordinal(opening.number)} model judged on these {_these(evaluated)}"
    return f"test opened for {which}; {often}, for {models}"


def part(evaluated: Evaluated, opening: Opening | None) -> Part:
    """The section, and from the second model on a warning.

    Args:
        evaluated: the model and the samples.
        opening: what `open_test` gave.
    """
    if opening is None:
        text = "These samples were made by a program and can be made anew: how often they are used isn't counted."
        return Part(sections=(Section(TITLE, (paragraph(text),)),))
    which = f"This is the {ordinal(opening.number)} model judged on these {_these(evaluated)}"
    how = (
        "Counted by the MLflow store, over every way of running medpipe; a model that is judged again isn't counted "
        "again. Choose between models by their figures on validation, and judge only the chosen one here."
    )
    warning = f"{which}. {_meaning(opening.number)}" if opening.number > 1 else ""
    blocks = (paragraph(warning or f"{which}: nobody could choose it by what it does here."), paragraph(how))
    return Part(sections=(Section(TITLE, blocks),), warnings=(warning,) if warning else ())


def _meaning(number: int) -> str:
    """What it does to the figures that other models were judged before."""
    if number < SEVERAL:
        return (
            "If this one was kept because it did better here than the ones before, its figures are somewhat too good: "
            "some of what looks like skill is luck with these very samples."
        )
    if number < MANY:
        return (
            "After so many tries the best figures here are likely too good, and the intervals too narrow: ask for "
            "figures on samples that no model has been judged on before relying on them."
        )
    return (
        "After so many tries these samples have become a part of training: the figures don't say what new patients "
        "would show. Judge the model on samples that no model has been judged on."
    )


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number:,}{ending}"


def _these(evaluated: Evaluated) -> str:
    return f"{len(evaluated.samples):,} {evaluated.noun}"
