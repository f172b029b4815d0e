"""Columns that are known only once the answer is: planted ones are found, and clean tables are left in peace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluations import evaluated
from films import task

from benchmarks.giveaways import OF_AMOUNTS, PLANTED, Plant, clean, falsely_raised, planted
from components.evaluate.shortcuts import part
from components.lib.errors import SpecError
from components.lib.giveaways import Table, look
from components.lib.spec import TaskSpec, load_spec
from components.lib.validate.giveaways import ALLOWED_LINE, RAISED_LINE, finding


@pytest.mark.parametrize(("name", "share"), [*zip(PLANTED, [0.02, 0.5] * 5, strict=True)])
def test_a_planted_leak_is_raised_and_nothing_else(name: str, share: float) -> None:
    column, found = planted(PLANTED[name], share, seed=3)
    assert found
    assert all(column in each.columns for each in found)


@pytest.mark.parametrize("plant", OF_AMOUNTS)
def test_a_planted_leak_of_a_number_is_raised(plant: Plant) -> None:
    column, found = planted(plant, None, seed=4)
    assert found
    assert all(column in each.columns for each in found)


@pytest.mark.accept
def test_clean_tables_are_seldom_asked_about() -> None:
    assert falsely_raised(200) <= 2


def test_a_word_of_its_own_for_nearly_every_row_tells_nothing() -> None:
    """In-sample it would tell everything: the encoding is measured on other rows, and on other patients."""
    chance = np.random.default_rng(0)
    patients = chance.integers(0, 150, 600)
    ill = (chance.random(150) < 0.3)[patients]
    cells = {"bed": pd.Series(patients.astype(str)), "order": pd.Series(np.arange(600).astype(str))}
    target = pd.Series(np.where(ill, "yes", "no"))
    assert not look(Table(cells, frozenset(), target, amount=False, patients=pd.Series(patients.astype(str))))


def test_what_leaks_in_test_alone_is_raised_with_both_figures() -> None:
    chance = np.random.default_rng(1)
    table = clean(800, 0.3, chance)
    test = np.arange(800) % 4 == 0
    leak = np.where(test, table.target, chance.random(800) < 0.3)
    cells = {**table.cells, "later": pd.Series(leak.astype(float))}
    truth = pd.Series(np.where(table.target > 0, "ill", "well"))
    parts = {"train": ~test, "test": test}
    (found,) = look(Table(cells, frozenset({*table.numbers, "later"}), truth, amount=False, parts=parts))
    assert found.columns == ("later",)
    assert found.scores["test"].value == 1
    assert found.scores["train"].value < 0.6
    assert "1.00 in test" in str(found)


def test_better_than_all_others_together_is_raised() -> None:
    chance = np.random.default_rng(2)
    ill = chance.random(3000) < 0.5
    cells = {f"c{n}": pd.Series(chance.normal(0.2 * ill)) for n in range(5)}
    cells["score"] = pd.Series(chance.normal(1.6 * ill))  # AUC .87, too little to be raised for itself
    (found,) = look(Table(cells, frozenset(cells), pd.Series(ill.astype(str)), amount=False))
    assert found.columns == ("score",)
    assert found.others.value < 0.7
    assert "the other columns together" in str(found)


def rows(count: int = 600) -> tuple[dict[str, pd.Series], pd.DataFrame]:
    """Two columns, one of which gives the target away, and the table of samples."""
    chance = np.random.default_rng(4)
    ill = chance.random(count) < 0.3
    cells = {
        "lactate": pd.Series(chance.normal(0.5 * ill)),
        "Entlass $(art);": pd.Series(np.where(ill ^ (chance.random(count) < 0.05), "icu", "home")),
    }
    split = np.where(chance.random(count) < 0.3, "test", "train")
    ids = [f"s{n}" for n in range(count)]
    finding_ = np.where(ill, "pneumonia", "normal")
    return cells, pd.DataFrame({"sample_id": ids, "patient": ids, "split": split, "finding": finding_})


def spec_of(**clean_: Any) -> TaskSpec:
    row = {"kind": "table", "numbers": ["lactate"], "categories": {"Entlass $(art);": None}}
    return task(source={"reader": "table", "path": "t.csv"}, inputs={"row": row}, clean=clean_)


def test_what_clean_says_and_what_may_stay() -> None:
    cells, samples = rows()
    said = finding(cells, frozenset({"lactate"}), samples, spec_of())
    (line,) = said.warnings
    assert line.startswith(f"{RAISED_LINE}'Entlass $(art);' may give finding away: it alone tells 'pneumonia'")
    assert " in train, 0." in line
    assert "`clean.allowed`" in line
    allowed = finding(cells, frozenset({"lactate"}), samples, spec_of(allowed=["Entlass $(art);"], giveaways="fail"))
    assert not allowed.warnings
    assert allowed.lines[0].startswith(f"{ALLOWED_LINE}'Entlass $(art);', of finding: it alone tells")
    assert [check.status for check in allowed.checks] == ["passed"]


def test_fail_is_a_check_and_off_looks_at_nothing() -> None:
    cells, samples = rows()
    (check,) = finding(cells, frozenset({"lactate"}), samples, spec_of(giveaways="fail")).checks
    assert check.status == "failed"
    assert "'Entlass $(art);' may give finding away" in check.found
    assert finding(cells, frozenset({"lactate"}), samples, spec_of(giveaways="off")).lines == ()


def test_a_misspelt_allowed_column_is_refused(tmp_path: Path) -> None:
    text = json.dumps(
        {
            "task": "t", "source": {"reader": "table", "path": "t.csv"}, "clean": {"allowed": ["lactat"]},
            "inputs": {"row": {"kind": "table", "numbers": ["lactate"]}}, "targets": {"y": {"kind": "regression"}},
        }
    )  # fmt: skip
    (tmp_path / "t.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"a column of an input that is a table(.|\n)*nearest: lactate"):
        load_spec(tmp_path / "t.yaml")


def test_the_report_says_it_at_its_top(tmp_path: Path) -> None:
    cells, samples = rows()
    made = evaluated(tmp_path, outputs=[0.2, 0.8] * 3, truth=["normal", "pneumonia"] * 3)
    for spec, warned in ((spec_of(), 1), (spec_of(allowed=["Entlass $(art);"]), 0)):
        receipt = finding(cells, frozenset({"lactate"}), samples, spec).lines
        (made.data.path / "validation.json").write_text(json.dumps({"receipt": receipt}), encoding="utf-8")
        told = part(made)
        assert len(told.warnings) == warned
        assert "'Entlass $(art);'" in "".join(map(str, told.sections[0].blocks)).replace("&#39;", "'")
    (receipt_line,) = finding(cells, frozenset({"lactate"}), samples, spec_of()).warnings
    (made.data.path / "validation.json").write_text(json.dumps({"receipt": [receipt_line]}), encoding="utf-8")
    (warning,) = part(made).warnings
    assert warning.startswith(
        "'Entlass $(art);' may give finding away: it alone tells 'pneumonia' from the rest (AUC 0."
    )
    assert "the metrics here are too good" in warning
