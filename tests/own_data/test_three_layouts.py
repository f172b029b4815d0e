"""Three public layouts, from a folder to a served model: no choice in between is a wrong one.

Names and numbers are those of the layouts as they are published; the pictures are discs on noise, and so are quickly
learnt, but for ChestX-ray14, of which a part lies among the real data.
"""

from __future__ import annotations

import base64
import csv
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from films import encoded
from workspaces import CHECKOUT, Workspace

from components.lib.server import ask, serve

pytestmark = [pytest.mark.accept, pytest.mark.timeout(1200)]
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", CHECKOUT.parent / "shared" / "data"))


def test_class_folders_with_patients_in_the_names(tmp_path: Path, key: None) -> None:
    """`train/PNEUMONIA/person7_bacteria_3.jpeg`, as in the best-known set of children's chest X-rays."""
    generator, owner = np.random.default_rng(5), {}
    raw = tmp_path / "chest_xray"
    for person in range(1, 61):
        for number in range(int(generator.integers(1, 4))):
            germ = ("bacteria", "virus")[person % 2]
            name = f"PNEUMONIA/person{person}_{germ}_{100 * person + number}.jpeg"
            owner[_film(raw, "train", name, generator, sick=True)] = f"sick {person}"
    for child in range(100, 160):
        for number in range(int(generator.integers(1, 3))):
            start = ("IM", "NORMAL2-IM")[child % 2]
            name = f"NORMAL/{start}-{child:04d}-{number + 1:04d}.jpeg"
            owner[_film(raw, "train", name, generator, sick=False)] = f"well {child}"
    (raw / "__MACOSX" / "train").mkdir(parents=True)
    (raw / "__MACOSX" / "train" / "._person1.jpeg").write_bytes(b"\0\5\26\7")
    workspace, task = _new(raw, tmp_path)
    assert task["targets"]["finding"]["classes"] == ["NORMAL", "PNEUMONIA"]
    assert "(?P<patient>" in task["source"]["patient_from"]
    printed = workspace.run("dvc", "repro").stdout
    assert "more than one split: 0" in printed or "patients shared: 0" in printed
    _on_one_side(workspace, owner)
    _served(workspace, "chest_xray", raw, {True: "PNEUMONIA", False: "NORMAL"}, sick=lambda file: "person" in file)


def test_the_index_of_chestxray14(tmp_path: Path, key: None) -> None:
    """`Finding Labels` holds several findings a film; one of them is asked about, by name."""
    real = REAL / "chest_nih1000"
    if not real.exists():
        pytest.skip(f"no {real.name} below MEDPIPE_REAL_DATA")
    raw = tmp_path / "nih"
    shutil.copytree(real / "images", raw, copy_function=shutil.copyfile)
    with (real / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    published = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID"]
    with (raw / "Data_Entry_2017.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, published, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    refused = _command(tmp_path, "pipelines.new", str(raw), "--into", str(tmp_path / "no"), "--yes", check=False)
    assert refused.returncode != 0
    assert "Finding Labels=" in refused.stderr + refused.stdout  # it says what to type
    workspace, task = _new(raw, tmp_path, "--target", "Finding Labels=Effusion")
    ((name, target),) = task["targets"].items()
    assert target["kind"] == "binary"
    workspace.run("dvc", "repro")
    _on_one_side(workspace, {row["Image Index"]: row["Patient ID"] for row in rows})
    samples = _samples(workspace).set_index("file")
    effusion = {row["Image Index"]: "Effusion" in row["Finding Labels"].split("|") for row in rows}
    positive = target.get("positive", target["classes"][-1])
    assert (samples[name] == positive).to_dict() == effusion
    _served(workspace, "nih", raw, None, sick=lambda file: effusion[file])


def test_a_semicolon_table_by_excel(tmp_path: Path, key: None) -> None:
    """Semicolons, decimal commas, cp1252, `sep=;`, empty rows, the same patient as 7 and 007."""
    generator = np.random.default_rng(4)
    rows, truth = [], {}
    for stay in range(400):
        patient = int(generator.integers(1, 200))
        age, creatinine = int(generator.integers(20, 90)), float(generator.normal(90, 25))
        died = bool(generator.random() < 1 / (1 + np.exp(-(creatinine - 100) / 8)))
        spelt = str(patient) if generator.random() < 0.5 else f"{patient:05d}"
        truth[stay] = (patient, died)
        word = "?" if stay % 40 == 7 else f"{creatinine:.1f}".replace(".", ",")
        ward = ("Innere", "Chirurgie", "Gynäkologie")[stay % 3]
        rows.append([spelt, age, ("weiblich", "männlich")[stay % 2], ward, word, "ja" if died else "nein"])
    names = ["Patient", "Alter", "Geschlecht", "Station", "Kreatinin (µmol/l)", "verstorben"]
    lines = ["sep=;", ";".join(names), *(";".join(map(str, row)) for row in rows), *[";" * 5] * 3]
    raw = tmp_path / "Verläufe.csv"
    raw.write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))
    workspace, task = _new(raw, tmp_path)
    ((name, target),) = task["targets"].items()
    assert target["classes"] == ["nein", "ja"] or target.get("positive") == "ja"
    ((_, row),) = task["inputs"].items()
    assert set(row["numbers"]) == {"Alter", "Kreatinin (µmol/l)"}
    assert task["source"]["columns"]["patient"] == "Patient"
    workspace.run("dvc", "repro")
    samples = _samples(workspace)
    assert len(samples) == len(rows)
    who = samples["row"].map(lambda stay: truth[stay][0])
    assert (samples.groupby(who)["split"].nunique() == 1).all()
    assert (samples[name] == samples["row"].map(lambda stay: "ja" if truth[stay][1] else "nein")).all()
    model = f"models:/{task['task']}/1"
    with _asking(workspace, model) as url:
        sent = {"Alter": [60, 60], "Kreatinin (µmol/l)": [60.0, 140.0]}
        sent |= {column: [words[0], words[0]] for column, words in _categories(row, rows, names).items()}
        well, sick = ask(url, sent)
        assert well["probability"] < sick["probability"]
    out = tmp_path / "answers.parquet"
    told = _command(
        workspace.path, "serving.batch", "--model", model, "--data", str(raw), "--out", str(out), store=workspace.store
    )
    answers = pd.read_parquet(out)
    assert len(answers) == len(rows), told.stdout
    assert answers["probability"].notna().mean() > 0.99


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for pseudonyms."""
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "0123456789abcdef" * 2)


def _film(raw: Path, side: str, name: str, generator: np.random.Generator, *, sick: bool) -> str:
    """Write a film of noise, with a bright disc where it is sick; returns its path below the folder."""
    y, x = np.mgrid[:40, :40]
    grey = 100 + generator.normal(0, 12, (40, 40))
    if sick:
        column, row = generator.integers(10, 30, 2)
        grey += 90 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 40)
    file = raw / side / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encoded(np.clip(grey, 0, 255).astype(np.uint8), ".jpeg"))
    return f"{side}/{name}"


def _command(folder: Path, *words: str, store: str = "", check: bool = True) -> Any:
    """Run `python -m …` in a folder, with the workspace's store."""
    workspace = Workspace(folder)
    return workspace.run(*words, check=check, **({"MLFLOW_TRACKING_URI": store} if store else {}))


def _new(raw: Path, folder: Path, *more: str) -> tuple[Workspace, dict[str, Any]]:
    """The workspace that `pipelines.new --yes` makes of the data, its training cut short; and its task."""
    place = folder / "workspace"
    _command(folder, "pipelines.new", str(raw), "--into", str(place), "--yes", *more)
    file = place / "task.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"epochs: \d+", "epochs: 6", text), encoding="utf-8")
    return Workspace(place), yaml.safe_load(text)


def _samples(workspace: Workspace) -> pd.DataFrame:
    """The samples of ingest with the file and row of each."""
    data = workspace.path / "data"
    parts = [pd.read_parquet(part) for part in sorted((data / "ingested").glob("part-*/samples.parquet"))]
    return pd.concat(parts).merge(pd.read_parquet(data / "private/sources.parquet"), on="sample_id")


def _on_one_side(workspace: Workspace, owner: dict[str, str]) -> None:
    """Nobody stands on two sides, by who they really are."""
    samples = _samples(workspace)
    assert set(samples["file"]) == set(owner)
    sides = samples.groupby(samples["file"].map(owner))["split"].nunique()
    assert (sides == 1).all(), f"{(sides > 1).sum()} of {len(sides)} on two sides"


@contextmanager
def _asking(workspace: Workspace, model: str) -> Iterator[str]:
    """A really started server of a version in the workspace's store; yields the URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", workspace.store)
        with serve(model, direct=True) as url:
            yield url


def _served(workspace: Workspace, name: str, raw: Path, labels: dict[bool, str] | None, *, sick: Any) -> None:
    """The served probability is that of the finding: higher where it is there; and says so in the label."""
    samples = _samples(workspace)
    chosen = samples[samples["split"] == "test"].groupby(samples["file"].map(sick)).head(12)
    with _asking(workspace, f"models:/{name}/1") as url:
        films = [base64.b64encode((raw / file).read_bytes()).decode() for file in chosen["file"]]
        answers = ask(url, {"image": films})
    probability = np.array([answer["probability"] for answer in answers])
    there = chosen["file"].map(sick).to_numpy(bool)
    assert probability[there].mean() > probability[~there].mean()
    if labels is not None:
        assert {answer["label"] for answer in answers} <= {*labels.values()}
        right = [answer["label"] == labels[truth] for answer, truth in zip(answers, there, strict=True)]
        assert np.mean(right) > 0.8


def _categories(row: dict[str, Any], rows: list[list[Any]], names: list[str]) -> dict[str, list[str]]:
    """Words of the input's categories, from the table."""
    return {column: [str(rows[0][names.index(column)])] for column in row.get("categories", {})}
