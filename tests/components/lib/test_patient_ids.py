"""One patient, one id, however it is written; and no id is ever shown."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.lib.patient_ids import form, identify, is_nobody, normal, spellings

SAME = [
    ["7", "7.0", "07", "0007", " 7 ", "7.00", "７", "\u00a07", "'7", "٧"],
    ["P7", "p7", "P 7", "P007", "P0007", "P7.0", "Ｐ７"],
    ["PAT-0012", "pat_12", "Pat\u201112", "PAT - 12"],
    ["TCGA_CS_4941", "TCGA-CS-4941", "tcga-cs-4941"],
    ["Jörg-1", unicodedata.normalize("NFD", "Jörg-1"), "JÖRG-01"],
    ["Straße 3", "STRASSE 3"],
    ["KH\\0007", "kh\\7"],
]
DIFFERENT = [
    "7",
    "70",
    "7.1",
    "7.10",
    "P7",
    "Q7",
    "P70",
    "P-7",
    "1-23",
    "12-3",
    "1.2.840.7",
    "1.2.840.70",
    "A",
    "B",
    "0",
    "胸1",
]


@pytest.mark.parametrize("several", SAME)
def test_spellings_of_one_id_are_one(several: list[str]) -> None:
    assert len({normal(each) for each in several}) == 1
    pattern = spellings(several[0])
    assert all(pattern.search(f"a;{each};b".encode()) for each in several[:1])


def test_other_ids_stay_others() -> None:
    assert len({normal(each) for each in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize("usual", ["PHANTOM-0001", "PHANTOM-0420", "1", "442", "AB", "10452"])
def test_ids_of_the_usual_form_are_themselves(usual: str) -> None:
    assert normal(usual) == usual


@given(st.text(max_size=20))
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@given(st.integers(0, 10**9), st.sampled_from(["", "P", "pat-", "Ä"]), st.integers(0, 6), st.booleans())
def test_zeros_capitals_and_fractions_make_no_other_patient(number: int, start: str, zeros: int, upper: bool) -> None:
    written = f"{start}{'0' * zeros}{number}{'.0' if zeros % 2 else ''}"
    assert normal(written.upper() if upper else f" {written}") == normal(f"{start}{number}")
    assert normal(f"{start}{number + 1}") != normal(f"{start}{number}")


def test_a_form_shows_no_value() -> None:
    shown = {"7": "9", "7.0": "9.0", "0007": "0009", "Ab7": "Aa9", "12 b": "99␣a", "10.50": "99.99", "７": "９"}
    assert {each: form(each) for each in shown} == shown


def test_what_coincides_is_counted_and_treated_as_one() -> None:
    ids = pd.Series(["7", "7.0", "12", "12.0", "5", None])
    found = identify(ids)
    assert found.ids.tolist()[:5] == ["7", "7", "12", "12", "5"]
    assert found.ids.isna().tolist()[5]
    told = "Patient ids written in several ways: 2 patients; `9` and `9.0`; treated as one"
    assert (found.joined, found.sentences[0].replace("`99` and `99.0`", "`9` and `9.0`")) == (2, told)
    apart = identify(ids, how="exact")
    assert apart.ids.nunique() == 5
    assert "kept apart" in apart.sentences[0]


def test_ids_in_one_spelling_need_no_word() -> None:
    assert identify(pd.Series(["0007", "0012", "0112", "Ab-3"])).sentences == ()


@pytest.mark.parametrize(
    "word", ["ANONYMOUS", "Anonymous^", "anon", "PATIENT", "Unbekannt", "inconnu", "匿名", "De-Identified", "n/a"]
)
def test_words_for_everybody_are_nobody(word: str) -> None:
    assert is_nobody(word)
    found = identify(pd.Series([word, "7", "8"]))
    assert (found.nobody, found.ids.notna().sum()) == (1, 2)


def test_one_id_for_most_samples_is_nobody_but_not_where_one_patient_has_many_slices() -> None:
    many = pd.Series(["XK-77"] * 60 + [f"p{i}" for i in range(40)])
    found = identify(many)
    assert (found.nobody, found.ids.nunique()) == (60, 40)
    assert "60 of 100 samples" in found.sentences[0]
    assert "XK" not in found.sentences[0]
    assert identify(many, how="exact").nobody == 0
    one_study = pd.Series(["1.2.3"] * 60 + [f"1.2.{i + 10}" for i in range(40)])
    assert identify(many, one_study).nobody == 0
    studies = pd.Series([f"1.2.{i}" for i in range(100)])
    assert identify(many, studies).nobody == 60
    two = pd.Series(["a"] * 60 + ["b"] * 40)
    assert identify(two).nobody == 0


def test_zero_is_a_patient_unless_it_stands_for_all_the_rest() -> None:
    assert identify(pd.Series([str(i) for i in range(30)])).nobody == 0
    assert identify(pd.Series(["0"] * 25 + [str(i) for i in range(1, 75)])).nobody == 25


def test_numbers_that_a_spreadsheet_has_shortened_are_reported() -> None:
    assert "1 id" in identify(pd.Series(["1.23457E+11", "5"])).sentences[0]
