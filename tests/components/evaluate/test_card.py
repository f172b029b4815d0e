"""The model card: what is known is said, what isn't is asked for, and nobody is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evaluations import evaluated

from components.evaluate.card import card
from components.evaluate.card_facts import CardFacts
from components.evaluate.characteristics import tables_one
from components.evaluate.checklists import TO_ANSWER
from components.evaluate.gates import Gate
from components.evaluate.groups import part
from components.evaluate.part import Evaluated
from components.lib.openings import Opening

SAID = {
    "intended_use": "Triage of adults in an emergency ward.", "not_for": "Children.", "population": "Two wards, 2024.",
    "reference_standard": "Two readers, | a third where they differ.", "contact": "Department of Radiology",
}  # fmt: skip


def made(folder: Path, count: int = 40, **settings: Any) -> Evaluated:
    truth = ["normal", "pneumonia"] * (count // 2)
    who = [f"somebody-{i}" for i in range(count)]
    return evaluated(
        folder, outputs=[0.2, 0.8] * (count // 2), truth=truth, patients=who, settings=settings, site=["A"] * count
    )


def facts(looked: Evaluated, **values: Any) -> CardFacts:
    gate = Gate("finding.auc", 0.8, 0.9, True, "finding.auc is 0.95: lower end 0.900, at least 0.8 required")
    receipt = ("patients shared: 0 (40 / 40 / 40)",)
    return CardFacts((gate,), receipt, part(looked).metrics, opening=Opening(120, 2, 118), **values)


def test_what_people_say_and_what_was_measured_stand_in_it(tmp_path: Path) -> None:
    looked = made(tmp_path, card=SAID)
    text = card(looked, facts(looked, warnings=("Corners alone tell the classes.",)))
    for said in (SAID["intended_use"], SAID["not_for"], SAID["population"], SAID["contact"]):
        assert said in text
    assert "- Corners alone tell the classes." in text
    assert "118 of these 120 rows were evaluated for 2 other models before." in text
    assert "passed: finding.auc is 0.95" in text
    assert "| AUC | 1" in text
    assert 'set_registered_model_alias("looked_at", "champion"' in text
    assert "no column of the table has two groups" in text


def test_what_nobody_said_is_asked_for(tmp_path: Path) -> None:
    looked = made(tmp_path)
    text = card(looked, facts(looked))
    assert "not stated; say it in the task file: `evaluate.card.intended_use`." in text
    assert f"| 17 | ethical approval and consent | {TO_ANSWER}: `evaluate.card.ethics` in the task file |" in text
    assert "not a medical device" in text


def test_no_sample_patient_or_site_is_named_and_equal_input_gives_equal_text(tmp_path: Path) -> None:
    looked = made(tmp_path)
    text = card(looked, facts(looked))
    named = {str(value) for value in (*looked.samples["patient"], *looked.samples["sample_id"])}
    assert [one for one in named if one in text] == []
    assert card(looked, facts(looked)) == text


def test_five_positives_and_no_gate_are_no_crash(tmp_path: Path) -> None:
    looked = made(tmp_path, count=10)
    assert "No gate." in card(looked, CardFacts((), ()))


def test_table_one_training_and_folded_checklists_stand_in_it(tmp_path: Path) -> None:
    looked = made(tmp_path)
    text = card(looked, facts(looked, characteristics=tables_one(looked), limits=("A limit.",)))
    assert "## Characteristics by split (Table 1)" in text
    assert "| – pneumonia | 20 (50.0%) |" in text
    assert "- A limit." in text
    assert text.count("<details><summary>") == text.count("</details>") == 4  # CLAIM is for pictures
