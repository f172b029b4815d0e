"""Whose a sample is: under three spellings, in names of files and folders, or nobody's."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from films import encoded, film, task
from looks import refusal

from components.ingest.splits import assign
from components.ingest.who import known_patients
from components.lib.errors import DataError, SpecError
from components.lib.readers._patient_from import matches
from pipelines.look import Questions, look
from pipelines.look.patients import proposed

SHAPES = ("{n}", "P{n}", "PAT-{n:04d}", "kh_{n}", "Ünal {n}", "胸{n}", "A{n:03d}b")


def spelt(patient: str, draw: random.Random) -> str:
    """One id as another program would write it."""
    ways = [str.upper, str.lower, lambda text: f" {text}", lambda text: text.replace(" ", "\u00a0")]
    if patient.isdigit():
        ways += [lambda text: f"{text}.0", lambda text: text.zfill(7), lambda text: f"'{text}"]
    return draw.choice(ways)(patient)


@pytest.mark.parametrize("seed", range(12))
def test_a_patient_under_several_spellings_is_in_one_split(seed: int) -> None:
    draw = random.Random(seed)
    shape = draw.choice(SHAPES)
    truth = [n for n in range(60) for _ in range(draw.randint(1, 4))]
    table = pd.DataFrame({
        "patient": [spelt(shape.format(n=n), draw) for n in truth], "truth": truth, "study": None, "site": None,
        "file": [f"{i}.png" for i in range(len(truth))], "sha256": [f"{i:064x}" for i in range(len(truth))],
        "split": None, "date": None, "finding": [draw.choice(["normal", "pneumonia"]) for _ in truth],
    })  # fmt: skip
    spec = task(split={"method": draw.choice(["hash", "stratified"])})
    known, told = known_patients(table, spec)
    known["split"] = assign(known, spec)
    assert known["patient"].nunique() == 60
    assert (known.groupby("truth")["split"].nunique() == 1).all()
    assert "treated as one" in told[0]
    assert not any(shape.format(n=n) in told[0] for n in range(10, 60))


def lay(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(film(number)))
    return folder


LAYOUTS: dict[str, Any] = {
    "Kermany": lambda c, p, k: f"{c}/person{p}_bacteria_{k + 7}.png" if c == "b" else f"{c}/IM-{p:04d}-{k + 1:04d}.png",
    "NIH": lambda c, p, k: f"{c}/{p:08d}_{k:03d}.png",
    "folder": lambda c, p, k: f"{c}/patient{p:05d}/study{k}/view1.png",
    "cell": lambda c, p, k: f"{c.upper()}/{c.upper()}-{p + 10234}-{k + 1:04d}.png",
    "sides": lambda c, p, k: f"{c}/{p}_{'left' if k % 2 else 'right'}{'' if k < 2 else k}.png",
    "numbers": lambda c, p, k: f"{c}/{p:04d}/slice_{k}.png",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_patients_in_paths_are_proposed_and_kept_whole(layout: str, tmp_path: Path) -> None:
    truth = [("ab"[p % 2], p, k) for p in range(60) for k in range(2)]
    names = [LAYOUTS[layout](*each) for each in truth]
    draft = look(lay(tmp_path, names))
    assert "patient_from" in draft.values["source"]
    assert draft.values["split"]["by"] == "patient"
    assert "unknown_patients" not in draft.values["split"]
    assert any(sentence.startswith("assumed: Do the names of files and folders") for sentence in draft.assumed)
    found = matches(draft.values["source"]["patient_from"], names)
    held = pd.DataFrame({"truth": [p for _, p, _ in truth], "patient": [patient for patient, _ in found]})
    assert held["patient"].notna().all()
    assert (held.groupby("truth")["patient"].nunique() == 1).all()
    assert held["patient"].nunique() == 60


@pytest.mark.parametrize(
    "name", ["{c}/{n:04d}.png", "{c}/scan.{n}.png", "{c}/2021-03-{d:02d}_{n:04d}.png", "{c}/{c} ({n}).png"]
)
def test_counters_and_dates_are_no_patients(name: str) -> None:
    names = [name.format(c="ab"[n % 2], n=n, d=n % 28 + 1) for n in range(120)]
    assert proposed(names, [each[0] for each in names], Questions()) == (None, [])


def test_the_evidence_says_what_a_split_would_share() -> None:
    names = [f"a/person{p}_{k}.png" for p in range(100) for k in range(3)]
    found, told = proposed(names, ["a"] * 300, Questions())
    assert found is not None
    assert found.shared > 30
    assert f"{found.shared} of 100 patients would be in more than one split if each file counted as one" in told[0]


def test_folders_of_patients_are_no_classes(tmp_path: Path) -> None:
    names = [
        f"TCGA_CS_{4940 + p}_19960909/TCGA_CS_{4940 + p}_{k}{m}.tif"
        for p in range(6)
        for k in range(3)
        for m in ("", "_mask")
    ]
    error = refusal(lay(tmp_path / "tcga", names))
    assert "6 folders that are called like patients" in error.found
    assert "18 outlines (masks)" in error.found
    assert "4940" not in error.found
    error = refusal(
        lay(tmp_path / "sixty", [f"p{p:03d}/{c}/{k}.png" for p in range(60) for c in ("ill", "well") for k in range(1)])
    )
    assert "60 folders that are called like patients (a000), with folders ill, well in them" in error.found
    error = refusal(
        lay(
            tmp_path / "busi",
            [f"{c}/{c} ({k}){m}.png" for c in ("benign", "malignant") for k in range(9) for m in ("", "_mask")],
        )
    )
    assert "18 outlines (masks) among 36 pictures" in error.found


def test_grades_and_stages_are_classes(tmp_path: Path) -> None:
    draft = look(lay(tmp_path, [f"grade_{g}/{g}{k}x.png" for g in range(1, 6) for k in range(20)]))
    assert len(draft.values["targets"]["finding"]["classes"]) == 5


@pytest.mark.parametrize(
    ("pattern", "found"), [("(?P<patient>a", "invalid"), ("(a+)", "no group"), ("(?P<who>a)", "groups: who")]
)
def test_expressions_that_name_no_patient_are_refused(pattern: str, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        task(source={"reader": "folder", "path": "raw", "patient_from": pattern})


def test_an_expression_that_takes_for_ever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.lib.readers._patient_from.SECONDS", 1.0)
    with pytest.raises(SpecError, match="a repeat inside a repeat"):
        matches(r"(?P<patient>(a+)+)$", ["a" * 40 + "!"])


def test_most_patients_unknown_needs_a_word_in_the_task_file() -> None:
    table = pd.DataFrame(
        {"patient": ["A"] * 2 + [f"P{i}" for i in range(70)] + [None] * 28, "study": None, "file": "f"}
    )
    with pytest.raises(DataError, match="28 of 100 samples without one: their patients are unknown"):
        known_patients(table, task())
    known, _ = known_patients(table, task(split={"unknown_patients": "accept"}))
    assert known["patient"].isna().sum() == 28
    anonymous = pd.DataFrame({"patient": ["XYZ"] * 100, "study": None, "file": "f"})
    with pytest.raises(DataError, match="one id for 100 of 100 samples, as an anonymiser writes it"):
        known_patients(anonymous, task())
