"""Suspected labels: planted ones come first, nothing is changed, and there is a list of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from films import encoded, task, write_films
from numpy.typing import NDArray
from scipy.special import softmax
from workspaces import TINY_ECG

from components.clean import clean
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.spec import load_spec
from components.lib.validate.labels import read, suspects, worth
from components.phantom.step import phantom

SIDE = 16
CLASSES = ("normal", "pneumonia")


def films(count: int, wrong: int) -> tuple[list[dict[str, Any]], dict[str, bytes], set[str]]:
    """Rows of an index, noise with a bright patch where sick, and the paths of those with the wrong label."""
    generator = np.random.default_rng(0)
    rows, pictures, bad = [], {}, set()
    for number in range(count):
        sick, path = number % 2, f"films/{number:03d}.png"
        picture: NDArray[np.uint8] = generator.integers(1, 160, (SIDE, SIDE), np.uint8)
        picture[5:11, 5:11] += 70 * sick
        told = sick ^ (number < wrong)
        bad |= {path} if told != sick else set()
        rows.append({"path": path, "patient": f"p{number}", "finding": CLASSES[told]})
        pictures[path] = encoded(picture)
    return rows, pictures, bad


def run(folder: Path, rows: list[dict[str, Any]], pictures: dict[str, bytes], **sections: Any) -> Dataset:
    spec = task(inputs={"image": {"kind": "image", "size": [SIDE, SIDE]}}, **sections)
    raw = write_films(folder / "raw", rows, films=pictures)
    ingest(raw, folder / "ingested", folder / "private", spec)
    clean(raw, folder / "ingested", folder / "private", folder / "cleaned", spec)
    return Dataset(folder / "cleaned")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def test_planted_wrong_labels_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, pictures, bad = films(240, 12)
    samples = run(tmp_path, rows, pictures).samples().set_index("sample_id")
    table = pd.read_csv(tmp_path / "cleaned" / "suspects.csv")
    files = pd.read_parquet(tmp_path / "private" / "sources.parquet").set_index("sample_id")["file"]
    planted = {name for name, file in files.items() if file in bad and samples.loc[name, "split"] != "test"}
    assert planted <= set(table["sample_id"])
    assert set(table["sample_id"].head(len(planted))) == planted
    assert (table["label"] != table["suspected"]).all()
    assert "test" not in set(table["split"])
    assert not read(tmp_path / "cleaned").not_judged
    tested = read(tmp_path / "cleaned").rows
    assert set(tested["sample_id"]) == set(samples.index[samples["split"] == "test"])
    in_test = {name for name, file in files.items() if file in bad and samples.loc[name, "split"] == "test"}
    assert set(tested.loc[tested["suspected"], "sample_id"]) & in_test
    assert set(tested.loc[tested["suspected"], "sample_id"]) <= in_test
    assert "suspected labels: " in capsys.readouterr().out
    page = (tmp_path / "cleaned" / "validation.html").read_text(encoding="utf-8")
    assert "Suspected labels" in page
    assert table["sample_id"][0] in page


def test_no_more_are_listed_than_the_task_wants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, pictures, _ = films(240, 12)
    run(tmp_path, rows, pictures, clean={"suspects": 3})
    assert len(pd.read_csv(tmp_path / "cleaned" / "suspects.csv")) == 3
    assert ", 3 of them in suspects.csv" in capsys.readouterr().out


def test_none_is_looked_for_where_none_is_wanted_or_there_are_too_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, pictures, _ = films(160, 0)
    run(tmp_path / "none", rows, pictures, clean={"suspects": 0})
    assert "suspected labels" not in capsys.readouterr().out
    run(tmp_path / "few", rows[:80], pictures)
    assert "suspected labels: not looked for, " in capsys.readouterr().out
    assert not (tmp_path / "few" / "cleaned" / "suspects.csv").exists()
    assert [len(read(tmp_path / name / "cleaned").rows) for name in ("none", "few")] == [0, 0]


def test_equal_runs_give_equal_lists(tmp_path: Path) -> None:
    rows, pictures, _ = films(200, 8)
    infos = [run(tmp_path / name, rows, pictures).info for name in ("one", "other")]
    lists = [(tmp_path / name / "cleaned" / "suspects.csv").read_bytes() for name in ("one", "other")]
    assert lists[0] == lists[1]
    assert infos[0] == infos[1]


def test_the_rule_of_confident_learning() -> None:
    output = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.05, 0.95], [0.4, 0.6]])
    labels = np.array([0, 0, 0, 1, 1, 0])
    # Thresholds: .55 for class 0 and .875 for class 1; row 2 reaches the other's, row 5 leans there but doesn't.
    assert suspects(output, labels).tolist() == [2]


def answers(generator: np.random.Generator, labels: NDArray[np.intp], strength: float) -> NDArray[np.float64]:
    """Of a model that sees three classes so far apart, in standard deviations: calibrated probabilities."""
    evidence = strength * np.eye(3)[labels] + generator.normal(size=(len(labels), 3))
    return np.asarray(softmax(strength * evidence, axis=1))


def test_what_suspicion_is_worth_is_what_it_finds_of_planted_labels() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 20_000)
    for strength, weak in ((0.5, True), (1.0, True), (4.0, False)):
        output = answers(generator, truth, strength)
        found = worth(output, truth)
        assert bool(found.weak) == weak, found
        planted = generator.random(len(truth)) < 0.05
        labels = np.where(planted, (truth + generator.integers(1, 3, len(truth))) % 3, truth)
        named = suspects(output, labels)
        assert planted[named].mean() == pytest.approx(found.precision, abs=0.05)


def test_none_is_named_where_a_plain_model_is_too_weak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, pictures, _ = films(240, 0)
    generator = np.random.default_rng()
    for row in rows:  # chance alone, seen in no picture
        row["finding"] = CLASSES[generator.integers(2)]
    run(tmp_path, rows, pictures)
    assert re.search(
        r"suspected labels: none named, .* disagrees with \d+% .* too weak to judge", capsys.readouterr().out
    )
    assert not (tmp_path / "cleaned" / "suspects.csv").exists()
    assert list(read(tmp_path / "cleaned").not_judged) == ["finding"]
    assert read(tmp_path / "cleaned").rows.empty


@pytest.mark.accept
def test_right_labels_of_beats_that_a_plain_model_can_not_tell_apart_are_not_suspected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TINY_ECG.replace("test: 0.5", "test: 0.2").replace("clean: null", "clean: {shortcuts: 'off'}")
    (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
    spec = load_spec(tmp_path / "task.yaml")
    phantom(tmp_path / "raw", spec)
    ingest(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", spec)
    clean(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", tmp_path / "cleaned", spec)
    assert "suspected labels: none named, a plain model disagrees with" in capsys.readouterr().out
    assert list(read(tmp_path / "cleaned").not_judged) == ["rhythm"]
    assert not (tmp_path / "cleaned" / "suspects.csv").exists()


@pytest.mark.parametrize("last", ["test", "train"])
def test_a_part_may_hold_no_row_that_is_asked_about(tmp_path: Path, last: str) -> None:
    rows = 2050  # two more than a part has
    generator = np.random.default_rng(3)
    pressure = generator.normal(size=rows).round(3)
    split = generator.choice(["train", "validation", "test"], rows)
    split[-2:] = last
    table = pd.DataFrame({"patient": [f"p{n}" for n in range(rows)], "pressure": pressure, "split": split})
    table["ill"] = np.where(pressure + generator.normal(0, 0.2, rows) > 0, "yes", "no")
    (tmp_path / "raw").mkdir()
    table.to_csv(tmp_path / "raw" / "rows.csv", index=False)
    (tmp_path / "task.yaml").write_text(yaml.safe_dump({
        "task": "long_table", "source": {"reader": "table", "path": "raw", "file": "rows.csv",
                   "columns": {"split": "split"}},
        "inputs": {"record": {"kind": "table", "numbers": ["pressure"]}},
        "targets": {"ill": {"kind": "binary", "classes": ["no", "yes"]}}, "split": {"method": "given"},
    }))  # fmt: skip
    spec = load_spec(tmp_path / "task.yaml")
    ingest(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", spec)
    clean(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", tmp_path / "cleaned", spec)
    assert len(Dataset(tmp_path / "cleaned").parts) == 2
    assert len(read(tmp_path / "cleaned").rows) == (split == "test").sum()
