"""How many models were evaluated on these test samples before? Who picks the best of many picks luck, too.

The report says what was so when this model first came here, which never changes, so that equal work gives equal bytes;
how often the samples were opened, repeats included, goes to the run's tags and the terminal.

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
from components.lib.sample_prints import SamplePrints
from components.lib.tracking import Run

TITLE = "How often these samples were used"
SEVERAL, MANY = 5, 20
"""From so many models on the words are stronger."""
FEW = 0.1
"""Share of the samples below which it does no harm that other models were evaluated on them."""


def open_test(run: Run, evaluated: Evaluated) -> Opening | None:
    """Write down, in the MLflow store, that these samples are opened for this model; None for synthetic data.

    Data that a program made can be made anew, so there is nothing to use up. To be called before any figure is seen.
    """
    if evaluated.data.info.synthetic:
        return None
    samples = SamplePrints.of(_whole(evaluated))
    opening = record(run, samples, evaluated.network.digest, old_split=split_digest(evaluated))
    run.set_tags(
        {
            "test.set": samples.digest[:16], "test.models_before": str(opening.models),
            "test.samples_seen_before": f"{opening.seen + opening.of_patients} of {opening.samples}",
            "test.models": str(opening.models_so_far), "test.openings": str(opening.openings),
        }
    )  # fmt: skip
    return opening


def _whole(evaluated: Evaluated) -> pd.DataFrame:
    """The test samples, those that a server refuses with them: another model may refuse others."""
    return pd.concat([evaluated.samples, *([] if evaluated.refused is None else [evaluated.refused])])


def split_digest(evaluated: Evaluated) -> str:
    """SHA-256 of the test samples as the log of earlier medpipes has it: ids, raw content and what is known of each."""
    columns = ["sample_id", "sha256", *sorted(result.target for result in evaluated.results)]
    table = _whole(evaluated).reindex(columns=columns).astype(object)
    rows = table.where(table.notna(), None).to_numpy(object).tolist()
    text = json.dumps(sorted(json.dumps(row, default=str) for row in rows))
    return hashlib.sha256(text.encode()).hexdigest()


def line(evaluated: Evaluated, opening: Opening | None) -> str:
    """For the terminal."""
    if opening is None:
        return "test samples are synthetic: how often they are used isn't counted"
    often = "for the first time" if opening.openings == 1 else f"{opening.openings} times in all"
    models = "1 model" if opening.models_so_far == 1 else f"{opening.models_so_far} models"
    return f"{opening.told(evaluated.noun)[:-1]}; opened {often}, for {models}"


def part(evaluated: Evaluated, opening: Opening | None) -> Part:
    """The section, and a warning from the second model on, or where nobody knows.

    Args:
        evaluated: the model and the samples.
        opening: what `open_test` gave.
    """
    if opening is None:
        text = "These samples were made by a program and can be made anew: how often they are used isn't counted."
        return Part(sections=(Section(TITLE, (paragraph(text),)),))
    told = opening.told(evaluated.noun)
    how = (
        "Counted by the MLflow store, sample by sample, over every way of running medpipe: evaluations here and with "
        "--data, and batch predictions of rows that have their labels beside them; another store isn't known. A model "
        "that is evaluated again isn't counted again. Choose between models by their figures on validation, and "
        "evaluate only the chosen one here."
    )
    several = opening.number + opening.unlisted
    warning = f"{told} {_meaning(several)}" if opening.unlisted or opening.share >= FEW else ""
    few = f"{told} So few can hardly have flattered the figures." if opening.models and not warning else ""
    blocks = (paragraph(warning or few or told), paragraph(how))
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
