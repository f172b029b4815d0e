"""Faults that somebody planted in a table, through every step: the report names each.

Metrics say nothing of them: a model that learnt a shortcut, a leak or turned labels looks as good as any other.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reached import reach
from scipy.special import expit

pytestmark = [pytest.mark.accept, pytest.mark.xdist_group("tensorflow")]
ROWS = 2400
NUMBERS = ("lactate", "Größe;$(cm)", "creatinine", "map")
Plant = Callable[[pd.DataFrame, np.random.Generator], list[str]]


def planted(plant: Plant) -> tuple[dict[str, Any], pd.DataFrame]:
    """A finding of 30% that four numbers tell of, at three sites, with a fault in it; what it adds becomes an input."""
    generator = np.random.default_rng(7)
    values = generator.normal(size=(ROWS, 4))
    table = pd.DataFrame(values, columns=list(NUMBERS)).round(4)
    table.insert(0, "patient", [f"P{row:05d}" for row in range(ROWS)])
    table["site"] = generator.choice(["Süd", "Nord", "West"], ROWS)
    evidence = -1.2 + values @ [1.6, 1.2, 0.9, -1.1]
    table["sepsis"] = np.where(generator.random(ROWS) < expit(evidence), "yes", "no")
    added = plant(table, generator)
    task = {
        "task": "planted",
        "source": {
            "reader": "table", "path": "data/raw", "file": "ward.csv", "public_key": True,
            "columns": {"sex": None, "age": None},
        },
        "inputs": {"record": {"kind": "table", "numbers": [*NUMBERS, *added]}},
        "targets": {"sepsis": {"kind": "binary", "classes": ["no", "yes"]}},
        "split": {"validation": 0.2, "test": 0.3}, "clean": None, "augment": None, "evaluate": None,
        "train": {"model": "mlp", "width": 16, "epochs": 6}, "register": {"golden_cases": 5},
    }  # fmt: skip
    return task, table


def turned_in_one_site(table: pd.DataFrame, generator: np.random.Generator) -> list[str]:
    there = table["site"] == "Nord"
    table.loc[there, "sepsis"] = table.loc[there, "sepsis"].map({"yes": "no", "no": "yes"})
    return []


def noise_of_a_tenth(table: pd.DataFrame, generator: np.random.Generator) -> list[str]:
    wrong = generator.random(ROWS) < 0.1
    table.loc[wrong, "sepsis"] = table.loc[wrong, "sepsis"].map({"yes": "no", "no": "yes"})
    return []


def site_decides(table: pd.DataFrame, generator: np.random.Generator) -> list[str]:
    share = np.where(table["site"] == "West", 0.8, 0.08)
    table["sepsis"] = np.where(generator.random(ROWS) < share, "yes", "no")
    return []


def missing_unless_ill(table: pd.DataFrame, generator: np.random.Generator) -> list[str]:
    ill = (table["sepsis"] == "yes").to_numpy() ^ (generator.random(ROWS) < 0.02)
    table["procalcitonin"] = np.where(ill, generator.normal(2, 1, ROWS).round(2), np.nan)
    return ["procalcitonin"]


def time_tells(table: pd.DataFrame, generator: np.random.Generator) -> list[str]:
    ill = (table["sepsis"] == "yes").to_numpy()
    table["admitted_day"] = generator.integers(0, 1000, ROWS)
    later = np.where(ill, generator.exponential(1, ROWS), 4 + generator.exponential(10, ROWS))
    table["antibiotics_day"] = (table["admitted_day"] + later).round(1)
    return ["admitted_day", "antibiotics_day"]


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (turned_in_one_site, r"Site Nord: a model of all samples ranks its [\d,]+ samples against their sepsis"),
        (noise_of_a_tenth, r"Suspected labels: (\d{3}) of 1,?\d{3} in train and validation"),
        (site_decides, r"Site alone tells the classes of sepsis with an AUC of 0\.8"),
        (missing_unless_ill, r"'procalcitonin' may give sepsis away: (?:whether|that) its cell is"),
        (time_tells, r"'admitted_day' and 'antibiotics_day' may give sepsis away: their difference"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_report_names_what_was_planted(tmp_path: Path, plant: Plant, named: str) -> None:
    done = reach(tmp_path / "here", *planted(plant))
    page = (done.data / "evaluation/report.html").read_text(encoding="utf-8")
    told = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))
    found = re.search(named, told)
    assert found, re.findall(r"(?:Suspected|Shortcut|Leak|Labels turned|Site)[^.]{0,200}", told)
    if found.groups() and found.group(1).isdigit():
        assert int(found.group(1)) > 0.05 * ROWS * 0.7


def test_heavy_tails_of_a_number_are_named_where_its_errors_stand(tmp_path: Path) -> None:
    task, table = planted(lambda table, generator: [])
    heavy = np.random.default_rng(8).standard_t(1.5, ROWS)
    table["cost"] = (100 + 20 * table["lactate"] + 15 * heavy).round(2)
    task["targets"] = {"cost": {"kind": "regression", "unit": "EUR"}}
    done = reach(tmp_path / "here", task, table)
    page = (done.data / "evaluation/report.html").read_text(encoding="utf-8")
    assert "heavy tails: the errors have a kurtosis of" in page


def test_a_table_without_a_fault_is_not_accused(tmp_path: Path) -> None:
    done = reach(tmp_path / "here", *planted(lambda table, generator: []))
    page = (done.data / "evaluation/report.html").read_text(encoding="utf-8")
    for accused in ("ranks its", "may give sepsis away", "alone tells the classes"):
        assert accused not in page
