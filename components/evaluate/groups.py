"""Does the model serve everybody alike? Its figures by site, sex, age and by how the samples were acquired.

A figure is held against the mean of the column's other groups; a group is called worse only when that stays true after
correcting for every group and figure that was looked at. The worst group is named in any case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.contrasts import Contrast, beyond_chance, contrasts, sensitivity_gap, shown, worst
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result, words
from components.lib.divisions import FEWEST, Division, Group, divisions, left_out
from components.lib.evaluate_settings import Evaluate
from components.lib.gate_names import GAP, WORST
from components.lib.kinds import InputKind, TargetKind
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Estimate, missing

MOST_ROWS = 12_000
"""Samples that are measured, over all groups: a bootstrap of so many takes seconds."""
NO_GROUPS = f"no column of the table has two groups of {FEWEST} samples or more"

Rows = NDArray[np.intp]
Figures = dict[str, dict[str, dict[str, Estimate]]]
"""By column, metric and group."""


@dataclass(frozen=True)
class Looked:
    """What was found of one target."""

    result: Result
    divisions: tuple[Division, ...]
    figures: Figures
    gaps: Mapping[str, Estimate]
    """By column; of a target with classes."""
    every: Sequence[Contrast]
    worse: Sequence[Contrast]
    """Those that chance doesn't explain."""
    thinned: bool
    """Whether the groups were too large to be measured whole."""


def part(evaluated: Evaluated) -> Part:
    """Sections by group, `worst_group_<metric>` and `equal_opportunity_gap`, and a warning for each weak group."""
    settings, inputs = evaluated.spec.evaluate, evaluated.network.info.inputs
    looked = [_look(result, evaluated.samples, inputs, settings) for result in evaluated.results]
    metrics = {each.result.target: _metrics(each) for each in looked}
    warnings = tuple(warning for each in looked for warning in _warnings(each))
    return Part(sections=tuple(map(_section, looked)), metrics=metrics, warnings=warnings)


def _look(result: Result, samples: pd.DataFrame, inputs: Mapping[str, InputKind], settings: Evaluate) -> Looked:
    every = divisions(samples, result.known, inputs, settings.age_bands)
    apart = [each for each in every if each.comparable]
    count = sum(len(each.groups) for each in apart)
    most = MOST_ROWS // max(count, 1)
    patients = np.arange(len(samples)) if result.patients is None else result.patients
    names, tested = _names(result, settings)
    figures: Figures = {}
    for each in apart:
        of_groups = {group.name: _measured(result, _evenly(group, most)) for group in each.groups}
        figures[each.column] = {name: {g: found[name] for g, found in of_groups.items()} for name in names}
    held = [c for column, of in figures.items() for name in tested for c in contrasts(column, name, of[name])]
    largest = max((len(group.rows) for each in apart for group in each.groups), default=0)
    gaps = {each.column: _gap(result, each, patients) for each in apart} if result.kind.class_names else {}
    worse = beyond_chance(held, _tests(held))
    return Looked(result, every, figures, gaps, held, [each for each in held if each in worse], largest > most)


def _names(result: Result, settings: Evaluate) -> tuple[list[str], list[str]]:
    """The metrics that are shown by group, and those of them in which groups are compared."""
    deciding = result.kind.comparable[0]
    tested = list(dict.fromkeys([deciding, *(name for name, each in result.metrics.items() if each.headline)]))
    asked = [gate.partition(f"{result.target}.{WORST}")[2] for gate in settings.gates]
    further = [result.kind.chance[0], *(name for name in asked if name in result.metrics)]
    return list(dict.fromkeys([*tested, *further])), tested


def _tests(held: Sequence[Contrast]) -> int:
    """How many differences there were to find; of two groups each is the other's mirror image."""
    sizes = pd.Series([(each.column, each.metric) for each in held], dtype=object).value_counts()
    return int(sum(size if size > 2 else 1 for size in sizes))


def _evenly(group: Group, most: int) -> Rows:
    """At most so many of a group's samples, evenly spread."""
    places = np.unique(np.linspace(0, len(group.rows) - 1, min(most, len(group.rows))).astype(np.intp))
    return group.rows[places]


def _measured(result: Result, rows: Rows) -> dict[str, Estimate]:
    encoded, _ = result.kind.encode(result.truth.iloc[rows])
    whose = result.patients_of(rows)
    return result.kind.metrics(result.output[rows], encoded, result.fitted.decision, whose)


def _gap(result: Result, division: Division, patients: Rows) -> Estimate:
    """The largest difference in sensitivity between groups; of several classes that of the class with the largest."""
    names = result.kind.class_names
    called = np.asarray(result.answer["label"], object)
    truth = result.truth.astype(object).to_numpy()
    found = []
    for name in names[1:] if len(names) == 2 else names:
        rows = {group.name: group.rows[truth[group.rows] == name] for group in division.groups}
        hits = {group: called[held] == name for group, held in rows.items()}
        found.append(sensitivity_gap(hits, {group: patients[held] for group, held in rows.items()}))
    known = [each for each in found if each.known]
    return max(known, key=lambda each: each.value) if known else found[0]


def _metrics(looked: Looked) -> dict[str, Estimate]:
    names = list(dict.fromkeys(name for of in looked.figures.values() for name in of))
    found: dict[str, Estimate] = {}
    for name in names or _names(looked.result, Evaluate())[0]:
        together = {
            f"{column} {group}": each for column, of in looked.figures.items() for group, each in of[name].items()
        }
        lowest = worst(together)
        why = f"{name} can't be trusted for any group" if together else NO_GROUPS
        found[f"{WORST}{name}"] = lowest[1] if lowest else missing(why)
    if looked.result.kind.class_names:
        known = [each for each in looked.gaps.values() if each.known]
        reasons = [each for each in looked.gaps.values() if not each.known] or [missing(NO_GROUPS)]
        found[GAP] = max(known, key=lambda each: each.value) if known else reasons[0]
    return found


def _warnings(looked: Looked) -> list[str]:
    """One a group, with every figure that is worse."""
    by_group: dict[tuple[str, str], list[str]] = {}
    for each in looked.worse:
        by_group.setdefault((each.column, each.group), []).append(
            f"{words(each.metric, looked.result.kind)} {shown(each)}"
        )
    return [
        f"{looked.result.title}: the model does worse for {column} {group} than for the rest: {'; '.join(told)}. "
        "Chance doesn't explain it."
        for (column, group), told in by_group.items()
    ]


def _section(looked: Looked) -> Section:
    title = f"By group: {looked.result.title}"
    told = [paragraph(line) for line in map(left_out, looked.divisions) if line]
    if not looked.figures:
        why = f"Not compared: {NO_GROUPS}, counting only samples whose truth is known."
        return Section(title, (paragraph(why), *told))
    tables = [_table(column, of, looked.result.kind) for column, of in looked.figures.items()]
    return Section(title, (*map(paragraph, _sentences(looked)), *tables, *told, paragraph(_how(looked))))


def _sentences(looked: Looked) -> list[str]:
    """The worst group by the metric that decides, whether chance explains it, and the gap in sensitivity."""
    name = looked.result.kind.comparable[0]
    sentences = [f"Worse than the rest, beyond chance: {_of(each, looked)}." for each in looked.worse]
    mine = [each for each in looked.every if each.metric == name]
    if mine:
        lower = mine[0].found.better == "lower"
        least = sorted(mine, key=lambda each: each.found.value if not lower else -each.found.value)[0]
        if least not in looked.worse:
            sentences.append(f"Worst group: {_of(least, looked)}. Chance may explain that.")
    else:
        sentences += _lowest(looked, name)
    known = {column: each for column, each in looked.gaps.items() if each.known}
    if known:
        column, gap = max(known.items(), key=lambda item: item[1].value)
        sentences.append(f"Largest difference in sensitivity between groups (by {column}): {gap}. {gap.meaning}")
    elif looked.gaps:
        sentences.append(f"Difference in sensitivity between groups: {next(iter(looked.gaps.values()))}.")
    return sentences


def _lowest(looked: Looked, name: str) -> list[str]:
    """The group with the worst figure, where too few groups can be compared."""
    figures = {f"{column} {g}": e for column, of in looked.figures.items() for g, e in of[name].items() if e.known}
    if not figures:
        return []
    sign = -1 if next(iter(figures.values())).better == "lower" else 1
    least = min(figures, key=lambda group: (sign * figures[group].value, group))
    return [f"Worst group: {least}, {words(name)} {figures[least]}. The groups are too few to compare."]


def _of(each: Contrast, looked: Looked) -> str:
    return f"{each.column} {each.group}, {words(each.metric, looked.result.kind)} {shown(each)}"


def _table(column: str, figures: Mapping[str, Mapping[str, Estimate]], kind: TargetKind) -> Markup:
    names = list(next(iter(figures.values())))
    frame = pd.DataFrame(
        {
            column[:1].upper() + column[1:]: names,
            **{words(metric, kind): [_cell(of[group]) for group in names] for metric, of in figures.items()},
        }
    )
    return table(frame)


def _cell(estimate: Estimate) -> str:
    """A figure with its interval and the samples it rests on."""
    if not estimate.known:
        return "–"
    return f"{estimate}, n {estimate.n}" + ("" if estimate.trusted else ", too few to compare")


def _how(looked: Looked) -> str:
    less = f" Of groups larger than that only some samples, evenly spread, were measured: {MOST_ROWS:,} in all."
    return (
        f"Groups of {FEWEST} samples or more; n: samples that a figure rests on. Each group is held against the mean "
        f"of the others; a difference counts as beyond chance when it stays so after correcting for all of them (Holm, "
        f"5%).{less if looked.thinned else ''}"
    )
