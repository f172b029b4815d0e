"""Table 1: counts against the table they come from, nothing small that could point at a person, nobody's id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluations import RHYTHM, SUGAR, evaluated
from hypothesis import given
from hypothesis import strategies as st

from components.evaluate.characteristics import WITHHELD, TableOne, _withheld, explained, tables_one


def lines(table: TableOne) -> dict[str, tuple[str, ...]]:
    return {line.label: line.cells for line in table.lines}


def made(folder: Path, count: int = 120, **columns: Any) -> Any:
    truth = ["normal", "pneumonia", "pneumonia"] * (count // 3)
    return evaluated(folder, outputs=np.linspace(0.1, 0.9, count), truth=truth, **columns)


def test_ages_sexes_sites_and_classes_are_counted_by_split(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    ages = generator.normal(62, 14, 120).round(1)
    sex = generator.choice(["F", "M"], 120, p=[0.4, 0.6]).tolist()
    site = [f"Klinik für Anästhesie; ${i % 2}" for i in range(120)]
    ages[:7] = np.nan
    (table,) = tables_one(made(tmp_path, age=ages, sex=sex, site=site, patients=[f"p{i}" for i in range(120)]))
    found = lines(table)
    known = ages[7:]
    assert found["Age: mean (SD)"] == (f"{known.mean():.1f} ({known.std(ddof=1):.1f})",) * 3
    assert found["unknown"] == ("7 (5.8%)",) * 3
    women = sex.count("F")
    assert found["F"] == (f"{women} ({100 * women / 120:.1f}%)",) * 3
    assert found[site[0]] == ("60 (50.0%)",) * 3
    assert found["pneumonia"] == ("80 (66.7%)",) * 3
    assert [line.differences for line in table.lines if line.label == "Sex"] == [(0.0, 0.0)]
    assert table.sizes == {"train": 120, "validation": 120, "test": 120}
    assert table.head[1] == "Train (n 120)"
    assert table.far == []
    assert "95 of 100 random splits stay below" in explained(table)


def test_a_planted_difference_between_splits_is_seen(tmp_path: Path) -> None:
    looked = made(tmp_path, sex=["F", "M"] * 60, age=np.linspace(40, 80, 120), patients=[f"p{i}" for i in range(120)])
    samples = looked.data.samples()
    test = samples["split"] == "test"
    samples.loc[test, "sex"] = "F"
    samples.loc[test, "age"] += 25
    looked.data.samples = lambda: samples  # the dataset as clean would have written it
    (table,) = tables_one(looked)
    by_label = {line.label: line.differences for line in table.lines}
    assert by_label["Sex"][0] == pytest.approx(0.5 / np.sqrt(0.25 / 2))
    assert by_label["Age: mean (SD)"][0] > 1.5
    assert table.far == ["Age", "Sex"]
    assert "differ by more than that in: Age, Sex." in explained(table)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=7), st.integers(1, 12))
def test_no_small_count_is_shown_or_follows_from_the_others(counts: list[int], limit: int) -> None:
    held = np.array(counts)
    hidden = _withheld(held, limit)
    assert not ((held > 0) & (held < limit) & ~hidden).any()
    if hidden.any() and not hidden.all():  # what is shown and the number of all tell the sum of what isn't
        assert held[hidden].sum() >= 2 * limit
        assert (held[hidden] > 0).sum() >= 2


def test_a_rare_sex_is_withheld_and_so_is_what_would_tell_it(tmp_path: Path) -> None:
    sex = ["M"] * 88 + ["F"] * 30 + ["diverse"] * 2
    who = [f"p{i}" for i in range(120)]
    (table,) = tables_one(made(tmp_path / "one", sex=sex, patients=who))
    found = lines(table)
    assert found["diverse"] == found["F"] == (WITHHELD,) * 3
    assert found["M"] == ("88 (73.3%)",) * 3
    assert "too small to be shown" in explained(table)
    (all_shown,) = tables_one(made(tmp_path / "two", sex=sex, patients=who, settings={"smallest_count": 1}))
    assert lines(all_shown)["diverse"] == ("2 (1.7%)",) * 3
    assert not all_shown.withheld


def test_of_a_tiny_split_nothing_is_told_and_no_difference_is_called_0(tmp_path: Path) -> None:
    (table,) = tables_one(made(tmp_path, count=3, sex=["F", "F", "F"], patients=["a", "b", "c"]))
    assert lines(table)["F"] == (WITHHELD,) * 3
    assert [each[4] for each in table.rows if each[0] == "Sex"] == ["–"]


def test_many_samples_of_few_patients_are_few(tmp_path: Path) -> None:
    sex = ["diverse"] * 30 + ["F"] * 45 + ["M"] * 45
    who = ["one"] * 30 + [f"p{i // 3}" for i in range(90)]
    of_patients, of_samples = tables_one(made(tmp_path, sex=sex, patients=who))
    assert of_patients.unit == "patients"
    assert of_patients.sizes == {"train": 31, "validation": 31, "test": 31}
    assert lines(of_samples)["diverse"] == lines(of_patients)["diverse"] == (WITHHELD,) * 3
    text = " ".join(cell for table in (of_patients, of_samples) for row in table.rows for cell in row)
    assert "p1" not in text.split()
    assert "one" not in text.split()


def test_patients_have_their_mean_age_and_the_class_of_the_metrics_by_patient(tmp_path: Path) -> None:
    who = [f"p{i // 2}" for i in range(120)]
    ages = [40.0, 60.0] * 60
    of_patients, of_samples = tables_one(made(tmp_path, age=ages, patients=who))
    assert lines(of_patients)["Age: mean (SD)"] == ("50.0 (0)",) * 3
    ill = pd.Series(["normal", "pneumonia", "pneumonia"] * 40).eq("pneumonia").groupby(np.arange(120) // 2).any().sum()
    assert lines(of_patients)["pneumonia"][0].startswith(f"{ill} (")
    assert lines(of_samples)["pneumonia"][0].startswith("80 (")


@pytest.mark.parametrize("kind", [RHYTHM, SUGAR])
def test_targets_of_other_kinds_and_empty_columns(tmp_path: Path, kind: Any) -> None:
    generator = np.random.default_rng(1)
    if kind is RHYTHM:
        outputs: Any = generator.dirichlet([1, 1, 1], 90)
        truth: list[Any] = [kind.classes[i % 3] for i in range(90)]
    else:
        outputs, truth = generator.normal(150, 30, 90), [float(x) for x in generator.normal(150, 30, 90)]
    (table,) = tables_one(evaluated(tmp_path, kind=kind, outputs=outputs, truth=truth, sex=[None] * 90))
    found = lines(table)
    assert "Sex: unknown for all" in found
    if kind is SUGAR:
        assert found["Finding: mean (SD)"][0].startswith(f"{np.mean(truth):.1f} (")
    else:
        assert found["flutter"] == ("30 (33.3%)",) * 3
