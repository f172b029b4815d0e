"""Which column is predicted, labels of one class in several spellings, findings in one cell, and folders in folders."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from films import encoded, film, lay
from hypothesis import given
from hypothesis import strategies as st
from looks import REAL, cleaned, needs, refusal, spec_of

from components.lib.errors import DataError
from pipelines.look import Draft, Questions, look
from pipelines.look import names as called
from pipelines.look.labels import read_labels, several_findings


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "0123456789abcdef" * 2)


def table(path: Path, columns: dict[str, Sequence[object]]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def numbers(count: int, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(90, 20, count).round(2).tolist()


def target_of(draft: Draft) -> str:
    ((name, _),) = draft.values["targets"].items()
    return str(draft.values["source"].get("columns", {}).get("targets", {}).get(name, name))


def test_labels_of_two_sites_are_two_classes(tmp_path: Path) -> None:
    words = ["yes", "Yes", "no", "NO", "no ", "yes"]
    data = table(tmp_path / "a.csv", {
        "patient": [f"P{i % 100}" for i in range(300)], "creatinine": numbers(300), "died": words * 50,
    })  # fmt: skip
    draft = look(data)
    died = draft.values["targets"]["died"]
    assert died["kind"] == "binary"
    assert [each.lower() for each in died["classes"]] == ["no", "yes"]
    assert sum(len(many) for many in died["spellings"].values()) == 2 or died["spellings"]
    assert any(each.startswith("one class in 2 spellings") for each in draft.found)
    counts = cleaned(data, tmp_path / "work").samples()["died"].str.lower().value_counts()
    assert counts.to_dict() == {"yes": 150, "no": 150}


@given(st.randoms(use_true_random=False))
def test_the_order_of_labels_changes_nothing(draw: random.Random) -> None:
    counts = {"TRUE": 40, "1": 20, "false": 30, "FALSE": 30, "0": 9, "-1": 7, "uncertain": 3, "?": 1}
    shuffled = list(counts.items())
    draw.shuffle(shuffled)
    read = read_labels(dict(shuffled), Questions())
    assert read.counts == {"FALSE": 69, "TRUE": 60}
    assert read.spellings == {"FALSE": ["0", "false"], "TRUE": ["1"]}
    assert read.unknown == {"-1": 7, "?": 1, "uncertain": 3}


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["0.0", "1.0", "-1.0"], {"0.0", "1.0"}), (["1", "2", "9"], {"1", "2"}), (["-1", "1"], {"-1", "1"}),
        (["ja", "nein", "unklar"], {"ja", "nein"}), (["正常", "异常", "不确定"], {"正常", "异常"}),
        (["oui", "non", "indéterminé"], {"oui", "non"}), (["sano", "enfermo", "dudoso"], {"sano", "enfermo"}),
        (["0", "1", "2", "3"], {"0", "1", "2", "3"}), (["m", "f", "unknown"], {"m", "f"}),
    ],
)  # fmt: skip
def test_labels_that_say_that_nobody_knows_are_no_class(labels: list[str], classes: set[str]) -> None:
    questions = Questions()
    assert {*read_labels(dict.fromkeys(labels, 20), questions).counts} == classes
    assert bool(questions.assumed) is (len(labels) > len(classes))


@pytest.mark.parametrize(
    "outcome",
    ["hospital_expire_flag", "died_in_hospital", "In-hospital_death", "30_day_mortality", "vital_survival",
     "readmitted", "Hauptdiagnose", "Verstorben", "Krankenhausmortalität", "Ergebnis", "Entlassungsart", "décès",
     "mortalité_j30", "Résultat", "Diagnóstico", "fallecido", "mortalidad", "死亡", "出院诊断", "预后"],
)  # fmt: skip
@pytest.mark.parametrize("last", [True, False])
def test_an_outcome_is_known_by_its_name(tmp_path: Path, outcome: str, last: bool) -> None:
    assert called.is_outcome(outcome) or called.plain(outcome) in called.TARGET
    held = [i % 3 // 2 for i in range(90)]
    first = {outcome: held} if not last else {}
    columns = {**first, "patient": range(90), "creatinine": numbers(90), "flag": [i % 2 for i in range(90)]}
    data = table(tmp_path / "a.csv", {**columns, **({outcome: held} if last else {})})
    assert target_of(look(data)) == outcome


@pytest.mark.parametrize(
    "name", ["expiratory_volume", "studied", "age_at_diagnosis", "number_diagnoses", "amortization",
             "family_history_death",             "forced_expiration", "creatinine", "todo"],
)  # fmt: skip
def test_what_sounds_alike_is_no_outcome(name: str) -> None:
    assert not called.is_outcome(name)


def test_another_outcome_is_no_input(tmp_path: Path) -> None:
    draft = look(table(tmp_path / "a.csv", {
        "patient": range(90), "creatinine": numbers(90), "readmitted": [i % 5 // 3 for i in range(90)],
        "died": [i % 3 // 2 for i in range(90)],
    }), Questions(target="died"))  # fmt: skip
    assert "categories" not in draft.values["inputs"]["row"]
    assert draft.values["inputs"]["row"]["numbers"] == ["creatinine"]
    assert "outcome" in draft.left_out["readmitted"]


def test_a_flag_with_one_case_is_not_taken(tmp_path: Path) -> None:
    columns = {"patient": range(90), "creatinine": numbers(90), "flag": [int(i == 4) for i in range(90)]}
    data = table(tmp_path / "a.csv", {"stay_died": [i % 6 // 5 for i in range(90)], **columns})
    assert target_of(look(data)) == "stay_died"
    assert target_of(look(data, Questions(target="flag"))) == "flag"
    alone = table(
        tmp_path / "b.csv", {"patient": [f"P{i}" for i in range(90)], "died": columns["flag"], "word": ["x"] * 90}
    )
    error = refusal(alone)
    assert "1 sample of its other class" in error.found
    assert "--target died" in error.todo


LABELS = ["Infiltration", "Effusion", "Atelectasis", "Nodule", "Mass", "Pneumothorax"]


def nih(folder: Path, separator: str = "|", seed: int = 0) -> Path:
    draw = random.Random(seed)
    rows = []
    for i in range(120):
        name = f"{i // 3 + 1:08d}_{i % 3:03d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(film(i)))
        cell = separator.join(sorted(draw.sample(LABELS, draw.randint(1, 3)))) if i % 2 else "No Finding"
        rows.append((name, cell, i % 3, i // 3 + 1, 20 + i // 3, "MF"[i // 3 % 2], "PA" if i % 5 else "AP"))
    head = [
        "Image Index",
        "Finding Labels",
        "Follow-up #",
        "Patient ID",
        "Patient Age",
        "Patient Gender",
        "View Position",
    ]
    pd.DataFrame(rows, columns=head).to_csv(folder / "Data_Entry_2017.csv", index=False)
    return folder


@pytest.mark.parametrize("separator", ["|", ";", ", ", "、"])
def test_several_findings_in_a_cell_are_refused_with_what_to_type(tmp_path: Path, separator: str) -> None:
    data = nih(tmp_path / "cxr", separator)
    with pytest.raises(DataError) as caught:
        look(data)
    assert all(name in caught.value.found for name in LABELS)
    assert "multilabel" in caught.value.found
    assert f"python -m pipelines.new {data} --target 'Finding Labels=" in caught.value.todo
    assert "No Finding" not in caught.value.todo


def test_one_of_several_findings_is_a_binary_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = nih(tmp_path / "cxr")
    truth = pd.read_csv(data / "Data_Entry_2017.csv")["Finding Labels"].str.contains("Effusion").sum()
    draft = look(data, Questions(target="Finding Labels=effusion"))
    assert draft.values["source"]["columns"]["targets"] == {"effusion": "Finding Labels"}
    assert draft.values["targets"]["effusion"]["classes"] == ["no Effusion", "Effusion"]
    held = cleaned(data, tmp_path / "work", Questions(target="Finding Labels=effusion")).samples()
    assert held["effusion"].value_counts().to_dict() == {"no Effusion": 120 - truth, "Effusion": truth}
    assert held["patient"].nunique() == 40
    monkeypatch.setattr("builtins.input", lambda _: "Mass")
    assert [*look(data, Questions(ask=True)).values["targets"]] == ["mass"]
    for wrong, words in (("Finding Labels=Efusion", "nearest: Effusion"), ("Follow-up #=2", "one label each")):
        with pytest.raises(DataError, match="--target") as caught:
            look(data, Questions(target=wrong))
        assert words in caught.value.found


@pytest.mark.parametrize(
    "cells",
    [
        {"4,3": 5, "5,1": 5, "4,4": 3}, {"pneumonia, left lung": 9, "normal": 8},
        {"2020/01/03": 1, "2020/01/04": 1, "2020/02/03": 1}, {"a/b.png": 1, "a/c.png": 1, "b/d.png": 1},
        {"mild": 4, "severe": 4}, {"+/-": 3, "+": 4},
    ],
)  # fmt: skip
def test_a_sign_inside_a_label_lists_no_findings(cells: dict[str, int]) -> None:
    assert several_findings(cells) is None


def test_of_several_findings_none_is_preferred(tmp_path: Path) -> None:
    draw, rows = np.random.default_rng(0), []
    for i in range(90):
        name = f"a{i}.jpg.png"
        (tmp_path / name).write_bytes(encoded(film(i)))
        labels = draw.choice(["1.0", "0.0", "-1.0", ""], 2, p=[0.3, 0.4, 0.15, 0.15])
        rows.append((name, "Male" if i % 2 else "Female", 30 + i % 40, "Frontal" if i % 3 else "Lateral", *labels))
    head = ["Path", "Sex", "Age", "Frontal/Lateral", "Cardiomegaly", "Pleural Effusion"]
    pd.DataFrame(rows, columns=head).to_csv(tmp_path / "train.csv", index=False)
    error = refusal(tmp_path)
    assert "Cardiomegaly, Pleural Effusion" in error.found
    assert "Frontal" not in error.found
    assert "--target Cardiomegaly" in error.todo
    draft = look(tmp_path, Questions(target="Cardiomegaly"))
    assert draft.values["targets"]["cardiomegaly"] == {"kind": "binary", "classes": ["0.0", "1.0"], "unknown": ["-1.0"]}
    assert any("-1.0" in each for each in draft.assumed)


@needs("chest_nih1000")
def test_chest_xray14_itself(tmp_path: Path) -> None:
    data = tmp_path / "cxr"
    shutil.copytree(REAL / "chest_nih1000" / "images", data)
    shutil.copy(REAL / "chest_nih1000" / "labels.csv", data)
    with pytest.raises(DataError) as caught:
        look(data)
    assert "Effusion (" in caught.value.found
    target = caught.value.todo.rpartition("--target ")[2].strip("'")
    spec = spec_of(look(data, Questions(target=target)), tmp_path / "work")
    assert spec.split.by == "patient"
    (kind,) = spec.targets.values()
    cells = pd.read_csv(data / "labels.csv")["Finding Labels"]
    held = kind.column(cells)
    assert held.notna().all()
    assert (held == kind.class_names[1]).tolist() == [kind.class_names[1] in cell.split("|") for cell in cells]


def test_a_folder_around_the_classes_is_no_class(tmp_path: Path) -> None:
    inner = [f"{name}/{n}.png" for name in ("no", "yes") for n in range(30)]
    data = lay(tmp_path / "set", *inner)
    for name in [*inner, "yes/extra.png"]:
        copy = data / "brain_tumor_dataset" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((data / name).read_bytes() if name in inner else encoded(film(999)))
    (data / "Thumbs.db").write_bytes(b"x")
    (data / "yes" / ".ipynb_checkpoints").mkdir()
    (data / "yes" / ".ipynb_checkpoints" / "1-checkpoint.png").write_bytes(encoded(film(3)))
    (data / "__MACOSX" / "yes").mkdir(parents=True)
    (data / "__MACOSX" / "yes" / "._1.png").write_bytes(b"x")
    (data / "@eaDir").mkdir()
    (data / "@eaDir" / "1.png").write_bytes(encoded(film(4)))
    draft = look(data)
    assert draft.values["targets"]["finding"]["classes"] == ["no", "yes"]
    assert "60 pictures left out: copies of files in the class folders, one folder down" in draft.found
    assert cleaned(data, tmp_path / "work").samples()["finding"].value_counts().to_dict() == {"yes": 31, "no": 30}


def test_folders_of_one_class_in_two_spellings(tmp_path: Path) -> None:
    names = [f"train/{name}/{n}.png" for name in ("NORMAL", "PNEUMONIA") for n in range(40)]
    names += [f"test/{name}/{n}.png" for name in ("Normal", "pneumonia ") for n in range(15)]
    data = lay(tmp_path / "chest", *names)
    finding = look(data).values["targets"]["finding"]
    assert finding["classes"] == ["NORMAL", "PNEUMONIA"]
    assert finding["spellings"] == {"NORMAL": ["Normal"], "PNEUMONIA": ["pneumonia "]}
    held = cleaned(data, tmp_path / "work").samples()
    assert held.groupby("split")["finding"].nunique().to_dict() == {"test": 2, "train": 2, "validation": 2}


@pytest.mark.parametrize("other", ["discharge_status", "Entlassungsart", "discharge_location"])
@pytest.mark.parametrize("first", [True, False])
def test_where_somebody_goes_stands_back_behind_a_finding(tmp_path: Path, other: str, *, first: bool) -> None:
    columns = [other, "sepsis"] if first else ["sepsis", other]
    rows = [
        {"sepsis": ["no", "yes"][i % 2], other: ["home", "icu"][i % 3 == 0], "age": 20 + i % 60} for i in range(200)
    ]
    lines = [",".join(["age", *columns])] + [",".join([str(row["age"]), *(row[c] for c in columns)]) for row in rows]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft = look(tmp_path / "t.csv")
    assert list(draft.values["targets"]) == ["sepsis"]
    assert "sepsis" in " ".join(draft.assumed)
