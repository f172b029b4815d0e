"""Ways to split: stratified, by site, by time, in folds; and what is said where one can't be followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from films import encoded, film, patients, task, write_films
from pydantic import ValidationError
from sklearn.model_selection import StratifiedGroupKFold

from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError, GateError, SpecError
from components.lib.even_folds import EvenFolds
from components.lib.spec import TaskSpec, load_spec

SPLITS = ("train", "validation", "test")
COLUMNS = {"split": "split", "study": "study", "date": "date"}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def spec(**split: Any) -> TaskSpec:
    source = {"reader": "folder", "path": "raw", "index": "index.csv", "columns": COLUMNS}
    return task(source=source, split=split)


def run(folder: Path, rows: list[dict[str, Any]], settings: TaskSpec, **films: Any) -> pd.DataFrame:
    raw = write_films(folder / "raw", rows, **films)
    ingest(raw, folder / "ingested", folder / "private", settings)
    return Dataset(folder / "ingested").samples()


def at_sites(*counts: int) -> list[dict[str, Any]]:
    """Patients of sites A, B, C …, so many of each."""
    names = [name for name, count in zip("ABCDE", counts, strict=False) for _ in range(count)]
    return [{**row, "site": names[i // 2]} for i, row in enumerate(patients(len(names)))]


def dated(count: int) -> list[dict[str, Any]]:
    """One patient a day, in order; the second film comes a day after the first."""
    days = pd.date_range("2024-01-01", periods=count + 1).strftime("%Y-%m-%d")
    return [{**row, "date": days[i // 2 + i % 2]} for i, row in enumerate(patients(count))]


def one_side(samples: pd.DataFrame, column: str = "split") -> bool:
    return set(samples.groupby("patient")[column].nunique()) <= {0, 1}


def test_stratified_spreads_a_rare_class(tmp_path: Path) -> None:
    rows = [row for i, row in enumerate(patients(120)) if i % 2 == 0 or i % 20 == 1]  # 12 of 132 have pneumonia
    samples = run(tmp_path, rows, spec(method="stratified", validation=0.25, test=0.25))
    sick = samples[samples["finding"] == "pneumonia"]["split"].value_counts()
    assert dict(sick) == {"train": 6, "validation": 3, "test": 3}
    assert one_side(samples)


def test_stratified_follows_its_seed_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sides(name: str, seed: int) -> dict[str, str]:
        samples = run(tmp_path / name, patients(40), spec(method="stratified", seed=seed))
        return dict(zip(samples["sha256"], samples["split"], strict=True))

    first, other = sides("a", 1), sides("c", 2)
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "o" * 32)
    assert sides("b", 1) == first
    assert other != first


def test_stratified_needs_three_patients_of_every_class(tmp_path: Path) -> None:
    rows = [row for i, row in enumerate(patients(30)) if i % 2 == 0 or i < 4]
    with pytest.raises(DataError) as caught:
        run(tmp_path, rows, spec(method="stratified"))
    assert caught.value.found == "2 of pneumonia"


def test_named_sites_are_held_out(tmp_path: Path) -> None:
    samples = run(tmp_path, at_sites(5, 4, 3), spec(method="site", test_sites=["A"], validation_sites=["C"]))
    assert dict(samples.groupby("site")["split"].first()) == {"A": "test", "B": "train", "C": "validation"}
    assert set(samples.groupby("site")["split"].nunique()) == {1}


def test_the_smallest_sites_are_held_out_where_none_is_named(tmp_path: Path) -> None:
    samples = run(tmp_path, at_sites(20, 2, 3, 3, 2), spec(method="site", test=0.15, validation=0.15))
    sides = dict(samples.groupby("site")["split"].first())
    assert sides == {"A": "train", "B": "test", "E": "test", "C": "validation", "D": "train"}


@pytest.mark.parametrize(
    ("rows", "split", "found"),
    [
        (at_sites(3, 3), {}, "2: A, B"),
        ([{**row, "site": "" if i < 2 else row["site"]} for i, row in enumerate(at_sites(3, 3, 3))], {}, "2 of 18"),
        (at_sites(3, 3, 3), {"test_sites": ["a"]}, "none called a; nearest: A"),
        (at_sites(3, 3, 3), {"test_sites": ["A", "B"], "validation_sites": ["C"]}, "3: A, B, C"),
    ],
)
def test_too_few_or_unknown_sites(tmp_path: Path, rows: list[Any], split: dict[str, Any], found: str) -> None:
    with pytest.raises(DataError) as caught:
        run(tmp_path, rows, spec(method="site", **split))
    assert caught.value.found.startswith(found)


def test_a_patient_of_two_sites_stops_the_run(tmp_path: Path) -> None:
    rows = at_sites(5, 4, 3)
    rows[0]["site"] = "C"
    with pytest.raises(GateError, match="No known patient stands on two sides"):
        run(tmp_path, rows, spec(method="site", test_sites=["C"]))
    assert len(run(tmp_path, rows, spec(method="site", test_sites=["C"], shared_patients="drop_from_train"))) == 23


def test_the_latest_patients_are_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = dated(20)
    samples = run(tmp_path, rows[::-1], spec(method="time", validation=0.2, test=0.25))
    films = pd.read_parquet(tmp_path / "private" / "sources.parquet").merge(samples, on="sample_id")
    sides = films.sort_values("file")["split"].tolist()
    assert sides == ["train"] * 22 + ["validation"] * 8 + ["test"] * 10
    out = capsys.readouterr().out
    assert "time order of first samples: train, validation, test; later samples of earlier patients: " in out
    assert "patients: train 1, validation 1\n" in out  # each side's last patient came again a day later
    assert "2024" not in out


def test_patients_of_one_day_stay_together(tmp_path: Path) -> None:
    rows = [{**row, "date": f"2024010{1 + i // 10}"} for i, row in enumerate(patients(20))]  # five patients a day
    samples = run(tmp_path, rows, spec(method="time", validation=0.3, test=0.3))
    assert dict(samples["split"].value_counts()) == {"train": 20, "validation": 10, "test": 10}


@pytest.mark.parametrize(
    ("dates", "found"),
    [
        (["2024-01-01", "", "soon"], "1 unknown and 1 unreadable, of 60 samples"),
        (["2024-01-01"], "1"),
    ],
)
def test_dates_that_say_too_little(tmp_path: Path, dates: list[str], found: str) -> None:
    rows = [{**row, "date": dates[i] if i < len(dates) else "2024-01-01"} for i, row in enumerate(patients(30))]
    with pytest.raises(DataError) as caught:
        run(tmp_path, rows, spec(method="time"))
    assert caught.value.found == found
    assert "soon" not in str(caught.value)


def test_neither_dates_nor_studies_leave_ingest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**row, "study": f"ACCESSION{i // 2}"} for i, row in enumerate(dated(20))]
    run(tmp_path, rows, spec(method="time", folds=2))
    assert "studies shared: 0" in capsys.readouterr().out
    for path in (tmp_path / "ingested").rglob("*"):
        if path.is_file():
            text = pd.read_parquet(path).to_csv() if path.suffix == ".parquet" else path.read_text(encoding="utf-8")
            assert "ACCESSION" not in text
            assert "2024" not in text, path


def test_a_study_on_two_sides_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**row, "patient": "", "split": SPLITS[i // 4 % 3], "study": f"s{i}"} for i, row in enumerate(patients(24))]
    rows[0]["study"] = rows[4]["study"]
    with pytest.raises(GateError, match="No known study stands on two sides of the split"):
        run(tmp_path, rows, spec(method="given", unknown_patients="accept"))
    settings = spec(method="given", unknown_patients="accept", shared_patients="drop_from_train")
    samples = run(tmp_path, rows, settings)
    assert len(samples) == 47
    assert "studies shared: 1 (16 / 16 / 16)" in capsys.readouterr().out


def test_a_study_stays_whole_where_no_patient_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**row, "patient": "", "study": f"s{i // 2}"} for i, row in enumerate(patients(40))]
    run(tmp_path, rows, spec(unknown_patients="accept"))
    assert "studies shared: 0" in capsys.readouterr().out


def test_folds_hold_patients_whole_and_leave_test_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = run(tmp_path, patients(50), spec(folds=4))
    assert str(samples["fold"].dtype) == "Int8"
    assert set(samples.loc[samples["split"] == "test", "fold"].isna()) == {True}
    used = samples[samples["split"] != "test"]
    assert sorted(used["fold"].unique()) == [0, 1, 2, 3]
    assert one_side(used, "fold")
    by_class = used.groupby(["fold", "finding"]).size()
    assert by_class.max() - by_class.min() <= 2
    assert "across folds: patients shared 0, duplicates 0" in capsys.readouterr().out
    assert "No known patient stands in two folds" in (tmp_path / "ingested" / "validation.html").read_text("utf-8")


def test_a_study_in_two_folds_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**row, "study": f"s{i}", "split": SPLITS[min(i // 20, 2)]} for i, row in enumerate(patients(30))]
    settings = spec(method="given", folds=10)
    samples = run(tmp_path / "sound", rows, settings)
    assert "across folds: patients shared 0, duplicates 0, studies shared 0" in capsys.readouterr().out
    files = pd.read_parquet(tmp_path / "sound" / "private" / "sources.parquet").merge(samples, on="sample_id")
    fold = files.set_index("file")["fold"]
    other = next(row for row in rows[:20] if fold[row["path"]] != fold[rows[0]["path"]])
    rows[0]["study"] = other["study"]  # one study of two patients: an error of the source
    with pytest.raises(GateError, match="No known study stands in two folds") as caught:
        run(tmp_path / "torn", rows, settings)
    assert caught.value.found.startswith("1 studies; sample_ids: ")
    run(tmp_path / "told", rows, spec(method="given", folds=10, shared_patients="report"))
    assert "duplicates 0, studies shared 1" in capsys.readouterr().out


def test_equal_films_of_two_patients_share_a_fold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = patients(40)
    twins = {rows[i]["path"]: encoded(film(900 + i // 10)) for i in range(0, 80, 5)}
    run(tmp_path, rows, spec(folds=3, exact_duplicates="drop_from_train"), films=twins)
    assert "across folds: patients shared 0, duplicates 0" in capsys.readouterr().out


def test_folds_hang_on_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(tmp_path / "one", patients(40), spec(folds=3))
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "o" * 32)
    other = run(tmp_path / "other", patients(40), spec(folds=3))
    pd.testing.assert_series_equal(one["fold"], other["fold"])


def test_without_folds_there_is_no_such_column(tmp_path: Path) -> None:
    assert "fold" not in run(tmp_path, patients(30), spec())


def test_more_folds_than_patients(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        run(tmp_path, patients(30), spec(folds=90))
    assert caught.value.where == "split.folds"


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"test_sites": ["A"]}, "split.test_sites: expected `split.method: site`"),
        ({"method": "time", "validation_sites": ["A"]}, "split.validation_sites: expected `split.method: site`"),
        ({"method": "site", "test_sites": ["A"], "validation_sites": ["A"]}, "sites that are no test sites, found A"),
        ({"folds": 1}, "split.folds: expected 0, or 2 and more"),
    ],
)
def test_settings_that_do_not_belong_to_the_method(split: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(**split)


def test_time_needs_a_column_of_dates(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"source.columns.date: expected the column of dates"):
        task(split={"method": "time"})
    with pytest.raises(ValidationError, match="the reader npz, which knows no dates"):
        task(source={"reader": "npz", "path": "a.npz"}, split={"method": "time"})


def test_a_wrong_setting_is_told_by_its_key(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(spec().model_dump_json(by_alias=True).replace('"folds":0', '"folds":1'))
    with pytest.raises(SpecError, match=r"task.yaml, split\.folds"):
        load_spec(file)


def test_stratified_needs_classes() -> None:
    with pytest.raises(ValidationError, match="no target has classes"):
        task(targets={"age_": {"kind": "regression"}}, split={"method": "stratified"}, train={})


@pytest.mark.parametrize("seed", range(12))
def test_folds_are_those_of_scikit_learn(seed: int) -> None:
    chance = np.random.default_rng(seed)
    count, classes = int(chance.integers(2, 21)), int(chance.integers(2, 6))
    names = np.repeat(np.arange(150), chance.integers(1, 6, 150)).astype(str)
    labels = chance.choice(classes, len(names), p=chance.dirichlet(np.full(classes, 2.0)))
    labels[: classes * count] = np.arange(classes * count) % classes
    every = [kind(count, shuffle=True, random_state=seed).split(names, labels, names)
             for kind in (EvenFolds, StratifiedGroupKFold)]  # fmt: skip
    for ours, theirs in zip(*every, strict=True):
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_scikit_learn_asks_of_each_group_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else folds of 100,000 patients take minutes."""
    asked = []
    choose = EvenFolds._find_best_fold
    monkeypatch.setattr(EvenFolds, "_find_best_fold", lambda self, **told: asked.append(1) or choose(self, **told))
    names = np.arange(40)
    assert len(list(EvenFolds(4, shuffle=True, random_state=0).split(names, names % 2, names))) == 4
    assert len(asked) == 40
