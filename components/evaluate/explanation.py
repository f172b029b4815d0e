"""What the maps of where the network looked are, and whether they can be believed.

Two checks that need no training: hiding the places that a map marks strongest must cost more than hiding others
(deletion, Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820), and a network whose weights are shuffled must draw other
maps (Adebayo et al. 2018, arXiv:1810.03292): one that still draws the same shows the outline of the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from scipy.stats import rankdata

from components.evaluate.chosen import chosen
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result
from components.lib.model_dir import Model
from components.lib.numbers import number
from components.lib.occlusion import ASKED, occlusion
from components.lib.page import Section, paragraph
from components.lib.statistics import Estimate, Floats, Z, missing

MOST_SAMPLES = 64
MOST_OCCLUDED, FEWEST_OCCLUDED = 12, 4
MOST_NUMBERS = 16_000_000
"""That the network is given for maps by occlusion: of large samples there are fewer."""
FEW = 8
"""Below so many samples a figure is not to be trusted."""
TENTH = 0.1
RESEMBLANCE = 0.5
"""Rank correlation from which on a shuffled network's maps are called alike."""
SEED = 0


@dataclass(frozen=True)
class Maps:
    """Maps of some test samples, of the unit that the report shows."""

    rows: NDArray[np.intp]
    maps: Floats
    """(n, h, w) or (n, t)."""
    units: NDArray[np.intp]
    """Which unit of the output each speaks for (n,)."""


def part(evaluated: Evaluated) -> Part:
    """A section a target; where the model can't say where it looked, one sentence why."""
    how = evaluated.network.info.explain
    kinds = evaluated.network.info.inputs
    if how == "none" or len(kinds) > 1:
        why = f"The model doesn't say where it looked: its architecture knows no places of the {evaluated.noun}."
        return Part((Section("Where the network looked", (paragraph(why),)),))
    sections, warnings = [], []
    metrics: dict[str, dict[str, Estimate]] = {}
    for result in evaluated.results:
        section, figures, said = _look(evaluated, result)
        sections.append(section)
        warnings += said
        if figures:
            metrics[result.target] = figures
    return Part(tuple(sections), {}, metrics, tuple(warnings))


def _look(evaluated: Evaluated, result: Result) -> tuple[Section, dict[str, Estimate], list[str]]:
    title = f"Where the network looked: {result.title}"
    drawn = maps_of(evaluated, result, chosen(result, _count(evaluated)))
    blocks: list[Markup] = [paragraph(_what(evaluated, result))]
    if not len(drawn.rows):
        return Section(title, (*blocks, paragraph("No sample's truth is known: the maps weren't checked."))), {}, []
    blocks.append(paragraph(_spread(drawn, evaluated)))
    alike = resemblance(evaluated, result, drawn)
    blocks.append(paragraph(_shuffled_sentence(alike)))
    figures, said = {"map_resemblance": alike}, _shuffled_warning(result, alike)
    kind = next(iter(evaluated.network.info.inputs.values()))
    if kind.hides and evaluated.network.info.explain == "class_activation_map":
        marked = deletion(evaluated, result, drawn)
        figures["map_deletion"] = marked
        blocks.append(paragraph(_deletion_sentence(result, marked)))
        said += _deletion_warning(result, marked)
    return Section(title, tuple(blocks)), figures, said


def _count(evaluated: Evaluated) -> int:
    """How many samples are looked at."""
    if evaluated.network.info.explain == "class_activation_map":
        return MOST_SAMPLES
    (kind,) = evaluated.network.info.inputs.values()
    return int(np.clip(MOST_NUMBERS // (2 * ASKED * max(1, int(np.prod(kind.shape)))), FEWEST_OCCLUDED, MOST_OCCLUDED))


def maps_of(evaluated: Evaluated, result: Result, rows: NDArray[np.intp], network: Model | None = None) -> Maps:
    """The maps of these samples, of the unit that is shown of each; by another network where one is given."""
    own = network or evaluated.network
    ((name, _),) = own.info.inputs.items()
    units = np.array([result.kind.shown_unit(result.output[row])[0] for row in rows], np.intp)
    cleaned = evaluated.arrays[name]
    if own.info.explain == "class_activation_map":
        key = f"{result.target}_map"
        whole = own.predict({name: np.asarray(cleaned[rows])})[key] if len(rows) else np.zeros((0, 1, 1, 1))
    else:
        drawn = [occlusion(own, np.asarray(cleaned[row]))[result.target] for row in rows]
        whole = np.stack(drawn) if drawn else np.zeros((0, 1, 1, 1))
    maps = [np.asarray(each[..., unit], np.float64) for each, unit in zip(whole, units, strict=True)]
    return Maps(rows, np.stack(maps) if maps else np.zeros((0, 1, 1)), units)


def resemblance(evaluated: Evaluated, result: Result, drawn: Maps) -> Estimate:
    """Mean rank correlation, -1 to 1, of the maps (their size, not their sign) with those of shuffled weights."""
    other = maps_of(evaluated, result, drawn.rows, evaluated.network.shuffled(SEED))
    pairs = zip(drawn.maps, other.maps, strict=True)
    found = _mean(np.array([_rank_correlation(np.abs(one), np.abs(two)) for one, two in pairs]))
    return replace(found, better="lower", meaning="How much a network of shuffled weights draws the same maps.")


def _rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's; 0 where one is the same everywhere, or no number."""
    if not np.isfinite(other).all() or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def deletion(evaluated: Evaluated, result: Result, drawn: Maps) -> Estimate:
    """How much more the evidence falls when the strongest tenth of a map is hidden than when it is hidden elsewhere.

    Elsewhere: the same places, all moved by the same random step; so each sample is held against itself. In logits, or
    in the target's unit.
    """
    ((name, kind),) = evaluated.network.info.inputs.items()
    generator = np.random.default_rng(SEED)
    more = []
    for row, own, unit in zip(drawn.rows, drawn.maps, drawn.units, strict=True):
        cleaned = np.asarray(evaluated.arrays[name][row])
        marked = _strongest(own, cleaned.shape[:2])
        step = [int(generator.integers(side // 4, side - side // 4)) for side in marked.shape]
        asked = np.stack([kind.hide(cleaned, places) for places in (marked, np.roll(marked, step, (0, 1)))])
        said = result.kind.evidence(evaluated.network.predict({name: asked})[result.target])[:, unit]
        more.append(said[1] - said[0])
    found = _mean(np.array(more))
    return replace(found, meaning="How much more it costs to hide the places that a map marks than others.")


def _strongest(evidence: Floats, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The strongest tenth of a map (h, w), as pixels of a picture of this shape (H, W)."""
    count = max(1, round(TENTH * evidence.size))
    marked = np.zeros(evidence.size, np.bool_)
    marked[np.argsort(-evidence.ravel(), kind="stable")[:count]] = True
    rows, columns = (np.arange(side) * cells // side for side, cells in zip(shape, evidence.shape, strict=True))
    return marked.reshape(evidence.shape)[np.ix_(rows, columns)]


def _mean(values: Floats) -> Estimate:
    """Mean with its normal interval."""
    count = len(values)
    if count < 2:
        return missing("too few samples", count)
    half, mean = Z * float(values.std(ddof=1)) / math.sqrt(count), float(values.mean())
    note = f"too few: {count} samples" if count < FEW else ""
    return Estimate(mean, mean - half, mean + half, count, "normal", note)


def _what(evaluated: Evaluated, result: Result) -> str:
    kind = next(iter(evaluated.network.info.inputs.values()))
    what = result.kind.shown_unit(result.output[0])[1]
    if evaluated.network.info.explain == "class_activation_map":
        return (
            "Each map is a second output of the network itself (class-activation map): how much each place speaks "
            f"{what}. The mean over a map is the network's answer, before it becomes a probability."
        )
    return (
        "The network has no map of its own. Each map was made by hiding one place after the other, a seventh of the "
        f"side high and wide, and asking what the network says then: a place speaks {what} as far as the answer falls "
        f"without it. It takes {ASKED} answers for one of the {kind.noun}."
    )


def _spread(drawn: Maps, evaluated: Evaluated) -> str:
    """How far the maps point at single places."""
    noun = evaluated.noun
    shares = []
    for each in drawn.maps:
        positive = np.sort(np.clip(each, 0, None).ravel())[::-1]
        if positive.sum() > 0:
            shares.append(positive[: max(1, round(TENTH * positive.size))].sum() / positive.sum())
    if not shares:
        return f"On {len(drawn.rows)} test {noun} no place speaks for it."
    return (
        f"On {len(drawn.rows)} test {noun}, the strongest tenth of the places holds {100 * np.mean(shares):.0f} of 100 "
        "parts of all that speaks for it; 10 would be a map that points nowhere."
    )


def _shuffled_sentence(alike: Estimate) -> str:
    if not alike.known:
        return f"Whether the maps show what was learnt wasn't checked: {alike.note}."
    others = "are others: these show what was learnt, not the outline of the picture"
    same = "resemble these: part of what they show is the picture, not what was learnt"
    said = same if alike.low > RESEMBLANCE else others
    return (
        f"Maps of the same network with its weights shuffled {said} (rank correlation {alike}; 1 is the same map, 0 "
        "none)."
    )


def _shuffled_warning(result: Result, alike: Estimate) -> list[str]:
    if not alike.trusted or alike.low <= RESEMBLANCE:
        return []
    return [f"{result.title}: a network of shuffled weights draws much the same maps; don't read them as reasons."]


def _deletion_sentence(result: Result, marked: Estimate) -> str:
    if not marked.known:
        return f"Whether the marked places matter wasn't checked: {marked.note}."
    unit = "logits" if result.kind.class_names else "of the target's unit"
    more = f"{number(marked.value)} {unit} ({number(marked.low)} to {number(marked.high)})"
    cost = f"to hide the strongest tenth of them costs {more} more than to hide as much elsewhere"
    if marked.low > 0:
        return f"The marked places matter: {cost}."
    return f"It isn't shown that the marked places matter: {cost}, which may well be nothing."


def _deletion_warning(result: Result, marked: Estimate) -> list[str]:
    if not marked.trusted or marked.low > 0:
        return []
    return [
        f"{result.title}: hiding what the maps mark costs no more than hiding as much elsewhere; don't rely on them."
    ]
