"""Tables as hospitals have them: words for unknown, limits, impossible values, masked ages, ids, giveaways.

Names, languages, units, words and shares are drawn at random, each time another set from one seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from looks import REAL, cleaned, needs, spec_of

from components.lib.kinds.table import Table
from pipelines.look import Draft, Questions, look, task_text

Columns = Mapping[str, Any]
ROWS = 400


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def looked(folder: Path, columns: Columns, name: str = "t.csv") -> Draft:
    """What is found in a table of these columns, a patient for every row and a target that nothing tells."""
    chance = np.random.default_rng(1)
    table = {"patient": [f"P{n}" for n in range(ROWS)], **columns, "died": chance.permutation([0, 0, 0, 1] * 100)}
    pd.DataFrame(table).to_csv(folder / name, index=False)
    return look(folder / name, Questions(target="died"))


def with_words(values: np.ndarray, words: Mapping[str, int], chance: np.random.Generator) -> list[str]:
    """The values as text, so many of them replaced by each word."""
    cells = [str(value) for value in values]
    places = iter(chance.permutation(len(cells)).tolist())
    for word, count in words.items():
        for _ in range(count):
            cells[next(places)] = word
    return cells


WORDS = ("?", "-", "--", ".", "n.a.", "N.A.", "k.A.", "ND", "not done", "#DIV/0!", "#N/A", "#VALUE!", "#WERT!",
         "缺失", "未测", "unbekannt", "inconnu", "desconocido", "Unknown", "keine Angabe", "non renseigné", "sin datos",
         "—", "…", "nicht gemessen", "#¡DIV/0!", "hemolyzed")  # fmt: skip
LIMITS = ("<0.01", "< 0.1", "≤5", ">100", ">= 500", "<0,5", "unter 2", "小于0.5")


@pytest.mark.parametrize("seed", range(8))
def test_words_among_numbers_leave_a_column_of_numbers(tmp_path: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    words = {str(w): int(chance.integers(1, 50)) for w in chance.choice(WORDS, 3, replace=False)}
    limits = {str(w): int(chance.integers(1, 40)) for w in chance.choice(LIMITS, 2, replace=False)}
    cells = with_words(chance.lognormal(0, 1, ROWS).round(3), words | limits, chance)
    draft = looked(tmp_path, {"troponin": cells})
    row = draft.values["inputs"]["row"]
    assert row["numbers"] == ["troponin"]
    assert {word.lower() for word in row["unknown"]["troponin"]} == {w.lower() for w in words if w != "#N/A"}
    assert row["censored"] == {"troponin": "half"}
    plain = sum(pd.to_numeric(pd.Series(cells), errors="coerce").notna())
    known = ROWS - words.get("#N/A", 0)
    sentence = next(line for line in draft.found if line.startswith("'troponin': "))
    assert f"{plain / known:.0%} of the cells are numbers; the others: " in sentence
    for word, count in (words | limits).items():
        assert word == "#N/A" or f"{word}: {count}" in sentence
    assert sum("troponin" in line for line in draft.assumed) == 2
    kind = spec_of(draft, tmp_path / "work").inputs["row"]
    assert isinstance(kind, Table)
    for cell in cells:  # no cell is refused
        assert isinstance(kind.rule("troponin").number("troponin", cell)[0], float)


def test_a_category_that_is_a_question_mark_is_unknown(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    draft = looked(
        tmp_path, {"ward": chance.choice(["A", "B", "?"], ROWS), "dip": chance.choice(["+", "-", "++"], ROWS)}
    )
    assert draft.values["inputs"]["row"]["unknown"] == {"ward": ["?"]}
    assert any(line.startswith("'ward': unknown in ") for line in draft.found)


def test_words_that_could_name_somebody_are_never_shown(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    values = with_words(chance.normal(5, 1, ROWS).round(2), {"Erika Mustermann": 2, "?": 30}, chance)
    draft = looked(tmp_path, {"lactate": values})
    assert "Mustermann" not in task_text("t", draft) + str(draft.found)
    assert draft.values["inputs"]["row"]["numbers"] == ["lactate"]
    assert any("2 cells no number, cleaning leaves such rows out" in line for line in draft.found)


# Variables: name in some language, usual values, decimals, what can't be.
VARIABLES = [
    ("Glucose", (60, 250), 0), ("glucose_mg_dl", (60, 250), 0), ("Blutzucker [mmol/l]", (3.5, 15), 1),
    ("GLYCEMIE", (0.6, 2.6), 2), ("Glucemia (mg/dL)", (60, 250), 0), ("空腹血糖", (3.5, 15), 1), ("BMI", (17, 45), 1),
    ("imc", (17, 45), 1), ("BloodPressure", (50, 110), 0), ("sbp", (90, 180), 0), ("RR_sys", (90, 180), 0),
    ("Tension artérielle", (60, 180), 0), ("presión_arterial_sistólica", (90, 180), 0), ("收缩压", (90, 180), 0),
    ("Heart Rate", (50, 130), 0), ("Herzfrequenz", (50, 130), 0), ("fréquence cardiaque", (50, 130), 0),
    ("Temp (°C)", (35.5, 40), 1), ("temperature_f", (96, 104), 1), ("Körpertemperatur", (35.5, 40), 1),
    ("体温", (35.5, 40), 1), ("SpO2", (85, 100), 0), ("Körpergewicht", (45, 120), 1), ("peso", (45, 120), 1),
    ("Größe", (150, 200), 0), ("身高", (150, 200), 0), ("serum_creatinine", (0.5, 4), 2),
    ("Kreatinin µmol/l", (40, 300), 0),
    ("natrium", (128, 150), 0), ("potassium_mean", (3, 6), 1),
    ("Hämoglobin g/dl", (7, 17), 1),
    ("plaquettes", (80, 500), 0), ("chol", (120, 350), 0), ("SkinThickness", (8, 60), 0), ("Insulin", (15, 300), 0),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_what_can_not_be_is_unknown_and_said(tmp_path: Path, seed: int) -> None:
    chance = np.random.default_rng(100 + seed)
    columns, expected = {}, {}
    for place in chance.choice(len(VARIABLES), 5, replace=False):
        name, (low, high), digits = VARIABLES[place]
        word = str(chance.choice(["0", "-999", "-1", "9999", "-9", "99999"]))
        count = int(chance.integers(2, 120))
        columns[name] = with_words(chance.uniform(low, high, ROWS).round(digits), {word: count}, chance)
        expected[name] = (float(word), count)
    draft = looked(tmp_path, columns)
    unknown = draft.values["inputs"]["row"]["unknown"]
    assert {name: float(values[0]) for name, values in unknown.items()} == {n: w for n, (w, _) in expected.items()}
    for name, (word, count) in expected.items():
        assert any(f"{name!r}: {word:g} in {count} cells can't be a value: " in line for line in draft.found)
    assert any("Do these cells mean unknown" in line for line in draft.assumed)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("glucose_change", (-50, 50)), ("weight_loss", (0, 20)), ("num_glucose_tests", (0, 30)),
        ("pregnancies", (0, 15)),
        ("lactate", (-2, 2)), ("heart_rate", (-2, 2)), ("urine_glucose", (0, 300)), ("oldpeak", (0, 6)),
    ],
)  # fmt: skip
def test_zeros_that_can_be_stay(tmp_path: Path, name: str, values: tuple[float, float]) -> None:
    chance = np.random.default_rng(0)
    draft = looked(tmp_path, {name: with_words(chance.uniform(*values, ROWS).round(1), {"0.0": 60}, chance)})
    assert "unknown" not in draft.values["inputs"]["row"]


def test_a_measurement_of_two_units_and_doubtful_codes_are_reported_and_kept(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    warm = np.where(np.arange(ROWS) % 20 == 0, chance.uniform(97, 103, ROWS), chance.uniform(36, 40, ROWS)).round(1)
    score = with_words(chance.uniform(1, 5, ROWS).round(1), {"999": 9}, chance)
    draft = looked(tmp_path, {"temperature": warm, "x1": score})
    assert "unknown" not in draft.values["inputs"]["row"]
    told = "\n".join(draft.found)
    assert "'temperature': 20 cells outside 13 to 47 °C" in told
    assert "100% of them fit °F: two units in one column?" in told
    assert (
        "'x1': 999 in 9 cells, all others are 1 to 5: if it means unknown, add to the input: unknown: {x1: [999]}"
        in told
    )


@pytest.mark.parametrize("name", ["age", "anchor_age", "Alter", "âge", "Edad", "年龄", "Age at admission"])
@pytest.mark.parametrize("word", ["300", "> 89", "90+", "311"])
def test_masked_ages_are_seen(tmp_path: Path, name: str, word: str) -> None:
    chance = np.random.default_rng(0)
    draft = looked(tmp_path, {name: with_words(chance.integers(20, 90, ROWS), {word: 12}, chance)})
    row = draft.values["inputs"]["row"]
    assert row["masked_ages"] == {name: 90}
    assert "unknown" not in row
    assert "censored" not in row
    assert any("masked ages" in line for line in draft.assumed)


def stays(seed: int) -> pd.DataFrame:
    """Patients with several admissions and several rows each."""
    chance = np.random.default_rng(seed)
    patients = np.repeat(np.arange(60), 6)
    admissions = 20_000_000 + patients * 977 + np.tile([0, 0, 1, 1, 2, 2], 60) * 313
    return pd.DataFrame(
        {
            "patient": [f"P{n}" for n in patients],
            "admission": admissions,
            "type": chance.integers(1, 9, 360),
            "lactate": chance.lognormal(0.5, 0.4, 360).round(2),
            "died": chance.integers(0, 2, 360),
        }
    )


IDS = ("hadm_id", "HADM_ID", "stay_id", "icustay_id", "encounter_id", "patient_nbr", "Fallnummer", "Fall-Nr", "住院号",
       "AufnahmeNr", "numéro_dossier", "visit id", "CaseID", "id_episodio_num", "q17")  # fmt: skip


@pytest.mark.parametrize("name", IDS)
def test_an_id_that_comes_back_is_no_input(tmp_path: Path, name: str) -> None:
    table = stays(1).rename(columns={"admission": name, "type": "admission_type_id"})
    table.to_csv(tmp_path / "t.csv", index=False)
    draft = look(tmp_path / "t.csv", Questions(target="died"))
    row = draft.values["inputs"]["row"]
    assert row["numbers"] == ["lactate"]
    assert [*row["categories"]] == ["admission_type_id"]
    assert any(line.startswith(f"left out: {name!r}: ") and "id" in line for line in draft.found)


def test_counts_and_order_numbers_stay(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    counts = {
        n: chance.integers(0, 30, ROWS) for n in ("number_inpatient", "num_procedures", "visit_number", "n_stays")
    }
    assert looked(tmp_path, counts).values["inputs"]["row"]["numbers"] == [*counts]


def test_icd_codes_are_no_quantities(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    codes = {"icd9": chance.choice([250, 401, 428, 486, 715], ROWS), "dx1": chance.choice(["250", "401", "V57"], ROWS)}
    assert [*looked(tmp_path, codes).values["inputs"]["row"]["categories"]] == ["icd9", "dx1"]


# Columns that give the target away.


def leaking(kind: str, rows: int = 1200) -> pd.DataFrame:
    chance = np.random.default_rng(5)
    ill = chance.random(rows) < 0.2
    flipped = ill ^ (chance.random(rows) < 0.05)
    hours = chance.exponential(3, rows).round(2)
    columns = {
        "words": np.where(flipped, "icu", "home"),
        "all": np.where(ill, "icu", "home"),
        "numbers": (np.where(flipped, 3.0, 0.0) + chance.normal(0, 0.5, rows)).round(2),
        "empty": np.where(ill, hours, np.nan),
        "mostly_empty": np.where(flipped, hours, np.nan),
        "question": np.where(flipped, hours.astype(str), "?"),
    }
    return pd.DataFrame(
        {
            "patient": [f"P{n}" for n in range(rows)],
            "lactate": chance.normal(2, 0.4, rows).round(2),
            "extra": columns[kind],
            "sepsis": np.where(ill, "yes", "no"),
        }
    )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("all", "left out: 'extra': nearly the target itself"),
        ("empty", "left out: 'extra': nearly the target itself: whether its cell is empty tells"),
        ("words", "warning: 'extra' may give the target away: it alone tells"),
        ("numbers", "warning: 'extra' may give the target away: it alone tells"),
        ("mostly_empty", "warning: 'extra' may give the target away: whether its cell is empty tells"),
        ("question", "warning: 'extra' may give the target away: whether its cell is empty tells"),
    ],
)
def test_a_column_that_gives_the_target_away_is_named(tmp_path: Path, kind: str, told: str) -> None:
    leaking(kind).to_csv(tmp_path / "t.csv", index=False)
    draft = look(tmp_path / "t.csv", Questions(target="sepsis"))
    assert any(line.startswith(told) for line in draft.found)
    assert not any("lactate" in line for line in draft.found)


@pytest.mark.accept
def test_the_page_and_the_receipt_of_clean_say_it_too(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    table = leaking("words")
    table["troponin"] = with_words(chance.lognormal(0, 1, 1200).round(3), {"?": 100, "<0.01": 60}, chance)
    table["age"] = with_words(chance.integers(20, 90, 1200), {"300": 9}, chance)
    table["glucose"] = with_words(chance.integers(70, 250, 1200), {"0": 40, "4000": 3}, chance)
    table.to_csv(tmp_path / "t.csv", index=False)
    data = cleaned(tmp_path / "t.csv", tmp_path / "work", Questions(target="sepsis"))
    assert sum(data.info.counts.values()) == 1200
    found = json.loads((data.path / "validation.json").read_text(encoding="utf-8"))
    told = "\n".join(found["receipt"])
    for line in (
        "cells taken for unknown by the task file: troponin 100, glucose 40",
        "cells that say a limit, taken as the task file says: troponin 60",
        "masked ages: age 9",
        "can't be: glucose in 3 of 1,200 rows (glucose is 5 to 3000 mg/dl), most often 4000",
        "unknown: {glucose: [4000]}",
        "leak? 'extra' may give sepsis away: it alone tells 'yes' from the rest (AUC 0.9",
    ):
        assert line in told
    assert "lactate" not in told
    page = (data.path / "validation.html").read_text(encoding="utf-8")
    assert "Cells by column" in page
    replaced = data.samples()["row_replaced"].dropna()
    assert len(replaced) >= 200
    array = np.concatenate([part.array("row") for part in data.parts])
    fields = dict(zip(spec_columns(tmp_path), array.dtype.names or (), strict=True))
    assert np.isnan(array[fields["troponin"]]).sum() == 100
    assert (array[fields["troponin"]] == 0.005).sum() == 60
    assert array[fields["age"]].max() == 90
    assert np.isnan(array[fields["glucose"]]).sum() == 40


def spec_columns(folder: Path) -> tuple[str, ...]:
    from components.lib.spec import load_spec

    kind = load_spec(folder / "work" / "task.yaml").inputs["row"]
    assert isinstance(kind, Table)
    return kind.columns


@pytest.mark.accept
@needs("survival")
def test_zeros_of_vital_signs_in_support2() -> None:
    draft = look(REAL / "survival" / "support2.csv.gz", Questions(target="hospdead"))
    unknown = draft.values["inputs"]["row"]["unknown"]
    assert {name: unknown[name] for name in ("meanbp", "hrt", "resp")} == {"meanbp": [0], "hrt": [0], "resp": [0]}
    assert any("'d.time' may give the target away" in line for line in draft.found)


@needs("heart_disease_uci")
def test_cholesterol_that_is_zero_for_everybody() -> None:
    draft = look(REAL / "heart_disease_uci" / "switzerland.csv", Questions(target="target"))
    assert draft.left_out["chol"] == "0 in every row, which no cholesterol can be: unknown for everybody"
    assert draft.values["inputs"]["row"]["unknown"]["ca"] == ["?"]


@needs("cervical_cancer_uci")
def test_question_marks_of_uci() -> None:
    file = REAL / "cervical_cancer_uci" / "risk_factors_cervical_cancer.csv"
    draft = look(file, Questions(target="Biopsy"))
    row = draft.values["inputs"]["row"]
    assert "STDs: Time since first diagnosis" in row["numbers"]
    assert "categories" not in row
    assert any("8% of the cells are numbers; the others: ?: 787" in line for line in draft.found)


def test_chromosomes_and_directions_are_no_words_for_unknown(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    chromosomes = chance.choice([*map(str, range(1, 23)), "X", "Y", "MT"], ROWS)
    draft = looked(tmp_path, {"chrom": chromosomes, "strand": chance.choice([-1, 1], ROWS)})
    row = draft.values["inputs"]["row"]
    assert row["categories"] == {"chrom": None}
    assert row["numbers"] == ["strand"]
    assert "unknown" not in row
    assert not any("strand" in line for line in draft.found)


@pytest.mark.parametrize(("values", "word"), [([1, 2, 9], 9), ([0, 1, -1], -1), ([1, 2, 3, 4, 99], 99)])
def test_doubtful_codes_of_few_values_are_reported(tmp_path: Path, values: list[int], word: int) -> None:
    draft = looked(tmp_path, {"smoker": np.random.default_rng(0).choice(values, ROWS)})
    assert draft.values["inputs"]["row"]["numbers"] == ["smoker"]
    assert "unknown" not in draft.values["inputs"]["row"]
    assert any(f"add to the input: unknown: {{smoker: [{word}]}}" in line for line in draft.found)
