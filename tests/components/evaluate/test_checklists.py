"""The checklists: complete by the publications' numbers, answered where the run knows, links that lead somewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import SUGAR, evaluated

from components.evaluate.answers import answers, applicable
from components.evaluate.checklists import CHECKLISTS, TO_ANSWER, Answer, answered, is_open, summary
from components.evaluate.findings import find
from components.evaluate.report import report
from components.lib.openings import Opening

COUNTS = {"TRIPOD+AI": (27, 52), "CLAIM 2024": (44, 44), "STARD-AI": (40, 48), "FUTURE-AI": (30, 30)}
"""Items, and entries with the lettered ones, as the publications say of themselves."""


@pytest.mark.parametrize("name", ["TRIPOD+AI", "CLAIM 2024", "STARD-AI"])
def test_numbered_lists_have_every_item_once_and_in_order(name: str) -> None:
    (checklist,) = [each for each in CHECKLISTS if each.name == name]
    numbers = [number for number, _, _ in checklist.items]
    whole = [int(number.rstrip("abcdefg")) for number in numbers]
    assert (len(set(whole)), len(numbers)) == COUNTS[name]
    assert whole == sorted(whole)
    assert len(set(numbers)) == len(numbers)
    assert set(whole) == set(range(1, max(whole) + 1))


def test_lists_by_domain_have_as_many_entries_as_the_publications_say() -> None:
    held = {each.name: [number for number, _, _ in each.items] for each in CHECKLISTS}
    for part, count in (("D", 16), ("E", 18)):
        own = [number for number in held["PROBAST+AI"] if number.startswith(f"{part} ")]
        assert len(own) == len(set(own)) == count
    counts = {"Fairness": 3, "Universality": 4, "Traceability": 6, "Usability": 5, "Robustness": 3,
              "Explainability": 2, "General": 7}  # fmt: skip
    expected = [f"{name} {number}" for name, count in counts.items() for number in range(1, count + 1)]
    assert held["FUTURE-AI"] == expected
    assert len(expected) == COUNTS["FUTURE-AI"][1]


def test_an_entry_without_an_answer_says_what_to_fill_in() -> None:
    items = (("1", "a", "use"), ("2", "b", ""), ("3", "c", "size"))
    told = answered(items, {"use": Answer(""), "size": Answer("enough")})
    assert [answer.text for _, _, answer in told] == [
        f"{TO_ANSWER}: `evaluate.card.intended_use` in the task file",
        TO_ANSWER,
        "enough",
    ]
    assert [is_open(answer) for _, _, answer in told] == [True, True, False]


def made(folder: Path, **values: Any) -> Any:
    truth = ["normal", "normal", "pneumonia"] * 30
    given = {"outputs": np.linspace(0.1, 0.9, 90), "truth": truth, **values}
    return evaluated(folder, patients=[f"p{i}" for i in range(90)], **given)


def test_every_key_has_an_answer_and_every_section_that_is_named_exists(tmp_path: Path) -> None:
    looked = made(tmp_path)
    findings = find(looked, Opening(1, 1, 1))
    found = answers(looked, findings.facts)
    keys = {key for each in CHECKLISTS for _, _, key in each.items if key}
    assert keys == set(found)
    page = report(findings)
    titles = re.findall(r'<h2 id="section-\d+">(.*?)</h2>', page)
    named = {answer.report for answer in found.values() if answer.report and answer.text}
    assert [each for each in named if not any(title.startswith(each) for title in titles)] == []
    links = re.findall(r'<details>.*?href="#(section-\d+)"', page, re.DOTALL)
    assert links
    assert all(f'id="{target}"' in page for target in links)
    assert "TRIPOD+AI: " in page
    assert page.count("<details>") == len(applicable(looked))


def test_what_people_say_counts_and_what_nobody_said_does_not(tmp_path: Path) -> None:
    silent, told = (
        made(tmp_path / name, settings=settings)
        for name, settings in (("a", {}), ("b", {"card": {"ethics": "Approved.", "intended_use": "Triage."}}))
    )
    tripod = CHECKLISTS[0]
    facts = [find(each, None).facts for each in (silent, told)]
    counts = [
        int(re.findall(r"(\d+) of 52", summary(tripod, answers(each, fact)))[0])
        for each, fact in zip((silent, told), facts, strict=True)
    ]
    assert counts[1] - counts[0] == 2
    readers = answers(told, replace(facts[1], readers=True))["readers"]
    assert readers.text


def test_lists_for_pictures_or_classes_alone_are_left_out_of_others(tmp_path: Path) -> None:
    looked = made(tmp_path, kind=SUGAR, outputs=np.linspace(80, 200, 90), truth=np.linspace(90, 190, 90).tolist())
    assert [each.name for each in applicable(looked)] == ["TRIPOD+AI", "PROBAST+AI", "FUTURE-AI"]
