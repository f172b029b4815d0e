"""What pages say of duplicates, contradicting labels, unknown patients, rejections and classes called 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from evaluations import evaluated
from films import encoded, task, write_films
from numpy.typing import NDArray

from components.clean import clean
from components.evaluate import duplicates, notices
from components.evaluate.findings import find
from components.evaluate.part import Part
from components.evaluate.results import heading, words
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.kinds._classes import spoken
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.validate.near_duplicates import FILE
from components.lib.validate.reasons import one_reason
from components.lib.validate.tables import reasons

FINDING = ["normal", "pneumonia"]


def seen(folder: Path, outputs: NDArray[np.float64], truth: list[str], copies: list[int]) -> Part:
    """The part of the report where these test samples are near duplicates of samples of another split."""
    made = evaluated(folder, outputs=outputs, truth=truth)
    pairs = [(f"train{row:05d}", "train", f"test{row:05d}", "test", 0.995) for row in copies]
    columns = ["sample_id", "split", "sample_id_2", "split_2", "correlation"]
    pd.DataFrame(pairs, columns=columns).to_parquet(made.data.path / FILE, index=False)
    return duplicates.part(made)


def answers(right: bool, count: int = 40) -> tuple[NDArray[np.float64], list[str], list[int]]:
    """Samples of which every second pair is a duplicate, answered all rightly or all wrongly; the others by chance."""
    truth = [FINDING[n % 2] for n in range(count)]
    random = np.random.default_rng(3)
    outputs = random.uniform(0.1, 0.9, count)
    copies = [n for n in range(count) if n % 4 < 2]
    for n in copies:
        outputs[n] = 0.95 if (truth[n] == "pneumonia") == right else 0.05
    return outputs, truth, copies


@pytest.mark.parametrize(("right", "word"), [(True, "better"), (False, "worse")])
def test_the_words_follow_the_figures(tmp_path: Path, right: bool, word: str) -> None:
    outputs, truth, copies = answers(right)
    part = seen(tmp_path, outputs, truth, copies)
    (warning,) = part.warnings
    assert warning.startswith("20 of 40 test samples are near duplicates of samples in other splits (20 in train)")
    assert f"they make the model look {word} than it is" in warning
    rest = [n for n in range(40) if n not in copies]
    positive = np.array([truth[n] == "pneumonia" for n in rest])
    scores = outputs[rest]
    auc = np.mean([(scores[positive][:, None] > scores[~positive]).mean()])
    found = part.metrics["finding"]["without_duplicates_auc"]
    assert found.value == pytest.approx(auc, abs=1e-6)
    assert found.n == 20


def test_exact_duplicates_count_too_and_none_is_no_warning(tmp_path: Path) -> None:
    outputs, truth, _ = answers(right=True)
    assert seen(tmp_path / "none", outputs, truth, []).warnings == ()
    made = evaluated(tmp_path / "equal", outputs=outputs, truth=truth)
    every = made.data.samples()
    every.loc[every["sample_id"] == "test00003", "sha256"] = every.loc[
        every["sample_id"] == "validation00003", "sha256"
    ].item()
    told = duplicates._seen(every, every[every["split"] == "test"].reset_index(drop=True), None)
    assert str(told) == "an exact duplicate of samples in other splits (1 in validation)"


def test_a_gate_without_duplicates_holds_where_there_are_none(tmp_path: Path) -> None:
    outputs, truth, _ = answers(right=True)
    gates = {"gates": {"finding.without_duplicates_auc": 0.5}}
    made = evaluated(tmp_path, outputs=outputs, truth=truth, settings=gates)
    (gate,) = find(made, None).gates
    assert gate.passed
    assert gate.found == pytest.approx(made.results[0].metrics["auc"].low, abs=1e-6)


def test_unknown_patients_and_many_abstentions_are_not_missed(tmp_path: Path) -> None:
    outputs, truth, _ = answers(right=True)
    nobody = evaluated(tmp_path / "nobody", outputs=outputs, truth=truth)
    told = find(nobody, None).facts
    assert told.patients_unknown.startswith("Patients unknown")
    known = evaluated(tmp_path / "known", outputs=outputs, truth=truth, patients=[f"p{n}" for n in range(40)])
    assert notices.part(known).warnings == ()
    some = [None if n < 10 else f"p{n}" for n in range(40)]
    partly = evaluated(tmp_path / "partly", outputs=outputs, truth=truth, patients=some)
    assert notices.part(partly).warnings[0].startswith("The patient is unknown in 30 of 120 samples.")


@pytest.mark.parametrize(
    ("label", "expected"),
    [("1", "class 1"), ("<30", "class <30"), ("A", "class A"), ("2b", "class 2b"), ("pneumonia", "pneumonia"),
     ("肺炎", "肺炎"), ("NO", "NO"), ("-1", "class -1"), ("0.5", "class 0.5")],
)  # fmt: skip
def test_a_class_in_a_sentence(label: str, expected: str) -> None:
    assert spoken(label) == expected


def test_titles_keep_the_class_as_it_is_written() -> None:
    grades = Multiclass(kind="multiclass", classes=("1", "III", "<30", ">30"))
    assert [words(name, grades) for name in ("recall_1", "f1_III", "auc", "patient_recall_1")] == [
        "Recall of class 1", "F1 of III", "AUC", "By patient: recall of class 1",
    ]  # fmt: skip
    assert words("recall_below 30", grades) == "Recall of class <30"
    assert words("worst_group_auc", grades) == "Worst group: AUC"
    assert (heading("y"), heading("nyha_class")) == ("Target y", "Nyha class")


def test_sentences_about_classes_0_and_1(tmp_path: Path) -> None:
    kind = Binary(kind="binary", classes=("0", "1"))
    made = evaluated(tmp_path, outputs=[0.2, 0.7, 0.4, 0.9], truth=["0", "1", "0", "1"], kind=kind)
    metrics = made.results[0].metrics
    assert metrics["recall"].meaning.startswith("Sensitivity: of 100 samples labelled class 1, about")
    assert "wrongly called class 1" in metrics["specificity"].meaning


def test_one_reason_and_not_one_a_value() -> None:
    told = [f"gaps: {share:.1f}% of a lead is missing, at most 10% can be filled" for share in (12.5, 31, 99.9)]
    told += [f"column age: no number '{word}'" for word in ("abc", "n/a", "see note", "?")]
    told += ["column x1: no number", "column x2: no number", "column grade 2: no number", "column grade 3: no number"]
    kinds = one_reason(told)
    assert len({*kinds.values()}) == 6
    assert kinds[told[0]] == "gaps: 12.5 to 99.9% of a lead is missing, at most 10% can be filled"
    assert kinds["column age: no number '?'"] == "column age: no number 'abc', 'n/a', 'see note' and 1 more"
    assert kinds["column x1: no number"] == "column x1: no number"
    rejected = pd.DataFrame({"sample_id": [f"s{n}" for n in range(7)], "split": "train", "reason": told[:7],
                             "place": [f"row {n}" for n in range(7)]})  # fmt: skip
    table = reasons(rejected)
    assert table["samples"].tolist() == [4, 3]
    assert table["first at"].tolist() == ["row 3, row 4, row 5, row 6", "row 0, row 1, row 2"]


def picture(number: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(number)
    layers = [cv2.resize(random.normal(0, 1, (k, k)), (32, 32), interpolation=cv2.INTER_CUBIC) for k in (4, 16)]
    made: NDArray[np.uint8] = np.clip(128 + 45 * layers[0] + 12 * layers[1], 1, 255).astype(np.uint8)
    return made


def cleaned(folder: Path, *, shown: bool) -> Path:
    """Forty films, of which one is there again, darker, in another split and with another label."""
    rows, films = [], {}
    for number in range(40):
        split = ("train", "train", "validation", "test")[number % 4]
        films[f"{number}.png"] = encoded(picture(number))
        label = FINDING[number // 4 % 2]
        rows.append({"path": f"{number}.png", "split": split, "finding": label})
    films["again.png"] = encoded(np.asarray(cv2.convertScaleAbs(picture(3), alpha=0.8, beta=5), np.uint8))
    rows.append({"path": "again.png", "split": "train", "finding": "pneumonia"})
    raw, sections = folder / "films", dict[str, Any]()
    write_films(raw, rows, films=films)
    sections["source"] = {"reader": "folder", "path": "raw", "index": "index.csv", "columns": {"split": "split"}}
    sections["split"], sections["clean"] = {"by": "sample", "method": "given"}, {"thumbnails": shown, "suspects": 0}
    spec = task(**sections)
    ingest(raw=raw, dataset=folder / "ingested", private=folder / "private", spec=spec)
    clean(raw=raw, dataset=folder / "ingested", private=folder / "private", out=folder / "cleaned", spec=spec)
    return folder / "cleaned"


def test_a_near_duplicate_with_another_label_is_named_and_travels_to_evaluate(tmp_path: Path) -> None:
    folder = cleaned(tmp_path, shown=False)
    told = json.loads((folder / "validation.json").read_text(encoding="utf-8"))
    (line,) = [each for each in told["receipt"] if each.startswith("contradicting labels")]
    table = Dataset(folder).samples()
    ids = table.loc[table["split"] == "test", "sample_id"]
    pairs = pd.read_parquet(folder / FILE)
    assert pairs[["split", "split_2"]].to_numpy().tolist() == [["train", "test"]]
    assert pairs["sample_id_2"].item() in {*ids}
    assert line.startswith("contradicting labels: 1 pair of equal or nearly equal pictures; sample_ids: ")
    assert pairs["sample_id"].item() in line
    assert pairs["sample_id_2"].item() in line
    assert line in told["warnings"]


@pytest.mark.parametrize("shown", [True, False])
def test_pictures_on_the_page_of_clean_only_where_the_task_file_asks(tmp_path: Path, shown: bool) -> None:
    page = (cleaned(tmp_path, shown=shown) / "validation.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == (2 if shown else 0)
    assert ("Near duplicates of image, side by side" in page) is shown
    assert ("set <code>clean.thumbnails: true</code>" in page) is not shown


def test_warnings_never_stand_under_a_green_all_checks_hold(tmp_path: Path) -> None:
    page = (cleaned(tmp_path, shown=False) / "validation.html").read_text(encoding="utf-8")
    state = page[page.index('<p class="verdict') :].split("</p>")[0]
    assert state.startswith('<p class="verdict warned"><strong>Passed, with ')
    assert "near duplicates across splits: 1 pair" in page[: page.index('id="section-2"', page.index("<main>"))]
