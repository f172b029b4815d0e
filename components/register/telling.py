"""A comparison for readers: on the terminal, in Markdown for the card, as a section of a page, as tags and metrics."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from components.lib import markdown as md
from components.lib.numbers import number, signed
from components.lib.page import Section, page, paragraph, prose, table
from components.register.compare import Comparison
from components.register.verdict import Row

TITLE = "Compared with the champion"
HEAD = ("Measure", "Champion", "Challenger", "Difference (95% interval)", "Margin", "Verdict")
LOOKS = {"superior": "passed", "inferior": "failed"}
"""How the page shows a verdict on the whole; all others as a warning."""
NAMES = ("AUC", "Brier", "R²")
"""Titles that keep their capital inside a sentence."""
RESEARCH = "Research software, not a medical device: not for decisions about patients."
HOW = (
    "Both models answered the same test samples, and each interval is of the paired difference, challenger less "
    "champion. Non-inferior: the whole interval lies on the better side of the margin. Superior: besides, an interval "
    "that allows for all measures together lies on the better side of 0. Inconclusive: the interval holds the margin, "
    "so that these samples can't exclude a loss that matters. Inferior: the challenger is worse beyond chance, and the "
    "margin isn't kept. Sensitivity and specificity are each at the model's own operating point, where one can be "
    "bought with the other: being better in one of them alone is no reason to replace a model. Two models that give "
    "the same answers on every sample are equal: their difference is 0, without an interval around it."
)
SCALE = (
    "The margin is {margin:g} of each measure's scale: of AUC, sensitivity and specificity as it stands; of net "
    "benefit a share of its largest value, the prevalence; of the Brier score, of calibration and of errors a share of "
    "what always stating the average of these samples gives{assumed}."
)
ASSUMED = " (assumed: the task file doesn't state `register.margin`)"


def sentence(comparison: Comparison) -> str:
    """What follows from it, in one sentence or two."""
    version, found = comparison.champion, comparison.overall
    count = len(comparison.rows)
    if found == "not comparable":
        return f"Not comparable with version {version}: {comparison.refused}."
    if comparison.same:
        return (
            f"The challenger gives the same answers as version {version} on all {comparison.samples:,} test samples: "
            f"equal, nothing to promote.{_but(comparison)}"
        )
    if found == "not judged":
        few = next((row.note for row in comparison.rows if row.verdict == "not judged"), "")
        why = f": {few}" if few else ""
        return f"On {comparison.samples:,} test samples the challenger can't be judged against version {version}{why}."
    if found == "inferior":
        told = f"The challenger is inferior to version {version} in {_named(comparison, 'inferior')}"
    elif found == "inconclusive":
        told = f"That the challenger is non-inferior to version {version} isn't shown in {_named(comparison, found)}"
    elif found == "non-inferior":
        told = f"The challenger is non-inferior to version {version} in all {count} measures, and superior in none"
    else:
        told = (
            f"The challenger is non-inferior to version {version} in all {count} measures, and superior in "
            f"{_named(comparison, 'superior')}"
        )
    return f"{told}.{_but(comparison)}"


def _but(comparison: Comparison) -> str:
    return f" But {comparison.unsure}." if comparison.unsure else ""


def _named(comparison: Comparison, verdict: str) -> str:
    several = len({row.target for row in comparison.rows}) > 1
    told = [_title(row, several=several) for row in comparison.rows if row.verdict == verdict]
    return ", ".join(each if each.startswith(NAMES) or several else each[:1].lower() + each[1:] for each in told)


def _title(row: Row, *, several: bool) -> str:
    return f"{row.target}: {row.title}" if several else row.title


def lines(comparison: Comparison) -> list[str]:
    """For the terminal."""
    told = [f"compared with version {comparison.champion} on {_on(comparison)}: {sentence(comparison)}"]
    several = len({row.target for row in comparison.rows}) > 1
    told += [
        f"  {_title(row, several=several)}: {number(row.champion)} -> {number(row.challenger)}, difference "
        f"{_difference(row)}, margin {signed(row.bound)}: {row.verdict}"
        for row in comparison.rows
    ]
    return told + [f"  {note}" for note in comparison.notes]


def _on(comparison: Comparison) -> str:
    return f"{comparison.samples:,} of {comparison.of:,} test samples"


def _difference(row: Row) -> str:
    return f"{signed(row.difference)} ({signed(row.low)} to {signed(row.high)})"


def _cells(comparison: Comparison) -> list[tuple[str, ...]]:
    several = len({row.target for row in comparison.rows}) > 1
    return [
        (
            _title(row, several=several), number(row.champion), number(row.challenger), _difference(row),
            f"{'above' if row.better == 'higher' else 'below'} {signed(row.bound)}", row.verdict,
        )
        for row in comparison.rows
    ]  # fmt: skip


def _notes(comparison: Comparison) -> str:
    """What is to be said of single measures, in one line; empty where nothing is."""
    several = len({row.target for row in comparison.rows}) > 1
    told = [f"{_title(row, several=several)}: {row.note}." for row in comparison.rows if row.note]
    return " ".join(told)


def _scale(comparison: Comparison) -> str:
    return SCALE.format(margin=comparison.margin, assumed=ASSUMED if comparison.margin_assumed else "")


def markdown(comparison: Comparison) -> str:
    """The card's section, without the line break at its end."""
    told = [md.heading(2, TITLE), md.bold(sentence(comparison)), _which(comparison)]
    if comparison.rows:
        told += [md.table(HEAD, _cells(comparison)), *filter(None, [_notes(comparison)]), _scale(comparison)]
    return md.blocks(*told, *comparison.notes)


def _which(comparison: Comparison) -> str:
    return f"Version {comparison.champion} was the champion then. Both asked about {_on(comparison)}."


def into_card(card: str, comparison: Comparison) -> str:
    """The card with the section before its first one, so that the registry's short description holds it too."""
    before, mark, after = card.partition("\n## ")
    return f"{before}\n{markdown(comparison)}\n\n{mark[1:]}{after}" if mark else f"{card}\n{markdown(comparison)}\n"


def section(comparison: Comparison) -> Section:
    """For the report and the page."""
    found = comparison.overall
    looks = "warned" if comparison.unsure else LOOKS.get(found, "warned")
    first = Markup('<p class="verdict {}"><strong>{}.</strong> {}</p>').format(
        looks, found[:1].upper() + found[1:], prose(sentence(comparison))
    )
    blocks: list[Markup] = [first, paragraph(_which(comparison))]
    if comparison.rows:
        frame = pd.DataFrame(_cells(comparison), columns=[*HEAD])
        notes = [paragraph(text) for text in [_notes(comparison)] if text]
        blocks += [table(frame), *notes, paragraph(_scale(comparison)), paragraph(HOW)]
    return Section(TITLE, (*blocks, *map(paragraph, comparison.notes)))


def comparison_page(comparison: Comparison, name: str, *, synthetic: bool) -> str:
    """A page of its own."""
    banner = "Synthetic data: the figures say nothing about patients." if synthetic else ""
    return page(f"{name}: champion and challenger", RESEARCH, [section(comparison)], banner)


def tags(comparison: Comparison) -> dict[str, str]:
    """What the version remembers: the verdict, and a tag a measure."""
    told = {
        "comparison": comparison.overall, "comparison.champion": comparison.champion,
        "comparison.margin": f"{comparison.margin:g}", "comparison.samples": str(comparison.samples),
        "comparison.sentence": sentence(comparison)[:5000],
    }  # fmt: skip
    if comparison.leaked:
        told["comparison.leaked_samples"] = str(comparison.leaked)
    return told | {f"comparison.{row.key}": f"{_difference(row)}: {row.verdict}" for row in comparison.rows}


def metrics(comparison: Comparison) -> dict[str, float]:
    """What its run remembers."""
    told: dict[str, float] = {"comparison/samples": float(comparison.samples)}
    for row in comparison.rows:
        key = f"comparison/{row.target}/{row.name}"
        told |= {
            f"{key}/champion": row.champion, f"{key}/challenger": row.challenger, f"{key}/difference": row.difference,
            f"{key}/difference_low": row.low, f"{key}/difference_high": row.high,
        }  # fmt: skip
    return told
