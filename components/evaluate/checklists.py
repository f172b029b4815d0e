"""Checklists that readers of a model ask for, item by item: in our own words, by the publication's numbers.

A run answers what it measured or knows; the rest is the team's to fill in. A checklist says what to report, not whether
the work was good: PROBAST+AI's judgements, above all, are a person's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.evaluate.appraisal_items import FUTURE_AI, PROBAST_AI
from components.evaluate.diagnostic_items import STARD_AI
from components.evaluate.reporting_items import CLAIM, TRIPOD_AI

TO_ANSWER = "for you to fill in"
CHECKLISTS_TOLD = (
    "By the publications' numbers, in our own words: read the publications for what their items ask. A list that is "
    "filled in says that something was reported, not that it was done well. What the run can't know is for you to fill "
    "in."
)
Items = Sequence[tuple[str, str, str]]
"""Number, topic, and the key of the answer; an empty key: nothing here can answer it."""


@dataclass(frozen=True)
class Answer:
    """What a run can say of an item."""

    text: str
    report: str = ""
    """How the title of the report's section begins that says more."""
    card: str = ""
    """The title of the card's section that does."""


@dataclass(frozen=True)
class Checklist:
    """One publication's list."""

    name: str
    source: str
    items: Items
    pictures: bool = False
    """Whether it is for models of pictures alone."""
    classes: bool = False
    """Whether it is for targets with classes alone."""


CHECKLISTS = (
    Checklist("TRIPOD+AI", "prediction models; Collins et al. 2024, doi:10.1136/bmj-2023-078378", TRIPOD_AI),
    Checklist(
        "CLAIM 2024", "AI in medical imaging; Tejani et al. 2024, doi:10.1148/ryai.240300", CLAIM, pictures=True
    ),
    Checklist(
        "STARD-AI", "diagnostic accuracy; Sounderajah et al. 2025, doi:10.1038/s41591-025-03953-8", STARD_AI,
        classes=True,
    ),
    Checklist(
        "PROBAST+AI",
        "risk of bias, signalling questions (D: development, E: evaluation; domain and question); Moons et al. 2025, "
        "doi:10.1136/bmj-2024-082505",
        PROBAST_AI,
    ),
    Checklist("FUTURE-AI", "trustworthy AI; Lekadir et al. 2025, doi:10.1136/bmj-2024-081554", FUTURE_AI),
)  # fmt: skip
BY_CARD = {
    "use": "intended_use", "users": "users", "population": "population", "reference": "reference_standard",
    "ethics": "ethics", "funding": "funding",
}  # fmt: skip
"""Keys that a field of `evaluate.card` answers."""


def answered(items: Items, answers: Mapping[str, Answer]) -> list[tuple[str, str, Answer]]:
    """Number, topic and answer of every item.

    Args:
        items: of a checklist.
        answers: by key; one that is missing or empty is the team's to answer.
    """
    return [(number, topic, _answer(key, answers)) for number, topic, key in items]


def is_open(answer: Answer) -> bool:
    """Whether it is left to people."""
    return answer.text.startswith(TO_ANSWER)


def summary(checklist: Checklist, answers: Mapping[str, Answer]) -> str:
    """The line that a folded checklist shows."""
    told = answered(checklist.items, answers)
    count = sum(not is_open(answer) for _, _, answer in told)
    return f"{checklist.name}: {count} of {len(told)} entries answered by this run"


def _answer(key: str, answers: Mapping[str, Answer]) -> Answer:
    found = answers.get(key)
    if found is not None and found.text:
        return found
    field = BY_CARD.get(key)
    return Answer(f"{TO_ANSWER}: `evaluate.card.{field}` in the task file" if field else TO_ANSWER)
