"""docs/statistics.md holds the coverage that benchmarks/coverage.py found, and the goal holds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks import coverage

PAGE = (Path(__file__).parents[1] / "docs/statistics.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """Cells of the table below a title, without its head."""
    table = PAGE.split(f"**{title}**")[1].strip().split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_page_names_the_command_that_makes_its_tables() -> None:
    assert re.search(r"python -m benchmarks\.coverage --draws \d+ --write", PAGE)
    made = PAGE.split(coverage.FIRST)[1].split(coverage.LAST)[0]
    assert re.search(r"[\d,]+ draws a row", made)


@pytest.mark.parametrize("title", dict.fromkeys(setting.table for setting in coverage.SETTINGS))
def test_every_interval_that_is_held_reaches_the_goal(title: str) -> None:
    own = [setting for setting in coverage.SETTINGS if setting.table == title]
    found = rows(title)
    assert [row[0] for row in found] == [setting.name for setting in own]
    for row, setting in zip(found, own, strict=True):
        for cell in row[1:]:
            assert re.fullmatch(r"0\.\d{3}|1\.000|\((0\.\d{3}|1\.000)\)", cell)
            assert cell.startswith("(") or float(cell) >= coverage.GOAL, (title, row[0])
        assert min(setting.counts) >= 20 or all(cell.startswith("(") for cell in row[1:])


def test_a_few_draws_can_be_simulated() -> None:
    setting = next(each for each in coverage.SETTINGS if each.table == coverage.PAIRED)
    for each in (setting, coverage.SETTINGS[6]):
        found = each.draw(3)
        assert all(np.isfinite([one.low, one.value, one.high]).all() for one in found.values())
    assert setting.draw(3) == setting.draw(3)


def test_wilsons_exact_coverage_is_the_binomial_one() -> None:
    mean, least = coverage.wilson_exactly(20)
    assert least <= mean
    intervals = [binomtest(hits, 20).proportion_ci(method="wilson") for hits in range(21)]
    drawn = np.random.default_rng(0).binomial(20, 0.95, 20_000)
    held = np.array([each.low <= 0.95 <= each.high for each in intervals])[drawn].mean()
    assert least - 0.01 <= held <= 1
