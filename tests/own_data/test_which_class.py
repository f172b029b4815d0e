"""Which class is the finding: a name that denies the other, or means health, never is, whatever the language."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import lay
from hypothesis import given
from hypothesis import strategies as st

from pipelines.look import Questions, look
from pipelines.look.health import verdict

FINDINGS = (
    "covid", "pneumonia", "tumor", "effusion", "Fraktur", "Entzündung", "Blutung", "pneumonie", "épanchement",
    "fracture", "neumonía", "derrame", "melanoma", "glioma", "parasitized", "seizure", "sepsis", "肺炎", "骨折", "积液",
)  # fmt: skip
LATIN_DENIALS = (
    "no {}", "non {}", "not {}", "without {}", "{} free", "kein {}", "keine {}", "ohne {}", "nicht {}", "sans {}",
    "pas de {}", "aucun {}", "sin {}", "ningun {}", "no hay {}", "no evidence of {}", "no signs of {}",
)  # fmt: skip
CJK_DENIALS = ("无{}", "無{}", "非{}", "未见{}", "未見{}", "没有{}")
HEALTHY = (
    "normal", "healthy", "benign", "control", "negative", "absent", "none", "No Finding", "uninfected", "gesund",
    "unauffällig", "unauffaellig", "negativ", "gutartig", "Normalbefund", "kein Befund", "sain", "négatif",
    "bénin", "normaux", "sano", "benigno", "negativo", "正常", "健康", "阴性", "陰性", "良性", "未见异常", "無異常",
)  # fmt: skip
CASES = (str, str.lower, str.upper, str.title, str.capitalize)


def is_cjk(text: str) -> bool:
    return any("\u3400" <= sign <= "\u9fff" for sign in text)


@st.composite
def denied(draw: st.DrawFn) -> tuple[str, str]:
    """A finding, and the same one denied, each with capitals and signs between words of its own."""
    finding = draw(st.sampled_from(FINDINGS))
    form = draw(st.sampled_from(CJK_DENIALS if is_cjk(finding) else LATIN_DENIALS))
    before = draw(st.sampled_from(("", "", "CT ", "xray ")))
    spelt = []
    for text in (before + finding, before + form.format(finding)):
        text = draw(st.sampled_from(CASES))(text)
        spelt.append(text.replace(" ", draw(st.sampled_from((" ", "_", "-")))))
    return spelt[0], spelt[1]


@given(denied())
def test_what_denies_the_other_is_healthy_or_somebody_is_asked(pair: tuple[str, str]) -> None:
    finding, other = pair
    told = verdict(finding, other)
    assert told == verdict(other, finding)
    assert told.healthy == other or not told.certain, told


@given(st.sampled_from(FINDINGS), st.sampled_from(HEALTHY), st.sampled_from(CASES), st.sampled_from(CASES))
def test_what_means_health_is_healthy(finding: str, healthy: str, one, other) -> None:  # type: ignore[no-untyped-def]
    told = verdict(one(finding), other(healthy))
    assert told.certain, told
    assert told.healthy == other(healthy)


@pytest.mark.parametrize(
    ("finding", "healthy"),
    [
        ("CT_COVID", "CT_NonCOVID"), ("pneumonia", "no_pneumonia"), ("肺炎", "非肺炎"), ("parasitized", "uninfected"),
        ("seizure", "seizure-free"), ("Tumor", "tumorfrei"), ("TUMOR", "NOTUMOR"), ("cancer", "noncancer"),
        ("1", "0"), ("1.0", "0.0"), ("yes", "no"), ("ja", "nein"), ("oui", "non"), ("sí", "no"), ("是", "否"),
        ("TRUE", "FALSE"), ("y", "n"), ("+", "-"), ("阳性", "阴性"), ("异常", "正常"), ("died", "alive"),
        ("mit_Fraktur", "ohne_Fraktur"),
        ("krank", "gesund"), ("malade", "sain"), ("enfermo", "sano"), ("malign", "Normal cases"),
        ("abnormal", "normal"), ("unhealthy", "healthy"), ("not normal", "normal"), ("nicht normal", "normal"),
        ("不健康", "健康"), ("anormal", "normal"), ("non-survivor", "survivor"), ("free fluid", "normal"),
        ("重症肌无力", "正常"), ("normal pressure hydrocephalus", "control"), ("nodule", "normal"), ("case", "control"),
        ("symptomatic", "asymptomatic"), ("MildDemented", "NonDemented"), ("non-small-cell carcinoma", "normal"),
    ],
)  # fmt: skip
def test_pairs_whose_names_say_it(finding: str, healthy: str) -> None:
    told = verdict(finding, healthy)
    assert told.certain, told
    assert told.healthy == healthy


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("normal_or_benign", "malignant"), ("1", "2"), ("2", "4"), ("class_0", "class_1"), ("cardiomegaly", "effusion"),
        ("non-small-cell carcinoma", "small-cell carcinoma"), ("Non-Hodgkin", "Hodgkin"), ("nonspecific", "specific"),
        ("非小细胞肺癌", "小细胞肺癌"), ("nevus", "melanoma"), ("novel", "known"), ("healthy", "normal"), ("m", "f"),
        ("stable", "unstable"), ("responder", "nonresponder"), ("treated", "untreated"), ("complete", "incomplete"),
        ("true_lumen", "false_lumen"), ("triple_negative", "luminal"), ("pneumonia without effusion", "effusion"),
        ("no_1", "no_2"), ("unclear", "clear"), ("normalised", "raw"), ("-1", "1"),
    ],
)  # fmt: skip
def test_pairs_that_are_asked(one: str, other: str) -> None:
    assert not verdict(one, other).certain


@pytest.mark.parametrize("swap", [False, True])
def test_the_finding_stands_last_whatever_the_order_of_folders_and_files(tmp_path: Path, swap: bool) -> None:
    folders = ["CT_NonCOVID", "CT_COVID"] if swap else ["CT_COVID", "CT_NonCOVID"]
    names = [f"{folder}/{n}.png" for folder in folders for n in range(20)]
    draft = look(lay(tmp_path / "ct", *(reversed(names) if swap else names)))
    assert draft.values["targets"]["finding"] == {"kind": "binary", "classes": ["CT_NonCOVID", "CT_COVID"]}
    assert not [each for each in draft.assumed if "finding" in each]
    assert "CT_COVID is the finding" in draft.why["targets.finding.classes"]


def test_unclear_classes_are_asked_and_else_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = lay(tmp_path / "skin", *(f"{name}/{n}.png" for name in ("nevus", "melanoma") for n in range(20)))
    draft = look(data)
    assert any(each.startswith("assumed: Which class is the finding") for each in draft.assumed)
    monkeypatch.setattr("builtins.input", lambda _: "melanoma")
    asked = look(data, Questions(ask=True))
    assert asked.values["targets"]["finding"]["classes"] == ["nevus", "melanoma"]
    assert not any("finding" in each for each in asked.assumed)


def test_an_archive_whose_finding_has_the_lower_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {}
    for split, count in {"train": 40, "val": 20, "test": 20}.items():
        arrays[f"{split}_images"] = np.zeros((count, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count)[:, None] % 2 + 1
    np.savez(tmp_path / "breastmnist.npz", **arrays)
    draft = look(tmp_path / "breastmnist.npz")
    assert draft.values["source"]["codes"] == [1, 2]
    assert draft.values["targets"]["finding"] == {
        "kind": "binary", "classes": ["malignant", "normal_or_benign"], "positive": "malignant",
    }  # fmt: skip
    assert any("Which class is the finding" in each for each in draft.assumed)
    monkeypatch.setattr("builtins.input", lambda _: "normal_or_benign")
    turned = look(tmp_path / "breastmnist.npz", Questions(ask=True)).values["targets"]["finding"]
    assert turned == {"kind": "binary", "classes": ["malignant", "normal_or_benign"]}


def test_beats_numbered_from_one_have_no_empty_class(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [",".join(f"{x:.3f}" for x in random.random(60)) + f",{i % 5 + 1}" for i in range(200)]
    (tmp_path / "beats.csv").write_text("\n".join(lines), encoding="utf-8")
    draft = look(tmp_path / "beats.csv")
    assert draft.values["targets"]["beat"]["classes"] == [f"class_{n}" for n in range(1, 6)]
    assert draft.values["source"]["codes"] == [1, 2, 3, 4, 5]
